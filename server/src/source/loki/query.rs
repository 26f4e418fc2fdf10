//! LogQL by Loki itself: printed, asked, and its answer read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use logql::{
    ast::{Expr, LogExpr, MetricExpr, Selector},
    engine::{EngineError, LogParams, LogRow, Matrix, RangeParams, StatsSnapshot, Value},
    read::StreamRef,
};
use model::{Direction, Labels, Timestamp, status::Part, storage::LogStorage};
use ops::{
    access::Scope,
    source::engine::{How, LogEngine, Mined, PatternParams, PushBody, Pushed, QueryError, Ran, Rows, StreamVolume, Tailed},
};
use tokio::sync::mpsc;

use super::{
    Loki,
    answer::{self, Answered, IndexStats, add, in_order},
    client::Client,
    id_of, push, select, tail,
    walk::Walk,
};
use crate::source::patterns::Miner;

/// Loki's `query_timeout`; several requests share it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Points per series that may be asked for.
const MAX_POINTS: i64 = 11_000;
/// Rows handed on at once by a long answer, and how many such batches may wait for the reader.
const ROWS_AT_ONCE: usize = 1_000;
/// Lines of each span that patterns are learned from: four of Loki's answers.
const MINED_LINES: usize = 20_000;
const BATCHES: usize = 4;
/// What makes Loki give the first series where there are too many.
const PARTIAL: (&str, &str) = ("x-query-tags", "Source=grafana-lokiexplore-app");

/// Loki as what answers LogQL.
pub struct LokiEngine(pub Arc<Loki>);

impl LokiEngine {
    fn client(&self) -> &Arc<Client> {
        &self.0.client
    }

    async fn ran<T>(&self, work: impl Future<Output = Result<Answered<T>, QueryError>> + Send) -> Result<Ran<T>, QueryError> {
        let began = Instant::now();
        let answered = tokio::time::timeout(TIMEOUT, work).await.map_err(|_| QueryError::Engine(EngineError::Deadline))??;
        Ok(Ran { value: answered.value, stats: answered.stats, elapsed: began.elapsed(), warnings: answered.warnings })
    }

    /// One request for as many steps as Loki takes at once, and the rest after it.
    async fn steps(&self, metric: &MetricExpr, params: RangeParams, how: How) -> Result<Answered<Matrix>, QueryError> {
        let RangeParams { start, end, step } = params;
        if step <= 0 {
            return Err(EngineError::ZeroStep.into());
        }
        if end.saturating_sub(start) / step > MAX_POINTS {
            return Err(EngineError::TooManyPoints.into());
        }
        let query = Expr::Metric(metric.clone()).to_string();
        let mut at = start.saturating_sub(start.rem_euclid(step));
        let mut whole = Answered { value: Matrix::new(), stats: StatsSnapshot::default(), warnings: Vec::new() };
        loop {
            let span = self.client().limits().span_ns();
            // Ends are moved outwards by Loki, as they are here.
            let upto = end.min(at.saturating_add((span / step * step).max(step)));
            let params = [
                ("query", query.clone()),
                ("start", time(at)),
                ("end", time(upto)),
                ("step", Duration::from_nanos(step.unsigned_abs()).as_secs_f64().to_string()),
            ];
            let headers = if how.partial_series { &[PARTIAL][..] } else { &[] };
            match self.client().ask("loki/api/v1/query_range", &params, headers).await {
                Ok(body) => {
                    let more = answer::matrix(&body)?;
                    add(&mut whole.stats, &more.stats);
                    whole
                        .warnings
                        .extend(more.warnings.into_iter().filter(|warning| !whole.warnings.contains(warning)).collect::<Vec<_>>());
                    join(&mut whole.value, more.value);
                }
                Err(QueryError::Refused { message, .. }) if self.client().with_limits(|limits| limits.learn(&message)) => continue,
                Err(error) => return Err(error),
            }
            if upto >= end {
                return Ok(whole);
            }
            at = upto.saturating_add(step);
        }
    }
}

/// Points of later steps behind those of earlier ones; both are sorted by labels.
fn join(whole: &mut Matrix, more: Matrix) {
    for series in more {
        match whole.binary_search_by(|own| own.labels.cmp(&series.labels)) {
            Ok(place) => {
                let last = whole[place].points.last().map_or(i64::MIN, |(at, _)| *at);
                whole[place].points.extend(series.points.into_iter().filter(|(at, _)| *at > last));
            }
            Err(place) => whole.insert(place, series),
        }
    }
}

