//! The embedded log engine as the use-cases know it: one store on disk under the data directory, queries on the machine's
//! cores, and new lines for those who follow.

mod cores;
mod feed;
mod push;
mod query;
mod search;
mod storage;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context;
use async_trait::async_trait;
use logql::matcher::LabelMatcher;
use logstore::{Store, fs::RealFs};
use model::{
    ServiceKind, ServiceStatus, Timestamp,
    status::{Part, PartState},
};
use ops::{
    access::ScopeLabels,
    live::Hub,
    source::{Batch, LogPlan, LogSource, Member, ServiceKey, SourceError, SourceService},
};
use tokio::sync::Semaphore;

use self::{cores::Cores, search::Dropped, storage::Rates};
pub use self::{
    feed::{Feed, Fresh},
    push::{decode, unpack},
    query::EmbeddedEngine,
    search::{Streams, group, key_of, level_of},
};
use crate::{
    collect::Clock,
    config::{EngineConfig, Fsync},
};

/// A page that takes longer comes with what it has, and a cursor for the rest.
const PAGE_BUDGET: Duration = Duration::from_secs(8);
/// Queries at a time; more wait for their turn. Each holds a few megabytes.
const QUERIES: usize = 16;
/// Exports at a time, beside them.
const EXPORTS: usize = 8;

/// The engine. Cheap to share.
pub struct Embedded {
    pub store: Arc<Store>,
    pub feed: Feed,
    hub: Arc<Hub>,
    cores: Cores,
    turns: Semaphore,
    exports: Semaphore,
    clock: Clock,
    limits: logpush::Limits,
    /// What the store set right when it opened; empty where all was well.
    recovered: String,
    services: Mutex<(Instant, Vec<SourceService>)>,
    dir: PathBuf,
    opened: Timestamp,
    rates: Mutex<Rates>,
}

impl Embedded {
    /// Opens the store in `dir`, which is made where it is not there.
    ///
    /// # Errors
    /// Where it is in use, of a newer format, or cannot be read.
    pub fn open(dir: &Path, config: &EngineConfig, hub: Arc<Hub>, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let sync = match config.fsync {
            Fsync::Group => logstore::Sync::Group,
            Fsync::Interval => logstore::Sync::Interval { nanos: model::time::NANOS_PER_SEC },
            Fsync::Off => logstore::Sync::Off,
        };
        let settings = logstore::Config {
            sync,
            retain_ns: Some(config.retention_ns),
            retain_bytes: Some(config.retention_bytes),
            // More than the longest line that is collected.
            line_bytes: 8 << 20,
            ..logstore::Config::default()
        };
        let (store, recovery) = Store::open(dir, settings, Arc::new(RealFs)).context("cannot open the log engine")?;
        let recovered = recovered(&recovery);
        if !recovered.is_empty() {
            tracing::warn!(kind = "database", operation = "logs_recover", "the log engine was set right at start: {recovered}");
        }
        let opened = clock();
        Ok(Arc::new(Self {
            store: Arc::new(store),
            feed: Feed::default(),
            hub,
            cores: Cores::new(std::thread::available_parallelism().map_or(1, usize::from)),
            turns: Semaphore::new(QUERIES),
            exports: Semaphore::new(EXPORTS),
            clock,
            limits: logpush::Limits { max_age_ns: config.max_age_ns, max_ahead_ns: config.max_ahead_ns, ..logpush::Limits::default() },
            recovered,
            services: Mutex::new((Instant::now(), Vec::new())),
            dir: dir.to_owned(),
            opened,
            rates: Mutex::default(),
        }))
    }

