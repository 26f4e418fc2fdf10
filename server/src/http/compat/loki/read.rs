//! Loki's reading endpoints.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use logpush::{drain::Patterns, fields::FieldRow};
use logql::{
    ast::{Expr, Grouping, LogExpr, MetricExpr, RangeAggregation, RangeOp, Selector, Span as At, VectorAggregation, VectorOp},
    engine::{LogParams, LogRow, RangeParams},
    syntax,
};
use model::{Direction, Labels, TimeRange, Timestamp};
use ops::{logs::QuerySpan, source::engine::PatternParams};
use serde_json::{Value, json};

use super::{
    Call, Failure,
    answer::{answer, instant, matrix, refused, seconds, streams, success},
    not_found,
};

/// Loki's default of `max_entries_limit_per_query`.
const MAX_ENTRIES: usize = 5_000;
/// `match[]` of one request.
const MAX_SELECTORS: usize = 100;
const MAX_TARGETS: usize = 100;
/// Loki's default of `max_query_length`, which a longer retention lengthens.
const MAX_RANGE_NS: i64 = 721 * 3_600 * model::time::NANOS_PER_SEC;

pub async fn route(call: &Call, path: &str) -> Result<Response, Failure> {
    match path {
        "api/v1/query" => query(call).await,
        "api/v1/query_range" => query_range(call).await,
        "api/v1/labels" | "api/v1/label" => labels(call).await,
        "api/v1/series" => series(call).await,
        "api/v1/index/stats" => index_stats(call).await,
        "api/v1/index/volume" => volume(call).await,
        "api/v1/index/volume_range" => volume_range(call).await,
        "api/v1/detected_labels" => detected_labels(call).await,
        "api/v1/detected_fields" => detected_fields(call, None).await,
        "api/v1/patterns" => patterns(call).await,
        "api/v1/format_query" => Ok(format_query(call)),
        "api/v1/status/buildinfo" => Ok(build_info()),
        "api/v1/drilldown-limits" => Ok(drilldown_limits(call)),
        // Rules and deletions are not kept here: there are none.
        "api/v1/rules" => Ok(refused(StatusCode::NOT_FOUND, "no rule groups found\n")),
        "api/v1/delete" => Ok(([(header::CONTENT_TYPE, "application/json")], "[]\n").into_response()),
        "ready" => Ok(refused(StatusCode::OK, "ready\n")),
        _ => {
            if let Some(name) = path.strip_prefix("api/v1/label/").and_then(|rest| rest.strip_suffix("/values")) {
                return label_values(call, name).await;
            }
            if let Some(name) = path.strip_prefix("api/v1/detected_field/").and_then(|rest| rest.strip_suffix("/values")) {
                return detected_fields(call, Some(name)).await;
            }
            Ok(not_found())
        }
    }
}

fn span(call: &Call) -> Result<QuerySpan, Failure> {
    let (start, end) = call.params.range(call.now())?;
    let longest = call.state.engine.max_query_ns.max(MAX_RANGE_NS);
    if end.saturating_sub(start) > longest {
        let (length, limit) = (go_duration(end.saturating_sub(start)), go_days(longest));
        return Err(format!("the query time range exceeds the limit (query length: {length}, limit: {limit})").into());
    }
    Ok(QuerySpan { start, end })
}

