//! The signed-in person: who they are, their sessions, their password.

use leptos::prelude::*;
use model::{Me, SessionSummary};

use super::{Failure, Json};

/// # Errors
/// The problem as the server told it.
#[server(name = MeGet, endpoint = "me/get", input = Json, output = Json)]
pub async fn me() -> Result<Me, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.me(&cx).map_err(|error| crate::ssr::fail(&error))
}

/// One's own sessions, or everybody's.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "me/sessions", input = Json, output = Json)]
pub async fn sessions(all: bool) -> Result<Vec<SessionSummary>, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.sessions(&cx, all).await.map_err(|error| crate::ssr::fail(&error))
}

/// # Errors
/// The problem as the server told it.
#[server(endpoint = "me/session_end", input = Json, output = Json)]
pub async fn session_end(id: String) -> Result<(), Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.session_end(&cx, &id).await.map_err(|error| crate::ssr::fail(&error))
}

/// # Errors
/// The problem as the server told it.
#[server(endpoint = "me/password", input = Json, output = Json)]
pub async fn password_change(current: String, password: String) -> Result<(), Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.accounts.password_change(&cx, current, password).await.map_err(|error| crate::ssr::fail(&error))
}
