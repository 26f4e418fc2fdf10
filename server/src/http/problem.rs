//! From errors to answers: `application/problem+json`.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use model::{Code, Problem};
use ops::Chain;
use serde::de::DeserializeOwned;

/// A problem as an answer.
#[derive(Debug)]
pub struct Refusal(pub Problem);

impl Refusal {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).expect("problems serialise");
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = problem.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<ops::Error> for Refusal {
    fn from(error: ops::Error) -> Self {
        let problem = error.problem();
        if problem.status >= 500 {
            tracing::error!(kind = "http", error = %Chain(&error), "a use-case failed");
        }
        Self(problem)
    }
}

/// A JSON body. Wrong type 415, too long 413, anything else wrong 400, all as problems.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")));
        if !is_json {
            return Err(Refusal::new(Code::UnsupportedMediaType, "Content-Type must be application/json"));
        }
        let bytes = body_bytes(request, state).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Refusal(Problem::bad_input("body", error)))
    }
}

/// The whole body, within the limit.
pub async fn body_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::new(Code::TooLarge, "the body is longer than 64 KiB"),
        _ => Refusal(Problem::bad_input("body", "it could not be read")),
    })
}
