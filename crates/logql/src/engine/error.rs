//! Why a query has no answer, in the words that Loki's clients know.

use crate::{ast::Span, read::ReadError};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// A stage does not compile: a template, a pattern.
    #[error("{message}")]
    Compile { span: Span, message: String },
    #[error("log queries are not supported as an instant query type, please change your query to a range query type")]
    InstantLog,
    #[error("exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter")]
    TooManyPoints,
    #[error("zero or negative query resolution step widths are not accepted. Try a positive integer")]
    ZeroStep,
    #[error(
        "maximum number of series ({0}) reached for a single query; consider reducing query cardinality by adding more specific \
         stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or topk()"
    )]
    TooManySeries(usize),
    #[error(
        "the query would read too many bytes (limit: {0}B); consider adding more specific stream selectors or reduce the time range of the query"
    )]
    TooManyBytes(u64),
    #[error(
        "the query would hold too many samples (limit: {0}); consider adding more specific stream selectors or reduce the time range of the query"
    )]
    TooManySamples(u64),
    #[error(
        "the query would hold too many bytes of lines and labels (limit: {0}B); consider a lower limit of lines, shorter lines and labels, \
         adding more specific stream selectors or reduce the time range of the query"
    )]
    TooManyHeldBytes(usize),
    /// A line of a metric query still carries an error.
    #[error(
        "pipeline error: '{kind}' for series: '{series}'.\nUse a label filter to intentionally skip this error. (e.g | __error__!=\"{kind}\").\n\
         To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n\
         The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n"
    )]
    Pipeline { kind: String, series: String },
    #[error("approx_topk is not enabled. See -limits.shard_aggregations")]
    ApproxTopk,
    #[error("found duplicate series on the right hand-side;many-to-many matching not allowed: matching labels must be unique on one side")]
    ManyToMany,
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    ManyToOne,
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    GroupNotUnique,
    #[error("unexpected literal for a logical/set binary operation ({op}): it takes vectors")]
    SetOfScalars { span: Span, op: &'static str },
    #[error("{message}")]
    Regex { span: Span, message: String },
    #[error("the expression is too deep")]
    TooDeep,
    #[error("the query was cancelled")]
    Cancelled,
    #[error(
        "request timed out, decrease the duration of the request or add more label matchers (prefer exact match over regex match) to reduce the amount of data processed"
    )]
    Deadline,
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<super::pipe::CompileError> for EngineError {
    fn from(error: super::pipe::CompileError) -> Self {
        Self::Compile { span: error.span, message: error.message }
    }
}
