//! Binary operations: numbers with numbers, series with a number, series with series that match by labels.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    MetricLabels,
    eval::{Evaluated, Row},
};
use crate::{
    ast::{Binary, BinaryOp, Matching},
    engine::EngineError,
};

pub(super) fn binary(binary: &Binary, left: Evaluated, right: Evaluated) -> Result<Evaluated, EngineError> {
    let set = match binary.op {
        BinaryOp::And => Some("and"),
        BinaryOp::Or => Some("or"),
        BinaryOp::Unless => Some("unless"),
        _ => None,
    };
    Ok(match (left, right) {
        (Evaluated::Vector(left), Evaluated::Vector(right)) => Evaluated::Vector(match binary.op {
            BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => sets(binary, left, right),
            _ => matched(binary, left, right)?,
        }),
        (left, right) if let Some(op) = set => {
            drop((left, right));
            return Err(EngineError::SetOfScalars { span: binary.span, op });
        }
        (Evaluated::Scalar(left), Evaluated::Scalar(right)) => Evaluated::Scalar(match compare(binary.op, left, right) {
            Some(holds) => f64::from(u8::from(holds)),
            None => compute(binary.op, left, right),
        }),
        (Evaluated::Vector(rows), Evaluated::Scalar(right)) => {
            Evaluated::Vector(each(rows, |value| result(binary, value, right).map(|out| out.unwrap_or(value))))
        }
        (Evaluated::Scalar(left), Evaluated::Vector(rows)) => {
            Evaluated::Vector(each(rows, |value| result(binary, left, value).map(|out| out.unwrap_or(value))))
        }
    })
}

fn each(rows: Vec<Row>, apply: impl Fn(f64) -> Option<f64>) -> Vec<Row> {
    let one = |row: Row| Row {
        points: row.points.into_iter().filter_map(|(step, value)| Some((step, apply(value)?))).collect(),
        labels: row.labels,
    };
    rows.into_iter().map(one).filter(|row| !row.points.is_empty()).collect()
}

/// `None`: the pair is filtered out. `Some(None)`: it stays with the vector's own value.
#[expect(clippy::option_option, reason = "filtered out, kept as it was, or computed")]
fn result(binary: &Binary, left: f64, right: f64) -> Option<Option<f64>> {
    match compare(binary.op, left, right) {
        Some(holds) if binary.return_bool => Some(Some(f64::from(u8::from(holds)))),
        Some(holds) => holds.then_some(None),
        None => Some(Some(compute(binary.op, left, right))),
    }
}

/// `None` if it is not a comparison.
#[expect(clippy::float_cmp, reason = "that is the question")]
fn compare(op: BinaryOp, left: f64, right: f64) -> Option<bool> {
    Some(match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Greater => left > right,
        BinaryOp::GreaterOrEqual => left >= right,
        BinaryOp::Less => left < right,
        BinaryOp::LessOrEqual => left <= right,
        _ => return None,
    })
}

/// Division by zero, and its remainder, is NaN, as in Loki (not infinity, as in Prometheus).
fn compute(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div if right == 0.0 => f64::NAN,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        _ => f64::NAN,
    }
}

/// The labels by which series match.
fn signature(labels: &MetricLabels, matching: Option<&Matching>) -> MetricLabels {
    match matching {
        None => labels.clone(),
        Some(matching) => labels.iter().filter(|(name, _)| matching.labels.contains(name) == matching.on).cloned().collect(),
    }
}

