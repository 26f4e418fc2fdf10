//! Lines in a box: places by the numbers, words around it in HTML, so that nothing is stretched but the lines.

use leptos::{html, prelude::*};
use model::{Timestamp, log::LogMetric};

use super::{
    DRAWN, Shown, name,
    scale::{scale, short},
    tone,
};
use crate::{
    pages::logs::{desk::Desk, outlets::put},
    parts::{log_time::LogClock, log_view::LogStyle},
};

/// The drawing's units in both directions.
const UNITS: f64 = 10_000.0;
/// Values named at the pointer.
const NAMED: usize = 12;

/// What the box stands for.
#[derive(Clone, Debug, PartialEq)]
struct Frame {
    /// Unix milliseconds.
    start: i64,
    end: i64,
    low: f64,
    high: f64,
    lines: Vec<f64>,
}

impl Frame {
    fn of(metric: &LogMetric, (start, end): (i64, i64), is_shown: impl Fn(usize) -> bool) -> Self {
        // The numbers are of whole steps: the first and the last may lie a little outside of what was asked for.
        let ends = || metric.series.iter().filter_map(|one| Some((one.points.first()?.0, one.points.last()?.0)));
        let start = ends().map(|(first, _)| first).fold(start, i64::min);
        let end = ends().map(|(_, last)| last).fold(end, i64::max).max(start + 1);
        let seen = metric.series.iter().take(DRAWN).enumerate().filter(|(at, _)| is_shown(*at));
        let values = seen.flat_map(|(_, one)| one.points.iter().map(|(_, value)| *value)).filter(|value| value.is_finite());
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
        let (low, high, lines) = scale(least, most);
        Self { start, end, low, high, lines }
    }

    fn x(&self, at: i64) -> i64 {
        ((at - self.start) as f64 / (self.end - self.start) as f64 * UNITS) as i64
    }

    fn y(&self, value: f64) -> i64 {
        ((self.high - value) / (self.high - self.low) * UNITS) as i64
    }

    /// A line through the points, broken where steps have none; with `area` closed at the lower edge.
    fn path(&self, points: &[(i64, f64)], step_ms: i64, area: bool) -> String {
        let mut path = String::new();
        let mut push = |sign: &str, x: i64, y: i64| {
            path.push_str(sign);
            path.push_str(&x.to_string());
            path.push(' ');
            path.push_str(&y.to_string());
        };
        let is_joined = |one: &(i64, f64), other: &(i64, f64)| other.0 - one.0 <= step_ms + step_ms / 2;
        for run in points.chunk_by(is_joined) {
            let mut finite = run.iter().filter(|(_, value)| value.is_finite()).peekable();
            let Some(first) = finite.peek().copied() else { continue };
            let floor = self.y(0_f64.clamp(self.low, self.high));
            let mut last = first;
            if area {
                push("M", self.x(first.0), floor);
            }
            for (number, point) in finite.enumerate() {
                push(if number == 0 && !area { "M" } else { "L" }, self.x(point.0), self.y(point.1));
                last = point;
            }
            if area {
                push("L", self.x(last.0), floor);
            } else if std::ptr::eq(first, last) {
                // A point alone: a line of no length, which a round end makes a dot.
                push("L", self.x(last.0), self.y(last.1));
            }
        }
        path
    }
}

