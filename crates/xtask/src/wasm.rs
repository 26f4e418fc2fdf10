//! `frontend` as the browser gets it: cargo, then the split, then wasm-bindgen, then wasm-opt.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use wasm_bindgen_cli_support::Bindgen;

use crate::cache::{Cache, hash};
use crate::cut::{UNCALLED, cut_uncalled};
use crate::site::Mode;
use crate::{cargo, run, say, split, target_dir};

/// What rustc's default `wasm32-unknown-unknown` target features let LLVM emit; wasm-opt refuses a module that uses more than it is told.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Once more after the structure is built anew finds a little more. Neighbours by name are one function for several types: alike, so that
/// brotli says the second one in a few bytes.
const PASSES: [&str; 5] = ["-Oz", "--flatten", "--rereloop", "-Oz", "--reorder-functions-by-name"];

/// The modules and the script that loads them.
pub struct Bundle {
    pub js: String,
    pub wasm: Vec<u8>,
    /// Modules that come late; `js` fetches `name.wasm`, which [`split::rename`] changes.
    pub chunks: BTreeMap<String, Vec<u8>>,
    /// Which of them a late view needs, by the name it has in `app`.
    pub needs: BTreeMap<String, Vec<String>>,
    /// Further scripts that `js` imports by relative path, as `(path below the script, bytes)`.
    pub snippets: Vec<(String, Vec<u8>)>,
}

/// Compiles `frontend` and binds it. The script does not name the main module: its caller passes the address to `init`.
pub fn build(root: &Path, mode: Mode, cache: &Cache) -> anyhow::Result<Bundle> {
    let profile = match mode {
        Mode::Release => "wasm-release",
        Mode::Dev => "dev",
    };
    let mut command = cargo(root);
    command.args(["rustc", "--package", "frontend", "--lib", "--target", "wasm32-unknown-unknown", "--profile", profile]);
    if mode == Mode::Release {
        // What the split goes by. A development build is one module: `late!` sees to it.
        command.args(["--", "-Clink-arg=--emit-relocs"]);
    }
    run(&mut command)?;
    let profile_dir = if mode == Mode::Dev { "debug" } else { profile };
    let input = target_dir(root).join("wasm32-unknown-unknown").join(profile_dir).join("frontend.wasm");
    let compiled = fs::read(&input).with_context(|| format!("cannot read {}", input.display()))?;

    let tools = fs::read(root.join("package-lock.json")).context("cannot read package-lock.json")?;
    let flags = [FEATURES.concat(), PASSES.concat()].concat();
    let key = hash(&[&compiled, &tools, profile.as_bytes(), flags.as_bytes(), UNCALLED.as_bytes(), b"split 2"]);
    // One entry holds all parts, so that they can never be of different builds.
    let packed = cache.get_or(&format!("wasm-{key}"), || {
        let bundle = make(root, mode, compiled)?;
        let sizes: Vec<_> = bundle.chunks.iter().map(|(name, wasm)| format!(", {name} {}", wasm.len() / 1024)).collect();
        say(&format!("WASM: {} KB{}", bundle.wasm.len() / 1024, sizes.concat()));
        Ok(bundle.pack())
    })?;
    Bundle::unpack(&packed).context("a torn cache entry: remove target/xtask")
}

/// The scripts of a [`Bundle`] and the lengths of the modules behind them.
type Head = (String, Vec<(String, String)>, BTreeMap<String, Vec<String>>, Vec<(String, usize)>);

impl Bundle {
    fn pack(&self) -> Vec<u8> {
        let snippets = self.snippets.iter().map(|(path, bytes)| (path.clone(), String::from_utf8_lossy(bytes).into_owned())).collect();
        let lengths = self.chunks.iter().map(|(name, wasm)| (name.clone(), wasm.len())).collect();
        let head: Head = (self.js.clone(), snippets, self.needs.clone(), lengths);
        let mut packed = serde_json::to_vec(&head).expect("texts and numbers are JSON");
        packed.push(b'\n');
        packed.extend(self.chunks.values().flatten());
        packed.extend(&self.wasm);
        packed
    }

    fn unpack(packed: &[u8]) -> Option<Self> {
        // JSON escapes newlines inside its strings, so the first one ends the scripts.
        let end = packed.iter().position(|byte| *byte == b'\n')?;
        let (js, snippets, needs, lengths): Head = serde_json::from_slice(&packed[..end]).ok()?;
        let mut rest = &packed[end + 1..];
        let mut chunks = BTreeMap::new();
        for (name, length) in lengths {
            let (wasm, after) = rest.split_at_checked(length)?;
            chunks.insert(name, wasm.to_vec());
            rest = after;
        }
        let snippets = snippets.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        Some(Self { js, wasm: rest.to_vec(), chunks, needs, snippets })
    }
}

fn make(root: &Path, mode: Mode, compiled: Vec<u8>) -> anyhow::Result<Bundle> {
    if mode == Mode::Dev {
        return bind(mode, compiled);
    }
    let parts = split::split(&target_dir(root).join("xtask/split"), &cut_uncalled(compiled)?)?;
    let mut bundle = bind(mode, parts.main)?;
    bundle.js = split::link(&bundle.js, &parts.link)?;
    bundle.wasm = optimise(root, &bundle.wasm)?;
    // They share memory and the table of functions with the main module, and nothing else: each can be optimised by itself.
    bundle.chunks = parts.chunks.into_iter().map(|(name, wasm)| Ok((name, optimise(root, &wasm)?))).collect::<anyhow::Result<_>>()?;
    bundle.needs = parts.needs;
    Ok(bundle)
}

fn bind(mode: Mode, compiled: Vec<u8>) -> anyhow::Result<Bundle> {
    let mut output = Bindgen::new()
        .input_bytes("docaiche", compiled)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .keep_lld_exports(mode == Mode::Release) // the table of functions, for the late modules
        .keep_debug(mode == Mode::Dev)
        .remove_name_section(false) // the passes below go by names; what wasm-opt writes has none
        .remove_producers_section(mode == Mode::Release)
        .generate_output()?;
    ensure!(output.npm_dependencies().is_empty(), "a crate imports an npm package by name: the page has no import map for it");
    let mut snippets = Vec::new();
    for (id, scripts) in output.snippets() {
        for (index, script) in scripts.iter().enumerate() {
            snippets.push((format!("snippets/{id}/inline{index}.js"), script.clone().into_bytes()));
        }
    }
    for (path, script) in output.local_modules() {
        snippets.push((format!("snippets/{path}"), script.clone().into_bytes()));
    }
    snippets.sort();
    let js = output.js().to_owned();
    let wasm = output.wasm_mut().emit_wasm();
    Ok(Bundle { js, wasm, chunks: BTreeMap::new(), needs: BTreeMap::new(), snippets })
}

/// `wasm-opt` of npm's `binaryen`: the same version on every machine, without a download of its own.
fn optimise(root: &Path, wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    let dir = target_dir(root).join("xtask");
    let (input, output) = (dir.join("bound.wasm"), dir.join("optimised.wasm"));
    fs::write(&input, wasm)?;
    let tool = root.join("node_modules/.bin/wasm-opt");
    run(Command::new(tool).args(PASSES).args(FEATURES).arg(&input).arg("-o").arg(&output).current_dir(root))?;
    fs::read(&output).with_context(|| format!("wasm-opt wrote no {}", output.display()))
}
