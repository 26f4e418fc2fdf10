//! `style/main.scss` as one file of CSS.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::cache::{Cache, hash, hash_files};
use crate::files_under;
use crate::site::Mode;

/// Compiles the styles; compressed unless for development.
pub fn build(root: &Path, mode: Mode, cache: &Cache) -> anyhow::Result<Vec<u8>> {
    let dir = root.join("style");
    let sources = hash_files(&dir, &files_under(&dir)?)?;
    let tools = fs::read(root.join("package-lock.json")).context("cannot read package-lock.json")?;
    let form = match mode {
        Mode::Release => "--style=compressed",
        Mode::Dev => "--style=expanded",
    };
    let key = hash(&[sources.as_bytes(), &tools, form.as_bytes()]);
    cache.get_or(&format!("css-{key}"), || {
        let mut sass = Command::new(root.join("node_modules/.bin/sass"));
        sass.args([form, "--no-source-map", "--no-charset", "style/main.scss"]).current_dir(root);
        let output = sass.output().context("cannot start sass")?;
        ensure!(output.status.success(), "sass: {}", String::from_utf8_lossy(&output.stderr).trim());
        // Deprecations are said once, when the file is compiled.
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    })
}
