//! A store of log lines that understands LogQL: the embedded engine, or a Loki.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use logql::{
    ast::{Expr, LogExpr, MetricExpr, Selector},
    engine::{EngineError, LogParams, LogRow, Matrix, RangeParams, StatsSnapshot, Value},
    read::StreamRef,
};
use model::{TimeRange, Timestamp, status::Part, storage::LogStorage};
use tokio::sync::mpsc;

use crate::access::Scope;

/// An answer with what it took and what is missing from it.
#[derive(Clone, Debug)]
pub struct Ran<T> {
    pub value: T,
    pub stats: StatsSnapshot,
    pub elapsed: Duration,
    pub warnings: Vec<String>,
}

impl<T> Ran<T> {
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Ran<U> {
        Ran { value: f(self.value), stats: self.stats, elapsed: self.elapsed, warnings: self.warnings }
    }
}

/// How a query is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    pub now: Timestamp,
    /// Too many series give the first of them and a warning in place of an error.
    pub partial_series: bool,
}

/// Lines and bytes of one stream within a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamVolume {
    pub stream: Arc<StreamRef>,
    /// Blocks in which they are kept.
    pub chunks: u64,
    pub lines: u64,
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{name} does not answer")]
    Unreachable {
        name: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What a Loki said, with its status.
    #[error("{message}")]
    Refused { status: u16, message: String },
}

/// A request of a program that sends lines, as it came.
#[derive(Clone, Debug)]
pub struct PushBody {
    pub bytes: Bytes,
    pub format: PushFormat,
    /// The `Content-Encoding`; empty for none.
    pub encoding: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushFormat {
    LokiJson,
    /// Snappy block of `logproto.PushRequest`.
    LokiProto,
    OtlpJson,
    OtlpProto,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Lines that are on disk.
    pub stored: u64,
    pub rejected: u64,
    /// Status and text for the sender where not all of it was stored.
    pub refusal: Option<(u16, String)>,
}

/// Lines as they come; dropping the receiver ends it.
pub type Tailed = mpsc::Receiver<TailItem>;

#[derive(Debug)]
pub enum TailItem {
    Rows(Vec<LogRow>),
    /// The reader was too slow for so many lines, from the one time to the other, nanoseconds.
    Dropped {
        lines: u64,
        from: i64,
        to: i64,
    },
    /// It cannot go on.
    Failed(QueryError),
}

/// Rows of a long answer as they are found. Dropping the receiver ends the query.
pub type Rows = mpsc::Receiver<Result<Vec<LogRow>, QueryError>>;

/// What a pattern is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternParams {
    pub range: TimeRange,
    pub step_ns: i64,
}

/// Like lines, as [`LogEngine::patterns`] finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mined {
    /// The most frequent first.
    pub patterns: Vec<MinedPattern>,
    /// Lines of the range that were looked at, the newest.
    pub lines: u64,
    /// Whether those are all of them.
    pub is_whole: bool,
    /// Whether some had colours, which their patterns have not.
    pub is_coloured: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinedPattern {
    pub pattern: String,
    /// As `detected_level` has it.
    pub level: String,
    /// Starts of steps in seconds, ascending, and the lines within. Steps begin with the range where spans are compared, else at
    /// multiples of their length.
    pub samples: Vec<(i64, u64)>,
    /// Not there in the span before; `None` where nobody knows.
    pub is_new: Option<bool>,
}

/// Something that keeps lines and answers LogQL. A future that is dropped ends its query.
#[async_trait]
pub trait LogEngine: Send + Sync {
    fn part(&self) -> Part;

    /// The first lines in the direction asked for.
    async fn logs(&self, log: &LogExpr, params: LogParams, how: How) -> Result<Ran<Vec<LogRow>>, QueryError>;

    /// Every line of the range, in batches, in bounded memory.
    async fn rows(&self, log: &LogExpr, params: LogParams, how: How) -> Result<Rows, QueryError>;

    async fn range(&self, metric: &MetricExpr, params: RangeParams, how: How) -> Result<Ran<Matrix>, QueryError>;

    /// At one time, in nanoseconds.
    async fn instant(&self, expr: &Expr, at: i64, how: How) -> Result<Ran<Value>, QueryError>;

    /// Lines as they come, those since `start` first, of these the newest `limit`.
    async fn tail(&self, log: &LogExpr, start: i64, limit: usize, how: How) -> Result<Tailed, QueryError>;

    /// Decodes and keeps what a program sent.
    async fn push(&self, body: PushBody, now: Timestamp) -> Pushed;

    /// The streams that any of the selectors takes and that have lines within `[start, end)`, nanoseconds; all of them where
    /// no selector is given.
    async fn streams(&self, selectors: &[Selector], start: i64, end: i64) -> Result<Vec<Arc<StreamRef>>, QueryError>;

    /// What the selector's streams hold within `[start, end)`, nanoseconds. Parts that lie across an end count in proportion.
    async fn volumes(&self, selector: &Selector, start: i64, end: i64) -> Result<Vec<StreamVolume>, QueryError>;

    /// What repeats among the lines of a query. With `compare`, what is new against the span of the same length before.
    ///
    /// # Errors
    /// [`QueryError`]; [`QueryError::Refused`] where it does not look for patterns.
    async fn patterns(&self, log: &LogExpr, params: PatternParams, compare: bool, how: How) -> Result<Ran<Mined>, QueryError> {
        let _ = (log, params, compare, how);
        Err(QueryError::Refused { status: 501, message: "this log engine does not look for patterns".to_owned() })
    }

    /// What it keeps; within a scope only what is counted by stream.
    async fn storage(&self, now: Timestamp, scope: Option<&Scope>) -> LogStorage;
}
