//! LogQL in the screens' terms: what a person clicked together as a query, and a query's lines and numbers as the screens show
//! them.

use std::{collections::BTreeMap, sync::Arc};

use logql::{
    ast::{
        Expr, Grouping, LabelFilter, LabelPick, LineFilter, LineOp, LogExpr, MatchOp, Matcher, MetricExpr, Needle, RangeAggregation,
        RangeOp, Selector as Labels_, Span, Stage, StageKind, VectorAggregation, VectorOp,
    },
    engine::{LogParams, LogRow, RangeParams, StatsSnapshot, Value},
    syntax::SyntaxError,
};
use model::{
    Entry, EntryId, Labels, Level, LogPage, Problem, ScanStats, Timestamp,
    log::{Fields, Histogram, HistogramStep, LogMetric, MetricSeries, QueryCheck},
};

use super::{LogQuery, Selector, TextMatch};
use crate::{
    Ops,
    access::Action,
    cx::OpCtx,
    error::Error,
    source::engine::{How, Ran},
};

/// Steps of a histogram and points of a series, at most.
const MAX_STEPS: i64 = 500;
const MAX_POINTS: i64 = 11_000;
/// It must be nanoseconds, too.
const MAX_STEP_MS: i64 = i64::MAX / 1_000_000;

/// A log query.
///
/// # Errors
/// [`Error::BadInput`] with the place in the text; for a metric query with a word about it.
pub fn parse_log(text: &str) -> Result<LogExpr, Error> {
    match parse(text)? {
        Expr::Log(log) => Ok(log),
        Expr::Metric(_) => Err(Error::bad_input("query", "it answers with numbers; lines need a log query such as {service=\"web\"}")),
    }
}

/// A query of either kind.
///
/// # Errors
/// [`Error::BadInput`] with the place in the text.
pub fn parse(text: &str) -> Result<Expr, Error> {
    logql::syntax::parse(text).map_err(|error| Error::bad_input("query", error.to_string()))
}

/// The query as far as who asks may see.
pub(crate) fn within(cx: &OpCtx, expr: Expr) -> Expr {
    match cx.scope() {
        Some(scope) => scope.within(expr),
        None => expr,
    }
}

/// As [`within`], of a log query.
pub(crate) fn within_log(cx: &OpCtx, log: &LogExpr) -> LogExpr {
    let mut log = log.clone();
    if let Some(scope) = cx.scope() {
        log.selector = scope.narrowed(log.selector);
    }
    log
}

/// What a text is, for an editor.
fn check(text: &str) -> QueryCheck {
    match logql::syntax::parse(text) {
        Ok(Expr::Log(_)) => QueryCheck::Log,
        Ok(Expr::Metric(_)) => QueryCheck::Metric,
        Err(error) => {
            let SyntaxError { span, .. } = &error;
            QueryCheck::Wrong { message: error.to_string(), start: span.start, end: span.end }
        }
    }
}

impl LogQuery {
    /// The same lines as a LogQL query, its own where it is one. `None` where the language has no way to say it: services of
    /// which one is named by its project or host beside others, and fields, which are found in JSON and logfmt lines alike.
    pub fn as_logql(&self) -> Option<LogExpr> {
        if let Some(log) = &self.logql {
            return Some((**log).clone());
        }
        if !self.filter.fields.is_empty() {
            return None;
        }
        let mut stages = Vec::new();
        if let Some(text) = &self.filter.text {
            stages.push(StageKind::Decolorize);
            stages.push(StageKind::Line(line_filter(text)));
        }
        if !self.filter.levels.is_empty() {
            stages.push(StageKind::Label(LabelFilter::Match(levels(&self.filter.levels))));
        }
        let stages = stages.into_iter().map(|kind| Stage { span: Span::default(), kind }).collect();
        Some(LogExpr { span: Span::default(), selector: selector(&self.selector)?, stages })
    }
}

pub(super) fn matcher(name: &str, op: MatchOp, value: impl Into<String>) -> Matcher {
    Matcher { span: Span::default(), name: name.to_owned(), op, value: value.into() }
}

fn selector(selector: &Selector) -> Option<Labels_> {
    let matchers = match selector {
        Selector::All => vec![matcher("service_name", MatchOp::Regex, ".+")],
        Selector::Refs(refs) => match &refs[..] {
            [one] => {
                let mut matchers = vec![matcher("service_name", MatchOp::Equal, &one.name)];
                matchers.extend(one.project.as_ref().map(|project| matcher("compose_project", MatchOp::Equal, project)));
                matchers.extend(one.host.as_ref().map(|host| matcher("host", MatchOp::Equal, host)));
                matchers
            }
            refs if refs.iter().all(|one| one.project.is_none() && one.host.is_none()) => {
                let names: Vec<String> = refs.iter().map(|one| logql::matcher::escape(&one.name)).collect();
                vec![matcher("service_name", MatchOp::Regex, names.join("|"))]
            }
            _ => return None,
        },
    };
    Some(Labels_ { span: Span::default(), matchers })
}