/// As Go prints it: `19200h11m0s`.
fn go_duration(nanos: i64) -> String {
    let seconds = nanos / model::time::NANOS_PER_SEC;
    format!("{}h{}m{}s", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// As Prometheus prints it: `30d1h`.
fn go_days(nanos: i64) -> String {
    let hours = nanos / model::time::NANOS_PER_SEC / 3_600;
    if hours % 24 == 0 { format!("{}d", hours / 24) } else { format!("{}d{}h", hours / 24, hours % 24) }
}

fn limit(call: &Call) -> Result<usize, Failure> {
    let limit = call.params.count("limit", 100)?;
    if limit > MAX_ENTRIES {
        let text = format!("max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {MAX_ENTRIES})");
        return Err(text.into());
    }
    Ok(limit)
}

fn direction(call: &Call) -> Result<Direction, Failure> {
    Ok(if call.params.is_forward()? { Direction::Forward } else { Direction::Backward })
}

fn categorize(flags: Option<&[String]>) -> bool {
    flags.is_some_and(|flags| flags.iter().any(|flag| flag == "categorize-labels"))
}

async fn query(call: &Call) -> Result<Response, Failure> {
    let at = call.params.instant(call.now())?;
    call.params.is_forward()?;
    let expr = syntax::parse(call.params.get("query"))?;
    let ran = call.state.ops.query_instant(&call.cx, &expr, at, call.how()).await?;
    let (kind, result) = instant(&ran.value, at);
    Ok(success(kind, result, &ran, None))
}

async fn query_range(call: &Call) -> Result<Response, Failure> {
    let (start, end) = call.params.range(call.now())?;
    let limit = limit(call)?;
    let direction = direction(call)?;
    let step = call.params.step(start, end)?;
    let interval_ns = call.params.interval()?;
    let expr = syntax::parse(call.params.get("query"))?;
    span(call)?;
    match expr {
        Expr::Log(log) => {
            let params = LogParams { start, end, limit: Some(limit), direction, after: None, interval_ns };
            let ran = call.state.ops.query_logs(&call.cx, &log, params, call.how()).await?;
            let flags = call.flags();
            let result = streams(&ran.value, categorize(flags.as_deref()));
            Ok(success("streams", result, &ran, flags.as_deref()))
        }
        Expr::Metric(metric) => {
            let ran = call.state.ops.query_range(&call.cx, &metric, RangeParams { start, end, step }, call.how()).await?;
            Ok(success("matrix", matrix(&ran.value), &ran, None))
        }
    }
}

/// `data` is left out where it is empty, as Loki does.
fn list(data: &[String]) -> Response {
    answer(&if data.is_empty() { json!({ "status": "success" }) } else { json!({ "status": "success", "data": data }) })
}

async fn labels(call: &Call) -> Result<Response, Failure> {
    let selector = call.selector("query", true)?;
    let names = call.state.ops.log_label_names(&call.cx, selector.as_slice(), span(call)?).await?;
    Ok(list(&names))
}

async fn label_values(call: &Call, name: &str) -> Result<Response, Failure> {
    let selector = call.selector("query", true)?;
    let values = call.state.ops.log_label_values(&call.cx, name, selector.as_slice(), span(call)?).await?;
    Ok(list(&values))
}

async fn series(call: &Call) -> Result<Response, Failure> {
    let span = span(call)?;
    let texts: Vec<&str> =
        call.params.all("match[]").chain(call.params.all("match")).filter(|text| !matches!(text.trim(), "" | "{}")).collect();
    if texts.len() > MAX_SELECTORS {
        return Err(format!("{} of match[] were given; at most {MAX_SELECTORS} are allowed", texts.len()).into());
    }
    let selectors = texts.into_iter().map(syntax::parse_selector).collect::<Result<Vec<_>, _>>()?;
    let series = call.state.ops.log_series(&call.cx, &selectors, span).await?;
    Ok(answer(&json!({ "status": "success", "data": series })))
}

fn needed(call: &Call) -> Result<Selector, Failure> {
    let selector = call.selector("query", false)?;
    Ok(selector.expect("only an optional one is left out"))
}

async fn index_stats(call: &Call) -> Result<Response, Failure> {
    let (selector, span) = (needed(call)?, span(call)?);
    let volumes = call.state.ops.log_volumes(&call.cx, &selector, span).await?;
    let sum = |of: fn(&ops::source::engine::StreamVolume) -> u64| volumes.iter().map(of).sum::<u64>();
    Ok(answer(&json!({
        "streams": volumes.len(), "chunks": sum(|one| one.chunks), "bytes": sum(|one| one.bytes), "entries": sum(|one| one.lines),
    })))
}

/// The labels by which volumes are told apart: those asked for, else those that the selector names.
fn targets(call: &Call, selector: &Selector) -> Result<Vec<String>, Failure> {
    let asked: BTreeSet<&str> = call.params.get("targetLabels").split(',').filter(|name| !name.is_empty()).collect();
    if asked.len() > MAX_TARGETS {
        return Err(format!("targetLabels has {} names; at most {MAX_TARGETS} are allowed", asked.len()).into());
    }
    let named = || selector.matchers.iter().map(|matcher| matcher.name.clone()).collect();
    Ok(if asked.is_empty() { named() } else { asked.into_iter().map(str::to_owned).collect() })
}

/// The names under which a stream's bytes count: its values of the target labels, or each of its labels by itself.
fn names(labels: &Labels, targets: &[String], by_label: bool) -> Vec<Vec<(String, String)>> {
    if by_label {
        return labels.0.keys().map(|name| vec![(name.clone(), String::new())]).collect();
    }
    let mut pairs: Vec<_> = targets.iter().filter_map(|name| labels.get(name).map(|value| (name.clone(), value.to_owned()))).collect();
    pairs.sort();
    pairs.dedup();
    vec![pairs]
}

fn object(pairs: &[(String, String)]) -> Value {
    Value::Object(pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect())
}

async fn volume(call: &Call) -> Result<Response, Failure> {
    let (selector, span) = (needed(call)?, span(call)?);
    let limit = call.params.count("limit", 100)?;
    let by_label = aggregate_by_label(call)?;
    let targets = targets(call, &selector)?;
    let mut bytes: BTreeMap<Vec<(String, String)>, u64> = BTreeMap::new();
    for volume in call.state.ops.log_volumes(&call.cx, &selector, span).await? {
        for name in names(&volume.stream.labels, &targets, by_label) {
            *bytes.entry(name).or_default() += volume.bytes;
        }
    }
    let mut largest: Vec<_> = bytes.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
    largest.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    largest.truncate(limit);
    let result: Vec<Value> =
        largest.iter().map(|(name, bytes)| json!({ "metric": object(name), "value": [seconds(span.end), bytes.to_string()] })).collect();
    Ok(answer(&json!({ "status": "success", "data": { "resultType": "vector", "result": result, "stats": {} } })))
}

fn aggregate_by_label(call: &Call) -> Result<bool, Failure> {
    match call.params.get("aggregateBy") {
        "" | "series" => Ok(false),
        "labels" => Ok(true),
        _ => Err("invalid aggregation option".to_owned().into()),
    }
}

/// Bytes in each step, each told at its last millisecond.
async fn volume_range(call: &Call) -> Result<Response, Failure> {
    let (selector, span) = (needed(call)?, span(call)?);
    let step = call.params.step(span.start, span.end)?;
    let limit = call.params.count("limit", 100)?;
    let by_label = aggregate_by_label(call)?;
    let targets = targets(call, &selector)?;
    let first = span.start.saturating_sub(span.start.rem_euclid(step)).saturating_add(step);
    let params = RangeParams { start: first, end: span.end, step };
    let labels = if by_label { call.state.ops.log_label_names(&call.cx, std::slice::from_ref(&selector), span).await? } else { targets };
    let ran = call.state.ops.query_range(&call.cx, &bytes_by(selector, step, labels), params, call.how()).await?;
    let mut sums: BTreeMap<Vec<(String, String)>, BTreeMap<i64, f64>> = BTreeMap::new();
    for series in &ran.value {
        let own = Labels(series.labels.iter().cloned().collect());
        let targets: Vec<String> = own.0.keys().cloned().collect();
        for name in names(&own, &targets, by_label) {
            let points = sums.entry(name).or_default();
            for &(at, bytes) in series.points.iter().filter(|(at, _)| *at <= span.end) {
                *points.entry(at).or_default() += bytes;
            }
        }
    }
    let mut largest: Vec<_> = sums.into_iter().collect();
    largest.sort_by(|(_, a), (_, b)| b.values().sum::<f64>().total_cmp(&a.values().sum::<f64>()));
    largest.truncate(limit);
    let values = |points: &BTreeMap<i64, f64>| {
        points.iter().map(|(at, bytes)| json!([seconds(at - 1_000_000), (*bytes as u64).to_string()])).collect::<Vec<_>>()
    };
    let result: Vec<Value> = largest.iter().map(|(name, points)| json!({ "metric": object(name), "values": values(points) })).collect();
    Ok(success("matrix", result.into(), &ran, None))
}

/// `sum by (labels) (bytes_over_time(selector[step]))`
fn bytes_by(selector: Selector, step: i64, labels: Vec<String>) -> MetricExpr {
    let log = LogExpr { span: At::default(), selector, stages: Vec::new() };
    let inner = MetricExpr::Range(RangeAggregation {
        span: At::default(),
        op: RangeOp::Bytes,
        param: None,
        log,
        unwrap: None,
        range_ns: step,
        offset_ns: 0,
        grouping: None,
    });
    MetricExpr::Vector(VectorAggregation {
        span: At::default(),
        op: VectorOp::Sum,
        param: None,
        grouping: Some(Grouping { without: false, labels }),
        inner: Box::new(inner),
    })
}

async fn detected_labels(call: &Call) -> Result<Response, Failure> {
    let selector = call.selector("query", true)?;
    let counts = call.state.ops.log_label_counts(&call.cx, selector.as_slice(), span(call)?).await?;
    Ok(answer(&json!(logpush::fields::detected_labels(
        counts.iter().map(|(name, values)| (name.clone(), values.iter().map(String::as_str)))
    ))))
}

/// The newest lines of a query, to look at their fields.
async fn sample(call: &Call, log: &LogExpr, lines: usize) -> Result<Vec<LogRow>, Failure> {
    let QuerySpan { start, end } = span(call)?;
    let params = LogParams { start, end, limit: Some(lines), direction: Direction::Backward, after: None, interval_ns: 0 };
    Ok(call.state.ops.query_logs(&call.cx, log, params, call.how()).await?.value)
}

async fn detected_fields(call: &Call, name: Option<&str>) -> Result<Response, Failure> {
    let Expr::Log(log) = syntax::parse(call.params.get("query"))? else {
        return Err("only log selector is supported".to_owned().into());
    };
    let lines = call.params.count("line_limit", 100)?.min(MAX_ENTRIES);
    let limit = match call.params.get("limit") {
        "" => call.params.count("field_limit", 1_000)?,
        _ => call.params.count("limit", 1_000)?,
    };
    let rows = sample(call, &log, lines).await?;
    let metadata: Vec<Vec<(&str, &str)>> =
        rows.iter().map(|row| row.labels.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()).collect();
    let seen = rows.iter().zip(&metadata).map(|(row, metadata)| FieldRow { line: &row.line, labels: &row.stream.labels, metadata });
    Ok(answer(&match name {
        None => json!(logpush::fields::detected_fields(seen, limit)),
        Some(name) => json!(logpush::fields::detected_field_values(seen, name, limit)),
    }))
}

fn format_query(call: &Call) -> Response {
    match syntax::parse(call.params.get("query")) {
        Ok(expr) => answer(&json!({ "status": "success", "data": syntax::pretty(&expr) })),
        Err(error) => {
            let mut response = answer(&json!({ "status": "invalid-query", "error": error.to_string() }));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
    }
}

/// Grafana reads the version to know which of its features Loki has.
const SPEAKS: &str = "3.7.6";

fn build_info() -> Response {
    let body = json!({
        "version": SPEAKS, "revision": crate::machine::COMMIT, "branch": "docaiche", "buildUser": "", "buildDate": "", "goVersion": "",
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn drilldown_limits(call: &Call) -> Response {
    let retention = go_duration(call.state.engine.retention_ns);
    let limits = json!({
        "limits": {
            "discover_log_levels": true, "discover_service_name": logpush::normalise::SERVICE_LABELS, "log_level_fields": logpush::level::FIELDS,
            "max_entries_limit_per_query": MAX_ENTRIES, "max_line_size_truncate": false, "max_query_bytes_read": "0B",
            "max_query_length": go_days(call.state.engine.max_query_ns.max(MAX_RANGE_NS)), "max_query_lookback": "0s", "max_query_range": "0s",
            "max_query_series": 500, "metric_aggregation_enabled": false, "otlp_config": {}, "pattern_persistence_enabled": false,
            "query_timeout": "1m0s", "retention_period": retention, "retention_stream": [], "volume_enabled": true, "volume_max_series": 1_000,
        },
        "pattern_ingester_enabled": true,
        "version": SPEAKS,
    });
    ([(header::CONTENT_TYPE, "application/json")], limits.to_string()).into_response()
}

/// The shortest step of a pattern's counts, as in Loki.
const PATTERN_STEP_NS: i64 = 10 * model::time::NANOS_PER_SEC;

async fn patterns(call: &Call) -> Result<Response, Failure> {
    let (selector, span) = (needed(call)?, span(call)?);
    let step = call.params.step(span.start, span.end)?.max(PATTERN_STEP_NS);
    let log = LogExpr { span: At::default(), selector, stages: Vec::new() };
    let range = TimeRange { start: Timestamp(span.start), end: Timestamp(span.end) };
    let params = PatternParams { range, step_ns: step };
    let ran = call.state.ops.log_patterns_of(&call.cx, &log, params, false, call.how()).await?;
    let data: Vec<Value> = ran
        .value
        .patterns
        .into_iter()
        .filter(|one| one.samples.iter().map(|(_, lines)| lines).sum::<u64>() >= Patterns::MIN_LINES)
        .map(|one| json!({ "pattern": one.pattern, "level": one.level, "samples": one.samples }))
        .collect();
    Ok(answer(&json!({ "status": "success", "data": data })))
}
