//! Tokens of programs.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
};
use http::StatusCode;
use model::{Permission, Problem, Timestamp, TokenSummary};
use ops::{OpCtx, tokens};
use serde::{Deserialize, Serialize};

use super::{path::PathText, query::Query};
use crate::http::{
    AppState,
    problem::{JsonBody, Refusal},
};

#[derive(Serialize)]
pub struct Tokens {
    tokens: Vec<TokenSummary>,
}

pub async fn list(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Tokens>, Refusal> {
    let mut query = Query::read(raw.as_deref())?;
    let all = query.parsed("all", "true or false")?.unwrap_or(false);
    query.end("all")?;
    Ok(Json(Tokens { tokens: state.ops.accounts.tokens(&cx, all).await? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    name: String,
    permissions: Vec<Permission>,
    scope: Option<String>,
    /// Any form of a time parameter.
    expires: Option<String>,
    username: Option<String>,
}

#[derive(Serialize)]
pub struct Created {
    /// Shown this once.
    token: String,
    #[serde(flatten)]
    summary: TokenSummary,
}

pub async fn add(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    JsonBody(new): JsonBody<NewToken>,
) -> Result<(StatusCode, Json<Created>), Refusal> {
    let expires = new.expires.map(|text| Timestamp::parse_param(&text, cx.now)).transpose();
    let expires = expires.map_err(|detail| Refusal(Problem::bad_input("expires", detail)))?;
    let wanted = tokens::NewToken { name: new.name, permissions: new.permissions, scope: new.scope, expires };
    let (token, summary) = state.ops.accounts.token_create(&cx, new.username.as_deref(), wanted).await?;
    Ok((StatusCode::CREATED, Json(Created { token, summary })))
}

pub async fn revoke(State(state): State<AppState>, Extension(cx): Extension<OpCtx>, PathText(id): PathText) -> Result<StatusCode, Refusal> {
    state.ops.accounts.token_revoke(&cx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
