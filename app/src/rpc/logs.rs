//! Logs, for pages.

use leptos::prelude::*;
use model::{LogAsk, LogPage, Service};

use super::{Failure, Json};

/// Every service that logs.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "logs/services", input = Json, output = Json)]
pub async fn services_list() -> Result<Vec<Service>, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.services_list(&cx).map_err(|error| crate::ssr::fail(&error))
}

/// One page of lines.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "logs/search", input = Json, output = Json)]
pub async fn log_search(ask: LogAsk) -> Result<LogPage, Failure> {
    let (ops, cx) = crate::ssr::ops();
    let found = async { ops.log_search(&cx, &ops::logs::LogQuery::parse(&ask, cx.now)?).await };
    found.await.map_err(|error| crate::ssr::fail(&error))
}

/// The lines around one, of the same stream.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "logs/context", input = Json, output = Json)]
pub async fn log_context(id: model::EntryId, before: usize, after: usize) -> Result<LogPage, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.log_context(&cx, id, before, after).await.map_err(|error| crate::ssr::fail(&error))
}
