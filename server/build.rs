//! Puts the site that `cargo xtask site` left in `target/site` into the release binary, as one table of files in `$OUT_DIR/assets.rs`.
//! A debug build gets an empty table and reads the folder at run time: changing a style must not relink the server.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "cargo speaks to a build script by its environment and listens at stdout"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=migrations"); // sqlx::migrate! does not notice a new file by itself
    println!("cargo::rerun-if-env-changed=DOCAICHE_REQUIRE_SITE");
    println!("cargo::rustc-env=DOCAICHE_COMMIT={}", commit());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("assets.rs");
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout").join("target/site");
    let table = if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed={}", site.join("assets.json").display());
        release_table(&site)
    } else {
        empty_table()
    };
    fs::write(&out, table).expect("OUT_DIR is ours to write");
}

/// The commit this is built from, short; `unknown` outside a checkout. Read again when HEAD moves.
fn commit() -> String {
    println!("cargo::rerun-if-changed=../.git/logs/HEAD");
    let output =
        std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok().filter(|output| output.status.success());
    output.map_or_else(|| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn empty_table() -> String {
    "static NAMES: Option<[&str; 3]> = None;\nstatic LATE: &[(&str, &[&str])] = &[];\nstatic FILES: &[File] = &[];\n".to_owned()
}

fn release_table(site: &Path) -> String {
    let Ok(manifest) = fs::read_to_string(site.join("assets.json")) else {
        assert!(!required(), "run cargo xtask site first: there is no target/site/assets.json");
        println!("cargo::warning=no target/site: this binary serves pages without script or styles (run cargo xtask build)");
        return empty_table();
    };
    let manifest: Value = serde_json::from_str(&manifest).expect("target/site/assets.json is what xtask wrote");
    let mut table = format!("static NAMES: Option<[&str; 3]> = Some([{}, {}, {}]);\n", manifest["js"], manifest["wasm"], manifest["css"]);
    table.push_str("static LATE: &[(&str, &[&str])] = &[\n");
    for (name, paths) in manifest["late"].as_object().expect("late is an object") {
        // A list of plain paths reads the same in JSON and in Rust.
        writeln!(table, "    ({name:?}, &{paths}),").expect("a String takes everything");
    }
    table.push_str("];\nstatic FILES: &[File] = &[\n");
    for file in manifest["files"].as_array().expect("files is a list") {
        let path = file["path"].as_str().expect("path is text");
        let on_disk = format!("{}{path}", site.display());
        let form = |name: &str| match &file["sizes"][name] {
            Value::Null => "None".to_owned(),
            _ => format!("Some(include_bytes!({:?}))", format!("{on_disk}.{name}")),
        };
        writeln!(
            table,
            "    File {{ path: {path:?}, content_type: {}, hash: {:?}, immutable: {}, identity: include_bytes!({on_disk:?}), br: {}, gz: {} }},",
            file["content_type"],
            &file["sha256"].as_str().expect("sha256 is text")[..16],
            file["immutable"],
            form("br"),
            form("gz"),
        )
        .expect("a String takes everything");
    }
    table.push_str("];\n");
    table
}

fn required() -> bool {
    env::var("DOCAICHE_REQUIRE_SITE").is_ok_and(|value| value == "1")
}
