//! The log viewer. The page reads the address and shows controls; `viewer` draws the lines by hand.

mod buffer;
mod desk;
mod editor;
mod histogram;
mod input;
mod load;
mod numbers;
mod outlets;
mod range;
mod tools;
mod viewer;

use std::{cell::RefCell, rc::Rc};

use leptos::{html, prelude::*, task::spawn_local};
use leptos_meta::Title;
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate, use_query_map},
};
use model::{Permission, Service, Timestamp};
use send_wrapper::SendWrapper;

use self::{
    desk::{Desk, place},
    outlets::{Command, Older, Outlets, Status, put},
    tools::{LogTools, LogToolsBar, LogToolsPlace},
    viewer::Viewer,
};
use super::Who;
use crate::{
    parts::{
        QueryBar, ServicePicker, StyleBar,
        log_time::LogClock,
        log_view::{LogStyle, LogView},
    },
    paths, rpc,
    ui::{KeyHelp, Toasts, act, effect, text},
};

/// Where a person's style is kept in the browser.
const STYLE_KEY: &str = "docaiche_log_style";

/// Reads from the address what [`LogView`] says.
#[component]
pub fn Logs() -> impl IntoView {
    let query = use_query_map();
    let view = Memo::new(move |_| query.with(|query| LogView::read(&|name| query.get_all(name).unwrap_or_default())));
    let out = Outlets::new();
    provide_context(Desk { view, out });
    effect(move || {
        // What was wanted is there, or something else is by now.
        view.track();
        put(out.want, None);
    });
    let list = NodeRef::<html::Div>::new();
    run_viewer(list, view, out);
    keep_style(out.style);
    follow_links(out);
    let tools = LogTools::provide(view, out);
    let services = RwSignal::new(None);
    let ask_services = Callback::new(move |()| ask_services(services));
    let is_logql = Memo::new(move |_| out.want.get() == Some(true) || view.with(|view| !view.query.is_empty()));
    let is_metric = Memo::new(move |_| view.with(LogView::is_metric));
    let settled = desk::settled();
    // Who may not read lines is not asked about them.
    let may = Memo::new(move |_| out.status.get() != Status::Refused);
    let has_bars = Memo::new(move |_| may.get() && !is_metric.get() && !out.style.with(|style| style.no_bars));
    let query = move || {
        let text = view.with_untracked(|view| view.query.clone());
        view! { <p class="query-coming">{text}</p> }.into_any()
    };
    view! {
        <Title text="Logs"/>
        <section class="logs-page" aria-labelledby="logs-title" data-logql=move || is_logql.get().to_string()>
            <h1 id="logs-title" class="visually-hidden">"Logs"</h1>
            <div class="logs-bar">
                <ServicePicker services=services chosen=Signal::derive(move || view.get().service) ask=ask_services choose=choose(view, out)/>
                <RangeButton view=view out=out/>
                <button type="button" class="button filters-open" popovertarget="filters" data-invalid=move || out.search_error.read().is_some().to_string()>
                    {move || view.with(filters_label)}
                </button>
                // On a narrow screen a popover, which the browser opens and closes; on a wide one the rest of the bar.
                <div id="filters" class="filters" popover="auto">
                    <QueryBar
                        view=view
                        go=out.go
                        error=out.search_error
                        hits=out.hits
                        next=Callback::new(move |down| out.ask(Command::Match(down)))
                        logql=is_logql.into()
                        want=Callback::new(move |wanted| out.want.set((is_logql.get_untracked() != wanted).then_some(wanted)))
                    >
                        {place(desk::EDITOR, Signal::derive(move || may.get() && is_logql.get()), query)}
                    </QueryBar>
                    <StyleBar style=out.style/>
                </div>
                <LogToolsBar tools=tools/>
            </div>
            <StatusLine out=out view=view/>
            <div class="histogram-place" data-on=move || has_bars.get().to_string()>
                {place(desk::HISTOGRAM, Signal::derive(move || settled.get() && has_bars.get()), || ().into_any())}
            </div>
            <div class="logs-box" data-numbers=move || is_metric.get().to_string()>
                <div class="logs-progress" data-busy=move || out.is_busy().to_string()></div>
                <div class="log-list virtual-list" role="log" aria-live="off" aria-label="Log lines" tabindex="0" node_ref=list></div>
                <Over out=out view=view/>
                <div class="numbers-place">{place(desk::NUMBERS, Signal::derive(move || may.get() && is_metric.get()), || ().into_any())}</div>
                <LogToolsPlace tools=tools/>
            </div>
            <p class="visually-hidden" role="status">{out.said}</p>
        </section>
    }
    .into_any()
}

