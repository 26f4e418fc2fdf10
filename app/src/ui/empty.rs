//! What a list says when nothing is in it, and what to do about it.

use leptos::prelude::*;

/// A short title and, as children, the way out.
#[component]
pub fn Empty(title: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="empty">
            <p class="empty-title">{title}</p>
            {children()}
        </div>
    }
    .into_any()
}
