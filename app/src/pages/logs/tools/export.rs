//! The whole result as a file: streamed from the console, to the disk where the browser lets us, with progress and a way to stop.

mod file;

use std::rc::Rc;

use leptos::{prelude::*, task::spawn_local};
use send_wrapper::SendWrapper;

use self::file::{Broken, Running, Taken};
use super::{LogTools, Sheet};
use crate::{
    paths,
    ui::{Dialog, act, effect, text},
};

/// Extension and what it is for.
const FORMATS: [(&str, &str); 4] = [
    ("ndjson", "NDJSON: a JSON object a line, with all fields"),
    ("csv", "CSV: time, service, level, message, id"),
    ("txt", "Text: time, service and the line as it was written"),
    ("json", "JSON: one array"),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    // Idle → Running → (Done | Stopped | Failed) → Running
    Running,
    Done,
    Stopped,
    Failed(String),
}

#[component]
pub fn ExportSheet(tools: LogTools) -> impl IntoView {
    let open = RwSignal::new(false);
    let format = RwSignal::new("ndjson".to_owned());
    let phase = RwSignal::new(Phase::Idle);
    let taken = RwSignal::new(Taken::default());
    let running = StoredValue::new(None::<SendWrapper<Rc<Running>>>);
    let stop = move || {
        if let Some(running) = running.try_update_value(Option::take).flatten() {
            running.stop();
        }
    };
    on_cleanup(stop);
    effect(move || {
        let is_open = tools.sheet.get() == Some(Sheet::Export);
        open.set(is_open);
        if is_open && phase.get_untracked() != Phase::Running {
            phase.set(Phase::Idle);
        }
    });
    let mut was_open = false;
    effect(move || {
        // It goes on behind a closed sheet, which tells of it when it is opened again.
        let is_open = open.get();
        if std::mem::replace(&mut was_open, is_open) && !is_open && tools.sheet.get_untracked() == Some(Sheet::Export) {
            tools.sheet.set(None);
        }
    });
    let start = move |_| {
        let format = format.get_untracked();
        let mut pairs = tools.ask.with_untracked(paths::ask_query);
        pairs.push(("format", format.clone()));
        let address = paths::with_query("/api/v1/logs/export", &pairs);
        let Some(run) = Running::new() else {
            return phase.set(Phase::Failed("This browser cannot stop what it began to load.".to_owned()));
        };
        let run = Rc::new(run);
        running.set_value(Some(SendWrapper::new(run.clone())));
        taken.set(Taken::default());
        phase.set(Phase::Running);
        spawn_local(async move {
            let name = ["logs.", &*format].concat();
            let tell = move |now: Taken| {
                // The page may have been left.
                let _ = taken.try_set(now);
            };
            let came = file::export(&run, &address, &name, &tell).await;
            running.try_set_value(None);
            phase.try_set(match came {
                Ok(()) => Phase::Done,
                Err(Broken::Stopped) => Phase::Stopped,
                Err(Broken::Failed(why)) => Phase::Failed(why),
            });
        });
    };
    let is_running = move || phase.get() == Phase::Running;
    let choice = move |(value, name): (&'static str, &'static str)| {
        view! {
            <label class="check">
                <input
                    type="radio"
                    name="export-format"
                    value=value
                    prop:checked=move || format.with(|format| format == value)
                    on:change=move |_| format.set(value.to_owned())
                />
                {name}
            </label>
        }
    };
    let button = move || {
        if is_running() {
            view! { <button type="button" class="button" on:click=act(move |_| stop())>"Cancel"</button> }.into_any()
        } else {
            view! { <button type="button" class="button" data-kind="primary" on:click=act(start)>"Export"</button> }.into_any()
        }
    };
    view! {
        <Dialog open=open id="export" title="Export lines">
            <p class="picker-note">{move || what(&tools.ask.get())}</p>
            <fieldset class="export-formats" disabled=is_running>
                <legend>"Format"</legend>
                {FORMATS.into_iter().map(choice).collect_view()}
            </fieldset>
            <div class="export-progress" role="status" data-phase=move || phase.with(name_of)>
                {move || phase.with(|phase| says(phase, &taken.read()))}
            </div>
            <progress class="export-bar" hidden=move || !is_running() aria-label="Exporting"></progress>
            <div class="dialog-actions">{move || button()}</div>
        </Dialog>
    }
    .into_any()
}

/// What will be in the file.
fn what(ask: &model::LogAsk) -> String {
    let range = match (&ask.start_time, &ask.end_time) {
        (None, None) => "from the first that is kept until now",
        _ => "of the chosen range",
    };
    let is_all = model::LogAsk { start_time: None, end_time: None, ..ask.clone() } == model::LogAsk::default();
    let lines = if is_all { "All lines of all services, " } else { "All lines of the present search, " };
    [lines, range, ", the oldest first."].concat()
}

fn name_of(phase: &Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Running => "running",
        Phase::Done => "done",
        Phase::Stopped => "stopped",
        Phase::Failed(_) => "failed",
    }
}

fn says(phase: &Phase, taken: &Taken) -> String {
    let so_far = [&*text::counted(taken.lines, "line", "lines"), ", ", &*text::bytes(taken.bytes)].concat();
    let rate = (taken.lines * 1_000).checked_div(taken.elapsed_ms).unwrap_or(0);
    let rate = [", ", &*text::grouped(rate), " lines/s"].concat();
    match phase {
        Phase::Idle => String::new(),
        Phase::Running if taken.bytes == 0 => "Searching…".to_owned(),
        Phase::Running => so_far + &rate,
        Phase::Done => ["Done: ", &so_far, " in ", &text::span(taken.elapsed_ms.div_ceil(1_000))].concat(),
        Phase::Stopped => ["Cancelled after ", &so_far, ". Nothing was saved."].concat(),
        Phase::Failed(why) => ["It broke off after ", &so_far, ": ", why, " Nothing was saved."].concat(),
    }
}
