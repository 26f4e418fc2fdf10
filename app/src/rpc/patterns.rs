//! What repeats in logs.

use leptos::prelude::*;
use model::{LogAsk, patterns::LogPatterns};

use super::{Failure, Json};

/// Like lines of a search; the last hour of its range where it has no beginning.
///
/// # Errors
/// The problem as the server told it.
#[server(name = LogPatternsGet, endpoint = "logs/patterns", input = Json, output = Json)]
pub async fn log_patterns(ask: LogAsk) -> Result<LogPatterns, Failure> {
    let (ops, cx) = crate::ssr::ops();
    let found = async { ops.log_patterns(&cx, &ops::logs::LogQuery::parse(&ask, cx.now)?).await };
    found.await.map_err(|error| crate::ssr::fail(&error))
}
