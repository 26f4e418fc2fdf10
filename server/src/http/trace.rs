//! One line and one measurement per request, under an id that goes through everything the request causes.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderValue};
use tracing::Instrument;

use super::AppState;
use crate::telemetry;

/// The request's id: `X-Request-ID` as sent, or the trace id of `traceparent`, or a new one.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let given = text("x-request-id").and_then(telemetry::request_id).or_else(|| text("traceparent").and_then(telemetry::trace_id));
        Self(given.map_or_else(|| hex::encode(rand::random::<[u8; 16]>()), str::to_owned))
    }
}

pub async fn trace(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    request.extensions_mut().insert(id.clone());
    let correlation_id = request.headers().get("traceparent").and_then(|value| value.to_str().ok()).and_then(telemetry::trace_id);
    // At the level of errors, so that a filter that lets only errors through keeps their ids.
    let span = tracing::error_span!("request", request_id = %id.0, correlation_id);
    let started = Instant::now();
    // The route is known only inside the router; the inner middleware leaves it in the answer.
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = started.elapsed();
    let matched = response.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("-", MatchedPath::as_str);
    let status = response.status().as_u16();
    state.metrics.request(method.as_str(), matched.as_ref().map(MatchedPath::as_str), status, took.as_secs_f64());
    let _entered = span.enter();
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if status >= 500 {
        tracing::error!(kind = "http", %method, route, status, duration_ms, "request failed");
    } else if matches!(route, "/healthz" | "/readyz" | "/metrics" | "-") {
        tracing::debug!(kind = "http", %method, route, status, duration_ms, "request");
    } else {
        tracing::info!(kind = "http", %method, route, status, duration_ms, "request");
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
