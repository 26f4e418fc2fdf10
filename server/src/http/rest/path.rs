//! What stands in a path.

use axum::extract::{
    FromRequestParts, Path,
    path::{ErrorKind, FailedToDeserializePathParams},
    rejection::PathRejection,
};
use http::request::Parts;
use model::Problem;

use crate::http::problem::Refusal;

/// The one parameter of a path, decoded. Axum's own extractor refuses in plain text; this one as a problem.
pub struct PathText(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let rejection = match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => return Ok(Self(text)),
            Err(rejection) => rejection,
        };
        let field = match rejection {
            PathRejection::FailedToDeserializePathParams(error) => match FailedToDeserializePathParams::into_kind(error) {
                ErrorKind::InvalidUtf8InPathParam { key } => key,
                _ => "path".to_owned(),
            },
            _ => "path".to_owned(),
        };
        Err(Refusal(Problem::bad_input(&field, "it is not percent-encoded UTF-8")))
    }
}

/// A service in a path. The words that are paths of their own are written with a `~` before them.
pub fn service_in_path(text: String) -> String {
    const WORDS: [&str; 6] = ["services", "query", "histogram", "export", "context", "patterns"];
    match text.strip_prefix('~') {
        Some(word) if WORDS.contains(&word) => word.to_owned(),
        _ => text,
    }
}
