//! Instants told relative to now, from one clock for the whole page.

use std::time::Duration;

use leptos::prelude::*;

use super::{effect, text};

/// Milliseconds since 1970 by the browser's clock, a tick every second. `None` on the server and until the page is hydrated, so that both
/// render the same text first.
#[derive(Clone, Copy)]
pub struct Clock(pub RwSignal<Option<i64>>);

impl Clock {
    /// Puts the clock into context and starts it in the browser.
    pub fn provide() -> Self {
        let clock = Self(RwSignal::new(None));
        provide_context(clock);
        effect(move || {
            let tick = move || clock.0.set(Some(js_sys::Date::now() as i64));
            tick();
            set_interval(tick, Duration::from_secs(1));
        });
        clock
    }
}

/// A `<time>`: `12 s ago`, the whole instant on hover. `utc` is RFC 3339; until the clock runs its date and seconds are shown.
#[component]
pub fn Ago(at_ms: i64, utc: String) -> impl IntoView {
    let clock = expect_context::<Clock>();
    let first = utc.get(..19).unwrap_or(&utc).replace('T', " ");
    let shown = Memo::new(move |_| clock.0.get().map(|now| text::ago(now - at_ms)));
    view! { <time class="ago" datetime=utc.clone() title=utc>{move || shown.get().unwrap_or_else(|| first.clone())}</time> }.into_any()
}
