//! A level as a coloured word.

use leptos::prelude::*;
use model::Level;

#[component]
pub fn LevelBadge(level: Level) -> impl IntoView {
    view! { <span class="level-badge" data-level=level.as_str()>{level.as_str()}</span> }
}
