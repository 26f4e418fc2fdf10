//! A log query over any range, in requests that Loki takes: windows no longer than it allows, answers no longer than it
//! gives, and never half a nanosecond: a line is numbered among those that share its time.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use logql::{
    ast::{LogExpr, MatchOp, Matcher, Selector, Span},
    engine::{LogRow, StatsSnapshot},
};
use model::{Direction, Labels};
use ops::source::engine::QueryError;

use super::{
    answer::{self, Answered, add, number},
    client::{Client, FLAGS},
};

/// The first window of a range whose lines may lie anywhere; it doubles while windows are sparse.
const FIRST_WINDOW_NS: i64 = 6 * 3_600 * model::time::NANOS_PER_SEC;

pub struct Walk {
    client: Arc<Client>,
    log: LogExpr,
    direction: Direction,
    /// What is left of the range, `[low, high)`.
    low: i64,
    high: i64,
    window_ns: i64,
    interval_ns: i64,
    pub stats: StatsSnapshot,
    pub warnings: Vec<String>,
}

impl Walk {
    /// Of `[start, end)`, nanoseconds, as far as there can be lines in it.
    pub fn new(client: Arc<Client>, log: LogExpr, start: i64, end: i64, direction: Direction) -> Self {
        let (low, high) = client.limits().within(start, end, client.now().0);
        // A range that somebody chose is asked at once; an open one from the end where its lines are.
        let window_ns = if low > start || high < end { FIRST_WINDOW_NS } else { i64::MAX };
        Self { client, log, direction, low, high, window_ns, interval_ns: 0, stats: StatsSnapshot::default(), warnings: Vec::new() }
    }

    /// Only lines this far apart.
    #[must_use]
    pub fn with_interval(mut self, interval_ns: i64) -> Self {
        self.interval_ns = interval_ns;
        self
    }

    pub fn is_done(&self) -> bool {
        self.low >= self.high
    }

    /// Everything before this instant (in the direction) was read: backward from it on, forward up to it.
    pub fn reached(&self) -> i64 {
        match self.direction {
            Direction::Forward => self.low,
            Direction::Backward => self.high,
        }
    }

    /// The next lines in order, of whole nanoseconds; `wanted` of them are enough. An empty answer says that a window had none:
    /// see [`Walk::is_done`].
    ///
    /// # Errors
    /// [`QueryError`]; what was given before stays right, and it may be called again.
    pub async fn next(&mut self, wanted: usize) -> Result<Vec<LogRow>, QueryError> {
        if self.is_done() {
            return Ok(Vec::new());
        }
        let mut wanted = wanted.max(1);
        loop {
            let limits = self.client.limits();
            // One more than wanted tells whether the window is read.
            let limit = wanted.saturating_add(1).min(limits.entries);
            let span = self.window_ns.min(limits.span_ns());
            let (start, end) = match self.direction {
                Direction::Forward => (self.low, self.low.saturating_add(span).min(self.high)),
                Direction::Backward => (self.high.saturating_sub(span).max(self.low), self.high),
            };
            let mut rows = match self.request(&self.log.to_string(), start, end, limit).await {
                Ok(answered) => self.take(answered),
                Err(QueryError::Refused { message, .. }) if self.client.with_limits(|limits| limits.learn(&message)) => continue,
                Err(error) => return Err(error),
            };
            number(&mut rows, self.direction);
            if rows.len() < limit {
                self.window_ns = self.window_ns.saturating_mul(2);
                self.pass(if self.direction == Direction::Forward { end } else { start });
                return Ok(rows);
            }
            // The last nanosecond may go on behind the answer.
            let last = rows.last().expect("the limit is at least 1").at;
            if rows[0].at != last {
                rows.retain(|row| row.at != last);
                self.pass(if self.direction == Direction::Forward { last } else { last.saturating_add(1) });
                return Ok(rows);
            }
            if limit < limits.entries {
                wanted = limits.entries;
                continue;
            }
            let rows = self.one_nanosecond(last, limits.entries).await?;
            self.pass(if self.direction == Direction::Forward { last.saturating_add(1) } else { last });
            return Ok(rows);
        }
    }

    fn pass(&mut self, at: i64) {
        match self.direction {
            Direction::Forward => self.low = at,
            Direction::Backward => self.high = at,
        }
    }

    /// Lines of one time, of which there are more than an answer holds: stream by stream. Of a stream that alone has more,
    /// Loki gives no road to the rest.
    async fn one_nanosecond(&mut self, at: i64, limit: usize) -> Result<Vec<LogRow>, QueryError> {
        // Loki's index knows milliseconds.
        let around = |by: i64| at.saturating_add(by * model::time::NANOS_PER_SEC).to_string();
        let params = [("match[]", self.log.selector.to_string()), ("start", around(-1)), ("end", around(1))];
        let streams = answer::series(&self.client.ask("loki/api/v1/series", &params, &[]).await?)?;
        let names: BTreeSet<&String> = streams.iter().flat_map(|labels| labels.0.keys()).collect();
        let mut all = Vec::new();
        for labels in &streams {
            let mut selector = having(labels);
            // No other stream that has these labels and more.
            let lacking = names.iter().filter(|name| !labels.0.contains_key(**name)).map(|name| equal(name, ""));
            selector.matchers.extend(lacking);
            let query = LogExpr { selector, ..self.log.clone() }.to_string();
            let answered = self.request(&query, at, at.saturating_add(1), limit).await?;
            let rows = self.take(answered);
            if rows.len() >= limit {
                self.warn(format!("more than {limit} lines of one stream have the same nanosecond {at}: the others cannot be read"));
            }
            all.extend(rows);
        }
        number(&mut all, self.direction);
        Ok(all)
    }

    async fn request(&self, query: &str, start: i64, end: i64, limit: usize) -> Result<Answered<Vec<LogRow>>, QueryError> {
        let direction = if self.direction == Direction::Forward { "forward" } else { "backward" };
        let mut params = vec![
            ("query", query.to_owned()),
            ("start", start.to_string()),
            ("end", end.to_string()),
            ("limit", limit.to_string()),
            ("direction", direction.to_owned()),
        ];
        if self.interval_ns > 0 {
            params.push(("interval", Duration::from_nanos(self.interval_ns.unsigned_abs()).as_secs_f64().to_string()));
        }
        answer::rows(&self.client.ask("loki/api/v1/query_range", &params, &[FLAGS]).await?)
    }

    fn take(&mut self, answered: Answered<Vec<LogRow>>) -> Vec<LogRow> {
        add(&mut self.stats, &answered.stats);
        answered.warnings.into_iter().for_each(|warning| self.warn(warning));
        answered.value
    }

    fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// The streams that have these labels, and maybe more.
pub fn having(labels: &Labels) -> Selector {
    Selector { span: Span::default(), matchers: labels.0.iter().map(|(name, value)| equal(name, value)).collect() }
}

fn equal(name: &str, value: &str) -> Matcher {
    Matcher { span: Span::default(), name: name.to_owned(), op: MatchOp::Equal, value: value.to_owned() }
}
