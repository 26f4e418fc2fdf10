//! Searches that a person keeps, and those made lately.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
};
use http::StatusCode;
use model::searches::{SavedSearch, Searches};
use ops::OpCtx;
use serde::Deserialize;

use super::{path::PathText, query::Query};
use crate::http::{
    AppState,
    problem::{JsonBody, Refusal},
};

pub async fn list(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Searches>, Refusal> {
    Query::read(raw.as_deref())?.end("none")?;
    Ok(Json(state.ops.searches(&cx).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSearch {
    name: String,
    query: String,
}

pub async fn add(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    JsonBody(new): JsonBody<NewSearch>,
) -> Result<(StatusCode, Json<SavedSearch>), Refusal> {
    Ok((StatusCode::CREATED, Json(state.ops.search_save(&cx, &new.name, &new.query).await?)))
}

pub async fn remove(State(state): State<AppState>, Extension(cx): Extension<OpCtx>, PathText(id): PathText) -> Result<StatusCode, Refusal> {
    state.ops.search_delete(&cx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
