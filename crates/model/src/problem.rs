//! The one shape of an error that reaches a client: RFC 9457 `application/problem+json`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Stable machine-readable names of problems. New ones are added, none is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    BadInput,
    NoSession,
    WrongCredentials,
    Forbidden,
    Scoped,
    CrossOrigin,
    NotFound,
    MethodNotAllowed,
    AmbiguousService,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    WrongHost,
    Throttled,
    Unavailable,
    Upstream,
    UpstreamTimeout,
    Internal,
}

impl Code {
    /// The HTTP status that carries it.
    pub fn status(self) -> u16 {
        match self {
            Self::BadInput => 400,
            Self::NoSession | Self::WrongCredentials => 401,
            Self::Forbidden | Self::Scoped | Self::CrossOrigin => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::AmbiguousService | Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::WrongHost => 421,
            Self::Throttled => 429,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::Unavailable => 503,
            Self::UpstreamTimeout => 504,
        }
    }

    /// The short sentence that is the same for every occurrence (RFC 9457 `title`).
    pub fn title(self) -> &'static str {
        match self {
            Self::BadInput => "The request is not valid",
            Self::NoSession => "Sign in first",
            Self::WrongCredentials => "Wrong user name or password",
            Self::Forbidden => "Not permitted",
            Self::Scoped => "Not within your scope",
            Self::CrossOrigin => "Cross-origin request refused",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::AmbiguousService => "The name stands for several services",
            Self::Conflict => "Conflict with the present state",
            Self::TooLarge => "The request is too large",
            Self::UnsupportedMediaType => "Unsupported content type",
            Self::WrongHost => "This host name is not served here",
            Self::Throttled => "Too many attempts",
            Self::Internal => "Internal error",
            Self::Upstream => "A source failed",
            Self::Unavailable => "A needed part is not available",
            Self::UpstreamTimeout => "A source was too slow",
        }
    }
}

/// An error as a client sees it. `detail` never holds a secret, a chain of causes or a path of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    pub code: Code,
    /// The parameter or body member that was wrong, for [`Code::BadInput`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Seconds until another try makes sense, for [`Code::Throttled`]; also the `Retry-After` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            field: None,
            retry_after: None,
        }
    }

    /// Bad input that names the field at fault.
    pub fn bad_input(field: &str, detail: impl fmt::Display) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(Code::BadInput, format!("{field}: {detail}")) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() { f.write_str(&self.title) } else { f.write_str(&self.detail) }
    }
}

impl std::error::Error for Problem {}
