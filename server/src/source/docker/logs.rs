//! What one Docker Engine's containers have logged, as a [`LogSource`]: who logs, and pages of what Docker still has. The
//! collector keeps the table; reading asks Docker each time, and nothing is kept between searches but a little knowledge
//! of how densely a container logs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::join_all;
use loglines::group::Grouper;
use model::{
    Direction, EntryId, ScanStats, ServiceKind, ServiceStatus, Timestamp,
    status::{Part, PartState},
};
use ops::source::{Batch, Frontier, Line, LogPlan, LogSource, Member, ServiceKey, SourceError, SourceService};
use tokio::sync::Semaphore;

use super::{client::DockerHost, frames::RawLine, page::PageReader, streams::ContainerStreams};
use crate::collect::Clock;

/// Containers read at once by one search.
const READS: usize = 4;
/// Containers that are gone and still listed.
const MAX_REMOVED: usize = 200;

/// A container as the console knows it; replaced as a whole when it changes.
#[derive(Clone, Debug)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    pub name: String,
    pub key: ServiceKey,
    pub streams: ContainerStreams,
    pub tty: bool,
    /// The log driver, where Docker cannot read back what it was given.
    pub unreadable: Option<String>,
    pub created: Timestamp,
    pub status: ServiceStatus,
    pub memory: Arc<Memory>,
}

/// What reading has taught about a container's log.
#[derive(Debug, Default)]
pub struct Memory {
    /// Lines in a thousand seconds; 0 while unknown.
    rate: AtomicU64,
    /// The clock has stepped back while it logged: its file is not in time's order, so nothing may be skipped.
    stepped: AtomicBool,
}

impl Memory {
    pub fn step(&self) {
        self.stepped.store(true, Ordering::Relaxed);
    }

    pub fn is_stepped(&self) -> bool {
        self.stepped.load(Ordering::Relaxed)
    }

    /// Takes in that so many lines were found within so many nanoseconds.
    pub fn learn(&self, lines: u64, span_ns: i64) {
        if lines > 10 && span_ns > 0 {
            let rate = (u128::from(lines) * 1_000_000_000_000 / span_ns.unsigned_abs() as u128).clamp(1, u64::MAX.into());
            self.rate.store(rate as u64, Ordering::Relaxed);
        }
    }

    /// How many nanoseconds about so many lines take; a minute while nothing is known.
    pub fn span_of(&self, lines: usize) -> i64 {
        match self.rate.load(Ordering::Relaxed) {
            0 => 60_000_000_000,
            rate => i64::try_from(lines as u128 * 1_000_000_000_000 / u128::from(rate)).unwrap_or(i64::MAX),
        }
    }

    /// About how many lines come in so many nanoseconds.
    pub fn lines_in(&self, span_ns: i64) -> u64 {
        (u128::from(self.rate.load(Ordering::Relaxed)) * u128::from(span_ns.unsigned_abs()) / 1_000_000_000_000) as u64
    }
}

/// Makes lines of one container: numbers those of one nanosecond, finds levels and groups. A nanosecond must be given
/// whole, from its first line on.
pub struct LineMaker {
    streams: ContainerStreams,
    last: [Option<EntryId>; 2],
    groupers: [Grouper; 2],
}

impl LineMaker {
    pub fn new(streams: ContainerStreams) -> Self {
        Self { streams, last: [None; 2], groupers: <[Grouper; 2]>::default() }
    }

    pub fn line(&mut self, raw: RawLine) -> Line {
        let which = raw.output as usize;
        let stream = self.streams.at(raw.at)[which].clone();
        let ordinal = match self.last[which] {
            Some(last) if last.at == raw.at => last.ordinal.saturating_add(1),
            _ => 0,
        };
        let id = EntryId { at: raw.at, stream: stream.hash, ordinal };
        self.last[which] = Some(id);
        let level = loglines::level::detect(&raw.text);
        let group = self.groupers[which].push(id, &raw.text, level);
        Line { id, stream, text: raw.text.into(), level, group }
    }
}

/// How the Engine is doing.
#[derive(Clone, Debug)]
pub struct HostState {
    pub state: PartState,
    /// A sentence; empty when all is well.
    pub detail: String,
    pub since: Option<Timestamp>,
}

