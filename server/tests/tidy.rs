//! What must not be there: the rooms' invariants of absence, read from the files and from `cargo metadata`.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below a folder of the checkout with one of these endings, by its path from the root.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    fn walk(dir: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for entry in entries.map(|entry| entry.unwrap()) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                if !matches!(name.as_str(), "target" | "node_modules" | ".git") {
                    walk(&path, endings, found);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), endings, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| (path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// Files of which a line that is no comment holds a word that it must not.
fn offenders(files: &[(String, String)], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("{path}:{}: {word}", n + 1));
            }
        }
    }
    found
}

/// What cargo says, from what is on this machine where that suffices.
fn cargo(arguments: &[&str]) -> String {
    let run = |more: &[&str]| {
        let cargo = option_env!("CARGO").unwrap_or("cargo");
        Command::new(cargo).args(arguments).arg("--locked").args(more).current_dir(root()).output().unwrap()
    };
    let offline = run(&["--offline"]);
    let output = if offline.status.success() { offline } else { run(&[]) };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The packages that each member of the workspace asks for itself, tests left out.
fn direct(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .filter(|package| package["source"].is_null())
        .map(|package| {
            let normal = package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["kind"].is_null());
            let names = normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (package["name"].as_str().unwrap().to_owned(), names.collect())
        })
        .collect()
}

