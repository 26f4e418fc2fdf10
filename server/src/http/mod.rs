//! The one port: every route, in the order in which a request passes what stands before it.

pub mod assets;
mod compat;
pub mod doors;
mod forms;
mod health;
mod identity;
pub mod openapi;
mod pages;
mod problem;
mod rest;
mod trace;
mod visit;
mod ws;

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{any, get, post},
};
use leptos::prelude::LeptosOptions;
use ops::{Ops, access::AuditSink};
use tower_sessions::{Expiry, SessionManagerLayer, cookie::SameSite};

use crate::{config::HttpConfig, metrics::Metrics, store::SessionSql, wiring::Scrape};

/// What handlers share.
#[derive(Clone, axum::extract::FromRef)]
pub struct AppState {
    pub ops: Arc<Ops>,
    pub config: Arc<HttpConfig>,
    pub metrics: Metrics,
    pub engine: Arc<EngineFacts>,
    pub audit: AuditSink,
    pub assets: Arc<assets::Assets>,
    pub leptos: LeptosOptions,
    /// Fills in what is counted elsewhere, before the metrics are written.
    pub scrape: Arc<Scrape>,
    /// Cancelled at shutdown: sockets say goodbye then.
    pub closing: tokio_util::sync::CancellationToken,
}

/// What Loki's clients ask about the log engine.
pub struct EngineFacts {
    pub retention_ns: i64,
    /// The longest range of a query.
    pub max_query_ns: i64,
}

/// Sessions end after this long without a request, and in any case after [`SESSION_LONGEST_S`].
pub const SESSION_IDLE_S: i64 = 24 * 3_600;
pub const SESSION_LONGEST_S: i64 = 14 * 24 * 3_600;
/// Bodies of forms, server functions and REST calls: none carries more than a few fields.
const MAX_BODY_BYTES: usize = 64 * 1024;

pub fn router(state: AppState, sessions: SessionSql) -> Router {
    let sessions = SessionManagerLayer::new(sessions)
        .with_name("docaiche_session")
        .with_path("/")
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        // `Secure` is added by `identity::secure_cookies`, for it depends on how the request came.
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(time::Duration::seconds(SESSION_IDLE_S)));

    let router = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/login", post(forms::login))
        .route("/setup", post(forms::setup))
        .route("/logout", post(forms::logout))
        .route("/loki/{*path}", any(compat::loki::door))
        .route("/rpc/{*name}", any(pages::rpc))
        .route("/ws/logs", get(ws::logs::all))
        .route("/ws/logs/{service}", get(ws::logs::one));
    let router = pages::routes(rest::routes(router), &state);
    router
        .fallback(pages::fallback)
        .layer(from_fn_with_state(state.clone(), identity::identify))
        .layer(sessions)
        .layer(from_fn_with_state(state.clone(), identity::arrive))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(pages::headers))
        .layer(from_fn_with_state(state.clone(), trace::trace))
        .with_state(state)
}