/// One Engine's containers and their logs.
pub struct DockerLogs {
    host: Arc<DockerHost>,
    table: Mutex<BTreeMap<String, Arc<Container>>>,
    state: Mutex<HostState>,
    clock: Clock,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic while held")
}

impl DockerLogs {
    pub fn new(host: Arc<DockerHost>, clock: Clock) -> Self {
        let state = HostState { state: PartState::Absent, detail: "not connected yet".to_owned(), since: None };
        Self { host, table: Mutex::default(), state: Mutex::new(state), clock }
    }

    /// `None` where it is not known.
    pub fn container(&self, id: &str) -> Option<Arc<Container>> {
        lock(&self.table).get(id).cloned()
    }

    pub fn containers(&self) -> Vec<Arc<Container>> {
        lock(&self.table).values().cloned().collect()
    }

    /// Puts a container in, or in place of what was known of it.
    pub fn put(&self, container: Container) -> Arc<Container> {
        let mut table = lock(&self.table);
        let container = Arc::new(container);
        table.insert(container.id.clone(), container.clone());
        let removed = |one: &Arc<Container>| one.status == ServiceStatus::Removed;
        while table.values().filter(|one| removed(one)).count() > MAX_REMOVED {
            let Some(oldest) = table.values().filter(|one| removed(one)).min_by_key(|one| one.created).map(|one| one.id.clone()) else {
                break;
            };
            table.remove(&oldest);
        }
        container
    }

    /// Whether anything of this service may still log.
    pub fn is_alive(&self, key: &ServiceKey) -> bool {
        lock(&self.table).values().any(|one| one.key == *key && one.status != ServiceStatus::Removed)
    }

    /// Changes how the Engine is doing; says whether that is news.
    pub fn set_state(&self, state: PartState, detail: &str, now: Timestamp) -> bool {
        let mut old = lock(&self.state);
        let news = old.state != state || old.detail != detail;
        if old.state != state {
            old.since = Some(now);
        }
        (old.state, old.detail) = (state, detail.to_owned());
        news
    }

    fn up(&self) -> bool {
        lock(&self.state).state == PartState::Ok
    }

    async fn page(&self, container: &Container, plan: &LogPlan, gather: &Mutex<Gather>) -> Result<(), SourceError> {
        let mut plan = plan.clone();
        if let Some(bound) = lock(gather).bound() {
            // Others have filled the page up to here.
            match plan.direction {
                Direction::Forward => plan.range.end = plan.range.end.min(bound.at.saturating_add_nanos(1)),
                Direction::Backward => plan.range.start = plan.range.start.max(bound.at),
            }
        }
        let mut reader = PageReader::new(&self.host, container, &plan, (self.clock)());
        let (lines, frontier) = reader.read_page().await?;
        lock(gather).take(lines, frontier, reader.stats);
        Ok(())
    }
}

#[async_trait]
impl LogSource for DockerLogs {
    fn name(&self) -> String {
        format!("docker {}", self.host.name)
    }

    fn services(&self) -> Vec<SourceService> {
        let up = self.up();
        SourceService::gather(self.containers().iter().map(|container| {
            let status = match container.status {
                ServiceStatus::Removed => ServiceStatus::Removed,
                _ if !up => ServiceStatus::Unreachable,
                status => status,
            };
            let member = Member { name: Some(container.name.clone()), labels: container.streams.labels().clone(), status };
            (container.key.clone(), ServiceKind::Container, member)
        }))
    }

    fn part(&self) -> Part {
        let HostState { state, mut detail, since } = lock(&self.state).clone();
        let unread: Vec<String> = self
            .containers()
            .iter()
            .filter(|one| one.status != ServiceStatus::Removed)
            .filter_map(|one| one.unreadable.as_ref().map(|driver| format!("{} ({driver})", one.name)))
            .collect();
        if detail.is_empty() && !unread.is_empty() {
            detail = format!("Docker cannot read back the logs of these containers, because of their log driver: {}", unread.join(", "));
        }
        Part { name: self.name(), state, detail, since }
    }

