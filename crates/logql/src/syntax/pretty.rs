//! Tree to text over several lines, for what does not fit on one.

use std::fmt::Write as _;

use crate::ast::{Expr, LogExpr, MetricExpr};

/// What is longer is broken up.
const WIDTH: usize = 100;

/// The query as `format_query` gives it: on one line where it fits, else a part a line, two spaces deeper per level.
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    match expr {
        Expr::Log(log) => log_lines(&mut out, log, 0),
        Expr::Metric(metric) => metric_lines(&mut out, metric, 0),
    }
    out
}

fn indent(out: &mut String, level: usize) {
    (0..level).for_each(|_| out.push_str("  "));
}

/// Writes on one line if that is short enough.
fn fits(out: &mut String, text: &str, level: usize) -> bool {
    let fits = text.chars().count() <= WIDTH;
    if fits {
        indent(out, level);
        out.push_str(text);
    }
    fits
}

fn log_lines(out: &mut String, log: &LogExpr, level: usize) {
    if fits(out, &log.to_string(), level) {
        return;
    }
    indent(out, level);
    let _ = write!(out, "{}", log.selector);
    for stage in &log.stages {
        out.push('\n');
        indent(out, level + 1);
        let _ = write!(out, "{stage}");
    }
}

fn metric_lines(out: &mut String, metric: &MetricExpr, level: usize) {
    if fits(out, &metric.to_string(), level) {
        return;
    }
    match metric {
        MetricExpr::Range(range) => {
            indent(out, level);
            let _ = writeln!(out, "{}(", range.op);
            if let Some(param) = range.param {
                indent(out, level + 1);
                let _ = writeln!(out, "{param},");
            }
            log_lines(out, &range.log, level + 1);
            if let Some(unwrap) = &range.unwrap {
                out.push('\n');
                indent(out, level + 2);
                let _ = write!(out, "{unwrap}");
            }
            let _ = writeln!(out, " {}", range.window());
            indent(out, level);
            out.push(')');
            if let Some(grouping) = &range.grouping {
                let _ = write!(out, " {grouping}");
            }
        }
        MetricExpr::Vector(vector) => {
            indent(out, level);
            let _ = write!(out, "{}", vector.op);
            if let Some(grouping) = &vector.grouping {
                let _ = write!(out, " {grouping}");
            }
            out.push_str("(\n");
            if let Some(param) = vector.param {
                indent(out, level + 1);
                let _ = writeln!(out, "{param},");
            }
            metric_lines(out, &vector.inner, level + 1);
            out.push('\n');
            indent(out, level);
            out.push(')');
        }
        MetricExpr::Binary(binary) => {
            indent(out, level);
            out.push_str("(\n");
            metric_lines(out, &binary.left, level + 1);
            out.push('\n');
            indent(out, level);
            let _ = writeln!(out, "{}", binary.operator());
            metric_lines(out, &binary.right, level + 1);
            out.push('\n');
            indent(out, level);
            out.push(')');
        }
        MetricExpr::LabelReplace(replace) => {
            indent(out, level);
            out.push_str("label_replace(\n");
            metric_lines(out, &replace.inner, level + 1);
            for text in [&replace.dst, &replace.replacement, &replace.src, &replace.regex] {
                out.push_str(",\n");
                indent(out, level + 1);
                out.push_str(&super::quote(text));
            }
            out.push('\n');
            indent(out, level);
            out.push(')');
        }
        MetricExpr::Literal { .. } | MetricExpr::VectorOf { .. } => {
            indent(out, level);
            let _ = write!(out, "{metric}");
        }
    }
}
