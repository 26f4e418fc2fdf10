//! Arithmetic of constants, done once.

use crate::ast::{BinaryOp, Expr, MetricExpr};

/// The query with numbers in place of arithmetic between numbers. What divides by zero is left to the evaluation.
pub fn fold(expr: Expr) -> Expr {
    match expr {
        Expr::Log(log) => Expr::Log(log),
        Expr::Metric(metric) => Expr::Metric(fold_metric(metric)),
    }
}

fn fold_metric(metric: MetricExpr) -> MetricExpr {
    match metric {
        MetricExpr::Binary(mut binary) => {
            *binary.left = fold_metric(take(&mut binary.left));
            *binary.right = fold_metric(take(&mut binary.right));
            match (&*binary.left, &*binary.right) {
                (MetricExpr::Literal { value: left, .. }, MetricExpr::Literal { value: right, .. }) => {
                    match calculate(binary.op, *left, *right) {
                        Some(value) => MetricExpr::Literal { span: binary.span, value },
                        None => MetricExpr::Binary(binary),
                    }
                }
                _ => MetricExpr::Binary(binary),
            }
        }
        MetricExpr::Vector(mut vector) => {
            *vector.inner = fold_metric(take(&mut vector.inner));
            MetricExpr::Vector(vector)
        }
        MetricExpr::LabelReplace(mut replace) => {
            *replace.inner = fold_metric(take(&mut replace.inner));
            MetricExpr::LabelReplace(replace)
        }
        other => other,
    }
}

fn take(metric: &mut MetricExpr) -> MetricExpr {
    std::mem::replace(metric, MetricExpr::Literal { span: crate::ast::Span::default(), value: 0.0 })
}

fn calculate(op: BinaryOp, left: f64, right: f64) -> Option<f64> {
    match op {
        BinaryOp::Add => Some(left + right),
        BinaryOp::Sub => Some(left - right),
        BinaryOp::Mul => Some(left * right),
        BinaryOp::Div if right != 0.0 => Some(left / right),
        BinaryOp::Mod if right != 0.0 => Some(left % right),
        BinaryOp::Pow => Some(left.powf(right)),
        _ => None,
    }
    .filter(|value| value.is_finite())
}