    async fn search(&self, plan: &LogPlan) -> Result<Batch, SourceError> {
        let wanted: Vec<Arc<Container>> = self
            .containers()
            .into_iter()
            .filter(|one| one.status != ServiceStatus::Removed && plan.selector.matches(&one.key))
            .filter(|one| plan.stream.is_none_or(|stream| one.streams.all().any(|own| own.hash == stream)))
            .collect();
        if !wanted.is_empty() && !self.up() {
            return Err(SourceError::Unreachable(lock(&self.state).detail.clone().into()));
        }
        let began = Instant::now();
        let (readable, unreadable): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|one| one.unreadable.is_none());
        if let (true, Some(one)) = (readable.is_empty(), unreadable.first()) {
            let driver = one.unreadable.as_deref().unwrap_or_default();
            return Err(SourceError::Failed(format!("Docker cannot read back the logs of {}: its log driver is `{driver}`", one.name)));
        }
        let gather = Mutex::new(Gather { direction: plan.direction, limit: plan.limit, ..Gather::default() });
        let turns = Semaphore::new(READS);
        let reads = join_all(readable.iter().map(|container| async {
            let _turn = turns.acquire().await.expect("never closed");
            self.page(container, plan, &gather).await.map_err(|error| (container.name.clone(), error))
        }))
        .await;
        let mut failures: Vec<_> = reads.into_iter().filter_map(Result::err).collect();
        if !failures.is_empty() && failures.len() == readable.len() {
            return Err(failures.swap_remove(0).1);
        }
        for (container, error) in failures {
            tracing::warn!(kind = "external_service", container, error = %error, "a container's log could not be read for a search");
        }
        Ok(gather.into_inner().expect("no panic while held").batch(began.elapsed()))
    }
}

/// Before in the direction of reading.
fn before(direction: Direction, a: EntryId, b: EntryId) -> bool {
    match direction {
        Direction::Forward => a < b,
        Direction::Backward => a > b,
    }
}

/// By id, in the direction of reading.
pub fn sort(direction: Direction, lines: &mut [Line]) {
    match direction {
        Direction::Forward => lines.sort_by_key(|line| line.id),
        Direction::Backward => lines.sort_by_key(|line| std::cmp::Reverse(line.id)),
    }
}

/// The page, growing as containers answer.
#[derive(Default)]
struct Gather {
    direction: Direction,
    limit: usize,
    lines: Vec<Line>,
    frontier: Option<EntryId>,
    /// Whether some lines behind the page are known or were not looked for.
    more: bool,
    stats: ScanStats,
}

impl Gather {
    /// The last line of a full page: nobody needs to look behind it.
    fn bound(&mut self) -> Option<EntryId> {
        let bound = (self.lines.len() >= self.limit).then(|| self.lines.last().map(|line| line.id)).flatten();
        self.more |= bound.is_some();
        bound
    }

    fn take(&mut self, lines: Vec<Line>, frontier: Frontier, stats: ScanStats) {
        self.stats.lines_scanned += stats.lines_scanned;
        self.stats.bytes_scanned += stats.bytes_scanned;
        if let Frontier::Upto(id) = frontier {
            self.frontier = Some(self.frontier.map_or(id, |old| if before(self.direction, id, old) { id } else { old }));
        }
        self.lines.extend(lines);
        sort(self.direction, &mut self.lines);
        if self.lines.len() > self.limit {
            self.lines.truncate(self.limit);
            self.more = true;
        }
    }

    fn batch(mut self, elapsed: Duration) -> Batch {
        self.stats.elapsed_ms = elapsed.as_millis() as u64;
        let last = self.lines.last().map(|line| line.id).filter(|_| self.more);
        let frontier = match (self.frontier, last) {
            (Some(a), Some(b)) => Some(if before(self.direction, a, b) { a } else { b }),
            (a, b) => a.or(b),
        };
        if let Some(frontier) = frontier {
            self.lines.retain(|line| !before(self.direction, frontier, line.id));
        }
        Batch { lines: self.lines, frontier: frontier.map_or(Frontier::Exhausted, Frontier::Upto), stats: self.stats }
    }
}
