//! Sign-in for programs with a cookie jar, and what the signed-in may know and change of themselves.

use axum::{Extension, Json, extract::State};
use http::StatusCode;
use model::Me;
use ops::OpCtx;
use serde::Deserialize;

use crate::http::{
    AppState,
    problem::{JsonBody, Refusal},
    visit::Visit,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    username: String,
    password: String,
}

pub async fn login(
    State(state): State<AppState>,
    visit: Visit,
    JsonBody(credentials): JsonBody<Credentials>,
) -> Result<StatusCode, Refusal> {
    visit.sign_in(&state, &credentials.username, credentials.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn logout(State(state): State<AppState>, visit: Visit) -> Result<StatusCode, Refusal> {
    visit.sign_out(&state).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn me(State(state): State<AppState>, Extension(cx): Extension<OpCtx>) -> Result<Json<Me>, Refusal> {
    Ok(Json(state.ops.accounts.me(&cx)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current: String,
    password: String,
}

pub async fn password(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    JsonBody(change): JsonBody<PasswordChange>,
) -> Result<StatusCode, Refusal> {
    state.ops.accounts.password_change(&cx, change.current, change.password).await?;
    Ok(StatusCode::NO_CONTENT)
}
