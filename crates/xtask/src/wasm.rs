//! `frontend` as the browser gets it: cargo, then wasm-bindgen, then wasm-opt.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use wasm_bindgen_cli_support::{Bindgen, Output};

use crate::cache::{Cache, hash};
use crate::site::Mode;
use crate::{cargo, run, say, target_dir};

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

/// The module and the script that loads it.
pub struct Bundle {
    pub js: Vec<u8>,
    pub wasm: Vec<u8>,
    /// Further scripts that `js` imports by relative path, as `(path below the script, bytes)`.
    pub snippets: Vec<(String, Vec<u8>)>,
}

/// Compiles `frontend` and binds it. The script names no file: its caller passes the module's address to `init`.
pub fn build(root: &Path, mode: Mode, cache: &Cache) -> anyhow::Result<Bundle> {
    let profile = match mode {
        Mode::Release => "wasm-release",
        Mode::Dev => "dev",
    };
    run(cargo(root).args(["build", "--package", "frontend", "--target", "wasm32-unknown-unknown", "--profile", profile]))?;
    let profile_dir = if mode == Mode::Dev { "debug" } else { profile };
    let input = target_dir(root).join("wasm32-unknown-unknown").join(profile_dir).join("frontend.wasm");
    let compiled = fs::read(&input).with_context(|| format!("cannot read {}", input.display()))?;

    let tools = fs::read(root.join("package-lock.json")).context("cannot read package-lock.json")?;
    let flags = [FEATURES.concat(), PASSES.concat()].concat();
    let key = hash(&[&compiled, &tools, profile.as_bytes(), flags.as_bytes(), UNCALLED.as_bytes()]);
    // One entry holds the three parts, so that they can never be of different builds.
    let packed = cache.get_or(&format!("wasm-{key}"), || {
        let bundle = bind(root, mode, &compiled)?;
        say(&format!("WASM: {} KB compiled, {} KB bound and optimised", compiled.len() / 1024, bundle.wasm.len() / 1024));
        let snippets: Vec<_> = bundle.snippets.iter().map(|(path, bytes)| (path, String::from_utf8_lossy(bytes))).collect();
        let mut packed = serde_json::to_vec(&(String::from_utf8_lossy(&bundle.js), snippets))?;
        packed.push(b'\n');
        packed.extend(&bundle.wasm);
        Ok(packed)
    })?;
    // JSON escapes newlines inside its strings, so the first one ends the scripts.
    let end = packed.iter().position(|byte| *byte == b'\n').context("a torn cache entry: remove target/xtask")?;
    let (js, snippets): (String, Vec<(String, String)>) = serde_json::from_slice(&packed[..end])?;
    let snippets = snippets.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
    Ok(Bundle { js: js.into_bytes(), wasm: packed[end + 1..].to_vec(), snippets })
}

fn bind(root: &Path, mode: Mode, compiled: &[u8]) -> anyhow::Result<Bundle> {
    let mut output = Bindgen::new()
        .input_bytes("docaiche", compiled.to_vec())
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
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
    let js = output.js().as_bytes().to_vec();
    if mode == Mode::Release {
        cut_uncalled(&mut output)?;
    }
    let wasm = output.wasm_mut().emit_wasm();
    let wasm = if mode == Mode::Release { optimise(root, &wasm)? } else { wasm };
    Ok(Bundle { js, wasm, snippets })
}

/// How tachys names what hydrates an erased view part by part: the function itself and the future it makes, one pair for each type of view.
const UNCALLED: &str = "<T as tachys::view::any_view::IntoAny>::into_any::hydrate_async";

/// Empties the functions that only `leptos::mount::hydrate_lazy` calls; `frontend` starts with `hydrate_body`. Every erased view points to
/// them, so that no optimiser can tell that nobody calls: a twentieth of the module. Called nevertheless, they would trap.
fn cut_uncalled(output: &mut Output) -> anyhow::Result<()> {
    let functions = &mut output.wasm_mut().funcs;
    let is_uncalled = |name: &Option<String>| name.as_deref().is_some_and(|name| name.starts_with(UNCALLED));
    let uncalled: Vec<_> = functions.iter().filter(|function| is_uncalled(&function.name)).map(|function| function.id()).collect();
    ensure!(!uncalled.is_empty(), "no function is named {UNCALLED} any more: see how tachys names it now");
    for id in uncalled {
        let mut body = functions.get_mut(id).kind.unwrap_local_mut().builder_mut().func_body();
        body.instrs_mut().clear();
        body.unreachable();
    }
    Ok(())
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
