//! The seam to the line pipeline: what the engine asks of it, and nothing else.

use crate::{
    ast::{LogExpr, MetricExpr, Span, Unwrap},
    read::{Prefilter, RowRef, StreamRef},
};

/// A stage that cannot run.
#[derive(Clone, Debug, PartialEq)]
pub struct CompileError {
    pub span: Span,
    pub message: String,
}

/// Makes pipelines and knows beforehand what they will need.
pub trait Pipes: Sync {
    /// `needed`: the labels that anybody will look at behind the pipeline; `None` means all.
    ///
    /// # Errors
    /// The first stage that cannot run.
    fn compile(
        &self,
        log: &LogExpr,
        unwrap: Option<&Unwrap>,
        needed: Option<Vec<String>>,
        now_ns: i64,
    ) -> Result<Box<dyn Pipe>, CompileError>;

    /// Texts that a line must hold to pass.
    fn prefilter(&self, log: &LogExpr) -> Prefilter;

    /// The labels that a metric query looks at; `None` means all.
    fn needs(&self, expr: &MetricExpr) -> Option<Vec<String>>;

    /// Whether any stage looks at the line.
    fn needs_text(&self, log: &LogExpr) -> bool;
}

/// Stages ready to run, shared between threads.
pub trait Pipe: Send + Sync {
    /// Runs lines of one stream at a time. Making one is dear: it has buffers and caches of its own.
    fn worker(&self, stream: &StreamRef) -> Box<dyn PipeWorker>;
}

pub trait PipeWorker: Send {
    /// Turns to the lines of another stream.
    fn switch(&mut self, stream: &StreamRef);

    /// `None` where the line does not pass.
    fn process<'a>(&'a mut self, row: &RowRef<'a>) -> Option<Line<'a>>;
}

/// A line behind the pipeline.
pub struct Line<'a> {
    pub text: &'a str,
    pub labels: &'a dyn LineLabels,
    /// The unwrapped number; 0 without `unwrap`, or where it failed (the labels then carry the error).
    pub value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Stream,
    Metadata,
    /// With `__error__` and `__error_details__`.
    Parsed,
}

/// The labels of a line.
pub trait LineLabels {
    /// `__error__` and `__error_details__` included.
    fn get(&self, name: &str) -> Option<&str>;

    /// All of them, sorted by name; `__error__` and `__error_details__` included.
    fn merged(&self, visit: &mut dyn FnMut(&str, &str));

    /// Those of one category, sorted by name.
    fn category(&self, category: Category, visit: &mut dyn FnMut(&str, &str));

    /// The kind of error the line carries, as in `__error__`.
    fn error(&self) -> Option<&str>;
}
