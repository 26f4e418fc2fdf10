//! The document around the app: `<html>`, `<head>` and the script that wakes the page. Rendered by the server only.

use std::{collections::BTreeMap, sync::Arc};

use leptos::{nonce::use_nonce, prelude::*};
use leptos_meta::MetaTags;
use leptos_router::location::RequestUrl;
use serde::{Deserialize, Serialize};

use crate::{App, Gate, paths, routes};

/// Where the site's files are, as addresses. In context while the server renders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetNames {
    /// The module that wasm-bindgen makes: its default export takes `{module_or_path}`, and it exports `hydrate`.
    pub js: String,
    pub wasm: String,
    pub css: String,
    /// The modules behind each name of a [`Late`](crate::late::Late)'s module. None in a development build.
    pub late: Arc<BTreeMap<String, Vec<String>>>,
}

/// Whether the page goes over plain HTTP to another machine, where a password can be read on the way. In the server's context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insecure(pub bool);

/// The colours a person chose. In the server's context, from the request's cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Theme {
    /// As the system has it.
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Auto, Self::Light, Self::Dark].into_iter().find(|theme| theme.as_str() == text)
    }

    /// From a `Cookie` header; [`Theme::Auto`] where it says nothing we know.
    pub fn from_cookies(header: &str) -> Self {
        let named = |pair: &str| pair.trim().strip_prefix("docaiche_theme=").and_then(Self::parse);
        header.split(';').find_map(named).unwrap_or_default()
    }

    /// What the server rendered the page with; the browser is told along with the page.
    pub fn on_page() -> Self {
        SharedValue::new(|| use_context::<Self>().unwrap_or_default()).into_inner()
    }
}

/// A page of the app: it wakes up in the browser.
pub fn shell(names: AssetNames) -> impl IntoView {
    let nonce = use_nonce();
    let path = use_context::<RequestUrl>().and_then(|url| url.parse().ok()).map(|url| url.path().to_owned()).unwrap_or_default();
    let late = modules(&names, &path);
    let module = |href| view! { <link rel="preload" href=href r#as="fetch" r#type="application/wasm" crossorigin="anonymous"/> };
    // Paths of our own build: letters, digits, `/`, `.`, `-` and `_`, so that quoting them is enough.
    let start = format!("import start,{{hydrate}} from {:?};start({{module_or_path:{:?}}}).then(()=>hydrate());", names.js, names.wasm);
    let head = view! {
        <link rel="modulepreload" href=names.js nonce=nonce.clone()/>
        {module(names.wasm)}
        {late.into_iter().map(module).collect_view()}
        <script type="module" nonce=nonce>{start}</script>
    };
    document(names.css, head.into_any(), view! { <App/> }.into_any())
}

/// A page before the sign-in: plain forms without a script. The browser fetches the app meanwhile, for the page behind.
pub fn gate_shell(names: AssetNames) -> impl IntoView {
    let late = modules(&names, paths::OVERVIEW);
    let module = |href| view! { <link rel="prefetch" href=href crossorigin="anonymous"/> };
    let head = view! {
        <link rel="prefetch" href=names.js/>
        {module(names.wasm)}
        {late.into_iter().map(module).collect_view()}
    };
    document(names.css, head.into_any(), view! { <Gate/> }.into_any())
}

/// What the page at `path` needs beside the main module.
fn modules(names: &AssetNames, path: &str) -> Vec<String> {
    routes::late(path).and_then(|late| names.late.get(late.module)).cloned().unwrap_or_default()
}

fn document(css: String, head: AnyView, body: AnyView) -> impl IntoView {
    let theme = use_context::<Theme>().unwrap_or_default();
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme.as_str()>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <link rel="stylesheet" href=css/>
                {head}
                <MetaTags/>
            </head>
            <body>{body}</body>
        </html>
    }
}

#[cfg(test)]
mod tests {
    use super::Theme;

    #[test]
    fn the_theme_comes_from_its_cookie_and_from_no_other() {
        for (header, expect) in [
            ("docaiche_theme=dark", Theme::Dark),
            ("a=b; docaiche_theme=light; c=d", Theme::Light),
            ("x_docaiche_theme=dark", Theme::Auto),
            ("docaiche_theme=pink", Theme::Auto),
            ("", Theme::Auto),
        ] {
            assert_eq!(Theme::from_cookies(header), expect, "{header}");
        }
    }
}
