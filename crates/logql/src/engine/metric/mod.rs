//! Metric queries: lines folded into series, and series into series.

mod binary;
mod eval;
mod fold;
mod group;
mod label_replace;
mod range;
mod samples;
mod vector;
mod windows;

use std::sync::Arc;

use super::{Engine, EngineError, Stats, scan::Scan};
use crate::{
    ast::{Expr, MetricExpr, VectorOp},
    read::Source,
};
use eval::{Eval, Evaluated};
use windows::Steps;

/// Sorted by name; no empty values.
pub type MetricLabels = Arc<[(String, String)]>;

#[derive(Clone, Copy, Debug)]
pub struct RangeParams {
    /// Nanoseconds; both ends are moved outwards to multiples of `step`.
    pub start: i64,
    pub end: i64,
    /// Nanoseconds.
    pub step: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: MetricLabels,
    /// Time in nanoseconds and value, ascending; gaps are left out.
    pub points: Vec<(i64, f64)>,
}

/// Sorted by labels.
pub type Matrix = Vec<Series>;

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: MetricLabels,
    pub value: f64,
}

/// What an instant query gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Sorted by labels, or by value where the query says so.
    Vector(Vec<Sample>),
    Scalar(f64),
}

/// An answer, and what did not make it complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    pub value: T,
    pub warnings: Vec<String>,
}

/// Points per series that Loki's clients may ask for.
const MAX_POINTS: i64 = 11_000;

impl<S: Source> Engine<'_, S> {
    /// A metric query at each multiple of the step from the one at or before `start` to the one at or behind `end`.
    ///
    /// # Errors
    /// [`EngineError`]; damaged parts are warnings.
    pub fn range(&self, expr: &MetricExpr, params: &RangeParams) -> Result<Answer<Matrix>, EngineError> {
        let RangeParams { start, end, step } = *params;
        if step <= 0 {
            return Err(EngineError::ZeroStep);
        }
        if end.saturating_sub(start) / step > MAX_POINTS {
            return Err(EngineError::TooManyPoints);
        }
        let start = start.saturating_sub(start.rem_euclid(step));
        let end = end.saturating_add((-end.rem_euclid(step)).rem_euclid(step));
        let count = end.saturating_sub(start) / step + 1;
        let steps = Steps { start, step, count: usize::try_from(count).unwrap_or(0) };
        let scan = self.scan();
        let points = |points: Vec<(u32, f64)>| points.into_iter().map(|(step, value)| (steps.at(step), value)).collect();
        let mut matrix: Matrix = match (Eval { engine: self, scan: &scan, steps }).eval(expr)? {
            Evaluated::Scalar(value) => {
                let all = (0..steps.count).filter_map(|step| u32::try_from(step).ok()).map(|step| (step, value)).collect();
                vec![Series { labels: Arc::default(), points: points(all) }]
            }
            Evaluated::Vector(rows) => {
                let rows = rows.into_iter().filter(|row| !row.points.is_empty());
                rows.map(|row| Series { labels: row.labels, points: points(row.points) }).collect()
            }
        };
        matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
        self.cap(&scan, &mut matrix)?;
        Stats::add(&self.control.stats.entries, matrix.len() as u64);
        Ok(Answer { value: matrix, warnings: scan.into_warnings() })
    }

    /// A metric query at one time (nanoseconds).
    ///
    /// # Errors
    /// [`EngineError`]; damaged parts are warnings. [`EngineError::InstantLog`] for a log query.
    pub fn instant(&self, expr: &Expr, time: i64) -> Result<Answer<Value>, EngineError> {
        let Expr::Metric(expr) = expr else { return Err(EngineError::InstantLog) };
        let scan = self.scan();
        let steps = Steps { start: time, step: 1, count: 1 };
        let value = match (Eval { engine: self, scan: &scan, steps }).eval(expr)? {
            Evaluated::Scalar(value) => Value::Scalar(value),
            Evaluated::Vector(rows) => {
                let first = |row: eval::Row| row.points.first().map(|&(_, value)| Sample { labels: row.labels, value });
                let mut samples: Vec<Sample> = rows.into_iter().filter_map(first).collect();
                samples.sort_by(|a, b| a.labels.cmp(&b.labels));
                match expr {
                    MetricExpr::Vector(outer) if matches!(outer.op, VectorOp::Sort | VectorOp::Bottomk) => {
                        samples.sort_by(|a, b| vector::ascending(a.value, b.value));
                    }
                    MetricExpr::Vector(outer) if matches!(outer.op, VectorOp::SortDesc | VectorOp::Topk) => {
                        samples.sort_by(|a, b| vector::descending(a.value, b.value));
                    }
                    _ => {}
                }
                self.cap(&scan, &mut samples)?;
                Stats::add(&self.control.stats.entries, samples.len() as u64);
                Value::Vector(samples)
            }
        };
        Ok(Answer { value, warnings: scan.into_warnings() })
    }

    fn cap<T>(&self, scan: &Scan<'_>, series: &mut Vec<T>) -> Result<(), EngineError> {
        let max = self.control.limits.max_series;
        if series.len() <= max {
            return Ok(());
        }
        if !self.control.partial_series {
            return Err(EngineError::TooManySeries(max));
        }
        series.truncate(max);
        scan.warn(format!("maximum number of series ({max}) reached for a single query; returning partial results"));
        Ok(())
    }
}
