//! What the language needs from whoever holds the lines. A store gives the parts in which it keeps them; the engine reads
//! the parts it needs, in the order and on as many cores as it likes.

use std::{ops::ControlFlow, sync::Arc};

use model::{Labels, StreamHash};

use crate::matcher::LabelMatcher;

/// Which lines to look at.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// A stream is looked at if all of them take it.
    pub matchers: Vec<LabelMatcher>,
    /// Nanoseconds, `[start, end)`.
    pub start: i64,
    pub end: i64,
    /// Only this stream, where set.
    pub stream: Option<StreamHash>,
    pub prefilter: Prefilter,
}

/// Texts that a wanted line certainly holds: of each inner list at least one. A hint: a store may use it to leave out
/// lines (and whole parts), and may give lines that do not pass it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefilter {
    pub all: Vec<Vec<Literal>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    pub text: String,
    /// Where true, ASCII letters stand for either case.
    pub any_case: bool,
}

/// Which columns of a row are wanted. What is not may be left empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    pub text: bool,
    pub metadata: bool,
}

/// One stored line.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'a> {
    /// Nanoseconds.
    pub at: i64,
    /// Among the lines of the stream with the same nanosecond, in order of arrival.
    pub ordinal: u16,
    /// Empty where not needed.
    pub line: &'a str,
    /// The line's length in bytes, always there.
    pub len: u32,
    /// Structured metadata, sorted by name; empty where not needed.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// A stream as the store knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct StreamRef {
    pub labels: Labels,
    pub hash: StreamHash,
}

/// What reading a part took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadStats {
    /// Rows looked at, those left out by the prefilter included.
    pub lines: u64,
    /// Bytes of their text (0 where the text was not needed).
    pub bytes: u64,
    /// Bytes read from disk or cache, compressed.
    pub compressed_bytes: u64,
    /// Whether a filter or the bounds spared reading it.
    pub skipped: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// This part is damaged; others are not.
    #[error("{0}")]
    Damaged(String),
    #[error("cannot read: {0}")]
    Io(String),
}

/// Something that holds lines.
pub trait Source: Sync {
    type Part: Part;

    /// The parts that may hold wanted lines, in no order. A snapshot: later writes do not change it, and what is removed
    /// meanwhile stays readable.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    fn parts(&self, ask: &Ask) -> Result<Vec<Self::Part>, ReadError>;
}

/// Lines of one stream that are stored together.
pub trait Part: Send + Sync {
    fn stream(&self) -> &Arc<StreamRef>;

    /// Time of the first and of the last line, both included.
    fn bounds(&self) -> (i64, i64);

    fn rows(&self) -> u64;

    /// Bytes of text.
    fn bytes(&self) -> u64;

    /// Calls `each` for the lines within `ask`'s range in ascending order of `(at, ordinal)`, until it breaks. Lines
    /// that cannot pass `ask.prefilter` may be left out.
    ///
    /// # Errors
    /// [`ReadError`]; lines given before it are right.
    fn read(&self, ask: &Ask, need: Need, each: &mut dyn FnMut(RowRef<'_>) -> ControlFlow<()>) -> Result<ReadStats, ReadError>;
}

/// Runs pieces of a query side by side. The server shares its cores fairly between queries behind it.
pub trait Pool: Sync {
    /// Calls `job` for each of `0..jobs`, on one or more threads, in about this order, and returns when all have ended.
    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync));
}

/// Everything on the caller's thread.
pub struct Inline;

impl Pool for Inline {
    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..jobs).for_each(job);
    }
}
