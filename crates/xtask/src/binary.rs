//! The release binary, static where the machine can make one: the same file serves `make run`, the container image, the browser
//! tests and the benchmarks.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::{cargo, run, say, target_dir};

/// Compiles `server` around `target/site` and leaves the program at `target/release/docaiche`.
pub fn build(root: &Path) -> anyhow::Result<()> {
    let target = static_target();
    let mut command = cargo(root);
    // Without the site the build script stops instead of making a console without a face.
    command.args(["build", "--release", "--package", "server", "--bin", "docaiche"]).env("DOCAICHE_REQUIRE_SITE", "1");
    if let Some(target) = &target {
        // Where the `cc` crate looks: ring, SQLite and mimalloc bring C.
        command.args(["--target", target]).env(format!("CC_{}", target.replace('-', "_")), "musl-gcc");
    }
    run(&mut command)?;

    let release = target_dir(root).join("release");
    let made = target.as_ref().map_or_else(|| release.clone(), |target| target_dir(root).join(target).join("release")).join("docaiche");
    let placed = root.join("target/release/docaiche");
    if made != placed {
        fs::create_dir_all(placed.parent().expect("it has two"))?;
        // A new name rather than new bytes: the old one may be running.
        let partial = placed.with_extension("partial");
        let _ = fs::remove_file(&partial);
        if fs::hard_link(&made, &partial).is_err() {
            fs::copy(&made, &partial).with_context(|| format!("cannot copy {}", made.display()))?;
        }
        // Two names of one file: a rename between them does nothing and leaves both.
        let _ = fs::remove_file(&placed);
        fs::rename(&partial, &placed).with_context(|| format!("cannot place {}", placed.display()))?;
    }
    let kind = if target.is_some() || cfg!(target_env = "musl") { "static" } else { "native" };
    say(&format!("target/release/docaiche: {:.1} MB, {kind}", fs::metadata(&placed)?.len() as f64 / 1e6));
    Ok(())
}

/// The musl target of this glibc machine, when rustup has it and musl's compiler is in the path (`make setup` sees to both).
fn static_target() -> Option<String> {
    let target = match (OS, ARCH) {
        // Alpine's own target is static already.
        ("linux", "x86_64" | "aarch64") if cfg!(target_env = "gnu") => format!("{ARCH}-unknown-linux-musl"),
        _ => return None,
    };
    let libdir = Command::new("rustc").args(["--print", "target-libdir", "--target", &target]).output().ok()?;
    let installed = Path::new(String::from_utf8_lossy(&libdir.stdout).trim()).is_dir();
    let compiler =
        Command::new("musl-gcc").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if installed && compiler {
        return Some(target);
    }
    say(&format!("no {target} here (make setup): the binary will need this machine's libc"));
    None
}
