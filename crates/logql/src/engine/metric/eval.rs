//! The tree of a metric query, from the leaves up. Each node gives either one number or series over all steps.

use super::{MetricLabels, binary, label_replace, range, vector, windows::Steps};
use crate::{
    ast::{MetricExpr, RangeOp, VectorAggregation, VectorOp},
    engine::{Engine, EngineError, scan::Scan},
    read::Source,
};

/// A series over the steps of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub labels: MetricLabels,
    /// Step and value, ascending; steps without a value are left out.
    pub points: Vec<(u32, f64)>,
}

pub(super) enum Evaluated {
    Scalar(f64),
    Vector(Vec<Row>),
}

pub(super) struct Eval<'e, S> {
    pub engine: &'e Engine<'e, S>,
    pub scan: &'e Scan<'e>,
    pub steps: Steps,
}

/// Deeper trees are refused; a parser refuses them before.
const MAX_DEPTH: usize = 128;

impl<S: Source> Eval<'_, S> {
    pub fn eval(&self, expr: &MetricExpr) -> Result<Evaluated, EngineError> {
        self.node(expr, MAX_DEPTH)
    }

    fn node(&self, expr: &MetricExpr, depth: usize) -> Result<Evaluated, EngineError> {
        let depth = depth.checked_sub(1).ok_or(EngineError::TooDeep)?;
        match expr {
            MetricExpr::Literal { value, .. } => Ok(Evaluated::Scalar(*value)),
            MetricExpr::VectorOf { value, .. } => Ok(Evaluated::Vector(vec![self.everywhere(*value)])),
            MetricExpr::Range(range) => range::run(self, range, None, expr).map(Evaluated::Vector),
            MetricExpr::Vector(outer) => {
                if outer.op == VectorOp::ApproxTopk {
                    return Err(EngineError::ApproxTopk);
                }
                if let MetricExpr::Range(range) = outer.inner.as_ref()
                    && folds_into(outer, range.op, range.grouping.is_some())
                {
                    return range::run(self, range, Some(outer), expr).map(Evaluated::Vector);
                }
                let rows = self.vector(&outer.inner, depth)?;
                Ok(Evaluated::Vector(vector::aggregate(outer, rows, self.steps.count)))
            }
            MetricExpr::Binary(binary) => {
                let (left, right) = (self.node(&binary.left, depth)?, self.node(&binary.right, depth)?);
                self.scan.look()?;
                binary::binary(binary, left, right)
            }
            MetricExpr::LabelReplace(replace) => {
                let rows = self.vector(&replace.inner, depth)?;
                label_replace::label_replace(replace, rows, self.scan).map(Evaluated::Vector)
            }
        }
    }

    fn vector(&self, expr: &MetricExpr, depth: usize) -> Result<Vec<Row>, EngineError> {
        Ok(match self.node(expr, depth)? {
            Evaluated::Vector(rows) => rows,
            Evaluated::Scalar(value) => vec![self.everywhere(value)],
        })
    }

    fn everywhere(&self, value: f64) -> Row {
        let steps = 0..u32::try_from(self.steps.count).unwrap_or(u32::MAX);
        Row { labels: MetricLabels::default(), points: steps.map(|step| (step, value)).collect() }
    }
}

/// Whether an aggregation over a range aggregation is the same as the range aggregation over bigger groups.
fn folds_into(outer: &VectorAggregation, inner: RangeOp, grouped: bool) -> bool {
    !grouped
        && match outer.op {
            VectorOp::Sum => matches!(inner, RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum),
            VectorOp::Min => inner == RangeOp::Min,
            VectorOp::Max => inner == RangeOp::Max,
            _ => false,
        }
}