#[test]
fn each_room_depends_only_on_what_it_may() {
    const HTTP: [&str; 8] = ["axum", "http", "hyper", "hyper-util", "reqwest", "tower", "tower-sessions", "server_fn"];
    const VIEWS: [&str; 4] = ["leptos", "leptos_axum", "leptos_meta", "leptos_router"];
    const OUTSIDE: [&str; 5] = ["sqlx", "bollard", "reqwest", "tower-sessions", "axum-server"];
    const ASYNC: [&str; 5] = ["tokio", "tokio-util", "futures", "async-trait", "async-std"];
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let direct = direct(&metadata);
    let mut wrong = Vec::new();
    for (room, banned) in [
        ("model", &[&HTTP[..], &VIEWS, &OUTSIDE, &ASYNC, &["ops", "app", "server", "loglines"]][..]),
        ("loglines", &[&HTTP[..], &VIEWS, &OUTSIDE, &ASYNC, &["ops", "app", "server"]]),
        ("ops", &[&HTTP[..], &VIEWS, &OUTSIDE, &["app", "server"]]),
        ("app", &[&OUTSIDE[..], &["server", "tokio", "hyper"]]),
        ("frontend", &[&OUTSIDE[..], &["server", "ops", "axum", "leptos_axum", "tokio"]]),
        ("server", &[&["frontend"][..]]),
    ] {
        let Some(asked) = direct.get(room) else { panic!("there is no room {room}") };
        wrong.extend(banned.iter().copied().flatten().filter(|name| asked.contains(**name)).map(|name| format!("{room} asks for {name}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_package_has_a_licence_we_accept_and_none_is_banned() {
    const ACCEPTED: [&str; 16] = [
        "MIT",
        "MIT-0",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "ISC",
        "Zlib",
        "Unicode-3.0",
        "Unicode-DFS-2016",
        "CC0-1.0",
        "0BSD",
        "MPL-2.0",
        "CDLA-Permissive-2.0",
        "Unlicense",
    ];
    // One TLS stack, without C compiled by cmake or taken from the system.
    const BANNED: [&str; 5] = ["openssl", "openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs"];
    // As they are built: for other platforms and with other features there may be more, which are not in the product.
    let lanes = [
        &["--workspace", "--exclude", "frontend", "-e", "normal,build", "--target", "x86_64-unknown-linux-gnu"][..],
        &["--package", "frontend", "-e", "normal,build", "--target", "wasm32-unknown-unknown"],
    ];
    let mut wrong = BTreeSet::new();
    for lane in lanes {
        let tree = cargo(&[&["tree", "--prefix", "none", "-f", "{p}|{l}"][..], lane].concat());
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let (package, licence) = line.trim_end_matches(" (*)").split_once('|').unwrap();
            let name = package.split(' ').next().unwrap();
            if !accepts(licence, &ACCEPTED) {
                wrong.insert(format!("{name}: licence `{licence}`"));
            }
            if BANNED.contains(&name) {
                wrong.insert(format!("{name} is banned"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether an SPDX expression can be met: of `OR` one side, of `AND` both. `/` is an old way to write `OR`.
fn accepts(expression: &str, accepted: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ");
    let text = expression.trim();
    if let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'))
        && !inner.contains('(')
    {
        return accepts(inner, accepted);
    }
    let split = |word: &str| {
        let mut depth = 0;
        text.char_indices().find_map(|(at, c)| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            (depth == 0 && text[at..].starts_with(word)).then(|| (text[..at].to_owned(), text[at + word.len()..].to_owned()))
        })
    };
    if let Some((left, right)) = split(" OR ") {
        return accepts(&left, accepted) || accepts(&right, accepted);
    }
    if let Some((left, right)) = split(" AND ") {
        return accepts(&left, accepted) && accepts(&right, accepted);
    }
    accepted.contains(&text)
}

#[test]
fn a_licence_expression_is_read_as_it_is_meant() {
    for (expression, expect) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("", false),
        ("MIT OR GPL-3.0", true),
        ("MIT/GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("(GPL-2.0 OR GPL-3.0) AND ISC", false),
        ("GPL-3.0 OR (MIT AND ISC)", true),
    ] {
        assert_eq!(accepts(expression, &["MIT", "ISC"]), expect, "{expression}");
    }
}

#[test]
fn no_room_names_what_is_not_its_own() {
    for (folder, words) in [
        ("crates/model/src", &["tokio::", "axum::", "http::", "SystemTime"][..]),
        ("crates/loglines/src", &["async fn", "tokio::", "SystemTime"]),
        (
            "crates/ops/src",
            &["axum::", "http::", "leptos", "std::fs", "tokio::fs", "tokio::net", "std::net::Tcp", "SystemTime", "Instant::now"],
        ),
        ("app/src", &["SELECT ", "sqlx", "bollard", "ops::source", "tower_sessions", "std::fs", "std::env", "SystemTime"]),
        ("app/src/ui", &["model::", "crate::rpc", "crate::pages", "crate::parts", "Resource::new"]),
        ("app/src/parts", &["crate::rpc::", "crate::pages", "crate::live", "Resource::new"]),
        ("server/src/http", &["crate::source", "crate::collect", "bollard", "sqlx"]),
        ("server/src/store", &["axum", "bollard", "leptos"]),
        ("server/src/source", &["axum", "leptos", "crate::http", "sqlx"]),
    ] {
        let found = offenders(&files(folder, &[".rs"]), words);
        assert!(found.is_empty(), "{folder}: {found:#?}");
    }
}

#[test]
fn app_has_one_gate() {
    let gates = offenders(&files("app/src", &[".rs"]), &["cfg(feature", "cfg!(feature", "cfg(not(feature"]);
    assert_eq!(gates.len(), 1, "{gates:#?}");
    assert!(gates[0].starts_with("app/src/lib.rs:"), "{gates:#?}");
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let words = ["env::var", "env::vars"];
    let mut found: Vec<String> = Vec::new();
    for folder in ["app/src", "crates/model/src", "crates/loglines/src", "crates/ops/src", "frontend/src", "server/src"] {
        found.extend(offenders(&files(folder, &[".rs"]), &words));
    }
    found.retain(|place| !place.starts_with("server/src/config/") && !place.contains("tests"));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    let rust: Vec<_> = ["app", "crates", "frontend", "server"].into_iter().flat_map(|folder| files(folder, &[".rs"])).collect();
    // Put together here, so that this file is none of those it finds.
    let words = [format!("{}!(", "todo"), format!("{}!(", "unimplemented"), format!("#[{}", "ignore"), format!("{}!(", "dbg")];
    let found = offenders(&rust, &words.each_ref().map(String::as_str));
    assert!(found.is_empty(), "{found:#?}");
    let sleeping = format!("{}::{}(", "thread", "sleep");
    // A soak lets time pass: that is what it measures.
    let timed: Vec<_> = rust.into_iter().filter(|(path, _)| !path.contains("/soak")).collect();
    let found = offenders(&timed, &[&sleeping]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_file_is_longer_than_a_person_reads() {
    let mut long = Vec::new();
    for folder in ["app", "bench", "crates", "end2end", "frontend", "scripts", "server", "style"] {
        for (path, text) in files(folder, &[".rs", ".scss", ".sh", ".ts"]) {
            let lines = text.lines().count();
            if lines > 700 {
                long.push(format!("{path}: {lines} lines"));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn styles_mirror_the_views() {
    let names = |folder: &str, prefix: &str, ending: &str| -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (path, _) in files(folder, &[ending]) {
            let inner = path.strip_prefix(folder).unwrap().trim_start_matches('/');
            let (dir, file) = inner.rsplit_once('/').map_or((String::new(), inner), |(dir, file)| (format!("{dir}/"), file));
            found.insert(format!("{dir}{}", file.trim_end_matches(ending).trim_start_matches(prefix)));
        }
        found
    };
    for ring in ["ui", "parts", "pages"] {
        let views = names(&format!("app/src/{ring}"), "", ".rs");
        let styles = names(&format!("style/{ring}"), "_", ".scss");
        // A folder's own view stands in `mod.rs`. Five styles are of what several views, or the server, write themselves.
        const SHARED: [&str; 5] = ["api_docs", "button", "gate", "table", "virtual_list"];
        let has_view =
            |style: &String| views.contains(style) || views.contains(&format!("{style}/mod")) || SHARED.contains(&style.as_str());
        let lonely: Vec<&String> = styles.iter().filter(|style| !has_view(style)).collect();
        assert!(lonely.is_empty(), "style/{ring} without a view in app/src/{ring}: {lonely:?}");
    }
    let main = fs::read_to_string(root().join("style/main.scss")).unwrap_or_default();
    for line in main.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
        assert!(line.starts_with("@use "), "style/main.scss holds only @use: {line}");
    }
    for (path, _) in files("style", &[".scss"]).iter().filter(|(path, _)| path.matches('/').count() > 1) {
        let used = path.trim_start_matches("style/").trim_end_matches(".scss").replace("/_", "/");
        assert!(main.contains(&format!("\"{used}\"")), "{path} is not used in style/main.scss");
    }
}

#[test]
fn every_file_that_the_architecture_names_exists() {
    let Ok(text) = fs::read_to_string(root().join("docs/ARCHITECTURE.md")) else { return };
    let mut missing = Vec::new();
    for word in text.split('`').skip(1).step_by(2) {
        let path = word.trim_end_matches('/');
        let named = path.contains('/')
            && !path.contains([' ', '*', '{', '<', '…', '$', '(', ':'])
            && ["app", "bench", "crates", "docs", "end2end", "frontend", "public", "scripts", "server", "style"]
                .iter()
                .any(|room| path.starts_with(&format!("{room}/")));
        if named && !root().join(path).exists() {
            missing.push(path);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
