//! What can go wrong in a use-case, and the problem a client sees for it.

use model::{Code, Permission, Problem};

use logql::engine::EngineError;

use crate::source::{SourceError, StoreError, engine::QueryError};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no session")]
    NoSession,
    #[error("{permission} is needed")]
    Forbidden { permission: Permission },
    #[error("a token cannot do this: it needs a person's session")]
    PersonOnly,
    #[error("wrong user name or password")]
    WrongCredentials,
    #[error("too many attempts, try again in {retry_after_s} s")]
    Throttled { retry_after_s: u64 },
    #[error("{field}: {detail}")]
    BadInput { field: &'static str, detail: String },
    #[error("there is no {what} `{name}`")]
    NotFound { what: &'static str, name: String },
    #[error("this cannot be done within the scope {scope}")]
    Scoped { scope: String },
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("source {name} failed")]
    Source {
        name: String,
        #[source]
        source: SourceError,
    },
    #[error("the query failed: {0}")]
    Query(#[from] QueryError),
    #[error("the store failed")]
    Store(#[source] StoreError),
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub fn bad_input(field: &'static str, detail: impl Into<String>) -> Self {
        Self::BadInput { field, detail: detail.into() }
    }

    /// What a client is told. Causes stay in the log.
    pub fn problem(&self) -> Problem {
        match self {
            Self::NoSession => Problem::new(Code::NoSession, "this needs a session"),
            Self::Forbidden { .. } | Self::PersonOnly => Problem::new(Code::Forbidden, self.to_string()),
            Self::WrongCredentials => Problem::new(Code::WrongCredentials, self.to_string()),
            Self::Throttled { retry_after_s } => {
                Problem { retry_after: Some(*retry_after_s), ..Problem::new(Code::Throttled, self.to_string()) }
            }
            Self::Scoped { .. } => Problem::new(Code::Scoped, self.to_string()),
            Self::BadInput { field, detail } => Problem::bad_input(field, detail),
            Self::NotFound { .. } => Problem::new(Code::NotFound, self.to_string()),
            Self::Conflict(detail) => Problem::new(Code::Conflict, detail.clone()),
            Self::Unavailable(detail) => Problem::new(Code::Unavailable, detail.clone()),
            Self::Source { name, source } => match source {
                SourceError::Unreachable(_) => Problem::new(Code::Upstream, format!("{name} does not answer")),
                SourceError::TooSlow => Problem::new(Code::UpstreamTimeout, format!("{name} was too slow")),
                SourceError::Failed(detail) => Problem::new(Code::Upstream, format!("{name}: {detail}")),
            },
            Self::Query(error) => match error {
                QueryError::Engine(EngineError::Deadline) => Problem::new(Code::UpstreamTimeout, error.to_string()),
                QueryError::Engine(EngineError::Read(_)) => Problem::new(Code::Internal, error.to_string()),
                QueryError::Engine(_) => Problem::bad_input("query", error.to_string()),
                QueryError::Refused { status: 400..500, .. } => Problem::bad_input("query", error.to_string()),
                QueryError::Refused { .. } | QueryError::Unreachable { .. } => Problem::new(Code::Upstream, error.to_string()),
            },
            Self::Store(StoreError::Taken(name)) => Problem::new(Code::Conflict, format!("the name `{name}` is taken")),
            Self::Store(StoreError::LastAdmin) => Problem::new(Code::Conflict, "the last enabled administrator must stay one"),
            Self::Store(StoreError::Full) => Problem::new(Code::Unavailable, "the database cannot be written: no space left"),
            Self::Store(StoreError::Other(_)) => Problem::new(Code::Unavailable, "the database does not answer"),
            Self::Internal(_) => Problem::new(Code::Internal, "see the console's log under this request's id"),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// An error with its causes, on one line: for the log, never for a client.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
