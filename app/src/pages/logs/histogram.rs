//! Lines by level over time, above the list. Dragging over it goes to that range.

use std::time::Duration;

use leptos::{html, prelude::*, task::spawn_local};
use model::{Level, LogAsk, Timestamp, log::Histogram};
use web_sys::PointerEvent;

use super::{
    desk::Desk,
    outlets::{Status, put},
    range::{bounds, now},
};
use crate::{
    parts::{
        log_time::LogClock,
        log_view::{LogStyle, LogView},
        trouble::plain_detail,
    },
    rpc::{Failure, logs::log_histogram},
    ui::{act, effect, text},
};

/// Counted anew so often while the range goes on.
const EVERY: Duration = Duration::from_secs(10);
/// Units of the drawing: a step's width, and the height of the highest.
const WIDE: usize = 10;
const HIGH: u64 = 1_000;
/// What is there at all is seen: a sixteenth of the height.
const LEAST: u64 = 60;

const GRAVEST_FIRST: [Level; 7] = [Level::Fatal, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace, Level::Unknown];

#[component]
pub fn LevelHistogram() -> impl IntoView {
    let desk = Desk::here();
    let drawn = RwSignal::new(None::<Histogram>);
    let trouble = RwSignal::new(None::<String>);
    load_when_needed(desk, drawn, trouble);
    let plot = NodeRef::<html::Div>::new();
    // The steps under the pointer, and from where it drags.
    let over = RwSignal::new(None::<usize>);
    let pressed = RwSignal::new(None::<usize>);
    let before = StoredValue::new(Vec::<(String, String)>::new());
    let clock = Memo::new(move |_| LogStyle { relative: false, ..desk.out.style.get() });
    let clock = move || LogClock::new(&clock.get());
    let step_at = move |event: &PointerEvent| {
        let plot = plot.get_untracked()?.get_bounding_client_rect();
        let steps = drawn.with_untracked(|drawn| drawn.as_ref().map(|drawn| drawn.steps.len())).filter(|steps| *steps > 0)?;
        let part = (f64::from(event.client_x()) - plot.left()) / plot.width().max(1.0);
        Some(((part * steps as f64).max(0.0) as usize).min(steps - 1))
    };
    let zoom = move |one: usize, other: usize| {
        let range = drawn.with_untracked(|drawn| {
            let drawn = drawn.as_ref()?;
            let end = drawn.steps.get(one.max(other))?.start.saturating_add_nanos(drawn.step_ms * 1_000_000);
            Some((drawn.steps.get(one.min(other))?.start.to_string(), end.to_string()))
        });
        if let Some((from, to)) = range {
            before.update_value(|before| before.push(desk.view.with_untracked(|view| (view.from.clone(), view.to.clone()))));
            desk.go(|view| view.ranged(&from, &to));
        }
    };
    let zoom_out = move || {
        let (from, to) = before.try_update_value(Vec::pop).flatten().unwrap_or_default();
        desk.go(|view| view.ranged(&from, &to));
    };
    let selection = move || {
        let (one, other) = (pressed.get()?, over.get()?);
        let steps = drawn.with(|drawn| drawn.as_ref().map_or(1, |drawn| drawn.steps.len().max(1)));
        let left = one.min(other) * 1_000 / steps;
        let right = (one.max(other) + 1) * 1_000 / steps;
        let tenth = |n: usize| [&(n / 10).to_string(), ".", &(n % 10).to_string(), "%"].concat();
        Some(view! { <div class="histogram-selection" style=("left", tenth(left)) style=("width", tenth(right - left))></div> })
    };
    let tip = move || {
        let at = over.get()?;
        let drawn = drawn.read();
        let drawn = drawn.as_ref()?;
        let step = drawn.steps.get(at)?;
        let clock = clock();
        let end = step.start.saturating_add_nanos(drawn.step_ms * 1_000_000);
        let counts: Vec<_> = GRAVEST_FIRST.iter().filter_map(|level| Some((level.as_str(), *step.counts.get(level.as_str())?))).collect();
        let row = |(name, count): (&'static str, u64)| {
            view! { <li data-level=name>{name} " " <b>{text::grouped(count)}</b></li> }
        };
        let side = if at * 2 > drawn.steps.len() { "left" } else { "right" };
        let place = at * 100 / drawn.steps.len().max(1);
        let place = place.to_string() + "%";
        let none = counts.is_empty().then_some("No lines");
        Some(view! {
            <div class="chart-tip" data-side=side style=("--at", place)>
                <p>{[&clock.stamp(step.start), " – ", clock.stamp(end).get(11..).unwrap_or_default()].concat()}</p>
                {none}
                <ul>{counts.into_iter().map(row).collect_view()}</ul>
            </div>
        })
    };
    let ends = move |last: bool| {
        let drawn = drawn.read();
        let drawn = drawn.as_ref()?;
        let step = if last { drawn.steps.last() } else { drawn.steps.first() }?;
        let at = if last { step.start.saturating_add_nanos(drawn.step_ms * 1_000_000) } else { step.start };
        Some(clock().stamp(at).get(5..).unwrap_or_default().to_owned())
    };
    let says = move || match (trouble.get(), drawn.read().as_ref()) {
        (Some(trouble), _) => trouble,
        (None, None) => "Counting…".to_owned(),
        (None, Some(drawn)) => summary(drawn),
    };
    view! {
        <section class="histogram" aria-label="Lines over time">
            <div class="histogram-head">
                <span class="histogram-says" role="note">{move || says()}</span>
                <button
                    type="button"
                    class="button histogram-out"
                    data-kind="plain"
                    data-idle=move || (!desk.view.with(LogView::is_ranged)).to_string()
                    on:click=act(move |_| zoom_out())
                >
                    "Zoom out"
                </button>
            </div>
            <div
                class="histogram-plot"
                role="img"
                aria-label=says
                node_ref=plot
                on:pointerdown=move |event| {
                    if event.button() == 0 {
                        pressed.set(step_at(&event));
                        if let Some(plot) = plot.get_untracked() {
                            let _ = plot.set_pointer_capture(event.pointer_id());
                        }
                    }
                }
                on:pointermove=move |event| put(over, step_at(&event))
                on:pointerup=move |event| {
                    if let (Some(one), Some(other)) = (pressed.get_untracked(), step_at(&event))
                        && one != other
                    {
                        zoom(one, other);
                    }
                    pressed.set(None);
                }
                on:pointercancel=move |_| pressed.set(None)
                on:pointerleave=move |_| over.set(None)
                on:dblclick=move |_| zoom_out()
            >
                {move || drawn.read().as_ref().map(bars)}
                {move || selection()}
                {move || tip()}
            </div>
            <div class="histogram-ends" aria-hidden="true">
                <span>{move || ends(false)}</span>
                <span>{move || ends(true)}</span>
            </div>
        </section>
    }
    .into_any()
}

