//! Logs: services, pages, context, histogram.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
};
use model::{EntryId, LogPage, Problem, Service, log::Histogram};
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

pub async fn histogram(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Histogram>, Refusal> {
    let mut query = Query::read(raw.as_deref())?;
    let mut ask = query.log_ask(None)?;
    let step = query.one("step")?;
    query.end(&format!("step, {LOG_PARAMETERS}"))?;
    // Without a beginning it is the last hour, as a person expects of a picture.
    ask.start_time.get_or_insert_with(|| "-1h".to_owned());
    ask.end_time.get_or_insert_with(|| "now".to_owned());
    let step_ms = match step {
        None => None,
        Some(text) => Some(
            model::time::parse_duration(&text)
                .map(|nanos| nanos / 1_000_000)
                .ok_or_else(|| Refusal(Problem::bad_input("step", "use a duration such as 10s, 5m or 1h")))?,
        ),
    };
    Ok(Json(state.ops.log_histogram(&cx, &LogQuery::parse(&ask, cx.now)?, step_ms).await?))
}