fn filters_label(view: &LogView) -> String {
    match view.filters() {
        0 => "Filters".to_owned(),
        count => ["Filters (", &count.to_string(), ")"].concat(),
    }
}

fn choose(view: Memo<LogView>, out: Outlets) -> Callback<Vec<String>> {
    Callback::new(move |service| out.go.set(Some((LogView { service, at: None, ..view.get_untracked() }, true))))
}

fn ask_services(services: RwSignal<Option<Result<Vec<Service>, String>>>) {
    spawn_local(async move {
        let found = rpc::logs::services_list().await.map_err(|failure| failure.to_string());
        services.try_set(Some(found));
    });
}

/// Makes the viewer in the browser and passes it what changes.
fn run_viewer(list: NodeRef<html::Div>, view: Memo<LogView>, out: Outlets) {
    let who = use_context::<Who>();
    let toasts = use_context::<Toasts>();
    let help = use_context::<KeyHelp>();
    let path = use_location().pathname;
    let held: Rc<RefCell<Option<Rc<Viewer>>>> = Rc::default();
    let made = RwSignal::new(false);
    let viewer = held.clone();
    effect(move || {
        let allowed = who.is_none_or(|who| who.may(Permission::LogsRead));
        let known = who.is_none_or(|who| who.0.get().is_some());
        let Some(list) = list.get().filter(|_| known) else { return };
        if !allowed {
            put(out.status, Status::Refused);
        } else if viewer.borrow().is_none() {
            *viewer.borrow_mut() = Some(Viewer::new(list.into(), out, toasts));
            made.set(true);
        }
    });
    let viewer = held.clone();
    effect(move || {
        if let Some(help) = help {
            help.add(input::KEYS);
        }
        let viewer = SendWrapper::new(viewer.clone());
        on_cleanup(move || {
            if let Some(viewer) = viewer.take().take() {
                viewer.close();
            }
        });
    });
    let viewer = held.clone();
    effect(move || {
        let style = out.style.get();
        if let Some(viewer) = viewer.borrow().as_ref().filter(|_| made.get()) {
            viewer.configure(style);
        }
    });
    let viewer = held.clone();
    effect(move || {
        let view = view.get();
        // On the way to another page the query is that one's.
        let here = path.get_untracked() == paths::LOGS;
        if made.get()
            && here
            && let Some(viewer) = viewer.borrow().as_ref()
        {
            viewer.show(view);
        }
    });
    let viewer = held.clone();
    effect(move || {
        let needles = out.needles.get();
        // A new query comes with its view.
        view.track();
        if let Some(viewer) = viewer.borrow().as_ref().filter(|_| made.get()) {
            viewer.mark(needles);
        }
    });
    effect(move || {
        if out.commands.with(Vec::is_empty) {
            return;
        }
        let commands = out.commands.try_update_untracked(std::mem::take).unwrap_or_default();
        if let Some(viewer) = held.borrow().as_ref() {
            commands.into_iter().for_each(|command| viewer.run(command));
        }
    });
}

/// Reads the style when the page starts, and keeps what is changed.
fn keep_style(style: RwSignal<LogStyle>) {
    let mut is_read = false;
    effect(move || {
        let storage = window().local_storage().ok().flatten();
        if std::mem::replace(&mut is_read, true) {
            let text = style.with(LogStyle::print);
            // A full or forbidden storage keeps nothing: the style then lasts as long as the page.
            let _ = storage.map(|storage| storage.set_item(STYLE_KEY, &text));
            return;
        }
        let kept = storage.and_then(|storage| storage.get_item(STYLE_KEY).ok().flatten());
        style.track();
        if let Some(kept) = kept {
            put(style, LogStyle::parse(&kept));
        }
    });
}

fn follow_links(out: Outlets) {
    let navigate = use_navigate();
    effect(move || {
        if let Some((view, push)) = out.go.get() {
            navigate(&view.url(), NavigateOptions { replace: !push, scroll: false, ..NavigateOptions::default() });
        }
    });
}

