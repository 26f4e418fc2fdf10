//! Loki's HTTP API over the log engine, so that Grafana, agents and `logcli` can use it unchanged. It stands under
//! `/loki/loki/api/v1` (a data source at `/loki`) and `/loki/api/v1` (one at the root). Parameters, errors and shapes are
//! Loki's; sessions, tokens and permissions are the console's.

mod answer;
mod params;
mod push;
mod read;
mod tail;

use axum::{
    Extension,
    extract::{Path, Request, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header};
use logql::{ast::Selector, engine::EngineError, syntax};
use model::Timestamp;
use ops::{
    OpCtx,
    source::engine::{How, QueryError},
};

use self::{answer::refused, params::Params};
use crate::http::{AppState, problem::Refusal};

/// Forms of queries; a query itself is at most 128 KiB.
const MAX_FORM_BYTES: usize = 1 << 20;

/// A request to one of Loki's paths.
struct Call {
    state: AppState,
    cx: OpCtx,
    params: Params,
    headers: HeaderMap,
}

impl Call {
    fn now(&self) -> Timestamp {
        self.cx.now
    }

    fn how(&self) -> How {
        let tags = self.headers.get("x-query-tags").and_then(|value| value.to_str().ok()).unwrap_or_default();
        // Logs Drilldown asks for more series than fit and shows those that it gets.
        How { now: self.cx.now, partial_series: tags.contains("Source=grafana-lokiexplore-app") }
    }

    /// What the client asked for of how lines are told, as it wrote it.
    fn flags(&self) -> Option<Vec<String>> {
        let value = self.headers.get("x-loki-response-encoding-flags")?.to_str().ok()?;
        let flags: Vec<String> = value.split(',').filter(|flag| !flag.is_empty()).map(str::to_owned).collect();
        (!flags.is_empty()).then_some(flags)
    }

    /// # Errors
    /// In Loki's words; a selector must be there unless `optional`.
    fn selector(&self, name: &str, optional: bool) -> Result<Option<Selector>, Failure> {
        match self.params.get(name).trim() {
            "" | "{}" if optional => Ok(None),
            text => Ok(Some(syntax::parse_selector(text)?)),
        }
    }
}

/// Why a request has no answer.
enum Failure {
    Text(StatusCode, String),
    Console(ops::Error),
}

impl From<syntax::SyntaxError> for Failure {
    fn from(error: syntax::SyntaxError) -> Self {
        Self::Text(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<params::Bad> for Failure {
    fn from(text: params::Bad) -> Self {
        Self::Text(StatusCode::BAD_REQUEST, text)
    }
}

impl From<ops::Error> for Failure {
    fn from(error: ops::Error) -> Self {
        match error {
            ops::Error::Query(error) => {
                let status = match &error {
                    // nginx's number for a client that hung up, which Loki uses too.
                    QueryError::Engine(EngineError::Cancelled) => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
                    QueryError::Engine(EngineError::Deadline) => StatusCode::GATEWAY_TIMEOUT,
                    QueryError::Engine(EngineError::Read(_) | EngineError::ApproxTopk) => StatusCode::INTERNAL_SERVER_ERROR,
                    QueryError::Engine(_) => StatusCode::BAD_REQUEST,
                    QueryError::Unreachable { .. } => StatusCode::BAD_GATEWAY,
                    QueryError::Refused { status, .. } => StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY),
                };
                Self::Text(status, error.to_string())
            }
            error => Self::Console(error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Text(status, text) => refused(status, text),
            // Without a session or a right Loki's clients are told as every other program is.
            Self::Console(error) => Refusal::from(error).into_response(),
        }
    }
}

fn not_found() -> Response {
    refused(StatusCode::NOT_FOUND, "404 page not found\n")
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// Every path under `/loki/`.
pub async fn door(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    Path(path): Path<String>,
    upgrade: Upgrade,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = path.strip_prefix("loki/").unwrap_or(&path);
    let is_write = parts.method == Method::POST;
    match (path, is_write) {
        ("api/v1/push" | "api/prom/push", true) => return push::loki(state, cx, &parts.headers, body).await,
        ("otlp/v1/logs", true) => return push::otlp(state, cx, &parts.headers, body).await,
        _ => {}
    }
    if !is_write && parts.method != Method::GET && parts.method != Method::HEAD {
        return not_found();
    }
    let form = if is_write && content_type(&parts.headers) == "application/x-www-form-urlencoded" {
        match axum::body::to_bytes(body, MAX_FORM_BYTES).await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "http: request body too large"),
        }
    } else {
        String::new()
    };
    let params = Params::read(&form, parts.uri.query().unwrap_or_default());
    let call = Call { state, cx, params, headers: parts.headers };
    if path == "api/v1/tail" {
        return tail::open(call, upgrade).await.unwrap_or_else(IntoResponse::into_response);
    }
    read::route(&call, path).await.unwrap_or_else(IntoResponse::into_response)
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