#[component]
pub fn Chart(shown: Shown) -> impl IntoView {
    let desk = Desk::here();
    let clock = move || LogClock::new(&LogStyle { relative: false, ..desk.out.style.get() });
    let plot = NodeRef::<html::Div>::new();
    // The instant under the pointer.
    let over = RwSignal::new(None::<i64>);
    let frame = Memo::new(move |_| {
        let without = shown.without.read();
        shown.metric.with(|metric| metric.as_ref().map(|metric| Frame::of(metric, shown.range.get(), |at| !without.contains(&at))))
    });
    let point = move |event: web_sys::PointerEvent| {
        let at = || {
            let plot = plot.get_untracked()?.get_bounding_client_rect();
            let part = ((f64::from(event.client_x()) - plot.left()) / plot.width().max(1.0)).clamp(0.0, 1.0);
            let (start, end) = frame.with_untracked(|frame| frame.as_ref().map(|frame| (frame.start, frame.end)))?;
            let step = shown.metric.with_untracked(|metric| metric.as_ref().map_or(1, |metric| metric.step_ms.max(1)));
            // Numbers are of whole steps since 1970.
            let at = start + (part * (end - start) as f64) as i64;
            let whole = (at + step / 2).div_euclid(step) * step;
            Some(if whole < start {
                whole + step
            } else if whole > end {
                whole - step
            } else {
                whole
            })
        };
        put(over, at());
    };
    let drawing = move || {
        let without = shown.without.read();
        shown.metric.with(|metric| {
            let (metric, frame) = (metric.as_ref()?, frame.read());
            let frame = frame.as_ref()?;
            let lines: Vec<_> = frame.lines.iter().map(|line| frame.y(*line)).collect();
            let lines: String = lines.into_iter().map(|y| ["M0 ", &y.to_string(), "h10000"].concat()).collect();
            let seen: Vec<_> = metric.series.iter().take(DRAWN).enumerate().filter(|(at, _)| !without.contains(at)).collect();
            let is_alone = seen.len() == 1;
            let series = seen.into_iter().map(|(at, one)| {
                let area = is_alone.then(|| {
                    view! { <path class="chart-area" data-series=tone(at) d=frame.path(&one.points, metric.step_ms, true)></path> }
                });
                view! {
                    {area}
                    <path class="chart-line" data-series=tone(at) d=frame.path(&one.points, metric.step_ms, false)></path>
                }
            });
            Some(view! {
                <svg viewBox="0 0 10000 10000" preserveAspectRatio="none" aria-hidden="true">
                    <path class="chart-grid" d=lines></path>
                    {series.collect_view()}
                </svg>
            })
        })
    };
    let levels = move || {
        let frame = frame.get()?;
        let label = |line: &f64| {
            let place = (frame.y(*line) / 100).to_string() + "%";
            view! { <span style=("top", place)>{short(*line)}</span> }
        };
        Some(frame.lines.iter().map(label).collect_view())
    };
    let times = move || {
        let (start, end) = frame.with(|frame| frame.as_ref().map(|frame| (frame.start, frame.end)))?;
        let clock = clock();
        // The day where it is not one day's, the seconds where a tick is shorter than a minute.
        let part = match end - start {
            86_400_001.. => 5..16,
            300_000.. => 11..16,
            _ => 11..19,
        };
        let label = |quarter: i64| {
            let at = start + (end - start) * quarter / 4;
            view! { <span>{clock.stamp(Timestamp(at.saturating_mul(1_000_000))).get(part.clone()).unwrap_or_default().to_owned()}</span> }
        };
        Some((0..=4).map(label).collect_view())
    };
    let tip = move || {
        let at = over.get()?;
        let without = shown.without.read();
        let (start, end) = frame.with(|frame| frame.as_ref().map(|frame| (frame.start, frame.end)))?;
        shown.metric.with(|metric| {
            let series = metric.as_ref()?.series.iter().take(DRAWN).enumerate().filter(|(at, _)| !without.contains(at));
            let mut values: Vec<(usize, String, f64)> = series
                .filter_map(|(number, one)| {
                    let point = one.points.binary_search_by_key(&at, |(at, _)| *at).ok()?;
                    Some((number, name(&one.labels), one.points[point].1))
                })
                .collect();
            values.sort_by(|(_, _, one), (_, _, other)| other.total_cmp(one));
            let more = values.len().saturating_sub(NAMED);
            let row = |(number, name, value): (usize, String, f64)| {
                view! { <li data-series=tone(number)><span class="legend-line"></span> {name} " " <b>{short(value)}</b></li> }
            };
            let none = values.is_empty().then_some("No value");
            let part = (at - start) * 1_000 / (end - start).max(1);
            let place = [&(part / 10).to_string(), ".", &(part % 10).abs().to_string(), "%"].concat();
            let side = if part > 500 { "left" } else { "right" };
            Some(view! {
                <div class="chart-rule" style=("--at", place.clone())></div>
                <div class="chart-tip" data-side=side style=("--at", place)>
                    <p>{clock().stamp(Timestamp(at.saturating_mul(1_000_000)))}</p>
                    {none}
                    <ul>{values.into_iter().take(NAMED).map(row).collect_view()}</ul>
                    {(more > 0).then(|| more.to_string() + " more")}
                </div>
            })
        })
    };
    let says = move || {
        let frame = frame.get()?;
        let series = shown.metric.with(|metric| metric.as_ref().map_or(0, |metric| metric.series.len()));
        let clock = clock();
        let stamp = |at: i64| clock.stamp(Timestamp(at.saturating_mul(1_000_000)));
        Some(
            [
                &series.to_string(),
                " series from ",
                &stamp(frame.start),
                " to ",
                &stamp(frame.end),
                ", on a scale from ",
                &short(frame.low),
                " to ",
                &short(frame.high),
            ]
            .concat(),
        )
    };
    view! {
        <div class="chart">
            <div class="chart-levels" aria-hidden="true">{move || levels()}</div>
            <div
                class="chart-plot"
                role="img"
                aria-label=says
                node_ref=plot
                on:pointermove=point
                on:pointerdown=point
                on:pointerleave=move |_| over.set(None)
            >
                {move || drawing()}
                {move || tip()}
            </div>
            <div class="chart-times" aria-hidden="true">{move || times()}</div>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use model::log::MetricSeries;

    use super::*;

    fn metric(series: &[&[(i64, f64)]]) -> LogMetric {
        let series = series.iter().map(|points| MetricSeries { labels: Vec::new(), points: points.to_vec() }).collect();
        LogMetric { step_ms: 1_000, series, ..LogMetric::default() }
    }

    #[test]
    fn the_frame_holds_what_is_shown_and_nothing_else() {
        let metric = metric(&[&[(1_000, 1.0), (5_000, 4.0)], &[(2_000, 1_000.0), (6_000, f64::NAN)]]);
        let all = Frame::of(&metric, (1_000, 6_000), |_| true);
        assert_eq!((all.start, all.end, all.low, all.high), (1_000, 6_000, 0.0, 1_000.0));
        let one = Frame::of(&metric, (1_000, 6_000), |at| at == 0);
        assert_eq!((one.start, one.end, one.high), (1_000, 6_000, 4.0));
        assert_eq!((one.x(1_000), one.x(6_000), one.y(0.0), one.y(4.0)), (0, 10_000, 10_000, 0));
        let whole_steps = Frame::of(&metric, (1_500, 5_500), |_| true);
        assert_eq!((whole_steps.start, whole_steps.end), (1_000, 6_000));
        assert_eq!(Frame::of(&LogMetric::default(), (0, 0), |_| true).lines.len(), 5);
    }

    #[test]
    fn a_line_breaks_where_there_are_no_numbers() {
        let frame = Frame { start: 0, end: 10_000, low: 0.0, high: 10.0, lines: Vec::new() };
        let points = [(0, 0.0), (1_000, 10.0), (5_000, 5.0), (9_000, f64::NAN)];
        assert_eq!(frame.path(&points, 1_000, false), "M0 10000L1000 0M5000 5000L5000 5000");
        assert_eq!(frame.path(&points, 1_000, true), "M0 10000L0 10000L1000 0L1000 10000M5000 10000L5000 5000L5000 10000");
    }
}