/// Counts when the search or the range changes, and again and again while the range goes on. What is drawn stays until then.
fn load_when_needed(desk: Desk, drawn: RwSignal<Option<Histogram>>, trouble: RwSignal<Option<String>>) {
    let turn = StoredValue::new(0_u32);
    let load = move || {
        let view = desk.view.get_untracked();
        if view.is_metric() || desk.out.style.with_untracked(|style| style.no_bars) {
            return;
        }
        turn.update_value(|turn| *turn += 1);
        let mine = turn.get_value();
        let ask = asked(&view, now());
        spawn_local(async move {
            let answer = log_histogram(ask, None).await;
            if turn.try_get_value() != Some(mine) {
                return;
            }
            match answer {
                Ok(counted) => {
                    put(trouble, counted.warnings.first().map(plain_detail));
                    drawn.try_set(Some(counted));
                }
                // What is wrong with a search is said where it is written.
                Err(Failure(problem)) if matches!(problem.field.as_deref(), Some("search" | "query")) => put(trouble, Some(String::new())),
                Err(Failure(problem)) => put(trouble, Some(plain_detail(&problem))),
            }
        });
    };
    let asks = Memo::new(move |_| desk.view.with(|view| (view.ask(), view.is_metric(), view.at)));
    let hidden = Memo::new(move |_| desk.out.style.with(|style| style.no_bars));
    effect(move || {
        // Read, not tracked: a memo that nobody reads never runs, and tells of nothing.
        asks.with(|_| ());
        hidden.get();
        desk.out.turn.track();
        load();
    });
    let again = move || {
        if !document().hidden() && !desk.view.with_untracked(LogView::is_past) && desk.out.status.get_untracked() == Status::Live {
            load();
        }
    };
    effect(move || {
        if let Ok(timer) = set_interval_with_handle(again, EVERY) {
            on_cleanup(move || timer.clear());
        }
    });
}

