//! The numbers of a metric query, in place of the lines: a chart, its legend, a table.

mod chart;
mod scale;

use std::{collections::BTreeSet, time::Duration};

use leptos::{prelude::*, task::spawn_local};
use model::{LogAsk, log::LogMetric};

use self::{chart::Chart, scale::short};
use super::{
    desk::Desk,
    outlets::put,
    range::{bounds, now},
};
use crate::{
    parts::{log_view::LogView, trouble::plain_detail},
    rpc::{Failure, logs::log_numbers},
    ui::{act, effect, text},
};

/// Asked anew so often while the range goes on.
const EVERY: Duration = Duration::from_secs(15);
/// More lines than that nobody can tell apart, and more rows nobody reads.
const DRAWN: usize = 60;
const ROWS: usize = 300;

/// What is shown, and which series the reader has taken out.
#[derive(Clone, Copy)]
struct Shown {
    metric: RwSignal<Option<LogMetric>>,
    /// Unix milliseconds that were asked for.
    range: RwSignal<(i64, i64)>,
    without: RwSignal<BTreeSet<usize>>,
}

#[component]
pub fn Numbers() -> impl IntoView {
    let desk = Desk::here();
    let shown = Shown { metric: RwSignal::new(None), range: RwSignal::new((0, 1)), without: RwSignal::new(BTreeSet::new()) };
    let (busy, trouble) = (RwSignal::new(true), RwSignal::new(None::<String>));
    load_when_needed(desk, shown, busy, trouble);
    let body = move || {
        if let Some(why) = trouble.get() {
            return view! { <p class="numbers-note" role="alert">{why}</p> }.into_any();
        }
        match shown.metric.with(|metric| metric.as_ref().map(|metric| metric.series.len())) {
            None => view! { <p class="numbers-note">"Counting…"</p> }.into_any(),
            Some(0) => view! { <p class="numbers-note">"No numbers in this range"</p> }.into_any(),
            Some(_) => view! { <Chart shown=shown/> <Legend shown=shown/> <Table shown=shown/> }.into_any(),
        }
    };
    view! {
        <section class="numbers" aria-label="Numbers of the query" aria-busy=move || busy.get().to_string() tabindex="0">
            {move || body()}
        </section>
    }
    .into_any()
}

fn load_when_needed(desk: Desk, shown: Shown, busy: RwSignal<bool>, trouble: RwSignal<Option<String>>) {
    let turn = StoredValue::new(0_u32);
    let load = move || {
        let view = desk.view.get_untracked();
        turn.update_value(|turn| *turn += 1);
        if !view.is_metric() {
            return;
        }
        let mine = turn.get_value();
        let (start, end) = bounds(&view, now());
        let range = LogAsk { start_time: Some(start.to_string()), end_time: Some(end.to_string()), ..LogAsk::default() };
        busy.set(true);
        spawn_local(async move {
            let answer = log_numbers(view.query, range, None).await;
            if turn.try_get_value() != Some(mine) {
                return;
            }
            busy.set(false);
            match answer {
                Ok(metric) => {
                    put(desk.out.scanned, Some(metric.stats));
                    put(desk.out.warning, metric.warnings.first().map(plain_detail));
                    put(desk.out.search_error, None);
                    put(trouble, None);
                    shown.range.set((start.millis(), end.millis()));
                    shown.metric.set(Some(metric));
                }
                Err(Failure(problem)) => {
                    if problem.field.as_deref() == Some("query") {
                        put(desk.out.search_error, Some(plain_detail(&problem)));
                    }
                    put(trouble, Some(plain_detail(&problem)));
                }
            }
        });
    };
    let mut before = None;
    effect(move || {
        let view = desk.view.get();
        let asked = (view.query.clone(), view.from.clone(), view.to.clone(), desk.out.turn.get());
        if before.as_ref() == Some(&asked) {
            return;
        }
        if before.as_ref().is_none_or(|(query, ..): &(String, String, String, u32)| *query != asked.0) {
            shown.metric.set(None);
            shown.without.set(BTreeSet::new());
            trouble.set(None);
        }
        before = Some(asked);
        load();
    });
    let again = move || {
        if !document().hidden() && !desk.view.with_untracked(LogView::is_past) {
            load();
        }
    };
    effect(move || {
        if let Ok(timer) = set_interval_with_handle(again, EVERY) {
            on_cleanup(move || timer.clear());
        }
    });
}

