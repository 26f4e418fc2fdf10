//! Sign-in for programs with a cookie jar, and what the signed-in may know and change of themselves.

use axum::{
    Extension, Json,
    extract::{Request, State},
};
use http::StatusCode;
use model::Me;
use ops::OpCtx;
use serde::Deserialize;
use tower_sessions::Session;

use crate::http::{
    AppState, forms,
    identity::{Arrival, begin_session},
    problem::{JsonBody, Refusal},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    username: String,
    password: String,
}

pub async fn login(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    Extension(arrival): Extension<Arrival>,
    session: Session,
    request: Request,
) -> Result<StatusCode, Refusal> {
    use axum::extract::FromRequest;
    let headers = request.headers().clone();
    let JsonBody(Credentials { username, password }) = JsonBody::from_request(request, &state).await?;
    let signed_in = state.ops.accounts.sign_in(&cx, &username, password).await;
    state.metrics.sign_in(match &signed_in {
        Ok(_) => "success",
        Err(ops::Error::WrongCredentials) => "refused",
        Err(ops::Error::Throttled { .. }) => "throttled",
        Err(_) => "failed",
    });
    begin_session(&session, &signed_in?.id, &arrival, &headers).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn logout(State(state): State<AppState>, Extension(cx): Extension<OpCtx>, session: Session) -> Result<StatusCode, Refusal> {
    forms::sign_out(&state, &cx, &session).await?;
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
