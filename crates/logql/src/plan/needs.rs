//! Which labels, and whether the text, a query can use.

use super::Names;
use crate::{
    ast::{Expr, FormatValue, LabelFilter, LabelPick, LogExpr, MetricExpr, RangeAggregation, RangeOp, StageKind, VectorOp},
    template::Template,
};

/// The labels that can make a difference to the result, so that parsers may leave out all others; `None` means all.
pub fn needs(expr: &Expr) -> Option<Names> {
    let mut names = Names::new();
    match expr {
        Expr::Metric(metric) if metric_needs(metric, &mut names) => Some(names),
        _ => None,
    }
}

/// Adds the labels; false if all are needed.
fn metric_needs(metric: &MetricExpr, names: &mut Names) -> bool {
    match metric {
        MetricExpr::Literal { .. } | MetricExpr::VectorOf { .. } => true,
        MetricExpr::Range(range) => own_grouping(range, names) && log_needs(range, names),
        MetricExpr::LabelReplace(replace) => {
            names.insert(replace.src.clone());
            metric_needs(&replace.inner, names)
        }
        MetricExpr::Binary(binary) => metric_needs(&binary.left, names) && metric_needs(&binary.right, names),
        MetricExpr::Vector(vector) => {
            let by = vector.grouping.as_ref().filter(|grouping| !grouping.without);
            names.extend(by.iter().flat_map(|grouping| grouping.labels.iter().cloned()));
            if let MetricExpr::Range(range) = &*vector.inner
                && merges(vector.op, range)
                && vector.grouping.as_ref().is_none_or(|grouping| !grouping.without)
            {
                return log_needs(range, names);
            }
            metric_needs(&vector.inner, names)
        }
    }
}

/// Whether series that differ only in other labels may as well be one: the sum of counts is the count of all.
fn merges(op: VectorOp, range: &RangeAggregation) -> bool {
    match op {
        VectorOp::Sum => matches!(range.op, RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum),
        VectorOp::Min => range.op == RangeOp::Min,
        VectorOp::Max => range.op == RangeOp::Max,
        _ => false,
    }
}

fn own_grouping(range: &RangeAggregation, names: &mut Names) -> bool {
    match &range.grouping {
        Some(grouping) if !grouping.without => {
            names.extend(grouping.labels.iter().cloned());
            true
        }
        _ => false,
    }
}

fn log_needs(range: &RangeAggregation, names: &mut Names) -> bool {
    if let Some(unwrap) = &range.unwrap {
        names.insert(unwrap.label.clone());
        unwrap.filters.iter().for_each(|filter| filter_needs(filter, names));
    }
    range.log.stages.iter().all(|stage| match &stage.kind {
        StageKind::Label(filter) => {
            filter_needs(filter, names);
            true
        }
        StageKind::LineFormat(text) => template_needs(text, names),
        StageKind::LabelFormat(formats) => formats.iter().all(|format| match &format.value {
            FormatValue::Rename(source) => {
                names.insert(source.clone());
                true
            }
            FormatValue::Template(text) => template_needs(text, names),
        }),
        StageKind::Drop(picks) | StageKind::Keep(picks) => {
            names.extend(picks.iter().filter_map(|pick| match pick {
                LabelPick::Match(matcher) => Some(matcher.name.clone()),
                LabelPick::Name { .. } => None,
            }));
            true
        }
        StageKind::Distinct(labels) => {
            names.extend(labels.iter().cloned());
            true
        }
        StageKind::Line(_)
        | StageKind::Json(_)
        | StageKind::Logfmt { .. }
        | StageKind::Pattern(_)
        | StageKind::Regexp(_)
        | StageKind::Unpack
        | StageKind::Decolorize => true,
    })
}

fn template_needs(text: &str, names: &mut Names) -> bool {
    let template = Template::parse(text, "");
    let labels = template.as_ref().ok().and_then(Template::labels);
    names.extend(labels.iter().flat_map(|labels| labels.iter().cloned()));
    labels.is_some()
}

fn filter_needs(filter: &LabelFilter, names: &mut Names) {
    match filter {
        LabelFilter::And(left, right) | LabelFilter::Or(left, right) => {
            filter_needs(left, names);
            filter_needs(right, names);
        }
        LabelFilter::Match(matcher) => {
            names.insert(matcher.name.clone());
        }
        LabelFilter::Number { name, .. }
        | LabelFilter::Duration { name, .. }
        | LabelFilter::Bytes { name, .. }
        | LabelFilter::Ip { name, .. } => {
            names.insert(name.clone());
        }
    }
}

/// Whether a stage looks at the text of the line. (Who shows lines, or counts bytes of changed ones, needs it anyway.)
pub fn needs_text(log: &LogExpr) -> bool {
    let uses_line = |text: &str| Template::parse(text, "").map_or(true, |template| template.uses_line());
    log.stages.iter().any(|stage| match &stage.kind {
        StageKind::Line(_)
        | StageKind::Json(_)
        | StageKind::Logfmt { .. }
        | StageKind::Pattern(_)
        | StageKind::Regexp(_)
        | StageKind::Unpack
        | StageKind::Decolorize => true,
        StageKind::LineFormat(text) => uses_line(text),
        StageKind::LabelFormat(formats) => formats.iter().any(|format| match &format.value {
            FormatValue::Template(text) => uses_line(text),
            FormatValue::Rename(_) => false,
        }),
        StageKind::Label(_) | StageKind::Drop(_) | StageKind::Keep(_) | StageKind::Distinct(_) => false,
    })
}
