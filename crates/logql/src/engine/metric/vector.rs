//! Aggregations over series, step by step.

use std::{cmp::Ordering, collections::BTreeMap};

use super::{MetricLabels, eval::Row, group::Group, samples::variance};
use crate::ast::{VectorAggregation, VectorOp};

/// `count` is the number of steps.
pub(super) fn aggregate(outer: &VectorAggregation, rows: Vec<Row>, count: usize) -> Vec<Row> {
    let group = Group::outer(outer.grouping.as_ref(), None);
    match outer.op {
        // The order of an instant query's answer; series have none.
        VectorOp::Sort | VectorOp::SortDesc => rows,
        VectorOp::Topk => nearest(&group, outer.param, rows, count, descending),
        VectorOp::Bottomk | VectorOp::ApproxTopk => nearest(&group, outer.param, rows, count, ascending),
        VectorOp::Sum | VectorOp::Avg | VectorOp::Min | VectorOp::Max | VectorOp::Count | VectorOp::Stddev | VectorOp::Stdvar => {
            let mut values: Vec<Vec<f64>> = vec![Vec::new(); count];
            let one = |(labels, members): (MetricLabels, Vec<Row>)| {
                values.iter_mut().for_each(Vec::clear);
                for &(step, value) in members.iter().flat_map(|row| &row.points) {
                    values[step as usize].push(value);
                }
                let steps = (0..).zip(&values).filter(|(_, values)| !values.is_empty());
                Row { labels, points: steps.map(|(step, values)| (step, reduce(outer.op, values))).collect() }
            };
            groups(&group, rows).into_iter().map(one).collect()
        }
    }
}

fn groups(group: &Group, rows: Vec<Row>) -> BTreeMap<MetricLabels, Vec<Row>> {
    let mut groups: BTreeMap<MetricLabels, Vec<Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(group.of(&row.labels)).or_default().push(row);
    }
    groups
}

#[expect(clippy::cast_precision_loss, reason = "a number of series")]
fn reduce(op: VectorOp, values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let sum = || values.iter().sum::<f64>();
    match op {
        VectorOp::Avg => sum() / count,
        VectorOp::Min => values.iter().copied().fold(f64::NAN, f64::min),
        VectorOp::Max => values.iter().copied().fold(f64::NAN, f64::max),
        VectorOp::Count => count,
        VectorOp::Stddev => variance(values.iter().copied()).sqrt(),
        VectorOp::Stdvar => variance(values.iter().copied()),
        _ => sum(),
    }
}

/// Of each group at each step the `k` first ones, which keep their labels. Of equals the one whose labels sort first.
fn nearest(group: &Group, k: Option<u64>, rows: Vec<Row>, count: usize, order: fn(f64, f64) -> Ordering) -> Vec<Row> {
    let k = usize::try_from(k.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut kept = Vec::new();
    for members in groups(group, rows).into_values() {
        let mut steps: Vec<Vec<(f64, usize)>> = vec![Vec::new(); count];
        for (index, row) in members.iter().enumerate() {
            for &(step, value) in &row.points {
                steps[step as usize].push((value, index));
            }
        }
        let mut points: Vec<Vec<(u32, f64)>> = vec![Vec::new(); members.len()];
        for (step, mut values) in (0..).zip(steps) {
            values.sort_by(|a, b| order(a.0, b.0).then(a.1.cmp(&b.1)));
            for &(value, index) in values.iter().take(k) {
                points[index].push((step, value));
            }
        }
        let with = members.into_iter().zip(points).filter(|(_, points)| !points.is_empty());
        kept.extend(with.map(|(row, points)| Row { labels: row.labels, points }));
    }
    kept
}

/// Small first, NaN last.
pub(super) fn ascending(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Great first, NaN last.
pub(super) fn descending(a: f64, b: f64) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
