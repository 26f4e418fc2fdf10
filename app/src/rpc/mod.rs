//! Server functions, one file per noun, each two lines: read the context, call the use-case. Private to our own pages;
//! programs use `/api/v1`.

pub mod logs;
pub mod me;
pub mod patterns;
pub mod searches;
pub mod storage;
pub mod system;
pub mod users;

use bytes::Bytes;
use leptos::server_fn::{
    ContentType, Decodes, Encodes, Format, FormatType,
    codec::Post,
    error::{FromServerFnError, ServerFnErrorErr},
};
use model::{Code, Problem};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// JSON in the bodies of `POST` requests and their answers.
pub type Json = Post<JsonText>;

/// JSON that is read as text, as a page's own data is: read from bytes as well, every type would be compiled twice, which the browser
/// would have to download.
pub struct JsonText;

impl ContentType for JsonText {
    const CONTENT_TYPE: &'static str = "application/json";
}

impl FormatType for JsonText {
    const FORMAT_TYPE: Format = Format::Text;
}

impl<T: Serialize> Encodes<T> for JsonText {
    type Error = serde_json::Error;

    fn encode(value: &T) -> Result<Bytes, Self::Error> {
        serde_json::to_string(value).map(Bytes::from)
    }
}

impl<T: DeserializeOwned> Decodes<T> for JsonText {
    type Error = String;

    fn decode(bytes: Bytes) -> Result<T, Self::Error> {
        let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// A problem on its way through a server function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure(pub Problem);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl FromServerFnError for Failure {
    type Encoder = JsonText;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        Self(match error {
            ServerFnErrorErr::Request(_) => Problem::new(Code::Unavailable, "The console does not answer."),
            ServerFnErrorErr::Args(detail) | ServerFnErrorErr::MissingArg(detail) => Problem::new(Code::BadInput, detail),
            other => Problem::new(Code::Internal, other.to_string()),
        })
    }
}