/// Smart case becomes `(?i)`.
fn line_filter(text: &TextMatch) -> LineFilter {
    let exact = text.is_exact_case();
    let (op, needle) = match (text.regex, exact) {
        (false, true) => (if text.wanted { LineOp::Contains } else { LineOp::NotContains }, text.pattern.clone()),
        (regex, _) => {
            let pattern = if regex { text.pattern.clone() } else { logql::matcher::escape(&text.pattern) };
            (if text.wanted { LineOp::Regex } else { LineOp::NotRegex }, if exact { pattern } else { format!("(?i){pattern}") })
        }
    };
    LineFilter { op, needles: vec![Needle::Text(needle)] }
}

/// Levels as `detected_level` has them: what others call critical is our fatal, and a missing one is unknown.
fn levels(levels: &[Level]) -> Matcher {
    let names = levels.iter().flat_map(|level| match level {
        Level::Fatal => vec!["fatal", "critical"],
        Level::Unknown => vec!["unknown", ""],
        other => vec![other.as_str()],
    });
    match names.collect::<Vec<_>>()[..] {
        [one] => matcher("detected_level", MatchOp::Equal, one),
        ref names => matcher("detected_level", MatchOp::Regex, names.join("|")),
    }
}

pub(super) fn level(name: Option<&str>) -> Level {
    match name {
        Some("critical") => Level::Fatal,
        name => name.and_then(|name| name.parse().ok()).unwrap_or_default(),
    }
}

/// The name of the service that a line of a query is of.
pub fn service_of(row: &LogRow) -> &str {
    let labels = &row.stream.labels;
    labels.get("service").or_else(|| labels.get("service_name")).unwrap_or("unknown_service")
}

/// A line of a query as clients see it. Fields are what the query's parsers found; without parsers, what the line has.
pub fn entry_of(row: &LogRow) -> Entry {
    let id = EntryId { at: Timestamp(row.at), stream: row.stream.hash, ordinal: row.ordinal };
    let fields = if row.labels.parsed.is_empty() { loglines::fields::parse(&row.line) } else { Fields(row.labels.parsed.clone()) };
    Entry {
        id,
        timestamp: id.at,
        service: service_of(row).to_owned(),
        level: level(row.labels.get("detected_level")),
        message: row.line.clone(),
        fields,
        labels: Arc::new(Labels(row.stream.labels.0.clone())),
        group: id,
        cut: None,
    }
}

pub(super) fn scanned(stats: &StatsSnapshot, elapsed: std::time::Duration) -> ScanStats {
    ScanStats { lines_scanned: stats.lines, bytes_scanned: stats.bytes, elapsed_ms: elapsed.as_millis() as u64 }
}

fn warnings<T>(ran: &Ran<T>) -> Vec<Problem> {
    ran.warnings.iter().map(|warning| Problem::new(model::Code::Upstream, warning.clone())).collect()
}

impl Ops {
    /// What a text is, for an editor.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`].
    pub fn log_check(&self, cx: &OpCtx, text: &str) -> Result<QueryCheck, Error> {
        cx.require(Action::LogsRead)?;
        Ok(check(text))
    }

