//! The panel of the time range: usual spans back from now, and a beginning and an end on a clock.

use leptos::{html, prelude::*};
use model::Timestamp;
use wasm_bindgen::JsCast;

use super::desk::Desk;
use crate::{
    parts::{
        log_time::LogClock,
        log_view::{LogStyle, LogView},
    },
    ui::{act, effect},
};

const SPANS: [(&str, &str); 6] =
    [("-5m", "5 minutes"), ("-15m", "15 minutes"), ("-1h", "1 hour"), ("-6h", "6 hours"), ("-24h", "24 hours"), ("-7d", "7 days")];

#[component]
pub fn RangePanel() -> impl IntoView {
    let desk = Desk::here();
    let (from, to) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let wrong = RwSignal::new(None::<&'static str>);
    let clock = move || LogClock::new(&LogStyle { relative: false, ..desk.out.style.get() });
    // The fields show what is chosen; where nothing is, the last hour.
    let fill = move || {
        let (view, clock) = (desk.view.get(), clock());
        let (start, end) = bounds(&view, now());
        for (node, at) in [(from, start), (to, end)] {
            if let Some(input) = node.get() {
                input.set_value(&clock.stamp(at).replace(' ', "T"));
            }
        }
        wrong.set(None);
    };
    effect(fill);
    let choose = move |start: String, end: String| {
        desk.go(|view| view.ranged(&start, &end));
        close();
    };
    let apply = move || {
        let clock = LogClock::new(&LogStyle { relative: false, ..desk.out.style.get_untracked() });
        let read = |node: NodeRef<html::Input>| clock.instant(&node.get_untracked()?.value());
        match (read(from), read(to)) {
            (None, _) => wrong.set(Some("The beginning is no time.")),
            (_, None) => wrong.set(Some("The end is no time.")),
            (Some(start), Some(end)) if start >= end => wrong.set(Some("The end must lie behind the beginning.")),
            (Some(start), Some(end)) => choose(start.to_string(), end.to_string()),
        }
    };
    let span = move |(from, name): (&'static str, &'static str)| {
        let on = move || desk.view.with(|view| view.from == from && !view.is_past()).to_string();
        view! {
            <button type="button" class="toggle" aria-pressed=on on:click=act(move |_| choose(from.to_owned(), String::new()))>
                {name}
            </button>
        }
        .into_any()
    };
    let zone = move || match desk.out.style.with(|style| style.zone.clone()) {
        zone if zone.is_empty() => "Times are in your local time zone.".to_owned(),
        zone => ["Times are in ", &zone, "."].concat(),
    };
    let field = |id: &'static str, name: &'static str, node: NodeRef<html::Input>| {
        view! {
            <label class="range-field" for=id>
                <span>{name}</span>
                <input id=id class="input" type="datetime-local" step="1" node_ref=node aria-describedby="range-wrong"/>
            </label>
        }
        .into_any()
    };
    view! {
        <div class="range-spans" role="group" aria-label="Up to now">
            {SPANS.into_iter().map(span).collect_view()}
            <button
                type="button"
                class="toggle"
                aria-pressed=move || (!desk.view.with(LogView::is_ranged)).to_string()
                on:click=act(move |_| choose(String::new(), String::new()))
            >
                "All times"
            </button>
        </div>
        <form
            class="range-form"
            aria-label="From one time to another"
            on:submit=move |event| {
                event.prevent_default();
                apply();
            }
        >
            {field("range-from", "From", from)}
            {field("range-to", "To", to)}
            <p class="range-zone">{move || zone()}</p>
            <button type="submit" class="button" data-kind="primary">"Apply"</button>
            <p id="range-wrong" class="query-error" role="alert">{move || wrong.get()}</p>
        </form>
    }
    .into_any()
}

fn close() {
    if let Some(panel) = document().get_element_by_id("ranges") {
        // It fails where the panel is closed already.
        let _ = panel.unchecked_ref::<web_sys::HtmlElement>().hide_popover();
    }
}

pub fn now() -> Timestamp {
    Timestamp((js_sys::Date::now() * 1e6) as i64)
}

/// The instants of a range, where it has none those of the last hour before its end.
pub fn bounds(view: &LogView, now: Timestamp) -> (Timestamp, Timestamp) {
    let end = if view.is_past() { Timestamp::parse_param(&view.to, now).unwrap_or(now) } else { now };
    let hour_before = end.saturating_add_nanos(-3_600_000_000_000);
    let start = if view.from.is_empty() { hour_before } else { Timestamp::parse_param(&view.from, now).unwrap_or(hour_before) };
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_without_a_beginning_is_the_hour_before_its_end() {
        let at = |secs| Timestamp::from_secs(secs);
        for (from, to, expect) in [
            ("", "", (6_400, 10_000)),
            ("-5m", "now", (9_700, 10_000)),
            ("", "-1h", (2_800, 6_400)),
            ("1970-01-01T00:00:10Z", "1970-01-01T01:00:00Z", (10, 3_600)),
            ("nonsense", "", (6_400, 10_000)),
        ] {
            let view = LogView::default().ranged(from, to);
            assert_eq!(bounds(&view, at(10_000)), (at(expect.0), at(expect.1)), "{from} {to}");
        }
    }
}
