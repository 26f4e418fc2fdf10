//! The site's files: script, styles, module, icons. A release build carries them inside, in the compressed forms made at build time;
//! a debug build, or one given a folder, reads that folder at every request, so that a changed file shows at the next reload.
//! Knows nothing of pages or sessions: static assets are public.

// One list: what a folder holds has the types that xtask writes into the binary's table.
#[path = "../../../crates/xtask/src/media_type.rs"]
mod media_type;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use sha2::{Digest, Sha256};

use media_type::content_type;

/// One embedded file. `hash` is the first 16 hex digits of the SHA-256 of `identity`.
struct File {
    path: &'static str,
    content_type: &'static str,
    hash: &'static str,
    immutable: bool,
    identity: &'static [u8],
    br: Option<&'static [u8]>,
    gz: Option<&'static [u8]>,
}

// `NAMES` (js, wasm, css), `LATE` and `FILES`, by build.rs.
include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The site, wherever it is.
#[derive(Clone, Debug)]
pub struct Assets {
    /// Unset: what the binary carries.
    dir: Option<PathBuf>,
}

/// The paths a page names, e.g. `/pkg/docaiche.0a1b2c3d.js`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetNames {
    /// The module script; its default export takes `{ module_or_path: wasm }`.
    pub js: Cow<'static, str>,
    /// The WASM module.
    pub wasm: Cow<'static, str>,
    /// The styles.
    pub css: Cow<'static, str>,
    /// The modules that a late view needs beside `wasm`, by its name.
    pub late: BTreeMap<String, Vec<String>>,
}

impl Assets {
    /// The folder when one is given, else what this build is meant to use: a release build what it carries, a debug build the
    /// checkout's `target/site`.
    pub fn open(site_dir: Option<PathBuf>) -> Self {
        match site_dir {
            Some(dir) => Self::from_dir(dir),
            None if cfg!(debug_assertions) => Self::from_dir(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/site"))),
            None => Self::embedded(),
        }
    }

    /// What the binary carries: nothing in a debug build.
    pub fn embedded() -> Self {
        Self { dir: None }
    }

    /// The files of a folder, as `cargo xtask site` or `cargo leptos watch` leave them.
    pub fn from_dir(dir: PathBuf) -> Self {
        Self { dir: Some(dir) }
    }

    /// The names for the page's head; `None` when the site has not been built.
    pub fn names(&self) -> Option<AssetNames> {
        match &self.dir {
            None => {
                let late = LATE.iter().map(|(name, paths)| ((*name).to_owned(), paths.iter().map(ToString::to_string).collect()));
                NAMES.map(|[js, wasm, css]| AssetNames { js: js.into(), wasm: wasm.into(), css: css.into(), late: late.collect() })
            }
            Some(dir) => dir_names(dir),
        }
    }

    /// The answer for `path`, `None` when there is no such asset. Reads the request's `Accept-Encoding` and `If-None-Match`; a method
    /// other than GET and HEAD on an existing asset is answered 405.
    pub fn get(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        match &self.dir {
            None => {
                let file = FILES.iter().find(|file| file.path == path)?;
                Some(answer(file, method, headers))
            }
            Some(dir) => {
                let (content_type, bytes) = read(dir, path)?;
                let hash = hex::encode(&Sha256::digest(&bytes)[..8]);
                let asset = Asset { content_type, hash: &hash, immutable: false, encoding: None };
                Some(respond(&asset, method, headers, move || bytes.into()))
            }
        }
    }
}

fn answer(file: &File, method: &Method, headers: &HeaderMap) -> Response {
    let accepted: Vec<_> = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
    let (encoding, bytes) = match (negotiate(&accepted.join(","), file.br.is_some(), file.gz.is_some()), file.br, file.gz) {
        (Encoding::Br, Some(br), _) => (Some("br"), br),
        (Encoding::Gzip, _, Some(gz)) => (Some("gzip"), gz),
        _ => (None, file.identity),
    };
    let asset = Asset { content_type: file.content_type, hash: file.hash, immutable: file.immutable, encoding };
    respond(&asset, method, headers, || bytes.into())
}

/// A chosen representation, but for its bytes.
struct Asset<'a> {
    content_type: &'a str,
    hash: &'a str,
    immutable: bool,
    encoding: Option<&'static str>,
}