/// The range in words; its panel comes when somebody looks for it.
#[component]
fn RangeButton(view: Memo<LogView>, out: Outlets) -> impl IntoView {
    let wanted = RwSignal::new(false);
    let label = RwSignal::new(view.with_untracked(|view| range_label(view, None)));
    effect(move || {
        let clock = LogClock::new(&LogStyle { relative: false, ..out.style.get() });
        label.set(view.with(|view| range_label(view, Some(&clock))));
    });
    view! {
        <button
            type="button"
            class="button range-open"
            popovertarget="ranges"
            aria-label="Time range"
            title=label
            on:pointerenter=move |_| desk::RANGES.expect()
            on:click=act(move |_| wanted.set(true))
        >
            {label}
            " ▾"
        </button>
        <div id="ranges" class="range-panel" popover="auto" role="group" aria-label="Choose a time range">
            {place(desk::RANGES, wanted.into(), || view! { <p class="picker-note">"Loading…"</p> }.into_any())}
        </div>
    }
    .into_any()
}

/// `All times`, `Last 15 min`, `11-22 16:36 – 16:51`. Without a clock (on the server) instants are as in the address.
fn range_label(view: &LogView, clock: Option<&LogClock>) -> String {
    let instant = |text: &str| match (Timestamp::parse_rfc3339(text), clock) {
        (Some(at), Some(clock)) => {
            let shown = clock.show(at);
            [&shown.date, " ", &shown.time].concat()
        }
        _ => text.to_owned(),
    };
    match (&*view.from, view.is_past()) {
        ("", false) => "All times".to_owned(),
        ("", true) => ["Until ", &instant(&view.to)].concat(),
        (from, false) => match from.strip_prefix('-') {
            Some(span) => ["Last ", span].concat(),
            None => ["Since ", &instant(from)].concat(),
        },
        (from, true) => {
            let (from, to) = (instant(from), instant(&view.to));
            // The day once, where it is the same.
            let same = from.split_once(' ').zip(to.split_once(' ')).filter(|((one, _), (other, _))| one == other);
            [&*from, " – ", same.map_or(&*to, |(_, (_, time))| time)].concat()
        }
    }
}

/// How it stands with the lines, in a word and a dot, and what else is to be told.
#[component]
fn StatusLine(out: Outlets, view: Memo<LogView>) -> impl IntoView {
    let word = move || match out.status.get() {
        Status::Connecting => "Connecting…".to_owned(),
        Status::Live => "Live".to_owned(),
        Status::DockerAway => "Docker does not answer, trying again".to_owned(),
        Status::Lost(seconds) => ["Connection to the console lost, trying again in ", &seconds.to_string(), " s"].concat(),
        Status::Ended => "Ended: the container is gone".to_owned(),
        Status::Still => "Around the line of a link".to_owned(),
        Status::Searching => "Searching…".to_owned(),
        Status::Past => "Past".to_owned(),
        Status::Numbers => "Numbers".to_owned(),
        Status::Refused => "Not permitted".to_owned(),
        Status::BadSearch => "Nothing is searched".to_owned(),
        Status::Failed(_) => "Not connected".to_owned(),
    };
    let state = move || match out.status.get() {
        Status::Live => "live",
        Status::Connecting | Status::Searching => "connecting",
        Status::DockerAway | Status::Lost(_) => "lost",
        Status::Ended | Status::Still | Status::Past | Status::Numbers => "still",
        Status::Refused | Status::BadSearch | Status::Failed(_) => "failed",
    };
    let older = move || match out.older.get() {
        Older::Idle => None,
        Older::Loading => Some("Loading older lines…".to_owned()),
        Older::Beginning => Some("That is the beginning".to_owned()),
        Older::Full => Some("200,000 lines are held; narrow the search to see older ones".to_owned()),
        Older::Failed(why) => Some("Older lines did not load: ".to_owned() + &why),
    };
    let what = move || {
        let view = view.get();
        match (view.query.is_empty(), view.service.is_empty()) {
            (false, _) => String::new(),
            (true, true) => "All services".to_owned(),
            (true, false) => view.service.join(", "),
        }
    };
    let scanned = move || {
        let stats = out.scanned.get()?;
        // A count may be answered from what is known of blocks, without their text.
        let bytes = if stats.bytes_scanned == 0 { String::new() } else { [", ", &text::bytes(stats.bytes_scanned)].concat() };
        let time = text::grouped(stats.elapsed_ms);
        Some(["Scanned ", &text::counted(stats.lines_scanned, "line", "lines"), &bytes, " in ", &time, " ms"].concat())
    };
    view! {
        <div class="logs-status" data-paused=move || out.paused.get().to_string()>
            <span class="logs-state" role="status" data-state=state>
                {move || word()}
            </span>
            <PauseBar out=out/>
            <span class="logs-what">{move || what()}</span>
            <span class="logs-note">{move || older()}</span>
            <span class="logs-note logs-scanned">{move || scanned()}</span>
            <span class="logs-note" data-kind="warning">
                {move || out.warning.get()}
            </span>
        </div>
    }
    .into_any()
}

