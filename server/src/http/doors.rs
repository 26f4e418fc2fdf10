//! Every door of the port and what it asks for. What is not in this list is refused; the access test walks it, the
//! OpenAPI document must agree with it.

use http::Method;
use ops::access::Action;

/// What a door asks of who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Public,
    /// Any session; the use-case behind it asks for the right.
    Session(Action),
}

/// A method and a route template as axum knows it.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    pub method: &'static str,
    pub path: &'static str,
    pub gate: Gate,
}

const fn door(method: &'static str, path: &'static str, gate: Gate) -> Door {
    Door { method, path, gate }
}

use Action as A;
use Gate::{Public, Session};

pub const DOORS: &[Door] = &[
    door("GET", "/healthz", Public),
    door("GET", "/readyz", Public),
    door("GET", "/metrics", Session(A::MetricsRead)),
    door("GET", "/login", Public),
    door("POST", "/login", Public),
    door("GET", "/setup", Public),
    door("POST", "/setup", Public),
    door("POST", "/logout", Session(A::MeRead)),
    door("GET", "/", Session(A::MeRead)),
    door("GET", "/logs", Session(A::LogsRead)),
    door("GET", "/storage", Session(A::StorageRead)),
    door("GET", "/account", Session(A::MeRead)),
    door("GET", "/users", Session(A::UsersManage)),
    door("POST", "/api/v1/auth/login", Public),
    door("POST", "/api/v1/auth/logout", Session(A::MeRead)),
    door("GET", "/api/v1/auth/me", Session(A::MeRead)),
    door("POST", "/api/v1/auth/password", Session(A::PasswordChange)),
    door("GET", "/api/v1/health", Session(A::SystemRead)),
    door("GET", "/api/v1/stats", Session(A::SystemRead)),
    door("GET", "/api/v1/system/info", Session(A::SystemRead)),
    door("GET", "/api/v1/logs", Session(A::LogsRead)),
    door("GET", "/api/v1/logs/services", Session(A::ServicesList)),
    door("GET", "/api/v1/logs/query", Session(A::LogsRead)),
    door("GET", "/api/v1/logs/histogram", Session(A::LogsRead)),
    door("GET", "/api/v1/logs/export", Session(A::LogsExport)),
    door("GET", "/api/v1/logs/patterns", Session(A::LogsRead)),
    door("GET", "/api/v1/logs/context/{id}", Session(A::LogsRead)),
    door("GET", "/api/v1/logs/{service}", Session(A::LogsRead)),
    door("GET", "/api/v1/logs/{service}/export", Session(A::LogsExport)),
    door("GET", "/api/v1/searches", Session(A::SearchesOwn)),
    door("POST", "/api/v1/searches", Session(A::SearchesOwn)),
    door("DELETE", "/api/v1/searches/{id}", Session(A::SearchesOwn)),
    door("GET", "/api/v1/storage", Session(A::StorageRead)),
    door("GET", "/api/v1/sessions", Session(A::SessionsOwn)),
    door("DELETE", "/api/v1/sessions/{id}", Session(A::SessionsOwn)),
    door("GET", "/api/v1/tokens", Session(A::TokensOwn)),
    door("POST", "/api/v1/tokens", Session(A::TokensOwn)),
    door("DELETE", "/api/v1/tokens/{id}", Session(A::TokensOwn)),
    door("GET", "/api/v1/users", Session(A::UsersManage)),
    door("POST", "/api/v1/users", Session(A::UsersManage)),
    door("PATCH", "/api/v1/users/{username}", Session(A::UsersManage)),
    door("GET", "/api/openapi.json", Session(A::MeRead)),
    door("GET", "/api/docs", Session(A::MeRead)),
    door("GET", "/ws/logs", Session(A::LogsTail)),
    door("GET", "/ws/logs/{service}", Session(A::LogsTail)),
    // Loki's API shares one route; each of its calls is a use-case, which asks for its own right.
    door("GET", "/loki/{*path}", Session(A::MeRead)),
    door("POST", "/loki/{*path}", Session(A::MeRead)),
    // Server functions share one route; each calls a use-case, which asks for its own right.
    door("POST", "/rpc/{*name}", Session(A::MeRead)),
];

/// The gate of a route; `None` where it has no door, which means refusal. HEAD goes through GET's door.
pub fn gate(method: &Method, path: &str) -> Option<Gate> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    DOORS.iter().find(|door| door.method == method && door.path == path).map(|door| door.gate)
}
