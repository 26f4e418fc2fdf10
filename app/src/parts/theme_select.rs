//! Choosing light, dark or as the system has it. Kept in a cookie, so that the next page comes right from the server, and in the browser's
//! storage, which outlives the cookie.

use leptos::prelude::*;
use wasm_bindgen::JsValue;

use crate::{shell::Theme, ui::effect};

const KEY: &str = "docaiche_theme";

/// `initial` is what the page was rendered with.
#[component]
pub fn ThemeSelect(initial: Theme) -> impl IntoView {
    let theme = RwSignal::new(initial);
    effect(move || {
        if let Some(kept) = storage().and_then(|storage| storage.get_item(KEY).ok()?).and_then(|text| Theme::parse(&text))
            && kept != theme.get_untracked()
        {
            theme.set(kept);
            apply(kept);
        }
    });
    let option = move |one: Theme, name: &'static str| {
        view! { <option value=one.as_str() selected=move || theme.get() == one>{name}</option> }
    };
    view! {
        <select
            class="select theme-select"
            aria-label="Theme"
            on:change=move |event| {
                if let Some(chosen) = Theme::parse(&event_target_value(&event)) {
                    theme.set(chosen);
                    apply(chosen);
                }
            }
        >
            {option(Theme::Auto, "Auto theme")}
            {option(Theme::Light, "Light")}
            {option(Theme::Dark, "Dark")}
        </select>
    }
    .into_any()
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

fn apply(theme: Theme) {
    let document = document();
    if let Some(root) = document.document_element() {
        let _ = root.set_attribute("data-theme", theme.as_str());
    }
    if let Some(storage) = storage() {
        // A full or forbidden storage is no reason to refuse the theme: the cookie is left.
        let _ = storage.set_item(KEY, theme.as_str());
    }
    let cookie = [KEY, "=", theme.as_str(), "; Path=/; Max-Age=31536000; SameSite=Lax"].concat();
    let _ = js_sys::Reflect::set(&document, &JsValue::from_str("cookie"), &JsValue::from_str(&cookie));
}
