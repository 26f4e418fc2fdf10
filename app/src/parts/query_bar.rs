//! The search of the viewer and its filters. Typing replaces the address, a choice adds to the way back.

use std::time::Duration;

use leptos::prelude::*;
use model::Level;

use super::{
    log_time,
    log_view::{LogStyle, LogView},
};
use crate::ui::{act, effect, text};

/// A pause in typing that long starts the search.
const TYPING: Duration = Duration::from_millis(250);

/// `go` is set to where the person wants to be, and whether the way back leads here.
#[component]
pub fn QueryBar(
    view: Memo<LogView>,
    go: RwSignal<Option<(LogView, bool)>>,
    /// What is wrong with the search.
    error: RwSignal<Option<String>>,
    /// How many lines match, and which of them is the selected one.
    hits: RwSignal<(usize, usize)>,
    /// To the next match, or with `false` the one before.
    next: Callback<bool>,
    /// Whether `children`, the editor of LogQL, stands in place of the words.
    logql: Signal<bool>,
    want: Callback<bool>,
    children: Children,
) -> impl IntoView {
    let is = move |wanted: bool| Signal::derive(move || logql.get() == wanted);
    view! {
        <div class="query-bar" role="search" data-logql=move || logql.get().to_string()>
            <div class="query-language" role="group" aria-label="Search language">
                {toggle("Words", "Words", is(false), move |_| want.run(false))}
                {toggle("LogQL", "LogQL", is(true), move |_| want.run(true))}
            </div>
            <div class="query-code">{children()}</div>
            <div class="query-words">
                <SearchBox view=view go=go error=error/>
            </div>
            <Matches hits=hits next=next/>
            <div class="query-words">
                <div class="query-levels" role="group" aria-label="Levels">
                    {Level::ALL.into_iter().map(|level| level_button(level, view, go)).collect_view()}
                </div>
                <FieldChips view=view go=go/>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn SearchBox(view: Memo<LogView>, go: RwSignal<Option<(LogView, bool)>>, error: RwSignal<Option<String>>) -> impl IntoView {
    let typed = RwSignal::new(view.get_untracked().search);
    let last_sent = StoredValue::new(typed.get_untracked());
    let keystrokes = StoredValue::new(0_u32);
    effect(move || {
        let search = view.get().search;
        // What comes back is what was typed a moment ago; the person may be further by now.
        if search != last_sent.get_value() {
            last_sent.set_value(search.clone());
            typed.set(search);
        }
    });
    let send = move |push: bool| {
        let search = typed.get_untracked();
        last_sent.set_value(search.clone());
        let now = view.get_untracked();
        if search != now.search {
            go.set(Some((LogView { search, at: None, ..now }, push)));
        }
    };
    let on_input = move |event| {
        typed.set(event_target_value(&event));
        keystrokes.update_value(|count| *count += 1);
        let mine = keystrokes.get_value();
        let rested = move || {
            if keystrokes.try_get_value() == Some(mine) {
                send(false);
            }
        };
        set_timeout(rested, TYPING);
    };
    let on_key = move |event: web_sys::KeyboardEvent| match event.key().as_str() {
        "Enter" => send(true),
        "Escape" => {
            event.prevent_default();
            typed.set(String::new());
            send(true);
            if let Some(list) = document().query_selector(".log-list").ok().flatten() {
                use wasm_bindgen::JsCast;
                let _ = list.unchecked_ref::<web_sys::HtmlElement>().focus();
            }
        }
        _ => {}
    };
    let flip = move |change: fn(&mut LogView)| {
        move |_| {
            let mut view = view.get_untracked();
            change(&mut view);
            view.at = None;
            go.set(Some((view, true)));
        }
    };
    view! {
        <div class="query-search">
            <input
                id="log-search"
                class="input"
                type="search"
                aria-label="Search lines"
                placeholder="Search lines"
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                aria-describedby="log-search-error"
                aria-invalid=move || error.get().is_some().to_string()
                value=typed.get_untracked()
                prop:value=typed
                on:input=on_input
                on:keydown=on_key
            />
            {toggle("Regular expression", ".*", Signal::derive(move || view.get().regex), flip(|view| view.regex = !view.regex))}
            {toggle("Highlight only", "Mark", Signal::derive(move || view.get().highlight), flip(|view| view.highlight = !view.highlight))}
            {toggle("Invert", "Not", Signal::derive(move || view.get().invert), flip(|view| view.invert = !view.invert))}
            // Always in its place, or the lines would move when there is something to clear.
            <button
                type="button"
                class="button query-clear"
                data-kind="plain"
                data-idle=move || (view.with(LogView::filters) == 0).to_string()
                on:click=act(move |_| go.set(Some((view.get_untracked().cleared(), true))))
            >
                "Clear all"
            </button>
            <p id="log-search-error" class="query-error" role="alert">{move || error.get()}</p>
        </div>
    }
    .into_any()
}

fn toggle(name: &'static str, sign: &'static str, on: Signal<bool>, click: impl Fn(web_sys::MouseEvent) + 'static) -> impl IntoView {
    view! {
        <button type="button" class="toggle" aria-label=name title=name aria-pressed=move || on.get().to_string() on:click=act(click)>
            {sign}
        </button>
    }
    .into_any()
}

#[component]
fn Matches(hits: RwSignal<(usize, usize)>, next: Callback<bool>) -> impl IntoView {
    let any = Memo::new(move |_| hits.get().0 > 0);
    let says = move || {
        let (all, at) = hits.get();
        if at == 0 {
            text::counted(all as u64, "match", "matches")
        } else {
            [&text::grouped(at as u64), " of ", &text::grouped(all as u64)].concat()
        }
    };
    let bar = move || {
        any.get().then(|| {
            view! {
                <div class="query-matches">
                    <span>{move || says()}</span>
                    <button type="button" class="button" aria-label="Previous match" on:click=act(move |_| next.run(false))>
                        "↑"
                    </button>
                    <button type="button" class="button" aria-label="Next match" on:click=act(move |_| next.run(true))>
                        "↓"
                    </button>
                </div>
            }
            .into_any()
        })
    };
    view! { {move || bar()} }.into_any()
}

fn level_button(level: Level, view: Memo<LogView>, go: RwSignal<Option<(LogView, bool)>>) -> impl IntoView {
    let name = level.as_str();
    let on = Memo::new(move |_| view.with(|view| view.level.iter().any(|one| one == name)));
    let click = move |_| {
        let view = view.get_untracked();
        go.set(Some((LogView { level: LogView::toggled(&view.level, name), at: None, ..view }, true)));
    };
    view! {
        <button type="button" class="toggle" data-level=name aria-pressed=move || on.get().to_string() on:click=act(click)>
            {name}
        </button>
    }
    .into_any()
}

#[component]
fn FieldChips(view: Memo<LogView>, go: RwSignal<Option<(LogView, bool)>>) -> impl IntoView {
    let fields = Memo::new(move |_| view.get().field);
    let chip = move |field: String| {
        let label = "Remove filter ".to_owned() + &field;
        let shown = field.clone();
        let click = move |_| {
            let view = view.get_untracked();
            go.set(Some((LogView { field: LogView::toggled(&view.field, &field), at: None, ..view }, true)));
        };
        view! {
            <button type="button" class="chip" aria-label=label on:click=act(click)>
                <span>{shown}</span>
                " ×"
            </button>
        }
    };
    view! { <div class="query-fields">{move || fields.get().into_iter().map(chip).collect_view()}</div> }.into_any()
}

/// How lines are shown.
#[component]
pub fn StyleBar(style: RwSignal<LogStyle>) -> impl IntoView {
    let zones = RwSignal::new(Vec::<String>::new());
    let flip = move |change: fn(&mut LogStyle)| move |_| style.update(change);
    let on = move |read: fn(&LogStyle) -> bool| Signal::derive(move || style.with(read));
    let choose = move |event| {
        let zone = event_target_value(&event);
        if log_time::is_zone(&zone) {
            style.update(|style| style.zone = zone);
        }
    };
    // The browser's four hundred zones are listed when somebody wants to choose.
    let list = move || {
        if zones.with_untracked(Vec::is_empty) {
            zones.set(log_time::zones());
        }
    };
    let others = move || {
        let chosen = style.with(|style| style.zone.clone());
        let mut zones = zones.get();
        if !chosen.is_empty() && chosen != "UTC" && !zones.contains(&chosen) {
            zones.push(chosen.clone());
        }
        let option = |zone: String| {
            let selected = zone == chosen;
            view! { <option value=zone.clone() selected=selected>{zone.clone()}</option> }
        };
        zones.into_iter().filter(|zone| zone != "UTC").map(option).collect_view()
    };
    view! {
        <div class="style-bar" role="group" aria-label="Display">
            {toggle("Wrap lines", "Wrap", on(|style| style.wrap), flip(|style| style.wrap = !style.wrap))}
            {toggle("Compact", "Dense", on(|style| style.compact), flip(|style| style.compact = !style.compact))}
            {toggle("Lines as written", "Raw", on(|style| style.raw), flip(|style| style.raw = !style.raw))}
            {toggle("Histogram", "Bars", on(|style| !style.no_bars), flip(|style| style.no_bars = !style.no_bars))}
            {toggle("Relative times", "Ago", on(|style| style.relative), flip(|style| style.relative = !style.relative))}
            <select class="input" aria-label="Time zone" prop:value=move || style.get().zone on:pointerenter=move |_| list() on:focus=move |_| list() on:change=choose>
                <option value="">"Local time"</option>
                <option value="UTC">"UTC"</option>
                {move || others()}
            </select>
        </div>
    }
    .into_any()
}
