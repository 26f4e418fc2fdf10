//! What the log engine keeps.

use leptos::prelude::*;
use model::storage::LogStorage;

use super::{Failure, Json};

/// # Errors
/// The problem as the server told it.
#[server(name = LogStorageGet, endpoint = "logs/storage", input = Json, output = Json)]
pub async fn log_storage() -> Result<LogStorage, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.log_storage(&cx).await.map_err(|error| crate::ssr::fail(&error))
}
