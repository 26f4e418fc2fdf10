//! LogQL over the store.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use logql::{
    ast::{Expr, LogExpr, MetricExpr, Selector},
    engine::{Control, Engine, EngineError, Limits, LogParams, LogRow, Matrix, Piped, RangeParams, Stats, Stop, Tailer, Value},
    matcher::LabelMatcher,
    read::{RowRef, StreamRef},
};
use logstore::Store;
use model::{Direction, EntryId, Timestamp, status::Part, storage::LogStorage};
use ops::access::Scope;
use ops::source::{
    LogSource,
    engine::{How, LogEngine, Mined, PatternParams, PushBody, Pushed, QueryError, Ran, Rows, StreamVolume, TailItem, Tailed},
};
use tokio::sync::{
    broadcast::error::RecvError,
    mpsc::{self, error::SendTimeoutError},
};

use super::{Embedded, EmbeddedLogs, feed::Fresh, search::Dropped};
use crate::source::patterns::Miner;

/// Loki's `query_timeout`.
const TIMEOUT: Duration = Duration::from_secs(60);
/// An export may take as long as its reader.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
/// Rows handed on at once by a long answer, and how many such batches may wait for the reader.
const ROWS_AT_ONCE: usize = 500;
/// Lines of each span that patterns are learned from. About 20 MB while they are learned.
const MINED_LINES: usize = 100_000;
const BATCHES: usize = 8;
/// An export of which nothing was read for so long gives its turn to another.
const UNREAD: Duration = Duration::from_secs(120);

impl Embedded {
    /// Runs `job` with the engine over the store.
    fn with<T>(
        &self,
        dropped: &Dropped,
        how: How,
        timeout: Duration,
        job: impl FnOnce(Engine<'_, Store>) -> Result<(T, Vec<String>), EngineError>,
    ) -> Result<Ran<T>, QueryError> {
        let began = Instant::now();
        let stop = || match began.elapsed() {
            _ if dropped.is() => Some(Stop::Cancelled),
            elapsed if elapsed > timeout => Some(Stop::Deadline),
            _ => None,
        };
        let stats = Stats::default();
        let control =
            Control { stop: &stop, limits: Limits::default(), stats: &stats, partial_series: how.partial_series, now_ns: how.now.0 };
        let engine = Engine { source: &*self.store, pool: &self.cores, pipes: &Piped, control: &control };
        let (value, warnings) = job(engine)?;
        Ok(Ran { value, stats: stats.snapshot(), elapsed: began.elapsed(), warnings })
    }
}

fn matchers(selector: &Selector) -> Result<Vec<LabelMatcher>, QueryError> {
    let ready = |matcher| {
        LabelMatcher::new(matcher)
            .map_err(|error| QueryError::Engine(EngineError::Regex { span: matcher.span, message: error.to_string() }))
    };
    selector.matchers.iter().map(ready).collect()
}

/// The engine's own handle, for it gives itself to threads.
pub struct EmbeddedEngine(pub Arc<Embedded>);

#[async_trait]
impl LogEngine for EmbeddedEngine {
    fn part(&self) -> Part {
        EmbeddedLogs(self.0.clone()).part()
    }

    async fn logs(&self, log: &LogExpr, params: LogParams, how: How) -> Result<Ran<Vec<LogRow>>, QueryError> {
        let log = log.clone();
        let job = move |engine: &Embedded, dropped: &Dropped| {
            engine.with(dropped, how, TIMEOUT, |run| run.logs(&log, &params).map(|rows| (rows.rows, rows.warnings)))
        };
        self.0.run(job).await
    }

    async fn rows(&self, log: &LogExpr, params: LogParams, how: How) -> Result<Rows, QueryError> {
        let (sender, rows) = mpsc::channel(BATCHES);
        let (log, engine, runtime) = (log.clone(), self.0.clone(), tokio::runtime::Handle::current());
        tokio::spawn(async move {
            let out = sender.clone();
            let job = move |engine: &Embedded, dropped: &Dropped| {
                let (mut batch, mut unread) = (Vec::new(), false);
                let mut send = |rows| {
                    let sent = runtime.block_on(out.send_timeout(Ok(rows), UNREAD));
                    unread |= matches!(sent, Err(SendTimeoutError::Timeout(_)));
                    sent.is_ok()
                };
                let ran = engine.with(dropped, how, EXPORT_TIMEOUT, |run| {
                    let mut sink = |row| {
                        batch.push(row);
                        let goes_on = batch.len() < ROWS_AT_ONCE || send(std::mem::take(&mut batch));
                        if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                    };
                    run.logs_each(&log, &params, &mut sink).map(|warnings| ((), warnings))
                });
                if !batch.is_empty() {
                    send(batch);
                }
                if unread {
                    Err(QueryError::Refused { status: 504, message: format!("nothing was read for {} s", UNREAD.as_secs()) })
                } else {
                    ran.map(drop)
                }
            };
            let ran = tokio::select! {
                // Who goes away ends the query, also one that finds nothing.
                () = sender.closed() => return,
                ran = engine.run_export(job) => ran,
            };
            if let Err(error) = ran {
                // It waits here for its reader, and takes nobody's turn.
                drop(sender.send(Err(error)).await);
            }
        });
        Ok(rows)
    }

    async fn range(&self, metric: &MetricExpr, params: RangeParams, how: How) -> Result<Ran<Matrix>, QueryError> {
        let metric = metric.clone();
        let job = move |engine: &Embedded, dropped: &Dropped| {
            engine.with(dropped, how, TIMEOUT, |run| run.range(&metric, &params).map(|answer| (answer.value, answer.warnings)))
        };
        self.0.run(job).await
    }

