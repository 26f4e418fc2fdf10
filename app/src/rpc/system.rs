//! The console and its machine.

use leptos::prelude::*;
use model::status::{Health, SystemInfo};

use super::{Failure, Json};

/// # Errors
/// The problem as the server told it.
#[server(name = HealthGet, endpoint = "system/health", input = Json, output = Json)]
pub async fn health() -> Result<Health, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.health(&cx).await.map_err(|error| crate::ssr::fail(&error))
}

/// # Errors
/// The problem as the server told it.
#[server(name = SystemInfoGet, endpoint = "system/info", input = Json, output = Json)]
pub async fn system_info() -> Result<SystemInfo, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.system_info(&cx).await.map_err(|error| crate::ssr::fail(&error))
}
