//! One compiled module as several: what every page needs, and a module for each name that `app`'s `late!` gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use wasm_split_cli_support::{Options, transform};

/// What the main module calls its import of the loaders; wasm-bindgen repeats it in the script.
const LINK: &str = "./__wasm_split.js";
/// What the loaders would import from; they go into that very script.
const SCRIPT: &str = "./__docaiche.js";

/// The parts. A late module's file is named by its key in `chunks` until it has a name of its own.
pub struct Split {
    pub main: Vec<u8>,
    /// The loaders, an ES module of their own so far.
    pub link: String,
    /// `overview` or, shared by several late modules, `chunk_3`.
    pub chunks: BTreeMap<String, Vec<u8>>,
    /// Which chunks a late module needs, by its name.
    pub needs: BTreeMap<String, Vec<String>>,
}

/// Splits a module that carries its relocations; `dir` is for the tool's files and is emptied.
pub fn split(dir: &Path, wasm: &[u8]) -> anyhow::Result<Split> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)?;
    let main = dir.join("main.wasm");
    let mut options = Options::new(wasm);
    options.output_dir = dir;
    options.main_out_path = &main;
    options.link_name = LINK;
    options.main_module = SCRIPT;
    let made = transform(options).map_err(|error| anyhow!("cannot split the module: {error:?}"))?;
    let read = |name: &str| fs::read(dir.join(format!("{name}.wasm"))).with_context(|| format!("the split left no {name}.wasm"));
    let needs: BTreeMap<_, _> = made.prefetch_map.into_iter().collect();
    let chunks = needs.values().flatten().map(|name| Ok((name.clone(), read(name)?))).collect::<anyhow::Result<_>>()?;
    let link = fs::read_to_string(dir.join(LINK)).context("the split left no loaders")?;
    Ok(Split { main: fs::read(&main)?, link, chunks, needs })
}

/// Puts the loaders into wasm-bindgen's script, which imports them: one file less to fetch, and no circle of names made from contents.
pub fn link(script: &str, loaders: &str) -> anyhow::Result<String> {
    // One line for each function.
    let (imports, rest): (Vec<_>, Vec<_>) = script.lines().partition(|line| line.starts_with("import * as ") && line.contains(LINK));
    let names: Vec<_> = imports.iter().filter_map(|line| line.split_whitespace().nth(3)).collect();
    if names.is_empty() {
        ensure!(!loaders.contains("__wasm_split_load_"), "the script does not import {LINK}");
        return Ok(script.to_owned());
    }
    let rest = rest.join("\n");
    // wasm-bindgen names it as the module does; that is no address any more.
    ensure!(!rest.contains(&format!("from \"{LINK}\"")), "the script imports {LINK} in a way we do not know");
    let main = format!("import {{ initSync }} from \"{SCRIPT}\";");
    ensure!(loaders.contains(&main) && rest.contains("function initSync("), "the loaders do not ask for initSync any more");
    let exports: Vec<_> = loaders.lines().filter_map(|line| line.strip_prefix("export const ")?.split(' ').next()).collect();
    let body = loaders.replacen(&main, "", 1).replace("\nexport const ", "\nconst ");
    let (body, exports) = (body.trim(), exports.join(", "));
    Ok(format!("{rest}\nconst [{}] = Array({}).fill((() => {{\n{body}\nreturn {{ {exports} }};\n}})());\n", names.join(", "), names.len()))
}

/// How a script names the file of a chunk, before and after.
pub fn rename(script: &str, chunk: &str, path: &str) -> anyhow::Result<String> {
    let (before, after) = (format!("\"./{chunk}.wasm\""), format!("\"{path}\""));
    ensure!(script.contains(&before), "the script does not load {chunk}.wasm");
    Ok(script.replace(&before, &after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADERS: &str = "import { initSync } from \"./__docaiche.js\";\n\nlet sharedImports = undefined;\nexport const \
                           __wasm_split_load_users = load(() => fetch(new URL(\"./split_users.wasm\", import.meta.url)));\n";

    #[test]
    fn the_loaders_become_a_part_of_the_script_that_imports_them() {
        let import = |at: u8| format!("import * as import{at} from \"./__wasm_split.js\"\n");
        let script = [&import(1), &*import(2), "function initSync() {}\nexport { initSync }"].concat();
        let linked = link(&script, LOADERS).unwrap();
        assert!(!linked.contains("import * as") && !linked.contains("__docaiche.js"), "{linked}");
        assert!(linked.contains("const [import1, import2] = Array(2).fill((() => {\nlet sharedImports"), "{linked}");
        assert!(linked.contains("\nconst __wasm_split_load_users = "), "{linked}");
        assert!(linked.ends_with("return { __wasm_split_load_users };\n})());\n"), "{linked}");
        let named = rename(&linked, "split_users", "./docaiche-users.0a1b2c3d.wasm").unwrap();
        assert!(named.contains("new URL(\"./docaiche-users.0a1b2c3d.wasm\", import.meta.url)"), "{named}");
    }

    #[test]
    fn a_script_that_does_not_fit_the_loaders_is_refused() {
        assert!(link("function initSync() {}", LOADERS).is_err());
        assert!(link("import * as import1 from \"./__wasm_split.js\"\n", LOADERS).is_err());
        assert!(rename("nothing", "split_users", "x").is_err());
        assert_eq!(link("function initSync() {}", "").unwrap(), "function initSync() {}");
    }
}
