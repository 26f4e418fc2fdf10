//! What the log engine keeps: how much, of whom, for how long, and what it did not keep.

use serde::{Deserialize, Serialize};

use crate::{log::ServiceKind, status::Part, time::Timestamp};

/// `GET /api/v1/storage`. Bytes are bytes of text where they are called raw, else bytes of files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogStorage {
    pub engine: Part,
    /// Whether this is only what the asking person may see: what is counted of the whole engine is 0 or empty then.
    pub is_part: bool,
    pub lines: u64,
    pub raw_bytes: u64,
    /// All files: blocks and write-ahead log.
    pub disk_bytes: u64,
    pub wal_bytes: u64,
    /// Lines in memory that are in the write-ahead log and in no block yet.
    pub head_bytes: u64,
    pub streams: u64,
    pub blocks: u64,
    pub files: u64,
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
    pub retention: Retention,
    pub ingest: IngestRate,
    /// What was not kept, or is kept no more, since `since`. Reasons without a case are left out.
    pub dropped: Vec<Dropped>,
    /// Since when `dropped` counts: the start of the console.
    pub since: Timestamp,
    /// The largest first.
    pub services: Vec<ServiceStorage>,
    /// Set where a Loki elsewhere keeps the lines. Of these it tells streams, chunks as `blocks`, bytes of text, and lines of all services
    /// together; the rest is 0, empty or unset.
    pub loki: Option<LokiStorage>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LokiStorage {
    /// Counted is what was logged in so many seconds before now: 30 days, or as long as Loki lets one look back.
    pub over_s: u64,
    /// What the collector sends it; unset where it sends nothing, and within a scope.
    pub queue: Option<QueueStorage>,
}

/// Lines that go to a Loki; those sent since the start of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStorage {
    pub waiting_lines: u64,
    pub waiting_bytes: u64,
    pub sent_lines: u64,
}

/// How long lines stay: whichever bound comes first. Unset: no such bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    pub max_age_s: Option<u64>,
    pub max_bytes: Option<u64>,
    /// What the disk of the engine has left; unset where nobody knows.
    pub disk_available_bytes: Option<u64>,
}

/// Averages of the last `over_s` seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IngestRate {
    /// At most 60; less right after the start.
    pub over_s: u64,
    pub lines_per_minute: u64,
    pub raw_bytes_per_minute: u64,
    /// Since the start of the console.
    pub lines: u64,
    pub raw_bytes: u64,
    pub last: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    pub why: DropReason,
    /// In a sentence, for a person.
    pub detail: String,
    /// Lines; pushes where `why` is `not_written`.
    pub count: u64,
    /// Of text; 0 where that is not known.
    pub raw_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// By age or by size, as set up.
    Retention,
    /// A sender's line that the engine does not take.
    Refused,
    /// Batches that could not be written: the disk was full, say. Collected lines wait, senders are told to try again.
    NotWritten,
    /// Came again and is there once.
    Duplicate,
    /// In blocks that were found damaged and set aside.
    Damaged,
    /// There was no room for them in the queue for a Loki.
    QueueFull,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStorage {
    /// As in the list of services.
    pub id: String,
    pub kind: ServiceKind,
    pub streams: u64,
    pub lines: u64,
    pub raw_bytes: u64,
    /// Its blocks; lines that are in none yet count as 0.
    pub disk_bytes: u64,
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
}