fn respond(asset: &Asset, method: &Method, headers: &HeaderMap, bytes: impl FnOnce() -> Cow<'static, [u8]>) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return build(StatusCode::METHOD_NOT_ALLOWED, &[(ALLOW, "GET, HEAD")], Body::empty());
    }
    // A tag names one representation: the compressed forms have their own.
    let tag = match asset.encoding {
        Some(encoding) => format!("\"{}-{encoding}\"", asset.hash),
        None => format!("\"{}\"", asset.hash),
    };
    let cache = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut fields = vec![(ETAG, tag.as_str()), (CACHE_CONTROL, cache), (VARY, "Accept-Encoding"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    if headers.get_all(IF_NONE_MATCH).iter().any(|value| value.to_str().is_ok_and(|tags| matches(tags, &tag))) {
        return build(StatusCode::NOT_MODIFIED, &fields, Body::empty());
    }
    let bytes = bytes();
    let length = bytes.len().to_string();
    fields.extend([(CONTENT_TYPE, asset.content_type), (CONTENT_LENGTH, &length)]);
    fields.extend(asset.encoding.map(|encoding| (CONTENT_ENCODING, encoding)));
    let body = match bytes {
        _ if method == Method::HEAD => Body::empty(),
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    build(StatusCode::OK, &fields, body)
}

fn build(status: StatusCode, fields: &[(HeaderName, &str)], body: Body) -> Response {
    let response = fields.iter().fold(Response::builder().status(status), |response, (name, value)| response.header(name, *value));
    response.body(body).expect("types, hashes and fixed words are valid header values")
}

/// Whether an `If-None-Match` list holds `tag`, by the weak comparison (RFC 9110 §13.1.2).
fn matches(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|item| item == "*" || item.strip_prefix("W/").unwrap_or(item) == tag)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Br,
    Gzip,
    Identity,
}

/// The form the client weighs most (RFC 9110 §12.5.3); among equals the smaller. Where it accepts none, identity: a page that loads is
/// worth more than a 406.
fn negotiate(accept: &str, has_br: bool, has_gz: bool) -> Encoding {
    let weight = |names: &[&str]| accept.split(',').find_map(|item| weight_of(item, names));
    let any = weight(&["*"]);
    let coded = |names: &[&str]| weight(names).or(any).unwrap_or(0);
    // Not mentioned, it is acceptable but the last choice.
    let identity = weight(&["identity"]).unwrap_or(if any == Some(0) { 0 } else { 1 });
    let mut best = (identity, Encoding::Identity);
    if has_gz && coded(&["gzip", "x-gzip"]) >= best.0.max(1) {
        best = (coded(&["gzip", "x-gzip"]), Encoding::Gzip);
    }
    if has_br && coded(&["br"]) >= best.0.max(1) {
        best = (coded(&["br"]), Encoding::Br);
    }
    best.1
}

/// The weight in thousandths of an `Accept-Encoding` item, when it is one of `names`. A weight that cannot be read is none.
fn weight_of(item: &str, names: &[&str]) -> Option<u16> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next()?;
    if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return None;
    }
    let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some(q.map_or(1000, |q| q.parse::<f32>().map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0).round() as u16)))
}

/// The names in `dir`. cargo-leptos leaves unhashed files and no `assets.json`: unhashed ones that are newer win.
fn dir_names(dir: &Path) -> Option<AssetNames> {
    let modified = |path: &str| fs::metadata(dir.join(path)).and_then(|file| file.modified()).ok();
    let listed = modified("assets.json");
    let plain = modified("pkg/docaiche.js");
    if listed.is_some() && listed >= plain {
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(dir.join("assets.json")).ok()?).ok()?;
        let name = |key: &str| manifest[key].as_str().map(|name| Cow::Owned(name.to_owned()));
        let late = serde_json::from_value(manifest["late"].clone()).unwrap_or_default();
        return Some(AssetNames { js: name("js")?, wasm: name("wasm")?, css: name("css")?, late });
    }
    plain?;
    let wasm = if modified("pkg/docaiche.wasm").is_some() { "/pkg/docaiche.wasm" } else { "/pkg/docaiche_bg.wasm" };
    Some(AssetNames { js: "/pkg/docaiche.js".into(), wasm: wasm.into(), css: "/pkg/docaiche.css".into(), late: BTreeMap::new() })
}

