//! A page of lines from all sources at once, and what is made of pages: context, histogram.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;
use model::{
    Code, Direction, Entry, EntryId, Level, LogPage, Problem, ScanStats, TimeRange, Timestamp,
    log::{Histogram, HistogramStep},
};

use super::{Filter, LogQuery, Selector};
use crate::{
    Ops,
    access::Action,
    cx::OpCtx,
    error::{Chain, Error},
    source::{Batch, Frontier, Line, LogPlan},
};

/// A line as clients see it; its fields are parsed here, when somebody looks.
pub fn entry(line: &Line) -> Entry {
    Entry {
        id: line.id,
        timestamp: line.id.at,
        service: line.stream.key.name.clone(),
        level: line.level,
        message: line.text.to_string(),
        fields: loglines::fields::parse(&line.text),
        labels: line.stream.labels.clone(),
        group: line.group,
        cut: None,
    }
}

/// Merges sorted batches. The page reaches as far as the source that looked least far.
fn merge(batches: Vec<Batch>, direction: Direction, limit: usize) -> (Vec<Line>, Option<EntryId>, ScanStats) {
    let before = |a: EntryId, b: EntryId| match direction {
        Direction::Forward => a < b,
        Direction::Backward => a > b,
    };
    let frontier = batches
        .iter()
        .filter_map(|batch| match batch.frontier {
            Frontier::Exhausted => None,
            Frontier::Upto(id) => Some(id),
        })
        .reduce(|a, b| if before(a, b) { a } else { b });
    let mut stats = ScanStats::default();
    let mut lines = Vec::new();
    for batch in batches {
        stats.lines_scanned += batch.stats.lines_scanned;
        stats.bytes_scanned += batch.stats.bytes_scanned;
        stats.elapsed_ms = stats.elapsed_ms.max(batch.stats.elapsed_ms);
        lines.extend(batch.lines);
    }
    lines.retain(|line| frontier.is_none_or(|frontier| !before(frontier, line.id)));
    match direction {
        Direction::Forward => lines.sort_by_key(|line| line.id),
        Direction::Backward => lines.sort_by_key(|line| std::cmp::Reverse(line.id)),
    }
    if lines.len() > limit {
        lines.truncate(limit);
        let last = lines.last().map(|line| line.id);
        return (lines, last, stats);
    }
    (lines, frontier, stats)
}

impl Ops {
    /// One page, over all sources; a source that fails becomes a warning as long as another answered.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`], [`Error::BadInput`], [`Error::NotFound`] for an unknown service,
    /// [`Error::Source`] where every source failed.
    pub async fn log_search(&self, cx: &OpCtx, query: &LogQuery) -> Result<LogPage, Error> {
        cx.require(Action::LogsRead)?;
        self.page(cx, query, None).await
    }

    /// One page of an export: as [`Ops::log_search`], with its own right.
    ///
    /// # Errors
    /// As [`Ops::log_search`].
    pub async fn log_export_page(&self, cx: &OpCtx, query: &LogQuery) -> Result<LogPage, Error> {
        cx.require(Action::LogsExport)?;
        self.page(cx, query, None).await
    }

    async fn page(&self, cx: &OpCtx, query: &LogQuery, stream: Option<model::StreamHash>) -> Result<LogPage, Error> {
        if query.range.start > query.range.end {
            return Err(Error::bad_input("start_time", "it lies behind end_time"));
        }
        if !(1..=LogQuery::MAX_LIMIT).contains(&query.limit) {
            return Err(Error::bad_input("limit", format!("{} is not within 1 to {}", query.limit, LogQuery::MAX_LIMIT)));
        }
        if let Some(log) = &query.logql {
            return self.logql_page(cx, log, query).await;
        }
        self.selector_known(cx, &query.selector)?;
        let plan = LogPlan {
            selector: query.selector.clone(),
            stream,
            range: query.range,
            cursor: query.cursor,
            direction: query.direction,
            limit: query.limit,
            filter: query.filter.clone(),
            scope: cx.scope().cloned(),
        };
        let (lines, next, stats, warnings) = self.merged(&plan).await?;
        Ok(LogPage {
            logs: lines.iter().map(entry).collect(),
            next_cursor: next.map(|id| id.to_string()),
            has_more: next.is_some(),
            stats,
            warnings,
        })
    }

    /// As a page, for a live view, which goes on where a source fails.
    pub(crate) async fn search_all(&self, plan: &LogPlan) -> (Vec<Line>, Option<EntryId>, Vec<Problem>) {
        match self.merged(plan).await {
            Ok((lines, next, _, warnings)) => (lines, next, warnings),
            Err(error) => (Vec::new(), None, vec![error.problem()]),
        }
    }

