//! What is kept, and what repeats in it.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
};
use model::{patterns::LogPatterns, storage::LogStorage};
use ops::{OpCtx, logs::LogQuery};

use super::query::{LOG_PARAMETERS, Query};
use crate::http::{AppState, problem::Refusal};

pub async fn storage(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
) -> Result<Json<LogStorage>, Refusal> {
    Query::read(raw.as_deref())?.end("none")?;
    Ok(Json(state.ops.log_storage(&cx).await?))
}

pub async fn patterns(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
) -> Result<Json<LogPatterns>, Refusal> {
    let mut query = Query::read(raw.as_deref())?;
    let ask = query.log_ask(None)?;
    query.end(LOG_PARAMETERS)?;
    Ok(Json(state.ops.log_patterns(&cx, &LogQuery::parse(&ask, cx.now)?).await?))
}
