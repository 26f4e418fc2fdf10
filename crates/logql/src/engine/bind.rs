//! The line pipeline of this crate behind the engine's seam.

use std::sync::Arc;

use super::pipe::{Category, CompileError, Line, LineLabels, Pipe, PipeWorker, Pipes};
use crate::{
    ast::{Expr, LogExpr, MetricExpr, Unwrap},
    labelset::LabelSet,
    pipeline::{Options, Pipeline, Unwrapper, Worker},
    plan,
    read::{Prefilter, RowRef, StreamRef},
};

/// The stages of `pipeline`, planned by `plan`.
pub struct Stages;

impl Pipes for Stages {
    fn compile(
        &self,
        log: &LogExpr,
        unwrap: Option<&Unwrap>,
        needed: Option<Vec<String>>,
        now_ns: i64,
    ) -> Result<Box<dyn Pipe>, CompileError> {
        let error = |error: crate::pipeline::CompileError| CompileError { span: error.span, message: error.message };
        let pipeline = Pipeline::compile(&log.stages, Options { needed, now_ns }).map_err(error)?;
        let unwrapper = unwrap.map(Unwrapper::compile).transpose().map_err(error)?;
        Ok(Box::new(Ready { pipeline, unwrapper: unwrapper.map(Arc::new) }))
    }

    fn prefilter(&self, log: &LogExpr) -> Prefilter {
        plan::prefilter(log)
    }

    fn needs(&self, expr: &MetricExpr) -> Option<Vec<String>> {
        plan::needs(&Expr::Metric(expr.clone())).map(|names| names.into_iter().collect())
    }

    fn needs_text(&self, log: &LogExpr) -> bool {
        plan::needs_text(log)
    }
}

struct Ready {
    pipeline: Pipeline,
    unwrapper: Option<Arc<Unwrapper>>,
}

struct Running {
    worker: Worker,
    unwrapper: Option<Arc<Unwrapper>>,
}

impl Pipe for Ready {
    fn worker(&self, stream: &StreamRef) -> Box<dyn PipeWorker> {
        Box::new(Running { worker: self.pipeline.worker(stream), unwrapper: self.unwrapper.clone() })
    }
}

impl PipeWorker for Running {
    fn switch(&mut self, stream: &StreamRef) {
        self.worker.switch(stream);
    }

    fn process<'a>(&'a mut self, row: &RowRef<'a>) -> Option<Line<'a>> {
        let out = self.worker.process(row)?;
        let value = match &self.unwrapper {
            Some(unwrapper) => unwrapper.value(out.labels)?,
            None => 0.0,
        };
        Some(Line { text: out.line, labels: out.labels, value })
    }
}

impl LineLabels for LabelSet {
    fn get(&self, name: &str) -> Option<&str> {
        Self::get(self, name)
    }

    fn merged(&self, visit: &mut dyn FnMut(&str, &str)) {
        Self::merged(self).into_iter().for_each(|(name, value)| visit(name, value));
    }

    fn category(&self, category: Category, visit: &mut dyn FnMut(&str, &str)) {
        let pairs = match category {
            Category::Stream => self.stream(),
            Category::Metadata => self.metadata(),
            Category::Parsed => self.parsed(),
        };
        pairs.into_iter().for_each(|(name, value)| visit(name, value));
    }

    fn error(&self) -> Option<&str> {
        Self::error(self)
    }
}