    /// Does what is due, every second until `closing`.
    pub async fn maintain(self: Arc<Self>, closing: tokio_util::sync::CancellationToken) {
        let mut due = tokio::time::interval(Duration::from_secs(1));
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = closing.cancelled() => return,
                _ = due.tick() => {}
            }
            self.sample_rate();
            let engine = self.clone();
            let done = tokio::task::spawn_blocking(move || engine.store.maintain((engine.clock)().0));
            match done.await {
                Ok(done) => done.trouble.iter().for_each(|trouble| {
                    tracing::warn!(kind = "database", operation = "logs_maintain", "the log engine {trouble}");
                }),
                Err(error) => tracing::error!(kind = "database", operation = "logs_maintain", %error, "the log engine's upkeep broke off"),
            }
        }
    }

    /// A turn and a blocking thread for one query; what is asked there is told to stop when nobody waits any more.
    async fn run<T: Send + 'static>(self: &Arc<Self>, job: impl FnOnce(&Self, &Dropped) -> T + Send + 'static) -> T {
        self.take_turn(&self.turns, job).await
    }

    /// As [`Embedded::run`], in a queue of its own: an export goes as fast as it is read, and no query waits for that.
    async fn run_export<T: Send + 'static>(self: &Arc<Self>, job: impl FnOnce(&Self, &Dropped) -> T + Send + 'static) -> T {
        self.take_turn(&self.exports, job).await
    }

    async fn take_turn<T: Send + 'static>(
        self: &Arc<Self>,
        turns: &Semaphore,
        job: impl FnOnce(&Self, &Dropped) -> T + Send + 'static,
    ) -> T {
        let _turn = turns.acquire().await.expect("never closed");
        let dropped = Dropped::default();
        let _guard = dropped.guard();
        let engine = self.clone();
        let running = tokio::task::spawn_blocking(move || job(&engine, &dropped));
        running.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

/// What the store had to set right, in a sentence; empty where nothing was lost.
fn recovered(recovery: &logstore::Recovery) -> String {
    let mut parts = recovery.damaged.clone();
    if recovery.damaged_log_bytes > 0 {
        parts.push(format!("{} bytes of the write-ahead log are damaged", recovery.damaged_log_bytes));
    }
    parts.join("; ")
}

/// The engine as a place where lines are. Lists the services that nobody else knows (any more).
pub struct EmbeddedLogs(pub Arc<Embedded>);

#[async_trait]
impl LogSource for EmbeddedLogs {
    fn name(&self) -> String {
        "log engine".to_owned()
    }

    fn is_history(&self) -> bool {
        true
    }

    fn services(&self) -> Vec<SourceService> {
        let mut kept = self.0.services.lock().expect("no panic while held");
        // A list of labels, asked for by every page: once in two seconds is fresh enough.
        if kept.1.is_empty() || kept.0.elapsed() > Duration::from_secs(2) {
            *kept = (Instant::now(), services(&self.0.store, self.0.hub.scope_labels()));
        }
        kept.1.clone()
    }

    fn part(&self) -> Part {
        let status = self.0.store.status();
        let failing = status.failing.as_ref().map(|error| format!("lines are not kept: {error}"));
        let (state, detail) = match (failing, status.trouble, status.damage.lines) {
            (Some(failing), ..) => (PartState::Down, failing),
            (None, Some(trouble), _) => (PartState::Degraded, trouble),
            (None, None, lines) if lines > 0 => (PartState::Degraded, format!("{lines} lines in damaged blocks were set aside")),
            (None, None, _) => (PartState::Ok, self.0.recovered.clone()),
        };
        Part { name: self.name(), state, detail, since: None }
    }

    async fn search(&self, plan: &LogPlan) -> Result<Batch, SourceError> {
        let plan = plan.clone();
        let began = Instant::now();
        let found = self.0.run(move |engine, dropped| {
            let stop = || dropped.is() || began.elapsed() > PAGE_BUDGET;
            search::page(&*engine.store, &engine.cores, &plan, &stop)
        });
        let (mut batch, warnings) = found.await.map_err(|error| SourceError::Failed(error.to_string()))?;
        batch.stats.elapsed_ms = began.elapsed().as_millis() as u64;
        for warning in warnings {
            tracing::warn!(kind = "database", operation = "logs_read", "a part of the logs could not be read: {warning}");
        }
        Ok(batch)
    }
}

/// Where the lines of a stream came from.
pub fn kind_of(labels: &model::Labels) -> ServiceKind {
    match labels.get("job") {
        Some("dockerlogs") => ServiceKind::Container,
        Some("files") => ServiceKind::File,
        Some("console") => ServiceKind::Console,
        _ => ServiceKind::Pushed,
    }
}

fn services(store: &Store, scope_labels: &ScopeLabels) -> Vec<SourceService> {
    let all: [LabelMatcher; 0] = [];
    SourceService::gather(store.series(&all, 0, i64::MAX).iter().map(|stream| member_of(&stream.labels, scope_labels)))
}

/// What a stream's labels tell of the service it belongs to.
pub fn member_of(labels: &model::Labels, scope_labels: &ScopeLabels) -> (ServiceKey, ServiceKind, Member) {
    let kind = kind_of(labels);
    let status = if kind == ServiceKind::Pushed { ServiceStatus::Running } else { ServiceStatus::Removed };
    let name = labels.get("container_name").map(str::to_owned);
    (key_of(labels), kind, Member { name, labels: Arc::new(scope_labels.of(labels)), status })
}