    /// What a person clicked together, as LogQL; see [`LogQuery::as_logql`].
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`], [`Error::BadInput`].
    pub fn log_as_query(&self, cx: &OpCtx, ask: &model::LogAsk) -> Result<Option<String>, Error> {
        cx.require(Action::LogsRead)?;
        Ok(LogQuery::parse(ask, cx.now)?.as_logql().map(|log| Expr::Log(log).to_string()))
    }

    /// One page of a LogQL query.
    pub(super) async fn logql_page(&self, cx: &OpCtx, log: &LogExpr, query: &LogQuery) -> Result<LogPage, Error> {
        let log = &within_log(cx, log);
        let params = LogParams {
            start: query.range.start.0,
            end: query.range.end.0,
            limit: Some(query.limit + 1),
            direction: query.direction,
            after: query.cursor,
            interval_ns: 0,
        };
        let ran = self.engine()?.logs(log, params, How { now: cx.now, partial_series: false }).await?;
        let has_more = ran.value.len() > query.limit;
        let logs: Vec<Entry> = ran.value.iter().take(query.limit).map(entry_of).collect();
        let next_cursor = logs.last().filter(|_| has_more).map(|last| last.id.to_string());
        Ok(LogPage { logs, next_cursor, has_more, stats: scanned(&ran.stats, ran.elapsed), warnings: warnings(&ran) })
    }

    /// A metric query over a range, `points` of it at most where no step is given.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`]; [`Error::BadInput`] for a query, range or step that cannot be;
    /// [`Error::Query`].
    pub async fn log_metric(&self, cx: &OpCtx, text: &str, query: &LogQuery, step_ms: Option<i64>) -> Result<LogMetric, Error> {
        cx.require(Action::LogsRead)?;
        let Expr::Metric(metric) = within(cx, parse(text)?) else {
            return Err(Error::bad_input(
                "query",
                "it answers with lines; numbers need a metric query such as rate({service=\"web\"}[5m])",
            ));
        };
        let (start, end) = (query.range.start.0, query.range.end.0.min(cx.now.0));
        let span_ms = ((end - start) / 1_000_000).max(1);
        let step_ms = step_ms.unwrap_or_else(|| round_up(span_ms / 240));
        if !(1..=MAX_STEP_MS).contains(&step_ms) || span_ms / step_ms > MAX_POINTS {
            return Err(Error::bad_input("step", format!("it must be positive and give at most {MAX_POINTS} points")));
        }
        let params = RangeParams { start, end, step: step_ms * 1_000_000 };
        let ran = self.engine()?.range(&metric, params, How { now: cx.now, partial_series: true }).await?;
        let series = ran.value.iter().map(|one| MetricSeries {
            labels: one.labels.to_vec(),
            points: one.points.iter().map(|(at, value)| (at / 1_000_000, *value)).collect(),
        });
        Ok(LogMetric { step_ms, series: series.collect(), stats: scanned(&ran.stats, ran.elapsed), warnings: warnings(&ran) })
    }

    /// Counts by level where the store can count by itself.
    pub(super) async fn logql_histogram(
        &self,
        cx: &OpCtx,
        log: LogExpr,
        (start, end): (Timestamp, Timestamp),
        step_ms: i64,
    ) -> Result<Histogram, Error> {
        let log = within_log(cx, &log);
        let step = step_ms * 1_000_000;
        let how = How { now: cx.now, partial_series: true };
        let engine = self.engine()?;
        let mut counts: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
        let mut add = |at: i64, labels: &[(String, String)], value: f64| {
            let name = labels.iter().find(|(name, _)| name == "detected_level").map(|(_, value)| value.as_str());
            *counts.entry((at - start.0) / step).or_default().entry(level(name).to_string()).or_default() += value as u64;
        };
        let whole = (end.0 - start.0) / step;
        let mut told = Vec::new();
        if whole > 0 {
            // Steps are evaluated at multiples of their length and count `(t-step, t]`; ours begin anywhere and are `[start, end)`.
            let shift = start.0.rem_euclid(step);
            let metric = by_level(log.clone(), step, 1 - shift);
            let first = start.0 - shift;
            let params = RangeParams { start: first + step, end: first + whole * step, step };
            let ran = engine.range(&metric, params, how).await?;
            told.extend(warnings(&ran));
            for series in ran.value.iter() {
                for (at, value) in &series.points {
                    add(at + shift - step, &series.labels, *value);
                }
            }
        }
        let rest = end.0 - start.0 - whole * step;
        if rest > 0 {
            let metric = by_level(log, rest, 1);
            let ran = engine.instant(&Expr::Metric(metric), end.0, how).await?;
            told.extend(warnings(&ran));
            if let Value::Vector(samples) = &ran.value {
                for sample in samples {
                    add(end.0 - rest, &sample.labels, sample.value);
                }
            }
        }
        told.dedup();
        let steps = (0..whole + i64::from(rest > 0)).map(|step_number| HistogramStep {
            start: start.saturating_add_nanos(step_number * step),
            counts: counts.remove(&step_number).unwrap_or_default(),
        });
        Ok(Histogram { step_ms, steps: steps.collect(), warnings: told })
    }
}

fn by_level(mut log: LogExpr, range_ns: i64, offset_ns: i64) -> MetricExpr {
    // A line that a parser could not read is shown, so it counts; to a metric it would be an error.
    if log.stages.iter().any(|stage| !matches!(stage.kind, StageKind::Line(_))) {
        let errors = ["__error__", "__error_details__"].map(|name| LabelPick::Name { span: Span::default(), name: name.to_owned() });
        log.stages.push(Stage { span: Span::default(), kind: StageKind::Drop(errors.into()) });
    }
    let counted =
        RangeAggregation { span: Span::default(), op: RangeOp::Count, param: None, log, unwrap: None, range_ns, offset_ns, grouping: None };
    MetricExpr::Vector(VectorAggregation {
        span: Span::default(),
        op: VectorOp::Sum,
        param: None,
        grouping: Some(Grouping { without: false, labels: vec!["detected_level".to_owned()] }),
        inner: Box::new(MetricExpr::Range(counted)),
    })
}

