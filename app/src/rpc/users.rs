//! Accounts, for administrators.

use leptos::prelude::*;
use model::{Role, UserSummary};

use super::{Failure, Json};

/// # Errors
/// The problem as the server told it.
#[server(endpoint = "users/list", input = Json, output = Json)]
pub async fn users() -> Result<Vec<UserSummary>, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.users(&cx).await.map_err(|error| crate::ssr::fail(&error))
}

/// # Errors
/// The problem as the server told it.
#[server(endpoint = "users/add", input = Json, output = Json)]
pub async fn user_add(username: String, password: String, role: Role) -> Result<UserSummary, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.user_add(&cx, &username, password, role).await.map_err(|error| crate::ssr::fail(&error))
}

/// # Errors
/// The problem as the server told it.
#[server(endpoint = "users/role", input = Json, output = Json)]
pub async fn user_set_role(username: String, role: Role) -> Result<(), Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.user_set_role(&cx, &username, role).await.map_err(|error| crate::ssr::fail(&error))
}

/// # Errors
/// The problem as the server told it.
#[server(endpoint = "users/disabled", input = Json, output = Json)]
pub async fn user_set_disabled(username: String, disabled: bool) -> Result<(), Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.user_set_disabled(&cx, &username, disabled).await.map_err(|error| crate::ssr::fail(&error))
}

/// # Errors
/// The problem as the server told it.
#[server(endpoint = "users/password", input = Json, output = Json)]
pub async fn user_set_password(username: String, password: String) -> Result<(), Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.user_set_password(&cx, &username, password).await.map_err(|error| crate::ssr::fail(&error))
}

/// Limits what somebody sees; an empty selector is everything.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "users/scope", input = Json, output = Json)]
pub async fn user_set_scope(username: String, scope: String) -> Result<(), Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.user_set_scope(&cx, &username, Some(&scope)).await.map_err(|error| crate::ssr::fail(&error))
}
