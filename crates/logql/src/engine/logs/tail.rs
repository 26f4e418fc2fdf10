//! Lines as they come.

use std::sync::Arc;

use super::{
    super::{
        EngineError,
        pipe::{Pipe, PipeWorker, Pipes},
    },
    LogRow, distincts, matchers,
    order::Distinct,
    row::Rows,
};
use crate::{
    ast::LogExpr,
    matcher::LabelMatcher,
    read::{RowRef, StreamRef},
};

/// A log query that takes one new line at a time.
pub struct Tailer {
    matchers: Vec<LabelMatcher>,
    pipe: Box<dyn Pipe>,
    /// Made with the first line, and the stream it is turned to.
    worker: Option<(Box<dyn PipeWorker>, Arc<StreamRef>)>,
    distincts: Vec<Distinct>,
    rows: Rows,
}

impl Tailer {
    /// # Errors
    /// [`EngineError::Compile`] and [`EngineError::Regex`].
    pub fn new(pipes: &dyn Pipes, log: &LogExpr, now_ns: i64) -> Result<Self, EngineError> {
        Ok(Self {
            matchers: matchers(log)?,
            pipe: pipes.compile(log, None, None, now_ns)?,
            worker: None,
            distincts: distincts(log).map(|labels| Distinct::new(labels.clone())).collect(),
            rows: Rows::default(),
        })
    }

    /// Whether the stream's lines are asked for at all.
    pub fn wants(&self, stream: &StreamRef) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(stream.labels.get(&matcher.name).unwrap_or_default()))
    }

    /// The line as the query gives it; `None` where it is not asked for.
    pub fn take(&mut self, stream: &Arc<StreamRef>, row: &RowRef<'_>) -> Option<LogRow> {
        if !self.wants(stream) {
            return None;
        }
        let (worker, turned_to) = self.worker.get_or_insert_with(|| (self.pipe.worker(stream), stream.clone()));
        if turned_to != stream {
            worker.switch(stream);
            *turned_to = stream.clone();
        }
        let line = worker.process(row)?;
        let (row, _) = self.rows.row(row, &line, stream, String::new());
        self.distincts.iter_mut().all(|distinct| distinct.is_new(&row)).then_some(row)
    }
}
