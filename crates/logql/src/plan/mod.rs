//! What can be told about a query before a line is read: texts its lines must hold, labels it can use, how far it looks
//! back; and the same query in a cheaper form.

mod fold;
mod literals;
mod needs;

use std::collections::BTreeSet;

pub use fold::fold;
pub use literals::regex_literals;
pub use needs::{needs, needs_text};

use crate::{
    ast::{Expr, LineFilter, LineOp, LogExpr, MetricExpr, Needle, Stage, StageKind},
    read::{Literal, Prefilter},
    syntax::{Piece, line_pattern_pieces},
};

/// Texts that every line in the result certainly held when it was read. Label filters add none: the value may come from a
/// stream's label or from metadata.
pub fn prefilter(log: &LogExpr) -> Prefilter {
    let original = log.stages.iter().take_while(|stage| {
        // Behind these, a line is no longer the one that is stored.
        !matches!(stage.kind, StageKind::LineFormat(_) | StageKind::Decolorize | StageKind::Unpack)
    });
    let mut all: Vec<Vec<Literal>> = Vec::new();
    for stage in original {
        if let StageKind::Line(filter) = &stage.kind {
            for list in line_literals(filter) {
                if !all.contains(&list) {
                    all.push(list);
                }
            }
        }
    }
    Prefilter { all }
}

fn line_literals(filter: &LineFilter) -> Vec<Vec<Literal>> {
    let of_needle = |needle: &Needle| -> Vec<Vec<Literal>> {
        match (needle, filter.op) {
            (Needle::Text(text), LineOp::Contains) if !text.is_empty() => vec![vec![exact(text)]],
            (Needle::Text(text), LineOp::Regex) => regex_literals(text),
            (Needle::Text(text), LineOp::Pattern) => {
                let pieces = line_pattern_pieces(text).unwrap_or_default();
                let literals = pieces.into_iter().filter_map(|piece| match piece {
                    Piece::Literal(text) => Some(vec![exact(&text)]),
                    Piece::Any | Piece::Capture(_) => None,
                });
                literals.collect()
            }
            _ => Vec::new(),
        }
    };
    match filter.needles.as_slice() {
        [needle] => of_needle(needle),
        needles => literals::any_of(needles.iter().map(of_needle)).into_iter().collect(),
    }
}

fn exact(text: &str) -> Literal {
    Literal { text: text.to_owned(), any_case: false }
}

/// Puts neighbouring line filters in the order of their cost. They do not touch the line, so the result is the same.
pub fn order_line_filters(log: &mut LogExpr) {
    let is_line = |stage: &Stage| matches!(stage.kind, StageKind::Line(_));
    for run in log.stages.chunk_by_mut(|left, right| is_line(left) && is_line(right)) {
        run.sort_by_key(cost);
    }
}

fn cost(stage: &Stage) -> (u8, usize) {
    let StageKind::Line(filter) = &stage.kind else { return (0, 0) };
    let address = filter.needles.iter().any(|needle| matches!(needle, Needle::Ip(_)));
    let kind = match filter.op {
        _ if address => 4,
        // A wanted text is rarer than an unwanted one.
        LineOp::Contains => 0,
        LineOp::NotContains => 1,
        LineOp::Pattern | LineOp::NotPattern => 2,
        LineOp::Regex | LineOp::NotRegex => 3,
    };
    // Among equals the longer text: it is rarer, and found faster.
    let length = filter.needles.iter().map(|needle| match needle {
        Needle::Text(text) | Needle::Ip(text) => text.len(),
    });
    (kind, usize::MAX - length.min().unwrap_or(0))
}

/// Nanoseconds before the evaluated time that a query may look at; 0 for a log query.
pub fn max_lookback(expr: &Expr) -> i64 {
    let mut furthest = 0;
    each_range(expr, &mut |range| furthest = furthest.max(range.range_ns.saturating_add(range.offset_ns)));
    furthest
}

/// All selectors and stages of a query, as where a scope has to be added to each.
pub fn each_log_mut(expr: &mut Expr, each: &mut dyn FnMut(&mut LogExpr)) {
    match expr {
        Expr::Log(log) => each(log),
        Expr::Metric(metric) => each_metric_log_mut(metric, each),
    }
}

fn each_metric_log_mut(metric: &mut MetricExpr, each: &mut dyn FnMut(&mut LogExpr)) {
    match metric {
        MetricExpr::Range(range) => each(&mut range.log),
        MetricExpr::Vector(vector) => each_metric_log_mut(&mut vector.inner, each),
        MetricExpr::LabelReplace(replace) => each_metric_log_mut(&mut replace.inner, each),
        MetricExpr::Binary(binary) => {
            each_metric_log_mut(&mut binary.left, each);
            each_metric_log_mut(&mut binary.right, each);
        }
        MetricExpr::Literal { .. } | MetricExpr::VectorOf { .. } => {}
    }
}

fn each_range(expr: &Expr, each: &mut dyn FnMut(&crate::ast::RangeAggregation)) {
    if let Expr::Metric(metric) = expr {
        each_metric_range(metric, each);
    }
}

fn each_metric_range(metric: &MetricExpr, each: &mut dyn FnMut(&crate::ast::RangeAggregation)) {
    match metric {
        MetricExpr::Range(range) => each(range),
        MetricExpr::Vector(vector) => each_metric_range(&vector.inner, each),
        MetricExpr::LabelReplace(replace) => each_metric_range(&replace.inner, each),
        MetricExpr::Binary(binary) => {
            each_metric_range(&binary.left, each);
            each_metric_range(&binary.right, each);
        }
        MetricExpr::Literal { .. } | MetricExpr::VectorOf { .. } => {}
    }
}

/// Names of labels.
pub type Names = BTreeSet<String>;

#[cfg(test)]
mod tests;
