//! The build: `cargo xtask site [--dev]` makes what a browser downloads, `cargo xtask build` makes the one release binary around it.
//! Everything here is a pure function of files in the checkout; results are kept by content under `target/xtask`.

mod binary;
mod cache;
mod cut;
mod media_type;
mod pack;
mod site;
mod split;
mod styles;
mod wasm;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, bail, ensure};

const USAGE: &str = "usage: cargo xtask site [--dev] | build
  site   WASM, JavaScript and styles into target/site: hashed names, brotli and gzip beside each file
         --dev: unoptimised, uncompressed, unhashed
  build  site, then the release binary with the site inside: target/release/docaiche";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    #[allow(clippy::disallowed_methods, reason = "how long the build took is no part of what it makes")]
    let started = Instant::now();
    let done = match words.as_slice() {
        ["site"] => site::build(&root(), site::Mode::Release),
        ["site", "--dev"] => site::build(&root(), site::Mode::Dev),
        ["build"] => site::build(&root(), site::Mode::Release).and_then(|()| binary::build(&root())),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => {
            say(&format!("done in {:.1} s", started.elapsed().as_secs_f32()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The checkout, wherever the command was typed.
fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in crates/xtask");
    crates.parent().expect("crates/ lies in the checkout").to_owned()
}

/// Progress goes to stderr, so that stdout stays free for a program that calls us.
fn say(text: &str) {
    eprintln!("xtask: {text}");
}

/// Runs `command` with our stdout and stderr; fails when it does.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// `cargo` of the toolchain that runs us, in the checkout.
fn cargo(root: &Path) -> Command {
    // Cargo sets CARGO for what it runs; without it the one in PATH is as good.
    #[allow(clippy::disallowed_methods, reason = "not the product's configuration: cargo's own word to a build tool")]
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(root);
    cargo
}

/// Where cargo puts its artefacts: `CARGO_TARGET_DIR` or `target`.
fn target_dir(root: &Path) -> PathBuf {
    #[allow(clippy::disallowed_methods, reason = "not the product's configuration: cargo's own word to a build tool")]
    let dir = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    root.join(dir)
}

/// Installs the npm packages of `root/package-lock.json` unless they are there already.
fn npm_install(root: &Path) -> anyhow::Result<()> {
    run(Command::new("sh").arg("scripts/npm-ci.sh").arg(".").current_dir(root))
}

/// Every regular file under `dir`, as paths relative to it with `/` between segments, sorted. A missing `dir` has none.
fn files_under(dir: &Path) -> anyhow::Result<Vec<String>> {
    fn walk(dir: &Path, prefix: &str, found: &mut Vec<String>) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                bail!("{} has a name that is not UTF-8", entry.path().display())
            };
            if name.starts_with('.') {
                continue;
            }
            let path = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                walk(&entry.path(), &format!("{path}/"), found)?;
            } else {
                found.push(path);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    if dir.is_dir() {
        walk(dir, "", &mut found)?;
    }
    found.sort();
    Ok(found)
}
