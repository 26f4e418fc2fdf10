//! Logs: services, pages, context, histogram.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use model::{
    EntryId, LogAsk, LogPage, Problem, ScanStats, Service,
    log::{Histogram, LogMetric, MetricSeries},
};
use ops::{OpCtx, logs::LogQuery};
use serde::Serialize;

use super::{
    path::{PathText, service_in_path},
    query::{LOG_PARAMETERS, Query},
};
use crate::http::{AppState, problem::Refusal};

#[derive(Serialize)]
pub struct Services {
    services: Vec<Service>,
}

pub async fn services(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Services>, Refusal> {
    Query::read(raw.as_deref())?.end("none")?;
    Ok(Json(Services { services: state.ops.services_list(&cx)? }))
}

pub async fn all(state: State<AppState>, cx: Extension<OpCtx>, raw: RawQuery) -> Result<Json<LogPage>, Refusal> {
    page(state, cx, raw, None).await
}

pub async fn one(
    state: State<AppState>,
    cx: Extension<OpCtx>,
    PathText(service): PathText,
    raw: RawQuery,
) -> Result<Json<LogPage>, Refusal> {
    page(state, cx, raw, Some(service_in_path(service))).await
}

async fn page(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
    service: Option<String>,
) -> Result<Json<LogPage>, Refusal> {
    let mut query = Query::read(raw.as_deref())?;
    let ask = query.log_ask(service)?;
    query.end(LOG_PARAMETERS)?;
    Ok(Json(state.ops.log_search(&cx, &LogQuery::parse(&ask, cx.now)?).await?))
}

pub async fn context(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    PathText(id): PathText,
    RawQuery(raw): RawQuery,
) -> Result<Json<LogPage>, Refusal> {
    let mut query = Query::read(raw.as_deref())?;
    let before = query.parsed("before", "a whole number from 0 to 1000")?.unwrap_or(50);
    let after = query.parsed("after", "a whole number from 0 to 1000")?.unwrap_or(50);
    query.end("before, after")?;
    let id: EntryId = id.parse().map_err(|detail: String| Refusal(Problem::bad_input("id", detail)))?;
    Ok(Json(state.ops.log_context(&cx, id, before, after).await?))
}

/// Lines, or for a metric query numbers in the shape of Prometheus's range answers.
pub async fn query(State(state): State<AppState>, Extension(cx): Extension<OpCtx>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut query = Query::read(raw.as_deref())?;
    let mut ask = query.log_ask(None)?;
    let step_ms = step(&mut query)?;
    query.end(&format!("step, {LOG_PARAMETERS}"))?;
    let Some(text) = ask.query.clone().filter(|text| !text.trim().is_empty()) else {
        return Err(Refusal(Problem::bad_input("query", "it is needed; use LogQL such as {service=\"web\"} |= \"error\"")));
    };
    if matches!(ops::logs::parse(&text)?, logql::ast::Expr::Log(_)) {
        return Ok(Json(state.ops.log_search(&cx, &LogQuery::parse(&ask, cx.now)?).await?).into_response());
    }
    // Numbers of all time would be few and far between: the last hour, as a person expects of a picture.
    ask.start_time.get_or_insert_with(|| "-1h".to_owned());
    ask.end_time.get_or_insert_with(|| "now".to_owned());
    let range = LogQuery::parse(&LogAsk { query: None, ..ask }, cx.now)?;
    let found = state.ops.log_metric(&cx, &text, &range, step_ms).await?;
    Ok(Json(Numbers::of(found)).into_response())
}

/// `{resultType, result}` as Prometheus's HTTP API gives a range query, with what it took.
#[derive(Serialize)]
struct Numbers {
    #[serde(rename = "resultType")]
    result_type: &'static str,
    result: Vec<NumbersSeries>,
    step_ms: i64,
    stats: ScanStats,
    warnings: Vec<Problem>,
}

#[derive(Serialize)]
struct NumbersSeries {
    metric: BTreeMap<String, String>,
    /// Unix seconds and the value as text.
    values: Vec<(f64, String)>,
}

impl Numbers {
    fn of(found: LogMetric) -> Self {
        let series = |one: MetricSeries| NumbersSeries {
            metric: one.labels.into_iter().collect(),
            values: one.points.into_iter().map(|(at_ms, value)| (at_ms as f64 / 1e3, logql::engine::format_value(value))).collect(),
        };
        Self {
            result_type: "matrix",
            result: found.series.into_iter().map(series).collect(),
            step_ms: found.step_ms,
            stats: found.stats,
            warnings: found.warnings,
        }
    }
}

/// Milliseconds.
fn step(query: &mut Query) -> Result<Option<i64>, Problem> {
    let Some(text) = query.one("step")? else { return Ok(None) };
    let nanos = model::time::parse_duration(&text).ok_or_else(|| Problem::bad_input("step", "use a duration such as 10s, 5m or 1h"))?;
    Ok(Some(nanos / 1_000_000))
}

pub async fn histogram(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Histogram>, Refusal> {
    let mut query = Query::read(raw.as_deref())?;
    let mut ask = query.log_ask(None)?;
    let step_ms = step(&mut query)?;
    query.end(&format!("step, {LOG_PARAMETERS}"))?;
    // Without a beginning it is the last hour, as a person expects of a picture.
    ask.start_time.get_or_insert_with(|| "-1h".to_owned());
    ask.end_time.get_or_insert_with(|| "now".to_owned());
    Ok(Json(state.ops.log_histogram(&cx, &LogQuery::parse(&ask, cx.now)?, step_ms).await?))
}
