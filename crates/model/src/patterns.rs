//! What repeats in logs.

use serde::{Deserialize, Serialize};

use crate::{
    log::{Level, ScanStats},
    problem::Problem,
    time::Timestamp,
};

/// Groups of like lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogPatterns {
    /// The most frequent first.
    pub patterns: Vec<LogPattern>,
    pub start: Timestamp,
    pub step_ms: i64,
    /// Lines of the range that were looked at.
    pub lines: u64,
    /// Whether those are all: else the newest.
    pub is_whole: bool,
    pub stats: ScanStats,
    pub warnings: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPattern {
    /// The lines' text with `<_>` where they differ.
    pub pattern: String,
    pub level: Level,
    pub lines: u64,
    /// Lines per step from [`LogPatterns::start`] on.
    pub steps: Vec<u64>,
    /// Not seen in the span of the same length before. `None` where that span is not kept or was not looked at to its end.
    pub is_new: Option<bool>,
    /// The search for its lines, as LogQL. `None` where the language cannot tell them.
    pub query: Option<String>,
}
