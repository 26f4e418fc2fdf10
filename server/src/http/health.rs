//! Alive, ready, and the console's own metrics.

use axum::{Extension, extract::State, response::IntoResponse};
use http::{StatusCode, header};
use ops::{OpCtx, access::Action};

use super::{AppState, problem::Refusal};
use crate::metrics::CONTENT_TYPE;

pub async fn healthz() -> &'static str {
    "ok\n"
}

pub async fn readyz(State(state): State<AppState>) -> (StatusCode, &'static str) {
    if state.ops.ready().await && !state.closing.is_cancelled() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

pub async fn metrics(State(state): State<AppState>, Extension(cx): Extension<OpCtx>) -> Result<impl IntoResponse, Refusal> {
    cx.require(Action::MetricsRead)?;
    state.scrape.update(&state.metrics, state.ops.hub.totals().skipped);
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], state.metrics.render()))
}