/// `web` for one label, `{a="b", c="d"}` for more.
fn name(labels: &[(String, String)]) -> String {
    match labels {
        [] => "value".to_owned(),
        [(_, value)] if !value.is_empty() => value.clone(),
        labels => {
            let pairs: Vec<String> = labels.iter().map(|(name, value)| [name, "=\"", value, "\""].concat()).collect();
            ["{", &pairs.join(", "), "}"].concat()
        }
    }
}

/// One of eight colours, unbroken or dashed.
fn tone(series: usize) -> String {
    (series % 16).to_string()
}

/// A button for each series that takes it out of the chart or puts it back; with Shift, leaves it alone there.
#[component]
fn Legend(shown: Shown) -> impl IntoView {
    let names = move || {
        shown.metric.with(|metric| {
            metric.iter().flat_map(|metric| metric.series.iter().take(DRAWN).map(|one| name(&one.labels))).collect::<Vec<_>>()
        })
    };
    let entry = move |(at, name): (usize, String)| {
        let on = move || (!shown.without.with(|without| without.contains(&at))).to_string();
        let click = move |event: web_sys::MouseEvent| {
            shown.without.update(|without| {
                let all = shown.metric.with_untracked(|metric| metric.as_ref().map_or(0, |metric| metric.series.len()));
                if event.shift_key() {
                    let others: BTreeSet<usize> = (0..all).filter(|one| *one != at).collect();
                    *without = if *without == others { BTreeSet::new() } else { others };
                } else if !without.remove(&at) {
                    without.insert(at);
                }
            });
        };
        let title = name.clone();
        view! {
            <button type="button" class="legend-entry" data-series=tone(at) aria-pressed=on title=title on:click=act(click)>
                <span class="legend-line" aria-hidden="true"></span>
                {name}
            </button>
        }
        .into_any()
    };
    let more = move || {
        let count = shown.metric.with(|metric| metric.as_ref().map_or(0, |metric| metric.series.len()));
        (count > DRAWN).then(|| [&DRAWN.to_string(), " of ", &text::grouped(count as u64), " series are drawn"].concat())
    };
    view! {
        <div class="legend" role="group" aria-label="Series">
            {move || names().into_iter().enumerate().map(entry).collect_view()}
            <span class="legend-more">{move || more()}</span>
        </div>
    }
    .into_any()
}

#[component]
fn Table(shown: Shown) -> impl IntoView {
    let rows = move || {
        shown.metric.with(|metric| {
            let series = metric.iter().flat_map(|metric| metric.series.iter().take(ROWS).enumerate());
            let row = |(at, one): (usize, &model::log::MetricSeries)| {
                let values = || one.points.iter().map(|(_, value)| *value);
                let least = values().fold(f64::INFINITY, f64::min);
                let most = values().fold(f64::NEG_INFINITY, f64::max);
                let mean = values().sum::<f64>() / one.points.len().max(1) as f64;
                let last = one.points.last().map_or(f64::NAN, |(_, value)| *value);
                let cells = [last, least, mean, most].map(|value| view! { <td class="number">{short(value)}</td> });
                view! {
                    <tr>
                        <th scope="row" data-series=tone(at)>
                            <span class="legend-line" aria-hidden="true"></span>
                            {name(&one.labels)}
                        </th>
                        {cells.collect_view()}
                    </tr>
                }
                .into_any()
            };
            series.map(row).collect_view()
        })
    };
    view! {
        <table class="table numbers-table">
            <thead>
                <tr>
                    <th scope="col">"Series"</th>
                    {["Last", "Least", "Mean", "Most"].map(|name| view! { <th scope="col" class="number">{name}</th> }).collect_view()}
                </tr>
            </thead>
            <tbody>{move || rows()}</tbody>
        </table>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_called_by_what_tells_it_apart() {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(name(&[]), "value");
        assert_eq!(name(&[label("service", "web")]), "web");
        assert_eq!(name(&[label("service", "")]), "{service=\"\"}");
        assert_eq!(name(&[label("a", "b"), label("c", "d")]), "{a=\"b\", c=\"d\"}");
    }
}
