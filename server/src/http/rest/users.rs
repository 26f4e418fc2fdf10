//! Accounts and sessions.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
};
use http::StatusCode;
use model::{Problem, Role, SessionSummary, UserSummary};
use ops::OpCtx;
use serde::{Deserialize, Serialize};

use super::{path::PathText, query::Query};
use crate::http::{
    AppState,
    problem::{JsonBody, Refusal},
};

#[derive(Serialize)]
pub struct Users {
    users: Vec<UserSummary>,
}

pub async fn list(State(state): State<AppState>, Extension(cx): Extension<OpCtx>) -> Result<Json<Users>, Refusal> {
    Ok(Json(Users { users: state.ops.accounts.users(&cx).await? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    username: String,
    password: String,
    role: Role,
}

pub async fn add(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    JsonBody(new): JsonBody<NewUser>,
) -> Result<(StatusCode, Json<UserSummary>), Refusal> {
    Ok((StatusCode::CREATED, Json(state.ops.accounts.user_add(&cx, &new.username, new.password, new.role).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    role: Option<Role>,
    disabled: Option<bool>,
    password: Option<String>,
    /// Empty: everything.
    scope: Option<String>,
}

/// One change a call: two could succeed by half.
pub async fn change(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    PathText(username): PathText,
    JsonBody(change): JsonBody<UserChange>,
) -> Result<StatusCode, Refusal> {
    let accounts = &state.ops.accounts;
    let given = [change.role.is_some(), change.disabled.is_some(), change.password.is_some(), change.scope.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        return Err(Refusal(Problem::bad_input("body", "give exactly one of role, disabled, password and scope")));
    }
    if let Some(role) = change.role {
        accounts.user_set_role(&cx, &username, role).await?;
    } else if let Some(disabled) = change.disabled {
        accounts.user_set_disabled(&cx, &username, disabled).await?;
    } else if let Some(password) = change.password {
        accounts.user_set_password(&cx, &username, password).await?;
    } else {
        accounts.user_set_scope(&cx, &username, change.scope.as_deref()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
pub struct Sessions {
    sessions: Vec<SessionSummary>,
}

pub async fn sessions(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Sessions>, Refusal> {
    let mut query = Query::read(raw.as_deref())?;
    let all = query.parsed("all", "true or false")?.unwrap_or(false);
    query.end("all")?;
    Ok(Json(Sessions { sessions: state.ops.accounts.sessions(&cx, all).await? }))
}

pub async fn session_end(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    PathText(id): PathText,
) -> Result<StatusCode, Refusal> {
    state.ops.accounts.session_end(&cx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
