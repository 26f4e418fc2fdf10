//! What is kept, for the storage page.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use model::{
    Timestamp,
    status::Part,
    storage::{DropReason, Dropped, IngestRate, LogStorage, Retention, ServiceStorage},
};
use ops::access::Scope;

use super::{Embedded, key_of, kind_of};

/// Samples of what has come in, one a second, a minute of them.
pub type Rates = VecDeque<(Instant, u64, u64)>;

const SAMPLES: usize = 61;

impl Embedded {
    /// To be called about every second.
    pub(super) fn sample_rate(&self) {
        let ingested = self.store.ingested();
        let mut rates = self.rates.lock().expect("no panic while held");
        if rates.len() == SAMPLES {
            rates.pop_front();
        }
        rates.push_back((Instant::now(), ingested.lines, ingested.bytes));
    }

    fn rate(&self) -> IngestRate {
        let rates = self.rates.lock().expect("no panic while held");
        let (Some(first), Some(last)) = (rates.front(), rates.back()) else { return IngestRate::default() };
        let seconds = (last.0 - first.0).as_secs_f64();
        let per_minute = |first: u64, last: u64| if seconds < 0.5 { 0 } else { ((last - first) as f64 * 60.0 / seconds).round() as u64 };
        IngestRate {
            over_s: seconds.round() as u64,
            lines_per_minute: per_minute(first.1, last.1),
            raw_bytes_per_minute: per_minute(first.2, last.2),
            ..IngestRate::default()
        }
    }

    pub(super) fn storage(&self, engine: Part, now: Timestamp, scope: Option<&Scope>) -> LogStorage {
        let whole = self.whole(engine, now, scope);
        if scope.is_none() {
            return whole;
        }
        let sum = |of: fn(&ServiceStorage) -> u64| whole.services.iter().map(of).sum::<u64>();
        LogStorage {
            is_part: true,
            lines: sum(|one| one.lines),
            raw_bytes: sum(|one| one.raw_bytes),
            disk_bytes: sum(|one| one.disk_bytes),
            streams: sum(|one| one.streams),
            wal_bytes: 0,
            head_bytes: 0,
            blocks: 0,
            files: 0,
            ingest: IngestRate::default(),
            dropped: Vec::new(),
            ..whole
        }
    }

    fn whole(&self, engine: Part, now: Timestamp, scope: Option<&Scope>) -> LogStorage {
        let status = self.store.status();
        let config = self.store.config();
        let services = self.services_kept(scope);
        let ingested = &status.ingested;
        let (_, available) = crate::machine::disk(&self.dir);
        LogStorage {
            engine,
            is_part: false,
            lines: status.lines,
            raw_bytes: status.bytes,
            disk_bytes: status.disk_bytes + status.wal_bytes,
            wal_bytes: status.wal_bytes,
            head_bytes: status.head_bytes,
            streams: status.streams,
            blocks: status.blocks,
            files: status.files,
            oldest: services.iter().filter_map(|service| service.oldest).min(),
            newest: services.iter().filter_map(|service| service.newest).max(),
            retention: Retention {
                max_age_s: config.retain_ns.map(|nanos| (nanos / model::time::NANOS_PER_SEC).max(0).unsigned_abs()),
                max_bytes: config.retain_bytes,
                disk_available_bytes: (available > 0).then_some(available),
            },
            ingest: IngestRate {
                lines: ingested.lines,
                raw_bytes: ingested.bytes,
                last: ingested.last_ns.map(|at| Timestamp(at.min(now.0))),
                ..self.rate()
            },
            dropped: dropped(&status),
            since: self.opened,
            services,
            loki: None,
        }
    }

    /// By service, the largest first. Ids are as short as they can be, as in the list of services.
    fn services_kept(&self, scope: Option<&Scope>) -> Vec<ServiceStorage> {
        let mut services = BTreeMap::new();
        for kept in self.store.kept().into_iter().filter(|kept| scope.is_none_or(|scope| scope.admits(&kept.stream.labels))) {
            let labels = &kept.stream.labels;
            let service = services.entry(key_of(labels)).or_insert_with(|| ServiceStorage {
                id: String::new(),
                kind: kind_of(labels),
                streams: 0,
                lines: 0,
                raw_bytes: 0,
                disk_bytes: 0,
                oldest: None,
                newest: None,
            });
            service.streams += 1;
            service.lines += kept.lines;
            service.raw_bytes += kept.bytes;
            service.disk_bytes += kept.disk_bytes;
            let oldest = Timestamp(kept.oldest);
            service.oldest = Some(service.oldest.map_or(oldest, |known| known.min(oldest)));
            service.newest = service.newest.max(Some(Timestamp(kept.newest)));
        }
        let ids = ops::logs::service_ids(services.keys());
        let mut services: Vec<ServiceStorage> =
            services.into_values().zip(ids).map(|(service, id)| ServiceStorage { id, ..service }).collect();
        services.sort_by(|a, b| b.disk_bytes.cmp(&a.disk_bytes).then_with(|| b.raw_bytes.cmp(&a.raw_bytes)));
        services
    }
}

fn dropped(status: &logstore::Status) -> Vec<Dropped> {
    let ingested = &status.ingested;
    let one = |why, detail: String, count, raw_bytes| Dropped { why, detail, count, raw_bytes };
    let mut dropped = vec![
        one(
            DropReason::Retention,
            "Older than what is kept, or more than may lie on the disk".to_owned(),
            ingested.removed_lines,
            ingested.removed_bytes,
        ),
        one(
            DropReason::NotWritten,
            "Batches that could not be written; collected lines wait, senders are told to try again".to_owned(),
            ingested.failed_batches,
            0,
        ),
        one(DropReason::Damaged, "In damaged blocks, which were set aside".to_owned(), status.damage.lines, 0),
        one(DropReason::Duplicate, "Sent again: they are there once".to_owned(), ingested.duplicates, 0),
    ];
    dropped.extend(ingested.refused.iter().map(|(why, lines)| one(DropReason::Refused, format!("Refused: {why}"), *lines, 0)));
    dropped.retain(|one| one.count > 0);
    dropped
}
