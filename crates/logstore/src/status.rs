//! What a storage page shows: how much is there, what came in, what was dropped and why, what does not work.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError, atomic::Ordering},
};

use crate::{
    batch::{Appended, Outcome, StreamBatch},
    damage::Damage,
    error::{AppendError, Refused},
    retain::Removed,
    store::Store,
};

/// Since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    pub lines: u64,
    /// Of text.
    pub bytes: u64,
    pub duplicates: u64,
    pub refused: BTreeMap<Refused, u64>,
    /// Batches that could not be written.
    pub failed_batches: u64,
    /// Present time at the last successful append, nanoseconds.
    pub last_ns: Option<i64>,
    /// By retention.
    pub removed_lines: u64,
    pub removed_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub ingested: Ingested,
    /// Why the last append failed, until one succeeds.
    pub failing: Option<AppendError>,
    /// What maintenance could not do the last time.
    pub trouble: Option<String>,
    pub damage: Damage,
    pub streams: u64,
    pub lines: u64,
    /// Text of all lines.
    pub bytes: u64,
    pub blocks: u64,
    pub files: u64,
    /// Files of blocks.
    pub disk_bytes: u64,
    pub wal_bytes: u64,
    pub wal_segments: u64,
    /// Lines in memory that are in no block yet.
    pub head_bytes: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    ingested: Ingested,
    failing: Option<AppendError>,
    trouble: Option<String>,
}

impl Counters {
    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn count(&self, batch: &[StreamBatch<'_>], appended: &Appended, now: i64) {
        let entries = batch.iter().flat_map(|stream| stream.entries);
        let (mut lines, mut bytes, mut duplicates) = (0, 0, 0);
        let mut refused = Vec::new();
        for (entry, outcome) in entries.zip(&appended.outcomes) {
            match outcome {
                Outcome::Stored(_) => {
                    lines += 1;
                    bytes += entry.line.len() as u64;
                }
                Outcome::Duplicate => duplicates += 1,
                Outcome::Refused(why) => refused.push(*why),
            }
        }
        self.with(|inner| {
            inner.failing = None;
            let ingested = &mut inner.ingested;
            ingested.lines += lines;
            ingested.bytes += bytes;
            ingested.duplicates += duplicates;
            ingested.last_ns = Some(now);
            for why in refused {
                *ingested.refused.entry(why).or_default() += 1;
            }
        });
    }

    pub fn failed(&self, error: &AppendError) {
        self.with(|inner| {
            inner.ingested.failed_batches += 1;
            inner.failing = Some(error.clone());
        });
    }

    pub fn removed(&self, removed: &Removed) {
        self.with(|inner| {
            inner.ingested.removed_lines += removed.lines;
            inner.ingested.removed_bytes += removed.bytes;
        });
    }

    pub fn set_trouble(&self, trouble: Option<String>) {
        self.with(|inner| inner.trouble = trouble);
    }
}

impl Store {
    /// What came in since the store was opened: cheap.
    pub fn ingested(&self) -> Ingested {
        self.counters.with(|inner| inner.ingested.clone())
    }

    pub fn status(&self) -> Status {
        let mut status = self.counters.with(|inner| Status {
            ingested: inner.ingested.clone(),
            failing: inner.failing.clone(),
            trouble: inner.trouble.clone(),
            ..Status::default()
        });
        status.damage = self.damage.all();
        status.head_bytes = self.head_bytes.load(Ordering::Relaxed) as u64;
        {
            let committer = self.committer();
            status.wal_bytes = committer.wal.bytes();
            status.wal_segments = committer.wal.segments().len() as u64;
        }
        for stream in self.catalog().all() {
            let state = stream.state();
            let (head_lines, head_bytes) = state.head.counts();
            status.streams += u64::from(!state.is_empty());
            status.lines += head_lines;
            status.bytes += head_bytes;
            for block in state.blocks.iter().filter(|block| !block.is_bad()) {
                status.blocks += 1;
                status.lines += u64::from(block.header.rows);
                status.bytes += u64::from(block.header.raw);
            }
        }
        let packs = self.packs();
        status.files = packs.live.len() as u64;
        status.disk_bytes = packs.bytes();
        status
    }
}
