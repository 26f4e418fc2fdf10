//! Logs, for pages.

use leptos::prelude::*;
use model::{
    LogAsk, LogPage, Service,
    log::{Histogram, LogMetric, QueryCheck},
};

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

/// Counts by level per step of time; `step_ms` unset is about a hundred steps.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "logs/histogram", input = Json, output = Json)]
pub async fn log_histogram(ask: LogAsk, step_ms: Option<i64>) -> Result<Histogram, Failure> {
    let (ops, cx) = crate::ssr::ops();
    let found = async { ops.log_histogram(&cx, &ops::logs::LogQuery::parse(&ask, cx.now)?, step_ms).await };
    found.await.map_err(|error| crate::ssr::fail(&error))
}

/// The numbers of a metric query in `query` over the range of `ask`, whose own query is not used.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "logs/numbers", input = Json, output = Json)]
pub async fn log_numbers(query: String, ask: LogAsk, step_ms: Option<i64>) -> Result<LogMetric, Failure> {
    let (ops, cx) = crate::ssr::ops();
    let range = LogAsk { start_time: ask.start_time, end_time: ask.end_time, ..LogAsk::default() };
    let found = async { ops.log_metric(&cx, &query, &ops::logs::LogQuery::parse(&range, cx.now)?, step_ms).await };
    found.await.map_err(|error| crate::ssr::fail(&error))
}

/// What a text is: a log query, a metric query, or wrong at some place.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "logs/check", input = Json, output = Json)]
pub async fn log_check(query: String) -> Result<QueryCheck, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.log_check(&cx, &query).map_err(|error| crate::ssr::fail(&error))
}

/// What was clicked together, as LogQL; `None` where the language cannot say it.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "logs/as_query", input = Json, output = Json)]
pub async fn log_as_query(ask: LogAsk) -> Result<Option<String>, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.log_as_query(&cx, &ask).map_err(|error| crate::ssr::fail(&error))
}

/// Names of stream labels; with `name`, its values. Of the streams that have lines in the range of `ask`.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "logs/labels", input = Json, output = Json)]
pub async fn log_labels(ask: LogAsk, name: Option<String>) -> Result<Vec<String>, Failure> {
    let (ops, cx) = crate::ssr::ops();
    let found = async {
        let range =
            ops::logs::LogQuery::parse(&LogAsk { start_time: ask.start_time, end_time: ask.end_time, ..LogAsk::default() }, cx.now)?.range;
        let span = ops::logs::QuerySpan { start: range.start.0, end: range.end.0 };
        match name {
            None => ops.log_label_names(&cx, &[], span).await,
            Some(name) => ops.log_label_values(&cx, &name, &[], span).await,
        }
    };
    found.await.map_err(|error| crate::ssr::fail(&error))
}