    async fn merged(&self, plan: &LogPlan) -> Result<(Vec<Line>, Option<EntryId>, ScanStats, Vec<Problem>), Error> {
        let is_kept = self.sources.iter().any(|source| source.is_history());
        let concerned: Vec<_> = self
            .sources
            .iter()
            .filter(|source| source.is_history() == is_kept)
            // What is kept is asked at once: a list of its services may be some seconds old.
            .filter(|source| {
                is_kept || plan.stream.is_some() || source.services().iter().any(|service| plan.selector.matches(&service.key))
            })
            .collect();
        let answers = join_all(concerned.iter().map(|source| source.search(plan))).await;
        let (mut batches, mut warnings, mut failure) = (Vec::new(), Vec::new(), None);
        for (source, answer) in concerned.iter().zip(answers) {
            match answer {
                Ok(batch) => batches.push(batch),
                Err(error) => {
                    let error = Error::Source { name: source.name(), source: error };
                    tracing::warn!(kind = "external_service", peer = source.name(), error = %Chain(&error), "a log source failed");
                    warnings.push(error.problem());
                    failure = Some(error);
                }
            }
        }
        if let (true, Some(error)) = (batches.is_empty(), failure) {
            return Err(error);
        }
        if let Some(scope) = &plan.scope {
            // Whatever a source made of it.
            batches.iter_mut().for_each(|batch| batch.lines.retain(|line| scope.admits(&line.stream.labels)));
        }
        let (lines, next, stats) = merge(batches, plan.direction, plan.limit);
        Ok((lines, next, stats, warnings))
    }

    /// The `before` lines ahead of `id` and the `after` lines behind it in the same stream, oldest first, itself in
    /// between where it still exists.
    ///
    /// # Errors
    /// As [`Ops::log_search`]; [`Error::NotFound`] where the line is gone.
    pub async fn log_context(&self, cx: &OpCtx, id: EntryId, before: usize, after: usize) -> Result<LogPage, Error> {
        cx.require(Action::LogsRead)?;
        for (field, value) in [("before", before), ("after", after)] {
            if value > 1_000 {
                return Err(Error::bad_input(field, format!("{value} is not within 0 to 1000")));
            }
        }
        let one = |cursor, direction, limit| LogQuery { cursor, direction, ..LogQuery::newest(Selector::All, limit) };
        let (ahead, behind) = futures::join!(
            async {
                if before == 0 {
                    Ok(LogPage::default())
                } else {
                    self.page(cx, &one(Some(id), Direction::Backward, before), Some(id.stream)).await
                }
            },
            async {
                let range = TimeRange { start: id.at, end: Timestamp::MAX };
                self.page(cx, &LogQuery { range, ..one(id_before(id), Direction::Forward, after + 1) }, Some(id.stream)).await
            },
        );
        let (mut ahead, behind) = (ahead?, behind?);
        if behind.logs.first().is_none_or(|entry| entry.id != id) {
            return Err(Error::NotFound { what: "line", name: id.to_string() });
        }
        ahead.logs.reverse();
        ahead.logs.extend(behind.logs);
        ahead.has_more |= behind.has_more;
        ahead.next_cursor = None;
        ahead.warnings.extend(behind.warnings);
        Ok(ahead)
    }

    /// Counts by level in at most 500 steps.
    ///
    /// # Errors
    /// As [`Ops::log_search`]; [`Error::BadInput`] for a step that gives more than 500.
    pub async fn log_histogram(&self, cx: &OpCtx, query: &LogQuery, step_ms: Option<i64>) -> Result<Histogram, Error> {
        cx.require(Action::LogsRead)?;
        let (start, end) = (query.range.start, Timestamp(query.range.end.0.min(cx.now.0)));
        let span_ms = ((end.0 - start.0) / 1_000_000).max(1);
        let step_ms = super::logql::histogram_step(span_ms, step_ms)?;
        self.selector_known(cx, &query.selector)?;
        if let (true, Some(log)) = (self.engine.is_some(), query.as_logql()) {
            return self.logql_histogram(cx, log, (start, end.max(start)), step_ms).await;
        }
        let mut counts: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
        let mut query = LogQuery {
            direction: Direction::Forward,
            limit: LogQuery::MAX_LIMIT,
            cursor: None,
            range: TimeRange { start, end },
            ..query.clone()
        };
        let mut warnings = Vec::new();
        // 1 million lines: what a request may cost. Past it the counts are a beginning, and the warning says so.
        for turn in 0.. {
            let page = self.page(cx, &query, None).await?;
            for entry in &page.logs {
                let step = (entry.timestamp.0 - start.0) / 1_000_000 / step_ms;
                *counts.entry(step).or_default().entry(entry.level.to_string()).or_default() += 1;
            }
            warnings.extend(page.warnings);
            match page.next_cursor {
                Some(cursor) if turn < 200 => query.cursor = cursor.parse().ok(),
                Some(_) => {
                    warnings.push(Problem::new(Code::TooLarge, "only the first million lines of the range were counted"));
                    break;
                }
                None => break,
            }
        }
        warnings.dedup();
        let steps = (0..=(span_ms - 1) / step_ms)
            .map(|step| HistogramStep {
                start: start.saturating_add_nanos(step * step_ms * 1_000_000),
                counts: counts.remove(&step).unwrap_or_default(),
            })
            .collect();
        Ok(Histogram { step_ms, steps, warnings })
    }
}

/// The id just before, as an exclusive cursor that lets `id` itself in.
fn id_before(id: EntryId) -> Option<EntryId> {
    match id.ordinal {
        0 => None,
        n => Some(EntryId { ordinal: n - 1, ..id }),
    }
}

/// Kept here because a filter by level needs no source.
impl Filter {
    pub fn levels(levels: impl IntoIterator<Item = Level>) -> Arc<Self> {
        let mut levels: Vec<_> = levels.into_iter().collect();
        levels.sort_unstable();
        levels.dedup();
        Arc::new(Self { levels, ..Self::default() })
    }
}
