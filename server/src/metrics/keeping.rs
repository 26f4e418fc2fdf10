//! The figures of who keeps the lines, read from it when somebody asks: of the log engine, or of the queue for a Loki.

use std::fmt;

use logstore::Status;
use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::figure::Figure;
use crate::collect::outbox::OutboxCounts;

/// What is not there has no figures.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    pub engine: Option<Status>,
    pub queue: Option<OutboxCounts>,
}

/// Asks for them.
pub type ReadKeeping = Box<dyn Fn() -> Keeping + Send + Sync>;

pub(super) struct Keepers(pub ReadKeeping);

impl fmt::Debug for Keepers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Keepers").finish_non_exhaustive()
    }
}

impl Collector for Keepers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut put = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn Figure| {
            metric.put(encoder.encode_descriptor(name, help, unit, metric.kind())?)
        };
        let bytes = Some(&Unit::Bytes);
        let Keeping { engine, queue } = (self.0)();
        if let Some(engine) = engine {
            let ingested = &engine.ingested;
            put("docaiche_engine_lines", "Lines that the log engine has.", None, &gauge(engine.lines))?;
            put("docaiche_engine_text", "Their text.", bytes, &gauge(engine.bytes))?;
            put(
                "docaiche_engine_disk",
                "Files of blocks and of the write-ahead log.",
                bytes,
                &gauge(engine.disk_bytes + engine.wal_bytes),
            )?;
            let help = "Whether the last lines that came could be written.";
            put("docaiche_engine_writes", help, None, &gauge(u64::from(engine.failing.is_none())))?;
            put("docaiche_engine_stored_lines", "Lines written.", None, &ConstCounter::new(ingested.lines))?;
            put("docaiche_engine_duplicate_lines", "Lines that were there already.", None, &ConstCounter::new(ingested.duplicates))?;
            let refused: u64 = ingested.refused.values().sum();
            put("docaiche_engine_refused_lines", "Lines that cannot be kept.", None, &ConstCounter::new(refused))?;
            put("docaiche_engine_expired_lines", "Lines that retention removed.", None, &ConstCounter::new(ingested.removed_lines))?;
        }
        if let Some(queue) = queue {
            put("docaiche_queue_lines", "Lines that wait for the Loki.", None, &gauge(queue.waiting_lines))?;
            put("docaiche_queue_disk", "What these take on disk.", bytes, &gauge(queue.waiting_bytes))?;
            put("docaiche_queue_sent_lines", "Lines that the Loki took.", None, &ConstCounter::new(queue.sent_lines))?;
            put("docaiche_queue_rejected_lines", "Lines that the Loki would not have.", None, &ConstCounter::new(queue.rejected_lines))?;
            put("docaiche_queue_dropped_lines", "Lines that the queue had no room for.", None, &ConstCounter::new(queue.dropped_lines))?;
        }
        Ok(())
    }
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
