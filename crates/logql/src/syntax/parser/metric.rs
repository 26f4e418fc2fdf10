//! Metric queries: functions of ranges, aggregations, arithmetic.

use super::{Kind, Parser, Result, SyntaxError};
use crate::{
    ast::{
        Binary, BinaryOp, Expr, Group, Grouping, LabelReplace, Matching, MetricExpr, RangeAggregation, RangeOp, VectorAggregation, VectorOp,
    },
    syntax::print,
};

impl Parser<'_> {
    pub fn expr(&mut self) -> Result<Expr> {
        self.binary(0)
    }

    /// A metric; a log query in its place is as far as Loki's parser gets, too.
    fn metric(&mut self) -> Result<MetricExpr> {
        match self.binary(0)? {
            Expr::Metric(metric) => Ok(metric),
            Expr::Log(_) => Err(self.unexpected(&[])),
        }
    }

    // Brackets within brackets come by here and by `operand`: what takes room on the stack stands elsewhere.
    fn binary(&mut self, min_rank: u8) -> Result<Expr> {
        self.descend()?;
        let start = self.start();
        let mut left = self.operand()?;
        while let Some(op) = self.binary_op().filter(|op| rank(*op) >= min_rank) {
            left = self.join(start, left, op)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    #[inline(never)]
    fn join(&mut self, start: u32, left: Expr, op: BinaryOp) -> Result<Expr> {
        self.operator()?;
        self.advance();
        let return_bool = self.take_word("bool");
        let matching = self.matching()?;
        let right = self.binary(if op == BinaryOp::Pow { rank(op) } else { rank(op) + 1 })?;
        let span = self.span_from(start);
        let (left, right) = (Box::new(leg(left, op, "left")?), Box::new(leg(right, op, "right")?));
        Ok(Expr::Metric(MetricExpr::Binary(Binary { span, op, return_bool, matching, left, right })))
    }

    fn binary_op(&self) -> Option<BinaryOp> {
        Some(match self.kind() {
            Kind::Word => match self.word_text(0) {
                "or" => BinaryOp::Or,
                "and" => BinaryOp::And,
                "unless" => BinaryOp::Unless,
                _ => return None,
            },
            Kind::Sign(sign) => match *sign {
                "+" => BinaryOp::Add,
                "-" => BinaryOp::Sub,
                "*" => BinaryOp::Mul,
                "/" => BinaryOp::Div,
                "%" => BinaryOp::Mod,
                "^" => BinaryOp::Pow,
                "==" => BinaryOp::Equal,
                "!=" => BinaryOp::NotEqual,
                ">" => BinaryOp::Greater,
                ">=" => BinaryOp::GreaterOrEqual,
                "<" => BinaryOp::Less,
                "<=" => BinaryOp::LessOrEqual,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn matching(&mut self) -> Result<Option<Matching>> {
        let on = match self.keyword() {
            Some("on") => true,
            Some("ignoring") => false,
            _ => return Ok(None),
        };
        self.advance();
        let labels = self.names()?;
        let group = match self.keyword() {
            Some(word @ ("group_left" | "group_right")) => {
                self.advance();
                // `group_left (sum(…))` has no list of labels.
                let listed = self.is_sign(0, "(")
                    && (self.is_sign(1, ")") || self.token(1).kind == Kind::Word && (self.is_sign(2, ",") || self.is_sign(2, ")")));
                Some(Group { left: word == "group_left", include: if listed { self.names()? } else { Vec::new() } })
            }
            _ => None,
        };
        Ok(Some(Matching { on, labels, group }))
    }

    /// `(a, b)`
    fn names(&mut self) -> Result<Vec<String>> {
        self.expect_sign("(", &["("])?;
        let mut names = Vec::new();
        if self.take_sign(")") {
            return Ok(names);
        }
        names.push(self.expect_name(&["IDENTIFIER", ")"])?);
        while !self.take_sign(")") {
            self.expect_sign(",", &[",", ")"])?;
            names.push(self.expect_name(&["IDENTIFIER"])?);
        }
        Ok(names)
    }

    fn grouping(&mut self) -> Result<Option<Grouping>> {
        let without = match self.keyword() {
            Some("by") => false,
            Some("without") => true,
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(Grouping { without, labels: self.names()? }))
    }

    fn operand(&mut self) -> Result<Expr> {
        if !self.take_sign("(") {
            return self.plain_operand();
        }
        let inner = self.binary(0)?;
        self.expect_sign(")", &[])?;
        Ok(inner)
    }

    #[inline(never)]
    fn plain_operand(&mut self) -> Result<Expr> {
        let start = self.start();
        match self.kind() {
            Kind::Sign("{") => return self.log().map(Expr::Log),
            Kind::Number(_) | Kind::Sign("+" | "-") => {
                let value = self.signed_number(&["NUMBER"])?;
                return Ok(Expr::Metric(MetricExpr::Literal { span: self.span_from(start), value }));
            }
            _ => {}
        }
        let Some(word) = self.keyword() else { return Err(self.unexpected(&[])) };
        let metric = if let Some(op) = range_op(word) {
            self.advance();
            self.range_aggregation(start, op)?
        } else if let Some(op) = vector_op(word) {
            self.advance();
            self.descend()?;
            let vector = self.vector_aggregation(start, op)?;
            self.depth -= 1;
            vector
        } else if word == "label_replace" {
            self.advance();
            self.descend()?;
            let replace = self.label_replace(start)?;
            self.depth -= 1;
            replace
        } else if word == "vector" {
            self.advance();
            self.expect_sign("(", &["("])?;
            let value = self.signed_number(&["NUMBER"])?;
            self.expect_sign(")", &[")"])?;
            MetricExpr::VectorOf { span: self.span_from(start), value }
        } else {
            return Err(self.unexpected(&[]));
        };
        Ok(Expr::Metric(metric))
    }

    fn signed_number(&mut self, expected: &[&str]) -> Result<f64> {
        let negative = self.take_sign("-");
        if !negative {
            self.take_sign("+");
        }
        let Kind::Number(value) = *self.kind() else { return Err(self.unexpected(expected)) };
        self.advance();
        Ok(if negative { -value } else { value })
    }

    fn range_aggregation(&mut self, start: u32, op: RangeOp) -> Result<MetricExpr> {
        self.expect_sign("(", &["("])?;
        let param = match *self.kind() {
            Kind::Number(value) => {
                self.advance();
                self.expect_sign(",", &[","])?;
                Some(value)
            }
            _ => None,
        };
        let expected: &[&str] = if param.is_some() { &["{", "("] } else { &["NUMBER", "{", "("] };
        let inner = self.range_log(expected)?;
        let Some((range_ns, offset_ns)) = inner.range else { return Err(self.unexpected(&[])) };
        self.expect_sign(")", &[")"])?;
        let grouping = self.grouping()?;
        let span = self.span_from(start);
        Ok(MetricExpr::Range(RangeAggregation { span, op, param, log: inner.log, unwrap: inner.unwrap, range_ns, offset_ns, grouping }))
    }

    fn vector_aggregation(&mut self, start: u32, op: VectorOp) -> Result<MetricExpr> {
        let mut grouping = self.grouping()?;
        self.expect_sign("(", &["("])?;
        let number = match *self.kind() {
            Kind::Number(value) if self.is_sign(1, ",") => {
                let text = self.word_text(0);
                self.advance();
                self.advance();
                Some((value, text))
            }
            _ => None,
        };
        let inner = Box::new(self.metric()?);
        self.expect_sign(")", &[])?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let span = self.span_from(start);
        let name = print::vector_name(op);
        let wrong = |message: String| Err(SyntaxError::meaning(span, message));
        let param = match (op, number) {
            (VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk, None) => {
                return wrong(format!("parameter required for operation {name}"));
            }
            (VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk, Some((value, text))) => match text.parse::<u64>() {
                Ok(0) => return wrong(format!("invalid parameter (must be greater than 0) {name}({text},")),
                Ok(count) => Some(count),
                Err(_) if value.fract() == 0.0 && (1.0..1e15).contains(&value) => Some(value as u64),
                Err(_) => return wrong(format!("invalid parameter {name}({text},")),
            },
            (_, Some((_, text))) => return wrong(format!("unsupported parameter for operation {name}({text},")),
            (_, None) => None,
        };
        Ok(MetricExpr::Vector(VectorAggregation { span, op, param, grouping, inner }))
    }

    fn label_replace(&mut self, start: u32) -> Result<MetricExpr> {
        self.expect_sign("(", &["("])?;
        let inner = Box::new(self.metric()?);
        self.regex()?;
        let mut texts = [const { String::new() }; 4];
        for text in &mut texts {
            self.expect_sign(",", &[","])?;
            *text = self.expect_text(&["STRING"])?;
        }
        self.expect_sign(")", &[")"])?;
        let [dst, replacement, src, regex] = texts;
        Ok(MetricExpr::LabelReplace(LabelReplace { span: self.span_from(start), inner, dst, replacement, src, regex }))
    }
}

fn range_op(word: &str) -> Option<RangeOp> {
    print::RANGE_NAMES.iter().find(|(name, _)| *name == word).map(|(_, op)| *op)
}

fn vector_op(word: &str) -> Option<VectorOp> {
    print::VECTOR_NAMES.iter().find(|(name, _)| *name == word).map(|(_, op)| *op)
}

/// Higher binds closer.
fn rank(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 2,
        BinaryOp::Equal | BinaryOp::NotEqual | BinaryOp::Greater | BinaryOp::GreaterOrEqual | BinaryOp::Less | BinaryOp::LessOrEqual => 3,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => 5,
        BinaryOp::Pow => 6,
    }
}

/// The names of types in these messages are Loki's.
fn leg(expr: Expr, op: BinaryOp, side: &str) -> Result<MetricExpr> {
    let name = print::binary_name(op);
    match expr {
        Expr::Log(log) => {
            let kind = if log.stages.is_empty() { "MatchersExpr" } else { "PipelineExpr" };
            let message = format!("unexpected type for {side} leg of binary operation ({name}): *syntax.{kind}");
            Err(SyntaxError::meaning(log.span, message))
        }
        Expr::Metric(MetricExpr::Literal { span, value }) if matches!(op, BinaryOp::Or | BinaryOp::And | BinaryOp::Unless) => {
            let message = format!("unexpected literal for {side} leg of logical/set binary operation ({name}): {value:.6}");
            Err(SyntaxError::meaning(span, message))
        }
        Expr::Metric(metric) => Ok(metric),
    }
}
