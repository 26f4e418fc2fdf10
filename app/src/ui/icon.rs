//! The few drawings, inline so that they take the text's colour.

use leptos::prelude::*;

pub const SEARCH: &str = "M7 2a5 5 0 1 0 0 10A5 5 0 0 0 7 2Zm3.8 8.8L14 14";
pub const MENU: &str = "M2 4h12M2 8h12M2 12h12";
pub const CONTAINER: &str = "M8 1.5 14 5v6l-6 3.5L2 11V5zM2 5l6 3.5L14 5M8 8.5v6";
pub const FILE: &str = "M4 1.5h5l3 3v10H4zM9 1.5v3h3";
pub const CONSOLE: &str = "M1.5 3h13v10h-13zM4 6l2 2-2 2M8 10h3";
pub const PUSHED: &str = "M8 13V4M4 8l4-4 4 4M3 14.5h10";

/// A 16-unit stroke drawing that says nothing to a screen reader: the text beside it does.
pub fn icon(path: &'static str) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d=path></path>
        </svg>
    }
    .into_any()
}