    async fn instant(&self, expr: &Expr, at: i64, how: How) -> Result<Ran<Value>, QueryError> {
        let expr = expr.clone();
        let job = move |engine: &Embedded, dropped: &Dropped| {
            engine.with(dropped, how, TIMEOUT, |run| run.instant(&expr, at).map(|answer| (answer.value, answer.warnings)))
        };
        self.0.run(job).await
    }

    async fn tail(&self, log: &LogExpr, start: i64, limit: usize, how: How) -> Result<Tailed, QueryError> {
        // Heard before what is there is read: a line in between is in one of the two, or in both and told apart by its id.
        let mut feed = self.0.feed.listen();
        let control =
            Control { stop: &|| None, limits: Limits::default(), stats: &Stats::default(), partial_series: false, now_ns: how.now.0 };
        let engine = Engine { source: &*self.0.store, pool: &self.0.cores, pipes: &Piped, control: &control };
        let mut tailer = engine.tailer(log)?;
        let params = LogParams { start, end: i64::MAX, limit: Some(limit), direction: Direction::Backward, after: None, interval_ns: 0 };
        let mut history = self.logs(log, params, how).await?.value;
        history.reverse();
        let (sender, tailed) = mpsc::channel(BATCHES);
        tokio::spawn(async move {
            let mut seen: std::collections::HashSet<EntryId> = history.iter().map(id).collect();
            if !history.is_empty() && sender.send(TailItem::Rows(history)).await.is_err() {
                return;
            }
            loop {
                let lines = tokio::select! {
                    () = sender.closed() => return,
                    lines = feed.recv() => lines,
                };
                let item = match lines {
                    Err(RecvError::Closed) => return,
                    Err(RecvError::Lagged(batches)) => TailItem::Dropped { lines: batches, from: start, to: i64::MAX },
                    Ok(lines) => {
                        let rows: Vec<LogRow> =
                            lines.iter().filter_map(|line| taken(&mut tailer, line)).filter(|row| !seen.remove(&id(row))).collect();
                        if rows.is_empty() {
                            continue;
                        }
                        TailItem::Rows(rows)
                    }
                };
                if sender.send(item).await.is_err() {
                    return;
                }
            }
        });
        Ok(tailed)
    }

    async fn push(&self, body: PushBody, now: Timestamp) -> Pushed {
        // Not in the queries' queue: what is sent must not wait for what is asked.
        let engine = self.0.clone();
        let running = tokio::task::spawn_blocking(move || engine.push(&body, now));
        running.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    async fn streams(&self, selectors: &[Selector], start: i64, end: i64) -> Result<Vec<Arc<StreamRef>>, QueryError> {
        let mut sets = selectors.iter().map(matchers).collect::<Result<Vec<_>, _>>()?;
        if sets.is_empty() {
            sets.push(Vec::new());
        }
        let job = move |engine: &Embedded, dropped: &Dropped| {
            let mut streams = HashMap::new();
            for set in sets.iter().take_while(|_| !dropped.is()) {
                streams.extend(engine.store.series(set, start, end).into_iter().map(|stream| (stream.hash, stream)));
            }
            let mut streams: Vec<Arc<StreamRef>> = streams.into_values().collect();
            streams.sort_by(|a, b| a.labels.cmp(&b.labels));
            streams
        };
        Ok(self.0.run(job).await)
    }

    async fn volumes(&self, selector: &Selector, start: i64, end: i64) -> Result<Vec<StreamVolume>, QueryError> {
        let matchers = matchers(selector)?;
        let found = self.0.run(move |engine, _| engine.store.volumes(&matchers, start, end)).await.map_err(EngineError::from)?;
        Ok(found
            .into_iter()
            .map(|one| StreamVolume { stream: one.stream, chunks: one.parts, lines: one.lines, bytes: one.bytes })
            .collect())
    }

    async fn patterns(&self, log: &LogExpr, params: PatternParams, compare: bool, how: How) -> Result<Ran<Mined>, QueryError> {
        let log = log.clone();
        let job = move |engine: &Embedded, dropped: &Dropped| {
            let mine = |lines| {
                engine.with(dropped, how, TIMEOUT, |run| {
                    let mut miner = Miner::new(params, compare, lines);
                    let mut warnings = Vec::new();
                    if let Some(span) = miner.asks_before() {
                        let found = run.logs(&log, &span)?;
                        warnings = found.warnings;
                        miner.before(&found.rows);
                    }
                    let found = run.logs(&log, &miner.asks())?;
                    warnings.extend(found.warnings);
                    warnings.dedup();
                    Ok((miner.mine(&found.rows), warnings))
                })
            };
            match mine(MINED_LINES) {
                // They are long ones.
                Err(QueryError::Engine(EngineError::TooManyHeldBytes(_))) => mine(MINED_LINES / 50),
                mined => mined,
            }
        };
        self.0.run(job).await
    }

    async fn storage(&self, now: Timestamp, scope: Option<&Scope>) -> LogStorage {
        // A list of all streams and blocks; of none is more read than what is in memory.
        let engine = self.0.clone();
        let (part, scope) = (self.part(), scope.cloned());
        let running = tokio::task::spawn_blocking(move || engine.storage(part, now, scope.as_ref()));
        running.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

fn id(row: &LogRow) -> EntryId {
    EntryId { at: Timestamp(row.at), stream: row.stream.hash, ordinal: row.ordinal }
}

fn taken(tailer: &mut Tailer, fresh: &Fresh) -> Option<LogRow> {
    if !tailer.wants(&fresh.stream) {
        return None;
    }
    let metadata: Vec<(&str, &str)> = fresh.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let len = u32::try_from(fresh.line.len()).unwrap_or(u32::MAX);
    tailer.take(&fresh.stream, &RowRef { at: fresh.at, ordinal: fresh.ordinal, line: &fresh.line, len, metadata: &metadata })
}