/// Nanoseconds; seconds where Loki would take so few digits for them.
fn time(nanos: i64) -> String {
    if nanos >= 10_000_000_000 { nanos.to_string() } else { format!("{:.3}", nanos as f64 / 1e9) }
}

/// The walk of a log query, narrowed to what lies behind its cursor.
fn walk(client: &Arc<Client>, log: &LogExpr, params: &LogParams) -> Walk {
    let (mut start, mut end) = (params.start, params.end);
    match (params.after, params.direction) {
        (Some(after), Direction::Forward) => start = start.max(after.at.0),
        (Some(after), Direction::Backward) => end = end.min(after.at.0.saturating_add(1)),
        (None, _) => {}
    }
    Walk::new(client.clone(), log.clone(), start, end, params.direction).with_interval(params.interval_ns)
}

fn behind(params: &LogParams, row: &LogRow) -> bool {
    params.after.is_none_or(|after| match params.direction {
        Direction::Forward => id_of(row) > after,
        Direction::Backward => id_of(row) < after,
    })
}

#[async_trait]
impl LogEngine for LokiEngine {
    fn part(&self) -> Part {
        self.0.part()
    }

    async fn logs(&self, log: &LogExpr, params: LogParams, _how: How) -> Result<Ran<Vec<LogRow>>, QueryError> {
        self.ran(async {
            let mut walk = walk(self.client(), log, &params);
            let limit = params.limit.unwrap_or(usize::MAX);
            let mut rows: Vec<LogRow> = Vec::new();
            while rows.len() < limit && !walk.is_done() {
                let more = walk.next(limit - rows.len()).await?;
                rows.extend(more.into_iter().filter(|row| behind(&params, row)));
            }
            rows.truncate(limit);
            debug_assert!(rows.is_sorted_by(|a, b| in_order(params.direction, a, b).is_le()));
            Ok(Answered { value: rows, stats: walk.stats, warnings: walk.warnings })
        })
        .await
    }

