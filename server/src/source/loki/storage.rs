//! What a Loki has, as far as its index and its limits tell, and what is on its way to it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use logql::ast::{Selector, Span};
use model::{
    ServiceKind, Timestamp,
    status::PartState,
    storage::{DropReason, Dropped, IngestRate, LogStorage, LokiStorage, QueueStorage, Retention, ServiceStorage},
    time::NANOS_PER_SEC,
};
use ops::{
    access::Scope,
    source::{
        ServiceKey,
        engine::{LogEngine, StreamVolume},
    },
};

use super::{query::LokiEngine, select};
use crate::{
    collect::outbox::OutboxCounts,
    source::embedded::{key_of, kind_of},
};

/// How far back is counted: one request, as long as Loki's own `max_query_length` allows by default.
const LONGEST_NS: i64 = 30 * 24 * 3_600 * NANOS_PER_SEC;
/// The index is asked at most so often, however often somebody looks.
const FRESH: Duration = Duration::from_secs(30);

/// What the index said of a selector's streams, and when.
pub(super) struct Counted {
    of: Selector,
    at: Instant,
    volumes: Arc<Vec<StreamVolume>>,
}

impl LokiEngine {
    pub(super) async fn stored(&self, now: Timestamp, scope: Option<&Scope>) -> LogStorage {
        let limits = self.0.client().limits();
        let over_ns = limits.back_ns.min(LONGEST_NS);
        let counted = self.counted(now, over_ns, scope).await;
        let mut engine = self.0.client().part();
        if let Err(error) = &counted
            && engine.state == PartState::Ok
        {
            (engine.state, engine.detail) = (PartState::Degraded, error.clone());
        }
        let volumes = counted.unwrap_or_default();
        let sum = |of: fn(&StreamVolume) -> u64| volumes.iter().map(of).sum::<u64>();
        // What the collector sends is of everybody.
        let queue = self.0.outbox.as_ref().filter(|_| scope.is_none()).map(|outbox| outbox.counts());
        LogStorage {
            engine,
            is_part: scope.is_some(),
            lines: sum(|one| one.lines),
            raw_bytes: sum(|one| one.bytes),
            disk_bytes: 0,
            wal_bytes: 0,
            head_bytes: 0,
            streams: volumes.len() as u64,
            blocks: sum(|one| one.chunks),
            files: 0,
            oldest: None,
            newest: None,
            retention: Retention { max_age_s: limits.kept_ns.map(seconds), ..Retention::default() },
            ingest: IngestRate::default(),
            dropped: queue.as_ref().map(dropped).unwrap_or_default(),
            since: self.0.opened,
            services: services(&volumes),
            loki: Some(LokiStorage {
                over_s: seconds(over_ns),
                queue: queue.map(|counts| QueueStorage {
                    waiting_lines: counts.waiting_lines,
                    waiting_bytes: counts.waiting_bytes,
                    sent_lines: counts.sent_lines,
                }),
            }),
        }
    }

    /// In a sentence why not, where Loki does not say.
    async fn counted(&self, now: Timestamp, over_ns: i64, scope: Option<&Scope>) -> Result<Arc<Vec<StreamVolume>>, String> {
        let of = select::demanding(scope.map_or(&Selector { span: Span::default(), matchers: Vec::new() }, Scope::selector));
        let mut known = self.0.counted.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.of == of && known.at.elapsed() < FRESH) {
            return Ok(known.volumes.clone());
        }
        let volumes = self.volumes(&of, now.0.saturating_sub(over_ns), now.0).await.map_err(|error| error.to_string())?;
        let volumes = Arc::new(volumes);
        *known = Some(Counted { of, at: Instant::now(), volumes: volumes.clone() });
        Ok(volumes)
    }
}

fn seconds(nanos: i64) -> u64 {
    (nanos / NANOS_PER_SEC).max(0).unsigned_abs()
}

/// The largest first. Lines of one service are not known: the index counts those of all together.
fn services(volumes: &[StreamVolume]) -> Vec<ServiceStorage> {
    let mut services: BTreeMap<ServiceKey, (ServiceKind, u64, u64)> = BTreeMap::new();
    for volume in volumes {
        let labels = &volume.stream.labels;
        let (_, streams, bytes) = services.entry(key_of(labels)).or_insert((kind_of(labels), 0, 0));
        *streams += 1;
        *bytes += volume.bytes;
    }
    let ids = ops::logs::service_ids(services.keys());
    let named = services.into_values().zip(ids).map(|((kind, streams, raw_bytes), id)| ServiceStorage {
        id,
        kind,
        streams,
        lines: 0,
        raw_bytes,
        disk_bytes: 0,
        oldest: None,
        newest: None,
    });
    let mut services: Vec<ServiceStorage> = named.collect();
    services.sort_by_key(|service| std::cmp::Reverse(service.raw_bytes));
    services
}

fn dropped(counts: &OutboxCounts) -> Vec<Dropped> {
    let one = |why, detail: &str, count| Dropped { why, detail: detail.to_owned(), count, raw_bytes: 0 };
    let mut dropped = vec![
        one(DropReason::QueueFull, "The queue for the Loki was full, or a file of it damaged", counts.dropped_lines),
        one(DropReason::Refused, "Refused by the Loki", counts.rejected_lines),
    ];
    dropped.retain(|one| one.count > 0);
    dropped
}
