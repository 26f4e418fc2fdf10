//! Short words about what was done, said once and gone by themselves. Failures do not go here: they stay where they happened.

use std::time::Duration;

use leptos::prelude::*;

/// In context for every page.
#[derive(Clone, Copy)]
pub struct Toasts(RwSignal<Vec<(u32, String)>>);

impl Toasts {
    pub fn provide() -> Self {
        let toasts = Self(RwSignal::new(Vec::new()));
        provide_context(toasts);
        toasts
    }

    /// Shows `text` for six seconds, at most three at a time. For the browser only.
    pub fn say(self, text: impl Into<String>) {
        let text = text.into();
        let id = self.0.with_untracked(|shown| shown.last().map_or(0, |(id, _)| id + 1));
        self.0.update(|shown| {
            shown.push((id, text));
            if shown.len() > 3 {
                shown.remove(0);
            }
        });
        let gone = move || {
            self.0.try_update(|shown| shown.retain(|(one, _)| *one != id));
        };
        set_timeout(gone, Duration::from_secs(6));
    }
}

#[component]
pub fn ToastRegion(toasts: Toasts) -> impl IntoView {
    let toast = |(_, text): (u32, String)| view! { <p class="toast">{text}</p> };
    view! { <div class="toasts" role="status">{move || toasts.0.get().into_iter().map(toast).collect_view()}</div> }
}
