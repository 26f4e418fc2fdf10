//! A Loki as the place where lines are: what the embedded engine does on disk, asked over HTTP of one process or a cluster.
//! Other programs may fill it too. Its lines have no ordinal; see [`ordinal_of`] for what stands in.

mod answer;
mod client;
mod limits;
mod push;
mod query;
mod select;
mod ship;
mod storage;
mod tail;
mod walk;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use logql::{engine::LogRow, read::StreamRef};
use model::{
    Direction, EntryId, Labels, ScanStats, ServiceStatus, StreamHash, Timestamp,
    status::{Part, PartState},
};
use ops::{
    live::Hub,
    source::{Batch, Frontier, Line, LogPlan, LogSource, Member, SourceError, SourceService, engine::QueryError},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use self::{answer::ordinal_of, query::LokiEngine, ship::ship};
use self::{client::Client, limits::Limits, walk::Walk};
use crate::{
    collect::{Clock, outbox::Outbox},
    config::LokiConfig,
    source::embedded::{Streams, group, level_of, member_of},
};

/// A page that takes longer comes with what it has, and a cursor for the rest.
const PAGE_BUDGET: Duration = Duration::from_secs(8);
/// A list of services that is older is made anew when somebody asks for it.
const SERVICES_FRESH: Duration = Duration::from_secs(2);
/// And at the latest now: it also shows whether Loki answers.
const SERVICES_EVERY: Duration = Duration::from_secs(30);
/// Making the list may take a twentieth of Loki's time for us.
const SERVICES_SHARE: u32 = 20;
/// A service that had a line since then runs, as far as one can tell from lines.
const RECENT_NS: i64 = 15 * 60 * model::time::NANOS_PER_SEC;
/// Streams whose labels are remembered by their hash, some hundred bytes each.
const STREAMS: usize = 20_000;

pub struct Loki {
    client: Arc<Client>,
    hub: Arc<Hub>,
    known: Mutex<Known>,
    asked: Notify,
    /// What is on its way to it, where the collectors' lines are shipped.
    outbox: Option<Arc<Outbox>>,
    /// For the storage page.
    counted: tokio::sync::Mutex<Option<storage::Counted>>,
    opened: Timestamp,
}

#[derive(Default)]
struct Known {
    services: Vec<SourceService>,
    made: Option<Instant>,
    streams: HashMap<StreamHash, Labels>,
}

impl Loki {
    /// # Errors
    /// Where a setting does not work. Loki itself may be away.
    pub fn new(config: &LokiConfig, hub: Arc<Hub>, clock: Clock, outbox: Option<Arc<Outbox>>) -> anyhow::Result<Arc<Self>> {
        let opened = clock();
        let client = Arc::new(Client::new(config, clock)?);
        let (known, counted, asked) = (Mutex::default(), tokio::sync::Mutex::default(), Notify::new());
        Ok(Arc::new(Self { client, hub, known, asked, outbox, counted, opened }))
    }

    /// How it is doing, and what waits for it.
    fn part(&self) -> Part {
        let mut part = self.client.part();
        let Some(counts) = self.outbox.as_ref().map(|outbox| outbox.counts()) else { return part };
        let mut notes: Vec<String> = Some(part.detail).filter(|detail| !detail.is_empty()).into_iter().collect();
        if part.state != PartState::Ok && counts.waiting_lines > 0 {
            notes.push(format!("{} lines wait for it on disk", counts.waiting_lines));
        }
        for (lines, why) in [(counts.dropped_lines, "were dropped: the queue was full"), (counts.rejected_lines, "were not taken by it")] {
            if lines > 0 {
                notes.push(format!("{lines} lines {why}"));
                part.state = if part.state == PartState::Ok { PartState::Degraded } else { part.state };
            }
        }
        part.detail = notes.join("; ");
        part
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Keeps limits and the list of services fresh until `closing`.
    pub async fn maintain(self: Arc<Self>, closing: CancellationToken) {
        let working = async {
            let mut limits_read: Option<Instant> = None;
            loop {
                if limits_read.is_none_or(|at| at.elapsed() > limits::READ_EVERY) {
                    Limits::read(&self.client).await;
                    limits_read = Some(Instant::now());
                }
                let began = Instant::now();
                if let Err(error) = self.refresh().await {
                    tracing::debug!(kind = "external_service", peer = client::NAME, %error, "the services could not be listed");
                    tokio::time::sleep(SERVICES_FRESH).await;
                    continue;
                }
                tokio::time::sleep((began.elapsed() * SERVICES_SHARE).min(SERVICES_EVERY)).await;
                // Left as it is where nobody looks.
                drop(tokio::time::timeout(SERVICES_EVERY, self.asked.notified()).await);
            }
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = working => {}
        }
    }

    /// Lists the services anew.
    ///
    /// # Errors
    /// [`QueryError`]; the list stays as it was.
    pub async fn refresh(&self) -> Result<(), QueryError> {
        let now = self.client.now().0;
        let recent: HashSet<StreamHash> =
            self.series(select::ALL, now.saturating_sub(RECENT_NS), i64::MAX).await?.iter().map(Labels::hash64).collect();
        let all = self.series(select::ALL, i64::MIN, i64::MAX).await?;
        let services = SourceService::gather(all.iter().map(|labels| {
            let (key, kind, member) = member_of(labels, self.hub.scope_labels());
            let status = if recent.contains(&labels.hash64()) { ServiceStatus::Running } else { member.status };
            (key, kind, Member { status, ..member })
        }));
        let mut known = self.known.lock().expect("no panic while held");
        known.services = services;
        known.made = Some(Instant::now());
        known.streams = all.into_iter().take(STREAMS).map(|labels| (labels.hash64(), labels)).collect();
        Ok(())
    }

    /// Label sets of a selector's streams that have lines within `[start, end)`, in requests that Loki takes.
    async fn series(&self, selector: &str, start: i64, end: i64) -> Result<Vec<Labels>, QueryError> {
        let mut found: HashMap<StreamHash, Labels> = HashMap::new();
        let (low, mut high) = self.client.limits().within(start, end, self.client.now().0);
        while low < high {
            let from = high.saturating_sub(self.client.limits().span_ns()).max(low);
            let params = [("match[]", selector.to_owned()), ("start", from.to_string()), ("end", high.to_string())];
            match self.client.ask("loki/api/v1/series", &params, &[]).await {
                Ok(body) => found.extend(answer::series(&body)?.into_iter().map(|labels| (labels.hash64(), labels))),
                Err(QueryError::Refused { message, .. }) if self.client.with_limits(|limits| limits.learn(&message)) => continue,
                Err(error) => return Err(error),
            }
            high = from;
        }
        Ok(found.into_values().collect())
    }

    /// The labels behind a hash, of a stream that has lines around `at`.
    async fn labels_of(&self, hash: StreamHash, at: Timestamp) -> Result<Option<Labels>, QueryError> {
        let known = self.known.lock().expect("no panic while held").streams.get(&hash).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let around = |by: i64| at.saturating_add_nanos(by * RECENT_NS).0;
        Ok(self.series(select::ALL, around(-4), around(4)).await?.into_iter().find(|labels| labels.hash64() == hash))
    }

    async fn page(&self, plan: &LogPlan) -> Result<Batch, QueryError> {
        let began = Instant::now();
        let around = plan.cursor.map_or(plan.range.start, |cursor| cursor.at);
        let stream = match plan.stream {
            None => None,
            Some(hash) => match self.labels_of(hash, around).await? {
                None => return Ok(Batch { lines: Vec::new(), frontier: Frontier::Exhausted, stats: ScanStats::default() }),
                found => found,
            },
        };
        let refused = |error: logql::syntax::SyntaxError| QueryError::Refused { status: 400, message: error.to_string() };
        let log = select::query_of(plan, stream.as_ref()).map_err(refused)?;
        let (start, end) = bounds(plan);
        let mut walk = Walk::new(self.client.clone(), log, start, end, plan.direction);
        let mut streams = Streams::default();
        let mut lines: Vec<Line> = Vec::new();
        let mut wanted = plan.limit + 1;
        while !walk.is_done() && lines.len() <= plan.limit && began.elapsed() < PAGE_BUDGET {
            let asked = walk.next(wanted).await;
            // Where few of the lines that Loki gives are wanted, more of them at once.
            wanted = wanted.saturating_mul(4);
            match asked {
                Ok(rows) => {
                    let rows = rows.into_iter().map(|row| line_of(row, &mut streams));
                    lines.extend(rows.filter(|line| plan.selector.matches(&line.stream.key) && plan.takes(line)));
                }
                // What was read is right, and the cursor leads to the rest.
                Err(error) if !lines.is_empty() => {
                    tracing::warn!(kind = "external_service", peer = client::NAME, %error, "a page of logs ends early");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        for warning in &walk.warnings {
            tracing::warn!(kind = "external_service", peer = client::NAME, "Loki says of its answer: {warning}");
        }
        let frontier = if lines.len() > plan.limit {
            lines.truncate(plan.limit);
            lines.last().map_or(Frontier::Exhausted, |line| Frontier::Upto(line.id))
        } else if walk.is_done() {
            Frontier::Exhausted
        } else {
            Frontier::Upto(match plan.direction {
                Direction::Forward => EntryId { at: Timestamp(walk.reached() - 1), stream: StreamHash(u64::MAX), ordinal: u16::MAX },
                Direction::Backward => EntryId { at: Timestamp(walk.reached()), stream: StreamHash(0), ordinal: 0 },
            })
        };
        group(&mut lines, plan);
        let stats = ScanStats {
            lines_scanned: walk.stats.lines,
            bytes_scanned: walk.stats.bytes,
            elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        Ok(Batch { lines, frontier, stats })
    }
}

/// The range as the cursor narrows it, nanoseconds.
fn bounds(plan: &LogPlan) -> (i64, i64) {
    let (start, end) = (plan.range.start.0, plan.range.end.0);
    match (plan.cursor, plan.direction) {
        (Some(cursor), Direction::Forward) => (start.max(cursor.at.0), end),
        (Some(cursor), Direction::Backward) => (start, end.min(cursor.at.0.saturating_add(1))),
        (None, _) => (start, end),
    }
}

fn id_of(row: &LogRow) -> EntryId {
    EntryId { at: Timestamp(row.at), stream: row.stream.hash, ordinal: row.ordinal }
}

fn line_of(row: LogRow, streams: &mut Streams) -> Line {
    let id = id_of(&row);
    let metadata: Vec<(&str, &str)> = row.labels.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let level = level_of(&metadata, &row.line);
    let stream: &Arc<StreamRef> = &row.stream;
    Line { id, stream: streams.of(stream), level, text: row.line.into(), group: id }
}

/// Loki as a place where lines are.
pub struct LokiLogs(pub Arc<Loki>);

#[async_trait]
impl LogSource for LokiLogs {
    fn name(&self) -> String {
        client::NAME.to_owned()
    }

    fn is_history(&self) -> bool {
        true
    }

    fn services(&self) -> Vec<SourceService> {
        let known = self.0.known.lock().expect("no panic while held");
        if known.made.is_none_or(|made| made.elapsed() > SERVICES_FRESH) {
            self.0.asked.notify_one();
        }
        known.services.clone()
    }

    fn part(&self) -> Part {
        self.0.part()
    }

    async fn search(&self, plan: &LogPlan) -> Result<Batch, SourceError> {
        self.0.page(plan).await.map_err(|error| match error {
            QueryError::Unreachable { source, .. } => match source.downcast_ref::<reqwest::Error>() {
                Some(error) if error.is_timeout() && !error.is_connect() => SourceError::TooSlow,
                _ => SourceError::Unreachable(source),
            },
            other => SourceError::Failed(other.to_string()),
        })
    }
}
