//! Log queries: lines in exact order.

mod each;
mod first;
mod order;
mod row;
mod tail;

use std::{collections::HashSet, ops::ControlFlow, sync::Arc};

use model::{Direction, EntryId};

pub use row::{Labelled, LogRow};
pub use tail::Tailer;

use super::{Engine, EngineError, Stats, pipe::Pipe, scan::row_work};
use crate::{
    ast::{LogExpr, StageKind},
    matcher::LabelMatcher,
    read::{Ask, Need, Source},
};
use order::{Ordered, Rank};

#[derive(Clone, Copy, Debug)]
pub struct LogParams {
    /// Nanoseconds, `[start, end)`.
    pub start: i64,
    pub end: i64,
    /// `None`: all of them.
    pub limit: Option<usize>,
    pub direction: Direction,
    /// Only what lies behind this line, in the direction.
    pub after: Option<EntryId>,
    /// A line is given only this long after the one before it; 0 gives each.
    pub interval_ns: i64,
}

#[derive(Debug)]
pub struct LogRows {
    /// By `(at, stream hash, ordinal)`, in the direction asked for.
    pub rows: Vec<LogRow>,
    pub warnings: Vec<String>,
}

/// A log query made ready to read parts.
struct Plan {
    pipe: Box<dyn Pipe>,
    ask: Ask,
    need: Need,
    /// Of a row.
    work: usize,
    direction: Direction,
    after: Option<Rank>,
}

impl<S: Source> Engine<'_, S> {
    /// The first lines of a range in the direction asked for. Reads only the parts that can hold them.
    ///
    /// # Errors
    /// [`EngineError`]; damaged parts are warnings.
    pub fn logs(&self, log: &LogExpr, params: &LogParams) -> Result<LogRows, EngineError> {
        match params.limit {
            Some(limit) if Ordered::passes_all(log, params) => first::first(self, &self.plan(log, params)?, limit),
            _ => self.collect(log, params),
        }
    }

    fn collect(&self, log: &LogExpr, params: &LogParams) -> Result<LogRows, EngineError> {
        let (mut rows, mut over) = (Vec::new(), Ok(()));
        let limit = self.control.limits.max_held_bytes;
        let mut held = 0;
        // Labels that were counted with another row; the rows keep them from being freed.
        let mut counted = HashSet::new();
        let warnings = self.logs_each(log, params, &mut |row| {
            held += row.own_weight();
            if counted.insert(Arc::as_ptr(&row.labels)) {
                held += row.labels.weight();
            }
            if held > limit {
                over = Err(EngineError::TooManyHeldBytes(limit));
                return ControlFlow::Break(());
            }
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        over.map(|()| LogRows { rows, warnings })
    }

    /// Gives every line of a range in order to `sink`, until that breaks, and returns warnings. Holds about
    /// [`buffer_bytes`](super::Limits::buffer_bytes) of rows at a time, however long the answer.
    ///
    /// # Errors
    /// [`EngineError`]; lines given before it are right.
    pub fn logs_each(
        &self,
        log: &LogExpr,
        params: &LogParams,
        sink: &mut dyn FnMut(LogRow) -> ControlFlow<()>,
    ) -> Result<Vec<String>, EngineError> {
        let plan = self.plan(log, params)?;
        let mut ordered = Ordered::new(log, params);
        if ordered.is_full() {
            return Ok(Vec::new());
        }
        each::each(self, &plan, &mut |row| {
            if ordered.takes(&row) {
                Stats::add(&self.control.stats.entries, 1);
                sink(row)?;
            }
            if ordered.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// Ready to take new lines as they come.
    ///
    /// # Errors
    /// [`EngineError::Compile`] and [`EngineError::Regex`].
    pub fn tailer(&self, log: &LogExpr) -> Result<Tailer, EngineError> {
        Tailer::new(self.pipes, log, self.control.now_ns)
    }

    fn plan(&self, log: &LogExpr, params: &LogParams) -> Result<Plan, EngineError> {
        let mut ask = Ask { start: params.start, end: params.end, ..ask(self.pipes, log)? };
        let after = params.after.map(|id| (id.at.0, id.stream.0, id.ordinal));
        match (after, params.direction) {
            (Some((at, ..)), Direction::Forward) => ask.start = ask.start.max(at),
            (Some((at, ..)), Direction::Backward) => ask.end = ask.end.min(at.saturating_add(1)),
            (None, _) => {}
        }
        let pipe = self.pipes.compile(log, None, None, self.control.now_ns)?;
        let need = Need { text: true, metadata: true };
        Ok(Plan { pipe, ask, need, work: row_work(log), direction: params.direction, after })
    }
}

impl Plan {
    /// Whether the line lies behind the cursor.
    fn wants(&self, rank: Rank) -> bool {
        match (self.after, self.direction) {
            (None, _) => true,
            (Some(after), Direction::Forward) => rank > after,
            (Some(after), Direction::Backward) => rank < after,
        }
    }
}

/// What a selector asks of a source, without a range.
pub(super) fn ask(pipes: &dyn super::pipe::Pipes, log: &LogExpr) -> Result<Ask, EngineError> {
    let matchers = matchers(log)?;
    Ok(Ask { matchers, prefilter: pipes.prefilter(log), ..Ask::default() })
}

fn matchers(log: &LogExpr) -> Result<Vec<LabelMatcher>, EngineError> {
    let ready = |matcher| LabelMatcher::new(matcher).map_err(|error| EngineError::Regex { span: matcher.span, message: error.to_string() });
    log.selector.matchers.iter().map(ready).collect()
}

/// The label lists of the query's `distinct` stages.
fn distincts(log: &LogExpr) -> impl Iterator<Item = &Vec<String>> {
    log.stages.iter().filter_map(|stage| match &stage.kind {
        StageKind::Distinct(labels) => Some(labels),
        _ => None,
    })
}
