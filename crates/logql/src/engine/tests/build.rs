//! Queries and lines for tests.

use model::Labels;

use crate::{ast::*, engine::ram::RamLine};

fn span() -> Span {
    Span::default()
}

pub fn selector(matchers: Vec<Matcher>, stages: Vec<StageKind>) -> LogExpr {
    let stages = stages.into_iter().map(|kind| Stage { span: span(), kind }).collect();
    LogExpr { span: span(), selector: Selector { span: span(), matchers }, stages }
}

pub fn contains(text: &str) -> StageKind {
    StageKind::Line(LineFilter { op: LineOp::Contains, needles: vec![Needle::Text(text.into())] })
}

pub fn logfmt() -> StageKind {
    StageKind::Logfmt { strict: false, keep_empty: false, extractions: Vec::new() }
}

pub fn by(labels: &[&str]) -> Option<Grouping> {
    Some(Grouping { without: false, labels: labels.iter().map(|label| (*label).to_owned()).collect() })
}

pub fn without(labels: &[&str]) -> Option<Grouping> {
    Some(Grouping { without: true, labels: labels.iter().map(|label| (*label).to_owned()).collect() })
}

pub fn range(op: RangeOp, log: LogExpr, range_ns: i64) -> RangeAggregation {
    RangeAggregation { span: span(), op, param: None, log, unwrap: None, range_ns, offset_ns: 0, grouping: None }
}

pub fn unwrap(label: &str) -> Option<Unwrap> {
    Some(Unwrap { span: span(), label: label.into(), convert: None, filters: Vec::new() })
}

pub fn vector(op: VectorOp, param: Option<u64>, grouping: Option<Grouping>, inner: MetricExpr) -> MetricExpr {
    MetricExpr::Vector(VectorAggregation { span: span(), op, param, grouping, inner: Box::new(inner) })
}

pub fn binary(op: BinaryOp, return_bool: bool, matching: Option<Matching>, left: MetricExpr, right: MetricExpr) -> MetricExpr {
    MetricExpr::Binary(Binary { span: span(), op, return_bool, matching, left: Box::new(left), right: Box::new(right) })
}

pub fn literal(value: f64) -> MetricExpr {
    MetricExpr::Literal { span: span(), value }
}

pub fn line(at: i64, app: &str, level: &str, text: &str) -> RamLine {
    let metadata = if level.is_empty() { Vec::new() } else { vec![("level".to_owned(), level.to_owned())] };
    (at, Labels::from([("app", app)]), text.to_owned(), metadata)
}
