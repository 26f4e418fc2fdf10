//! What bounds a running query, and what it counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a query shall end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nobody waits for the answer any more.
    Cancelled,
    Deadline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Series in the answer of a metric query.
    pub max_series: usize,
    /// Bytes of text that may be looked at.
    pub max_bytes: u64,
    /// Samples (or points of series on the way to the answer) that a metric query may hold, 16 to 40 bytes each.
    pub max_samples: u64,
    /// Bytes of rows, and of the names of series, that a query may hold.
    pub max_held_bytes: usize,
    /// Bytes of rows that a stream of rows ([`Engine::logs_each`](super::Engine::logs_each)) holds at a time, about.
    pub buffer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_series: 500, max_bytes: u64::MAX, max_samples: 4_000_000, max_held_bytes: 128 << 20, buffer_bytes: 32 << 20 }
    }
}

/// Counters of a running query; read them at any time for its progress.
#[derive(Debug, Default)]
pub struct Stats {
    /// Rows looked at.
    pub lines: AtomicU64,
    /// Bytes of their text.
    pub bytes: AtomicU64,
    /// Compressed bytes read.
    pub compressed: AtomicU64,
    /// Parts the query knows of.
    pub parts: AtomicU64,
    pub parts_read: AtomicU64,
    /// Parts that a filter, the bounds or the limit spared reading.
    pub parts_skipped: AtomicU64,
    /// Rows that passed the pipeline.
    pub matched: AtomicU64,
    /// Rows or series in the answer.
    pub entries: AtomicU64,
}

/// [`Stats`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    pub lines: u64,
    pub bytes: u64,
    pub compressed: u64,
    pub parts: u64,
    pub parts_read: u64,
    pub parts_skipped: u64,
    pub matched: u64,
    pub entries: u64,
}

impl Stats {
    pub fn snapshot(&self) -> StatsSnapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StatsSnapshot {
            lines: get(&self.lines),
            bytes: get(&self.bytes),
            compressed: get(&self.compressed),
            parts: get(&self.parts),
            parts_read: get(&self.parts_read),
            parts_skipped: get(&self.parts_skipped),
            matched: get(&self.matched),
            entries: get(&self.entries),
        }
    }

    pub(super) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}

/// Handed in with a query.
pub struct Control<'a> {
    /// Asked every 64 rows, or as often for other work of about that size.
    pub stop: &'a (dyn Fn() -> Option<Stop> + Sync),
    pub limits: Limits,
    pub stats: &'a Stats,
    /// Too many series give the first of them and a warning in place of an error (Grafana's Logs Drilldown).
    pub partial_series: bool,
    /// For `now` in templates, nanoseconds.
    pub now_ns: i64,
}