fn sets(binary: &Binary, left: Vec<Row>, right: Vec<Row>) -> Vec<Row> {
    let matching = binary.matching.as_ref();
    let steps_of = |rows: &[Row]| {
        let mut steps: HashMap<MetricLabels, HashSet<u32>> = HashMap::new();
        for row in rows {
            steps.entry(signature(&row.labels, matching)).or_default().extend(row.points.iter().map(|&(step, _)| step));
        }
        steps
    };
    let kept = |rows: Vec<Row>, others: &HashMap<MetricLabels, HashSet<u32>>, within: bool| -> Vec<Row> {
        let one = |mut row: Row| {
            let other = others.get(&signature(&row.labels, matching));
            row.points.retain(|(step, _)| other.is_some_and(|other| other.contains(step)) == within);
            row
        };
        rows.into_iter().map(one).filter(|row| !row.points.is_empty()).collect()
    };
    match binary.op {
        BinaryOp::And => kept(left, &steps_of(&right), true),
        BinaryOp::Unless => kept(left, &steps_of(&right), false),
        _ => {
            let added = kept(right, &steps_of(&left), false);
            let mut all: BTreeMap<MetricLabels, BTreeMap<u32, f64>> = BTreeMap::new();
            for row in left.into_iter().chain(added) {
                let points = all.entry(row.labels).or_default();
                for (step, value) in row.points {
                    points.entry(step).or_insert(value);
                }
            }
            all.into_iter().map(|(labels, points)| Row { labels, points: points.into_iter().collect() }).collect()
        }
    }
}

/// Arithmetic and comparisons between series: one to one, or many to one with `group_left` and `group_right`.
fn matched(binary: &Binary, left: Vec<Row>, right: Vec<Row>) -> Result<Vec<Row>, EngineError> {
    let matching = binary.matching.as_ref();
    let group = matching.and_then(|matching| matching.group.as_ref());
    let many_left = group.is_none_or(|group| group.left);
    let (many, one) = if many_left { (left, right) } else { (right, left) };

    // Of the side that has one: step, value and series by signature.
    let mut ones: HashMap<MetricLabels, Vec<(u32, f64, usize)>> = HashMap::new();
    for (index, row) in one.iter().enumerate() {
        let points = row.points.iter().map(|&(step, value)| (step, value, index));
        ones.entry(signature(&row.labels, matching)).or_default().extend(points);
    }
    for points in ones.values_mut() {
        points.sort_by_key(|&(step, ..)| step);
        if points.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(EngineError::ManyToMany);
        }
    }

    let mut results: BTreeMap<MetricLabels, Vec<(u32, f64)>> = BTreeMap::new();
    for row in &many {
        let signature = signature(&row.labels, matching);
        let Some(points) = ones.get(&signature) else { continue };
        let mut labels: HashMap<usize, MetricLabels> = HashMap::new();
        let mut others = points.iter().peekable();
        for &(step, value) in &row.points {
            while others.next_if(|other| other.0 < step).is_some() {}
            let Some(&&(_, other, index)) = others.peek().filter(|other| other.0 == step) else { continue };
            let (lhs, rhs) = if many_left { (value, other) } else { (other, value) };
            let Some(out) = result(binary, lhs, rhs) else { continue };
            let labels = labels.entry(index).or_insert_with(|| match group {
                Some(group) => with(&row.labels, &one[index].labels, &group.include),
                None => signature.clone(),
            });
            let points = match results.get_mut(labels) {
                Some(points) => points,
                None => results.entry(labels.clone()).or_default(),
            };
            points.push((step, out.unwrap_or(lhs)));
        }
    }
    for points in results.values_mut() {
        points.sort_by_key(|&(step, _)| step);
        if points.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(if group.is_some() { EngineError::GroupNotUnique } else { EngineError::ManyToOne });
        }
    }
    Ok(results.into_iter().map(|(labels, points)| Row { labels, points }).collect())
}

/// `labels`, with those of `include` as `other` has them.
fn with(labels: &MetricLabels, other: &MetricLabels, include: &[String]) -> MetricLabels {
    if include.is_empty() {
        return labels.clone();
    }
    let own = labels.iter().filter(|(name, _)| !include.contains(name));
    let mut all: Vec<(String, String)> = own.chain(other.iter().filter(|(name, _)| include.contains(name))).cloned().collect();
    all.sort();
    all.into()
}
