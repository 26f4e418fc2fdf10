//! What log shippers send, decoded and normalised: Loki's push formats and OTLP logs. Bytes in, lines out. Also what
//! Loki's API derives from lines: levels, patterns, fields. It knows no HTTP and reads no clock.

use std::borrow::Cow;

use model::Labels;

pub mod body;
pub mod drain;
pub mod fields;
pub mod json;
mod json_scan;
pub mod labels;
pub mod level;
mod logfmt_scan;
pub mod normalise;
pub mod otlp;
pub mod proto;
mod wire;

pub use normalise::{Accepted, Limits, Normalised, Rejection, normalise};

/// What one request brought. Borrows from its (decompressed) body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Push<'a> {
    pub streams: Vec<PushStream<'a>>,
}

impl Push<'_> {
    /// Lines in all streams.
    pub fn lines(&self) -> usize {
        self.streams.iter().map(|stream| stream.entries.len()).sum()
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PushStream<'a> {
    /// As sent, without those whose value is empty.
    pub labels: Labels,
    /// A name that the label string gave twice. Such a stream is refused by [`normalise()`].
    pub duplicate: Option<String>,
    pub entries: Vec<PushEntry<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PushEntry<'a> {
    /// Nanoseconds since 1970.
    pub at: i64,
    pub line: Cow<'a, str>,
    /// Structured metadata, as sent.
    pub metadata: Metadata<'a>,
}

/// Names and values.
pub type Metadata<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What a decoder takes before it gives up; the body's size is the caller's limit (see [`body::decompress`]).
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_streams: usize,
    /// Lines in all streams.
    pub max_entries: usize,
}

impl Default for Bounds {
    /// An empty entry takes 2 bytes of protobuf and 72 of memory: a million of them is what a request may cost.
    fn default() -> Self {
        Self { max_streams: 100_000, max_entries: 1_000_000 }
    }
}

/// Why a body was refused as a whole. Its text is what the client is told, in Loki's words where Loki has them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    #[error("EOF")]
    Empty,
    #[error("snappy: corrupt input")]
    Snappy,
    #[error("{0}")]
    Compression(String),
    #[error("Content-Encoding \"{0}\" not supported")]
    Encoding(String),
    #[error("content type: {0} is not supported")]
    ContentType(String),
    #[error("message size too large than max ({size} vs {max})")]
    TooLarge { size: u64, max: u64 },
    #[error("too many {0} in one request")]
    TooMany(&'static str),
    #[error("couldn't parse labels: {0}")]
    Labels(#[from] labels::LabelError),
    #[error("loghttp.PushRequest.Streams: []loghttp.LogProtoStream: {0}")]
    Json(String),
    #[error("{0}")]
    Protobuf(#[from] wire::WireError),
    #[error("{0}")]
    Otlp(String),
}

impl PushError {
    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } | Self::TooMany(_) => 413,
            _ => 400,
        }
    }
}

pub use wire::WireError;