    async fn rows(&self, log: &LogExpr, params: LogParams, _how: How) -> Result<Rows, QueryError> {
        let (sender, rows) = mpsc::channel(BATCHES);
        let mut walk = walk(self.client(), log, &params);
        tokio::spawn(async move {
            let mut left = params.limit.unwrap_or(usize::MAX);
            while left > 0 && !walk.is_done() {
                let read = tokio::select! {
                    () = sender.closed() => return,
                    read = walk.next(left.min(5_000)) => read,
                };
                let mut read = match read {
                    Ok(read) => read.into_iter().filter(|row| behind(&params, row)).take(left).collect::<Vec<_>>(),
                    Err(error) => return drop(sender.send(Err(error)).await),
                };
                left -= read.len();
                while !read.is_empty() {
                    let rest = read.split_off(read.len().min(ROWS_AT_ONCE));
                    if sender.send(Ok(std::mem::replace(&mut read, rest))).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(rows)
    }

    async fn range(&self, metric: &MetricExpr, params: RangeParams, how: How) -> Result<Ran<Matrix>, QueryError> {
        self.ran(self.steps(metric, params, how)).await
    }

    async fn instant(&self, expr: &Expr, at: i64, how: How) -> Result<Ran<Value>, QueryError> {
        if let Expr::Log(_) = expr {
            return Err(EngineError::InstantLog.into());
        }
        self.ran(async {
            let params = [("query", expr.to_string()), ("time", time(at))];
            let headers = if how.partial_series { &[PARTIAL][..] } else { &[] };
            answer::instant(&self.client().ask("loki/api/v1/query", &params, headers).await?)
        })
        .await
    }

    async fn tail(&self, log: &LogExpr, start: i64, limit: usize, how: How) -> Result<Tailed, QueryError> {
        tail::tail(self, log, start, limit, how).await
    }

    async fn push(&self, body: PushBody, now: Timestamp) -> Pushed {
        push::push(&self.0, &body, now).await
    }

    /// Learned here from the newest lines: Loki's own patterns know no stages, only the last hours, and are off by default.
    async fn patterns(&self, log: &LogExpr, params: PatternParams, compare: bool, how: How) -> Result<Ran<Mined>, QueryError> {
        let began = Instant::now();
        let mut miner = Miner::new(params, compare, MINED_LINES);
        let (mut stats, mut warnings) = (StatsSnapshot::default(), Vec::new());
        if let Some(span) = miner.asks_before() {
            let found = self.logs(log, span, how).await?;
            add(&mut stats, &found.stats);
            warnings = found.warnings;
            miner.before(&found.value);
        }
        let found = self.logs(log, miner.asks(), how).await?;
        add(&mut stats, &found.stats);
        warnings.extend(found.warnings);
        warnings.dedup();
        // Some thousands of lines: a moment of work, but not for a thread that others wait for.
        let mining = tokio::task::spawn_blocking(move || miner.mine(&found.value));
        let value = mining.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        Ok(Ran { value, stats, elapsed: began.elapsed(), warnings })
    }

    async fn streams(&self, selectors: &[Selector], start: i64, end: i64) -> Result<Vec<Arc<StreamRef>>, QueryError> {
        let mut found: Vec<Labels> = Vec::new();
        if selectors.is_empty() {
            found = self.0.series(select::ALL, start, end).await?;
        }
        for selector in selectors {
            found.extend(self.0.series(&select::demanding(selector).to_string(), start, end).await?);
        }
        found.sort();
        found.dedup();
        Ok(found.into_iter().map(|labels| Arc::new(StreamRef { hash: labels.hash64(), labels })).collect())
    }

    /// Loki's index knows the bytes of each stream, and lines and chunks only of all together: these are told in proportion.
    async fn volumes(&self, selector: &Selector, start: i64, end: i64) -> Result<Vec<StreamVolume>, QueryError> {
        let streams = self.streams(std::slice::from_ref(selector), start, end).await?;
        if streams.is_empty() {
            return Ok(Vec::new());
        }
        let (low, mut high) = self.client().limits().within(start, end, self.client().now().0);
        let mut names: Vec<&str> = streams.iter().flat_map(|stream| stream.labels.0.keys()).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let mut bytes: Vec<(Labels, f64)> = Vec::new();
        let mut total = IndexStats::default();
        while low < high {
            let limits = self.client().limits();
            let from = high.saturating_sub(limits.span_ns()).max(low);
            let range = [("query", selector.to_string()), ("start", from.to_string()), ("end", high.to_string())];
            let more = [("targetLabels", names.join(",")), ("limit", limits.volume_series.to_string())];
            let volume = self.client().ask("loki/api/v1/index/volume", &[&range[..], &more[..]].concat(), &[]).await;
            let volume = match volume {
                Err(QueryError::Refused { message, .. }) if self.client().with_limits(|limits| limits.learn(&message)) => continue,
                volume => answer::instant(&volume?)?.value,
            };
            if let Value::Vector(samples) = volume {
                bytes.extend(samples.into_iter().map(|one| (Labels(one.labels.iter().cloned().collect()), one.value)));
            }
            let stats = answer::index_stats(&self.client().ask("loki/api/v1/index/stats", &range, &[]).await?)?;
            total.chunks += stats.chunks;
            total.entries += stats.entries;
            high = from;
        }
        let all: f64 = bytes.iter().map(|(_, bytes)| bytes).sum();
        Ok(shares(streams, &bytes, total, all))
    }

    async fn storage(&self, now: Timestamp, scope: Option<&Scope>) -> LogStorage {
        self.stored(now, scope).await
    }
}

/// What falls to each stream; the last takes what rounding left, so that sums are right.
fn shares(streams: Vec<Arc<StreamRef>>, bytes: &[(Labels, f64)], total: IndexStats, all: f64) -> Vec<StreamVolume> {
    let (mut lines_left, mut chunks_left) = (total.entries, total.chunks);
    let count = streams.len();
    let share = |stream: Arc<StreamRef>| {
        let own: f64 = bytes.iter().filter(|(labels, _)| *labels == stream.labels).map(|(_, bytes)| bytes).sum();
        let part = if all > 0.0 { own / all } else { 1.0 / count as f64 };
        let take = |left: &mut u64, total: u64| {
            let taken = ((total as f64 * part).round() as u64).min(*left);
            *left -= taken;
            taken
        };
        let (lines, chunks) = (take(&mut lines_left, total.entries), take(&mut chunks_left, total.chunks));
        StreamVolume { stream, chunks, lines, bytes: own as u64 }
    };
    let mut volumes: Vec<StreamVolume> = streams.into_iter().map(share).collect();
    if let Some(last) = volumes.last_mut() {
        last.lines += lines_left;
        last.chunks += chunks_left;
    }
    volumes.retain(|volume| volume.lines > 0 || volume.bytes > 0);
    volumes
}
