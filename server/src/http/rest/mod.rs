//! `/api/v1` and its document, one file per noun. Each handler reads the request, calls one use-case, writes the answer.

mod auth;
mod export;
mod logs;
pub mod path;
pub mod query;
mod searches;
mod storage;
mod system;
mod tokens;
mod users;

use axum::{
    Router,
    routing::{delete, get, patch, post},
};

use super::{AppState, openapi};

pub fn routes(router: Router<AppState>) -> Router<AppState> {
    router
        .route("/api/v1/auth/login", post(auth::login))
        .route("/api/v1/auth/logout", post(auth::logout))
        .route("/api/v1/auth/me", get(auth::me))
        .route("/api/v1/auth/password", post(auth::password))
        .route("/api/v1/health", get(system::health))
        .route("/api/v1/stats", get(system::stats))
        .route("/api/v1/system/info", get(system::info))
        .route("/api/v1/logs", get(logs::all))
        .route("/api/v1/logs/services", get(logs::services))
        .route("/api/v1/logs/query", get(logs::query))
        .route("/api/v1/logs/histogram", get(logs::histogram))
        .route("/api/v1/logs/export", get(export::all))
        .route("/api/v1/logs/patterns", get(storage::patterns))
        .route("/api/v1/logs/context/{id}", get(logs::context))
        .route("/api/v1/logs/{service}", get(logs::one))
        .route("/api/v1/logs/{service}/export", get(export::one))
        .route("/api/v1/searches", get(searches::list).post(searches::add))
        .route("/api/v1/searches/{id}", delete(searches::remove))
        .route("/api/v1/storage", get(storage::storage))
        .route("/api/v1/sessions", get(users::sessions))
        .route("/api/v1/sessions/{id}", delete(users::session_end))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::add))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/users", get(users::list).post(users::add))
        .route("/api/v1/users/{username}", patch(users::change))
        .route("/api/openapi.json", get(openapi::document))
        .route("/api/docs", get(openapi::page))
}