/// What is counted: the view's lines in its range, or around the line of a link, or in the last hour.
fn asked(view: &LogView, now: Timestamp) -> LogAsk {
    if let (Some(line), false) = (view.at, view.is_ranged()) {
        let half_hour = 1_800_000_000_000;
        let (start, end) = (line.at.saturating_add_nanos(-half_hour), line.at.saturating_add_nanos(half_hour));
        return LogAsk { start_time: Some(start.to_string()), end_time: Some(end.to_string()), ..view.ask() };
    }
    let (start, end) = bounds(view, now);
    // Where the range moves on, it does so by whole steps: bars that tremble tell nothing.
    let unit = match (end.0 - start.0) / 1_000_000_000 {
        ..300 => 1,
        300..3_000 => 10,
        3_000..40_000 => 60,
        _ => 3_600,
    };
    let whole = if view.from.starts_with('-') || view.from.is_empty() { start.0.rem_euclid(unit * 1_000_000_000) } else { 0 };
    LogAsk { start_time: Some(Timestamp(start.0 - whole).to_string()), end_time: view.is_past().then(|| end.to_string()), ..view.ask() }
}

/// `1,204 lines in 1 h: 3 error, 12 warn`.
fn summary(drawn: &Histogram) -> String {
    let total = |level: Level| drawn.steps.iter().filter_map(|step| step.counts.get(level.as_str())).sum::<u64>();
    let all: u64 = GRAVEST_FIRST.into_iter().map(total).sum();
    let seconds = drawn.steps.len() as u64 * drawn.step_ms.max(0) as u64 / 1_000;
    let levels = GRAVEST_FIRST.into_iter().filter(|level| total(*level) > 0);
    let levels: Vec<String> = levels.map(|level| [&text::grouped(total(level)), " ", level.as_str()].concat()).collect();
    let colon = if levels.is_empty() { "" } else { ": " };
    [&text::counted(all, "line", "lines"), " in ", &text::span(seconds), colon, &levels.join(", ")].concat()
}

fn bars(drawn: &Histogram) -> impl IntoView + use<> {
    let view_box = ["0 0 ", &(drawn.steps.len() * WIDE).to_string(), " ", &HIGH.to_string()].concat();
    let path = |(level, path): (Level, String)| view! { <path class="histogram-bar" data-level=level.as_str() d=path></path> };
    view! {
        <svg viewBox=view_box preserveAspectRatio="none" aria-hidden="true">
            {paths(drawn).into_iter().map(path).collect_view()}
        </svg>
    }
}