/// Pause, or what no one overlooks: it is paused. Always in the same place and nowhere above lines, so that nothing comes to lie under a
/// pointer that is pressed.
#[component]
fn PauseBar(out: Outlets) -> impl IntoView {
    #[derive(Clone, Copy, PartialEq)]
    enum Shown {
        Pause,
        Paused,
        NotLive,
        Nothing,
    }
    let shown = Memo::new(move |_| match (out.status.get(), out.paused.get()) {
        (Status::Refused | Status::BadSearch | Status::Failed(_) | Status::Searching | Status::Numbers, _) => Shown::Nothing,
        (Status::Still | Status::Past, _) => Shown::NotLive,
        (_, true) => Shown::Paused,
        (_, false) => Shown::Pause,
    });
    let says = move || {
        let unseen = out.unseen.get();
        if unseen == 0 { "Paused".to_owned() } else { ["Paused · ", &text::grouped(unseen), " new"].concat() }
    };
    let button = move |name: &'static str, command| {
        let kind = if command == Command::Pause { "normal" } else { "primary" };
        view! {
            <button type="button" class="button" data-kind=kind on:click=act(move |_| out.ask(command))>
                {name}
            </button>
        }
        .into_any()
    };
    view! {
        <div class="logs-pause">
            {move || match shown.get() {
                Shown::Nothing => ().into_any(),
                Shown::Pause => button("Pause", Command::Pause),
                Shown::NotLive => button("Jump to live", Command::Resume),
                Shown::Paused => {
                    view! {
                        <span class="logs-paused">{move || says()} <span class="logs-hint">" · " <kbd>"Space"</kbd> " to resume"</span></span>
                        {button("Resume", Command::Resume)}
                    }
                        .into_any()
                }
            }}
        </div>
    }
    .into_any()
}

/// What stands in place of lines.
#[component]
fn Over(out: Outlets, view: Memo<LogView>) -> impl IntoView {
    let all_times = move || {
        view.get().is_ranged().then(|| {
            view! {
                <button type="button" class="button" on:click=act(move |_| out.go.set(Some((view.get_untracked().ranged("", ""), true))))>
                    "Show all times"
                </button>
            }
            .into_any()
        })
    };
    let clear = move || {
        view.get().is_filtered().then(|| {
            view! {
                <button type="button" class="button" on:click=act(move |_| out.go.set(Some((view.get_untracked().cleared(), true))))>
                    "Clear filters"
                </button>
            }
            .into_any()
        })
    };
    let retry = move || {
        matches!(out.status.get(), Status::Failed(_)).then(|| {
            view! {
                <button type="button" class="button" on:click=act(move |_| out.ask(Command::Retry))>
                    "Try again"
                </button>
            }
            .into_any()
        })
    };
    let says = Memo::new(move |_| match out.status.get() {
        Status::Failed(why) => Some((why, String::new())),
        Status::BadSearch => Some(("The search is not valid".to_owned(), "The field says what is wrong with it.".to_owned())),
        Status::Refused => {
            Some(("Your role does not include logs".to_owned(), "Lines are for developers, operators and administrators.".to_owned()))
        }
        _ if !out.empty.get() => None,
        Status::Past => Some(("No lines in this range".to_owned(), "Another range may have some.".to_owned())),
        _ if view.get().is_filtered() => Some(("Nothing matches".to_owned(), "New lines that match appear here by themselves.".to_owned())),
        Status::Ended => Some(("No lines".to_owned(), "The container is gone and has left nothing.".to_owned())),
        _ => Some(("No lines yet".to_owned(), "They appear here as they are written.".to_owned())),
    });
    let over = move || {
        let (title, detail) = says.get()?;
        let over = view! {
            <div class="logs-over">
                <p class="empty-title">{title}</p>
                <p>{detail}</p>
                {move || clear()}
                {move || all_times()}
                {move || retry()}
            </div>
        };
        Some(over.into_any())
    };
    view! { {move || over()} }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_told_in_few_words() {
        for (from, to, expect) in [
            ("", "", "All times"),
            ("", "now", "All times"),
            ("-15m", "", "Last 15m"),
            ("-1h", "now", "Last 1h"),
            ("2026-11-22T16:36:00Z", "", "Since 2026-11-22T16:36:00Z"),
            ("", "-5m", "Until -5m"),
            ("-1h", "-5m", "-1h – -5m"),
        ] {
            assert_eq!(range_label(&LogView::default().ranged(from, to), None), expect);
        }
    }
}
