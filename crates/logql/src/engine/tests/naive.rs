//! The twin: metric queries evaluated step by step over all lines, as the language defines them.

use std::collections::BTreeMap;

use super::toy::Toy;
use crate::{
    ast::*,
    engine::{pipe::Pipes, ram::Ram},
    matcher::LabelMatcher,
    read::RowRef,
};

pub type Labels = Vec<(String, String)>;

/// At one time.
pub enum Naive {
    Scalar(f64),
    Vector(BTreeMap<Labels, f64>),
}

struct Kept {
    rank: (i64, u64, u16),
    labels: Labels,
    value: f64,
}

fn group(labels: &Labels, grouping: Option<&Grouping>, unwrapped: Option<&str>) -> Labels {
    let keeps = |name: &String| {
        Some(name.as_str()) != unwrapped && grouping.is_none_or(|grouping| grouping.labels.contains(name) != grouping.without)
    };
    labels.iter().filter(|(name, _)| keeps(name)).cloned().collect()
}

fn lines(ram: &Ram, range: &RangeAggregation, time: i64) -> Vec<Kept> {
    let to = time - range.offset_ns;
    let from = to - range.range_ns;
    let pipe = Toy.compile(&range.log, range.unwrap.as_ref(), None, 0).unwrap();
    let mut kept = Vec::new();
    for part in &ram.parts {
        let matches =
            |matcher: &Matcher| LabelMatcher::new(matcher).unwrap().matches(part.stream.labels.get(&matcher.name).unwrap_or_default());
        if !range.log.selector.matchers.iter().all(matches) {
            continue;
        }
        for row in part.rows.iter().filter(|row| row.at > from && row.at <= to) {
            let metadata: Vec<(&str, &str)> = row.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let len = row.line.len() as u32;
            let mut worker = pipe.worker(&part.stream);
            let Some(line) = worker.process(&RowRef { at: row.at, ordinal: row.ordinal, line: &row.line, len, metadata: &metadata }) else {
                continue;
            };
            let mut labels = Labels::new();
            line.labels.merged(&mut |name, value| labels.push((name.into(), value.into())));
            let value = match range.op {
                RangeOp::Bytes | RangeOp::BytesRate => f64::from(len),
                _ if range.unwrap.is_some() => line.value,
                _ => 1.0,
            };
            kept.push(Kept { rank: (row.at, part.stream.hash.0, row.ordinal), labels, value });
        }
    }
    kept.sort_by_key(|kept| kept.rank);
    kept
}

fn over_time(range: &RangeAggregation, values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let seconds = range.range_ns as f64 / 1e9;
    let sum: f64 = values.iter().sum();
    let mean = sum / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    match range.op {
        RangeOp::Count | RangeOp::Absent => count,
        RangeOp::Bytes | RangeOp::Sum => sum,
        RangeOp::Rate | RangeOp::BytesRate => sum / seconds,
        RangeOp::Avg => mean,
        RangeOp::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
        RangeOp::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        RangeOp::Stdvar => variance,
        RangeOp::Stddev => variance.sqrt(),
        RangeOp::First => values[0],
        RangeOp::Last => values[values.len() - 1],
        RangeOp::Quantile => {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            let rank = range.param.unwrap() * (count - 1.0);
            let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
            low + (high - low) * rank.fract()
        }
        RangeOp::RateCounter => panic!("not in the twin"),
    }
}

pub fn naive(ram: &Ram, expr: &MetricExpr, time: i64) -> Naive {
    match expr {
        MetricExpr::Literal { value, .. } => Naive::Scalar(*value),
        MetricExpr::VectorOf { value, .. } => Naive::Vector(BTreeMap::from([(Labels::new(), *value)])),
        MetricExpr::Range(range) => {
            let mut series: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
            let unwrapped = range.unwrap.as_ref().map(|unwrap| unwrap.label.as_str());
            let kept = lines(ram, range, time);
            if range.op == RangeOp::Absent {
                let labels: Labels =
                    range.log.selector.matchers.iter().map(|matcher| (matcher.name.clone(), matcher.value.clone())).collect();
                return Naive::Vector(if kept.is_empty() { BTreeMap::from([(labels, 1.0)]) } else { BTreeMap::new() });
            }
            for kept in kept {
                series.entry(group(&kept.labels, range.grouping.as_ref(), unwrapped)).or_default().push(kept.value);
            }
            Naive::Vector(series.into_iter().map(|(labels, values)| (labels, over_time(range, &values))).collect())
        }
        MetricExpr::Vector(outer) => {
            let Naive::Vector(inner) = naive(ram, &outer.inner, time) else { panic!("a vector") };
            let none = Grouping { without: false, labels: Vec::new() };
            let grouping = outer.grouping.as_ref().unwrap_or(&none);
            let mut groups: BTreeMap<Labels, Vec<(Labels, f64)>> = BTreeMap::new();
            for (labels, value) in inner {
                groups.entry(group(&labels, Some(grouping), None)).or_default().push((labels, value));
            }
            let mut out = BTreeMap::new();
            for (labels, mut members) in groups {
                let values: Vec<f64> = members.iter().map(|(_, value)| *value).collect();
                let value = match outer.op {
                    VectorOp::Sum => values.iter().sum(),
                    VectorOp::Count => values.len() as f64,
                    VectorOp::Avg => values.iter().sum::<f64>() / values.len() as f64,
                    VectorOp::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
                    VectorOp::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    VectorOp::Topk => {
                        members.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                        out.extend(members.into_iter().take(outer.param.unwrap() as usize));
                        continue;
                    }
                    other => panic!("{other:?} is not in the twin"),
                };
                out.insert(labels, value);
            }
            Naive::Vector(out)
        }
        MetricExpr::Binary(binary) => {
            let op = |left: f64, right: f64| match binary.op {
                BinaryOp::Add => Some(left + right),
                BinaryOp::Div => Some(if right == 0.0 { f64::NAN } else { left / right }),
                BinaryOp::Greater if binary.return_bool => Some(f64::from(u8::from(left > right))),
                BinaryOp::Greater => (left > right).then_some(left),
                other => panic!("{other:?} is not in the twin"),
            };
            match (naive(ram, &binary.left, time), naive(ram, &binary.right, time)) {
                (Naive::Scalar(left), Naive::Scalar(right)) => Naive::Scalar(op(left, right).unwrap()),
                (Naive::Vector(left), Naive::Scalar(right)) => {
                    Naive::Vector(left.into_iter().filter_map(|(labels, value)| Some((labels, op(value, right)?))).collect())
                }
                (Naive::Vector(left), Naive::Vector(right)) => Naive::Vector(match binary.op {
                    BinaryOp::And => left.into_iter().filter(|(labels, _)| right.contains_key(labels)).collect(),
                    BinaryOp::Unless => left.into_iter().filter(|(labels, _)| !right.contains_key(labels)).collect(),
                    BinaryOp::Or => right.into_iter().chain(left).collect(),
                    _ => left.into_iter().filter_map(|(labels, value)| Some((labels.clone(), op(value, *right.get(&labels)?)?))).collect(),
                }),
                _ => panic!("not in the twin"),
            }
        }
        MetricExpr::LabelReplace(_) => panic!("not in the twin"),
    }
}