/// Milliseconds, up to the next length that people count in.
pub(super) fn round_up(ms: i64) -> i64 {
    const ROUND: [i64; 22] = [
        1_000,
        2_000,
        5_000,
        10_000,
        15_000,
        30_000,
        60_000,
        120_000,
        300_000,
        600_000,
        900_000,
        1_800_000,
        3_600_000,
        7_200_000,
        10_800_000,
        21_600_000,
        43_200_000,
        86_400_000,
        172_800_000,
        604_800_000,
        2_592_000_000,
        31_536_000_000,
    ];
    ROUND.into_iter().find(|round| *round >= ms).unwrap_or(ms)
}

/// The step of a histogram over a span, in milliseconds: about a hundred of them.
///
/// # Errors
/// [`Error::BadInput`] for a given one that is not positive or makes too many.
pub(super) fn histogram_step(span_ms: i64, given: Option<i64>) -> Result<i64, Error> {
    let step_ms = given.unwrap_or_else(|| round_up(span_ms / 120));
    if !(1..=MAX_STEP_MS).contains(&step_ms) || span_ms / step_ms > MAX_STEPS {
        return Err(Error::bad_input("step", format!("it must be positive and give at most {MAX_STEPS} steps")));
    }
    Ok(step_ms)
}

#[cfg(test)]
mod tests {
    use model::LogAsk;

    use super::*;

    #[test]
    fn what_was_clicked_together_reads_as_a_query() {
        let ask = |service: &[&str], level: &[&str], search: &str, regex: bool, invert: bool| LogAsk {
            service: service.iter().map(|one| (*one).to_owned()).collect(),
            level: level.iter().map(|one| (*one).to_owned()).collect(),
            search: Some(search.to_owned()),
            regex,
            invert,
            ..LogAsk::default()
        };
        for (ask, expect) in [
            (ask(&[], &[], "", false, false), Some(r#"{service_name=~".+"}"#)),
            (ask(&["web"], &[], "", false, false), Some(r#"{service_name="web"}"#)),
            (ask(&["h/p/web"], &[], "", false, false), Some(r#"{service_name="web", compose_project="p", host="h"}"#)),
            (ask(&["a.b", "c"], &[], "", false, false), Some(r#"{service_name=~"a\\.b|c"}"#)),
            (ask(&["p/a", "c"], &[], "", false, false), None),
            (ask(&["a"], &["error"], "", false, false), Some(r#"{service_name="a"} | detected_level="error""#)),
            (ask(&["a"], &["fatal"], "", false, false), Some(r#"{service_name="a"} | detected_level=~"fatal|critical""#)),
            (ask(&["a"], &[], "Boom", false, false), Some(r#"{service_name="a"} | decolorize |= "Boom""#)),
            (ask(&["a"], &[], "b.m", false, true), Some(r#"{service_name="a"} | decolorize !~ "(?i)b\\.m""#)),
            (ask(&["a"], &[], "B.m", true, false), Some(r#"{service_name="a"} | decolorize |~ "B.m""#)),
        ] {
            let query = LogQuery::parse(&ask, Timestamp(0)).unwrap();
            assert_eq!(query.as_logql().map(|log| Expr::Log(log).to_string()).as_deref(), expect, "{ask:?}");
        }
        let own = LogAsk { query: Some(r#"{a="b"} | json"#.to_owned()), ..LogAsk::default() };
        let query = LogQuery::parse(&own, Timestamp(0)).unwrap();
        assert_eq!(Expr::Log(query.as_logql().unwrap()).to_string(), r#"{a="b"} | json"#);
    }

    #[test]
    fn a_query_excludes_what_it_would_say_itself() {
        for (ask, says) in [
            (LogAsk { query: Some("{".into()), ..LogAsk::default() }, "query: parse error at line 1"),
            (LogAsk { query: Some("rate({a=\"b\"}[5m])".into()), ..LogAsk::default() }, "query: it answers with numbers"),
            (LogAsk { query: Some("{a=\"b\"}".into()), service: vec!["x".into()], ..LogAsk::default() }, "query: it excludes service"),
            (LogAsk { query: Some("{a=\"b\"}".into()), search: Some("x".into()), ..LogAsk::default() }, "query: it excludes search"),
        ] {
            let error = LogQuery::parse(&ask, Timestamp(0)).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