/// A path of boxes for each level that occurs, the gravest at the bottom.
fn paths(drawn: &Histogram) -> Vec<(Level, String)> {
    let most = drawn.steps.iter().map(|step| step.counts.values().sum::<u64>()).max().unwrap_or(0).max(1);
    let mut paths: Vec<(Level, String)> = GRAVEST_FIRST.into_iter().map(|level| (level, String::new())).collect();
    for (at, step) in drawn.steps.iter().enumerate() {
        let mut heights: Vec<u64> = paths
            .iter()
            .map(|(level, _)| match step.counts.get(level.as_str()) {
                None | Some(0) => 0,
                Some(count) => (count * HIGH / most).max(LEAST),
            })
            .collect();
        let sum: u64 = heights.iter().sum();
        if sum > HIGH {
            heights.iter_mut().for_each(|height| *height = *height * HIGH / sum);
        }
        let mut top = HIGH;
        for ((_, path), height) in paths.iter_mut().zip(heights).filter(|(_, height)| *height > 0) {
            top -= height;
            for (sign, number) in [("M", at * WIDE), (" ", top as usize), ("h", WIDE - 1), ("v", height as usize)] {
                path.push_str(sign);
                path.push_str(&number.to_string());
            }
            path.push_str(&["h-", &(WIDE - 1).to_string(), "z"].concat());
        }
    }
    paths.retain(|(_, path)| !path.is_empty());
    paths
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::log::HistogramStep;

    use super::*;

    fn histogram(steps: &[&[(&str, u64)]]) -> Histogram {
        let step = |(at, counts): (usize, &&[(&str, u64)])| HistogramStep {
            start: Timestamp::from_secs(at as i64 * 30),
            counts: counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<BTreeMap<_, _>>(),
        };
        Histogram { step_ms: 30_000, steps: steps.iter().enumerate().map(step).collect(), warnings: Vec::new() }
    }

    #[test]
    fn the_counts_are_told_in_words() {
        for (steps, expect) in [
            (&[&[][..], &[]][..], "0 lines in 1 min"),
            (&[&[("error", 3), ("info", 1_200)], &[("warn", 1)]], "1,204 lines in 1 min: 3 error, 1 warn, 1,200 info"),
        ] {
            assert_eq!(summary(&histogram(steps)), expect);
        }
    }

    #[test]
    fn bars_stand_on_each_other_and_never_leave_the_drawing() {
        let drawn = histogram(&[&[("error", 1), ("info", 999)], &[], &[("info", 500)]]);
        let paths = paths(&drawn);
        let [(Level::Error, error), (Level::Info, info)] = &paths[..] else { panic!("{paths:?}") };
        assert_eq!(error, "M0 944h9v56h-9z");
        assert_eq!(info, "M0 1h9v943h-9zM20 500h9v500h-9z");
        assert!(super::paths(&histogram(&[])).is_empty());
    }

    #[test]
    fn without_a_range_the_last_hour_is_counted() {
        let now = Timestamp::from_secs(7_200);
        let ask = asked(&LogView::default(), now);
        assert_eq!((ask.start_time.as_deref(), ask.end_time), (Some("1970-01-01T01:00:00Z"), None));
        let at = "00000346305fcc000000000000000007".to_owned() + "0001";
        let view = LogView { at: at.parse().ok(), ..LogView::default() };
        let Some(line) = view.at else { panic!("{at} is no line's id") };
        let ask = asked(&view, now);
        let ends = [ask.start_time, ask.end_time]
            .map(|end| Timestamp::parse_rfc3339(&end.unwrap_or_default()).map(|end| (end.0 - line.at.0) / 60_000_000_000));
        assert_eq!(ends, [Some(-30), Some(30)]);
    }

    #[test]
    fn a_range_that_moves_on_begins_at_a_whole_step() {
        let now = Timestamp(7_207_123_456_789);
        for (from, expect) in [
            ("", "1970-01-01T01:00:00Z"),
            ("-5m", "1970-01-01T01:55:00Z"),
            ("-1m", "1970-01-01T01:59:07Z"),
            ("1970-01-01T01:00:00.5Z", "1970-01-01T01:00:00.500Z"),
        ] {
            let ask = asked(&LogView::default().ranged(from, ""), now);
            assert_eq!((ask.start_time.as_deref(), ask.end_time), (Some(expect), None), "{from}");
        }
    }
}
