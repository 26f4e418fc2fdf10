//! `target/site`: every file a browser may fetch, and `assets.json`, which says what they are.
//!
//! `assets.json` is `{"js","wasm","css","late":{name:[path]},"files":[{"path","content_type","immutable","sha256","sizes":{"identity","br",
//! "gz"}}]}`; `late` has the modules that a late view needs beside `wasm`. Paths
//! begin with `/`, sizes are bytes, `br` and `gz` are null where there is no such form (else it lies beside the file as `name.br`,
//! `name.gz`). The file is written only when it changes: `server` embeds the site anew exactly then.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use crate::cache::{Cache, hash};
use crate::media_type::content_type;
use crate::pack::{Packed, pack};
use crate::{files_under, npm_install, say, split, styles, target_dir, wasm};

/// Whom the site is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Small and cacheable for ever.
    Release,
    /// Quick to make, readable in the browser's tools.
    Dev,
}

/// Builds the site of the checkout at `root` into `root/target/site`.
pub fn build(root: &Path, mode: Mode) -> anyhow::Result<()> {
    npm_install(root)?;
    // Two folders: a development build must not sweep away what the next release build would reuse.
    let cache = Cache::open(target_dir(root).join("xtask").join(if mode == Mode::Dev { "dev" } else { "release" }))?;
    let css = styles::build(root, mode, &cache)?;
    let bundle = wasm::build(root, mode, &cache)?;

    // Where cargo-leptos puts its own: not below CARGO_TARGET_DIR.
    let mut site = Site { dir: root.join("target/site"), mode, cache: &cache, files: Vec::new(), keep: BTreeSet::new() };
    let mut js = bundle.js;
    let mut chunks = BTreeMap::new();
    for (chunk, bytes) in &bundle.chunks {
        let path = site.add_named(&format!("docaiche-{}", chunk.trim_start_matches("split_")), "wasm", bytes)?;
        js = split::rename(&js, chunk, &path.replacen("/pkg/", "./", 1))?;
        chunks.insert(chunk, path);
    }
    let late: BTreeMap<_, Vec<_>> =
        bundle.needs.iter().map(|(name, needs)| (name, needs.iter().map(|chunk| &chunks[chunk]).collect())).collect();
    let js = site.add_named("docaiche", "js", js.as_bytes())?;
    let wasm = site.add_named("docaiche", "wasm", &bundle.wasm)?;
    let css = site.add_named("docaiche", "css", &css)?;
    for (path, bytes) in &bundle.snippets {
        // The script imports these by relative path, so their names stay.
        site.add(&format!("/pkg/{path}"), bytes, false)?;
    }
    let public = root.join("public");
    for path in files_under(&public)? {
        let bytes = fs::read(public.join(&path)).with_context(|| format!("cannot read public/{path}"))?;
        site.add(&format!("/{path}"), &bytes, false)?;
    }
    site.finish(&json!({ "js": js, "wasm": wasm, "css": css, "late": late }))?;
    cache.sweep()
}

struct Site<'a> {
    dir: PathBuf,
    mode: Mode,
    cache: &'a Cache,
    files: Vec<Value>,
    /// What belongs there, relative to `dir`; the rest is of an earlier build.
    keep: BTreeSet<String>,
}

impl Site<'_> {
    /// Adds a file that a page or a script names, under a name that changes with its content.
    fn add_named(&mut self, name: &str, extension: &str, bytes: &[u8]) -> anyhow::Result<String> {
        let path = match self.mode {
            Mode::Release => format!("/pkg/{name}.{}.{extension}", &hash(&[bytes])[..8]),
            Mode::Dev => format!("/pkg/{name}.{extension}"),
        };
        self.add(&path, bytes, self.mode == Mode::Release)?;
        Ok(path)
    }

    fn add(&mut self, path: &str, bytes: &[u8], immutable: bool) -> anyhow::Result<()> {
        let kind = content_type(path);
        let packed = match self.mode {
            Mode::Release => pack(bytes, kind, self.cache)?,
            Mode::Dev => Packed::default(),
        };
        self.write(&path[1..], Some(bytes))?;
        self.write(&format!("{}.br", &path[1..]), packed.br.as_deref())?;
        self.write(&format!("{}.gz", &path[1..]), packed.gz.as_deref())?;
        let size = |form: &Option<Vec<u8>>| form.as_ref().map(Vec::len);
        self.files.push(json!({
            "path": path,
            "content_type": kind,
            "immutable": immutable,
            "sha256": hash(&[bytes]),
            "sizes": { "identity": bytes.len(), "br": size(&packed.br), "gz": size(&packed.gz) },
        }));
        Ok(())
    }

    fn write(&mut self, name: &str, bytes: Option<&[u8]>) -> anyhow::Result<()> {
        let Some(bytes) = bytes else { return Ok(()) };
        self.keep.insert(name.to_owned());
        write_if_changed(&self.dir.join(name), bytes)
    }

    fn finish(mut self, names: &Value) -> anyhow::Result<()> {
        let mut manifest = names.clone();
        manifest["files"] = Value::Array(std::mem::take(&mut self.files));
        let mut text = serde_json::to_string_pretty(&manifest)?;
        text.push('\n');
        self.write("assets.json", Some(text.as_bytes()))?;
        for stale in files_under(&self.dir)?.into_iter().filter(|path| !self.keep.contains(path)) {
            fs::remove_file(self.dir.join(stale))?;
        }
        for file in manifest["files"].as_array().expect("set above") {
            let sizes = &file["sizes"];
            say(&format!(
                "{:<32} {:>9} B  br {:>8}  gz {:>8}",
                file["path"].as_str().unwrap_or(""),
                sizes["identity"],
                sizes["br"],
                sizes["gz"]
            ));
        }
        Ok(())
    }
}

/// Leaves the time of an unchanged file alone: cargo looks at it.
fn write_if_changed(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let parent = path.parent().expect("a file of the site lies in it");
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
