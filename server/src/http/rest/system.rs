//! How the console and its machine are doing.

use axum::{Extension, Json, extract::State};
use model::status::{Health, Stats, SystemInfo};
use ops::OpCtx;

use crate::http::{AppState, problem::Refusal};

pub async fn health(State(state): State<AppState>, Extension(cx): Extension<OpCtx>) -> Result<Json<Health>, Refusal> {
    Ok(Json(state.ops.health(&cx).await?))
}

pub async fn stats(State(state): State<AppState>, Extension(cx): Extension<OpCtx>) -> Result<Json<Stats>, Refusal> {
    Ok(Json(state.ops.stats(&cx)?))
}

pub async fn info(State(state): State<AppState>, Extension(cx): Extension<OpCtx>) -> Result<Json<SystemInfo>, Refusal> {
    Ok(Json(state.ops.system_info(&cx).await?))
}