/// Reads a regular file below `dir`. A path has plain segments only: no escapes, no dot files, nothing that climbs, by `..` or by a link.
fn read(dir: &Path, path: &str) -> Option<(&'static str, Vec<u8>)> {
    let relative = path.strip_prefix('/')?;
    let plain = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if !relative.split('/').all(plain) {
        return None;
    }
    let dir = dir.canonicalize().ok()?;
    let file = dir.join(relative).canonicalize().ok()?;
    if !file.starts_with(&dir) || !file.is_file() {
        return None;
    }
    Some((content_type(relative), fs::read(file).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    static SCRIPT: File = File {
        path: "/pkg/docaiche.0a1b2c3d.js",
        content_type: "text/javascript; charset=utf-8",
        hash: "0a1b2c3d4e5f6071",
        immutable: true,
        identity: b"export default 1;",
        br: Some(b"br!"),
        gz: Some(b"gzip"),
    };

    fn request(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    async fn body(response: Response) -> Vec<u8> {
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
    }

    fn check(accept: &str, expect: Encoding) {
        assert_eq!(negotiate(accept, true, true), expect, "{accept:?}");
    }

    #[test]
    fn the_form_is_the_one_the_client_weighs_most() {
        check("", Encoding::Identity);
        check("gzip, deflate, br, zstd", Encoding::Br);
        check("gzip", Encoding::Gzip);
        check("x-gzip", Encoding::Gzip);
        check("BR", Encoding::Br);
        check("br;q=0, gzip", Encoding::Gzip);
        check("br;q=0,gzip;q=0", Encoding::Identity);
        check("br;q=0.5, gzip;q=0.8", Encoding::Gzip);
        check("gzip;q=0.5, identity", Encoding::Identity);
        check("identity;q=0.5, gzip ; q=0.001", Encoding::Identity);
        check("*", Encoding::Br);
        check("*;q=0", Encoding::Identity);
        check("br;q=0, *", Encoding::Gzip);
        check("identity;q=0", Encoding::Identity);
        check("br;q=x", Encoding::Identity);
        check("zstd,,;q=1,\u{1F980}", Encoding::Identity);
        assert_eq!(negotiate("br, gzip;q=0.1", false, true), Encoding::Gzip);
        assert_eq!(negotiate("br, gzip", false, false), Encoding::Identity);
    }

    #[tokio::test]
    async fn a_hashed_file_is_cached_for_ever_in_each_of_its_forms() {
        for (accept, encoding, bytes, tag) in [
            ("br", Some("br"), b"br!".as_slice(), "\"0a1b2c3d4e5f6071-br\""),
            ("gzip", Some("gzip"), b"gzip", "\"0a1b2c3d4e5f6071-gzip\""),
            ("identity", None, b"export default 1;", "\"0a1b2c3d4e5f6071\""),
        ] {
            let response = answer(&SCRIPT, &Method::GET, &request(&[(ACCEPT_ENCODING, accept)]));
            assert_eq!(response.status(), StatusCode::OK);
            let field = |name: HeaderName| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(field(CACHE_CONTROL).unwrap(), "public, max-age=31536000, immutable");
            assert_eq!(field(CONTENT_TYPE).unwrap(), "text/javascript; charset=utf-8");
            assert_eq!(field(CONTENT_ENCODING).as_deref(), encoding);
            assert_eq!(field(CONTENT_LENGTH).unwrap(), bytes.len().to_string());
            assert_eq!(field(ETAG).unwrap(), tag);
            assert_eq!(field(VARY).unwrap(), "Accept-Encoding");
            assert_eq!(field(X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
            assert_eq!(body(response).await, bytes);
        }
    }

    #[tokio::test]
    async fn head_says_the_length_and_sends_nothing() {
        let response = answer(&SCRIPT, &Method::HEAD, &request(&[(ACCEPT_ENCODING, "gzip")]));
        assert_eq!(response.headers()[CONTENT_LENGTH], "4");
        assert!(body(response).await.is_empty());
    }

    #[test]
    fn a_known_tag_is_answered_304_and_another_form_of_it_is_not() {
        let cases = [
            ("\"0a1b2c3d4e5f6071-br\"", 304),
            ("W/\"0a1b2c3d4e5f6071-br\"", 304),
            ("\"other\", \"0a1b2c3d4e5f6071-br\"", 304),
            ("*", 304),
            ("\"0a1b2c3d4e5f6071\"", 200),
            ("0a1b2c3d4e5f6071-br", 200),
            ("", 200),
        ];
        for (tags, status) in cases {
            let response = answer(&SCRIPT, &Method::GET, &request(&[(ACCEPT_ENCODING, "br"), (IF_NONE_MATCH, tags)]));
            assert_eq!(response.status(), status, "{tags:?}");
            assert!(response.headers().contains_key(ETAG));
        }
    }

    #[test]
    fn other_methods_are_refused_with_the_allowed_ones() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let response = answer(&SCRIPT, &method, &HeaderMap::new());
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers()[ALLOW], "GET, HEAD");
        }
    }

    #[tokio::test]
    async fn a_folder_serves_its_own_files_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let site = outer.path().join("site");
        fs::create_dir_all(site.join("pkg")).unwrap();
        fs::write(outer.path().join("secret.txt"), "secret").unwrap();
        fs::write(site.join(".hidden"), "hidden").unwrap();
        fs::write(site.join("pkg/docaiche.css"), "body{}").unwrap();
        std::os::unix::fs::symlink(outer.path().join("secret.txt"), site.join("link.txt")).unwrap();
        let assets = Assets::from_dir(site);
        let response = assets.get(&Method::GET, "/pkg/docaiche.css", &HeaderMap::new()).unwrap();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
        assert_eq!(response.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
        assert_eq!(body(response).await, b"body{}");
        for path in [
            "",
            "/",
            "pkg/docaiche.css",
            "/pkg",
            "/pkg/",
            "/pkg//docaiche.css",
            "/../secret.txt",
            "/pkg/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/..\\secret.txt",
            "/link.txt",
            "/.hidden",
            "/pkg/docaiche.css\0",
            "/pkg/./docaiche.css",
            "//etc/passwd",
            "/none",
        ] {
            assert!(assets.get(&Method::GET, path, &HeaderMap::new()).is_none(), "{path:?}");
        }
    }

    const MANIFEST: &str =
        r#"{"js":"/pkg/d.1.js","wasm":"/pkg/d.1.wasm","css":"/pkg/d.1.css","late":{"users":["/pkg/u.1.wasm"]},"files":[]}"#;

    #[test]
    fn names_come_from_the_list_or_from_what_cargo_leptos_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let assets = Assets::from_dir(dir.path().to_owned());
        assert_eq!(assets.names(), None);
        fs::create_dir(dir.path().join("pkg")).unwrap();
        fs::write(dir.path().join("pkg/docaiche.js"), "").unwrap();
        assert_eq!(assets.names().unwrap().wasm, "/pkg/docaiche_bg.wasm");
        fs::write(dir.path().join("pkg/docaiche.wasm"), "").unwrap();
        assert_eq!(assets.names().unwrap().wasm, "/pkg/docaiche.wasm");
        fs::write(dir.path().join("assets.json"), MANIFEST).unwrap();
        let late = BTreeMap::from([("users".to_owned(), vec!["/pkg/u.1.wasm".to_owned()])]);
        let expect = AssetNames { js: "/pkg/d.1.js".into(), wasm: "/pkg/d.1.wasm".into(), css: "/pkg/d.1.css".into(), late };
        assert_eq!(assets.names().unwrap(), expect);
        assert!(Assets::embedded().names().is_none_or(|names| names.js.starts_with("/pkg/docaiche.")));
    }
}
