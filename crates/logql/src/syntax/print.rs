//! Tree to text, on one line, in Loki's form. What is printed is read back as the same tree.

use std::fmt::{self, Display, Formatter, Result};

use super::{
    quote,
    units::{print_bytes, print_go_duration, print_prometheus_duration},
};
use crate::ast::*;

pub const RANGE_NAMES: [(&str, RangeOp); 15] = [
    ("count_over_time", RangeOp::Count),
    ("rate", RangeOp::Rate),
    ("rate_counter", RangeOp::RateCounter),
    ("bytes_over_time", RangeOp::Bytes),
    ("bytes_rate", RangeOp::BytesRate),
    ("avg_over_time", RangeOp::Avg),
    ("sum_over_time", RangeOp::Sum),
    ("min_over_time", RangeOp::Min),
    ("max_over_time", RangeOp::Max),
    ("stdvar_over_time", RangeOp::Stdvar),
    ("stddev_over_time", RangeOp::Stddev),
    ("quantile_over_time", RangeOp::Quantile),
    ("first_over_time", RangeOp::First),
    ("last_over_time", RangeOp::Last),
    ("absent_over_time", RangeOp::Absent),
];

pub const VECTOR_NAMES: [(&str, VectorOp); 12] = [
    ("sum", VectorOp::Sum),
    ("avg", VectorOp::Avg),
    ("min", VectorOp::Min),
    ("max", VectorOp::Max),
    ("count", VectorOp::Count),
    ("stddev", VectorOp::Stddev),
    ("stdvar", VectorOp::Stdvar),
    ("topk", VectorOp::Topk),
    ("bottomk", VectorOp::Bottomk),
    ("approx_topk", VectorOp::ApproxTopk),
    ("sort", VectorOp::Sort),
    ("sort_desc", VectorOp::SortDesc),
];

pub fn range_name(op: RangeOp) -> &'static str {
    RANGE_NAMES.iter().find(|(_, other)| *other == op).map_or("", |(name, _)| name)
}

pub fn vector_name(op: VectorOp) -> &'static str {
    VECTOR_NAMES.iter().find(|(_, other)| *other == op).map_or("", |(name, _)| name)
}

pub fn binary_name(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "or",
        BinaryOp::And => "and",
        BinaryOp::Unless => "unless",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
        BinaryOp::Pow => "^",
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterOrEqual => ">=",
        BinaryOp::Less => "<",
        BinaryOp::LessOrEqual => "<=",
    }
}

pub fn span_of(expr: &Expr) -> Span {
    match expr {
        Expr::Log(log) => log.span,
        Expr::Metric(metric) => metric_span(metric),
    }
}

pub fn metric_span(metric: &MetricExpr) -> Span {
    match metric {
        MetricExpr::Range(range) => range.span,
        MetricExpr::Vector(vector) => vector.span,
        MetricExpr::Binary(binary) => binary.span,
        MetricExpr::LabelReplace(replace) => replace.span,
        MetricExpr::Literal { span, .. } | MetricExpr::VectorOf { span, .. } => *span,
    }
}

/// Items with a comma between them.
fn list<T>(f: &mut Formatter<'_>, items: &[T], each: impl Fn(&mut Formatter<'_>, &T) -> Result) -> Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(",")?;
        }
        each(f, item)?;
    }
    Ok(())
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Log(log) => log.fmt(f),
            Self::Metric(metric) => metric.fmt(f),
        }
    }
}

impl Display for LogExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.selector.fmt(f)?;
        self.stages.iter().try_for_each(|stage| write!(f, " {stage}"))
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("{")?;
        for (at, matcher) in self.matchers.iter().enumerate() {
            write!(f, "{}{matcher}", if at > 0 { ", " } else { "" })?;
        }
        f.write_str("}")
    }
}

impl Display for Matcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}{}", self.name, self.op, quote(&self.value))
    }
}

impl Display for MatchOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        })
    }
}

impl Display for LineOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Contains => "|=",
            Self::NotContains => "!=",
            Self::Regex => "|~",
            Self::NotRegex => "!~",
            Self::Pattern => "|>",
            Self::NotPattern => "!>",
        })
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        })
    }
}

impl Display for BinaryOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(binary_name(*self))
    }
}

impl Display for RangeOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(range_name(*self))
    }
}

impl Display for VectorOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(vector_name(*self))
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.kind.fmt(f)
    }
}

impl Display for StageKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Line(filter) => filter.fmt(f),
            Self::Json(extractions) => {
                f.write_str("| json")?;
                extraction_list(f, extractions)
            }
            Self::Logfmt { strict, keep_empty, extractions } => {
                f.write_str("| logfmt")?;
                f.write_str(if *strict { " --strict" } else { "" })?;
                f.write_str(if *keep_empty { " --keep-empty" } else { "" })?;
                extraction_list(f, extractions)
            }
            Self::Pattern(pattern) => write!(f, "| pattern {}", quote(pattern)),
            Self::Regexp(regex) => write!(f, "| regexp {}", quote(regex)),
            Self::Unpack => f.write_str("| unpack"),
            Self::Decolorize => f.write_str("| decolorize"),
            Self::Label(filter) => {
                // `| json != "x"` would be a parser and a line filter.
                let name = match filter {
                    LabelFilter::Match(Matcher { name, op: MatchOp::NotEqual | MatchOp::NotRegex, .. })
                    | LabelFilter::Ip { name, equal: false, .. } => name,
                    _ => "",
                };
                if matches!(name, "json" | "logfmt" | "unpack" | "decolorize") {
                    write!(f, "| ( {filter} )")
                } else {
                    write!(f, "| {filter}")
                }
            }
            Self::LineFormat(template) => write!(f, "| line_format {}", quote(template)),
            Self::LabelFormat(formats) => {
                f.write_str("| label_format ")?;
                list(f, formats, |f, format| match &format.value {
                    FormatValue::Rename(source) => write!(f, "{}={source}", format.target),
                    FormatValue::Template(template) => write!(f, "{}={}", format.target, quote(template)),
                })
            }
            Self::Drop(picks) => {
                f.write_str("| drop ")?;
                list(f, picks, |f, pick| pick.fmt(f))
            }
            Self::Keep(picks) => {
                f.write_str("| keep ")?;
                list(f, picks, |f, pick| pick.fmt(f))
            }
            Self::Distinct(labels) => write!(f, "| distinct {}", labels.join(",")),
        }
    }
}

fn extraction_list(f: &mut Formatter<'_>, extractions: &[Extraction]) -> Result {
    f.write_str(if extractions.is_empty() { "" } else { " " })?;
    list(f, extractions, |f, extraction| write!(f, "{}={}", extraction.label, quote(&extraction.expression)))
}

impl Display for LabelPick {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Name { name, .. } => f.write_str(name),
            Self::Match(matcher) => matcher.fmt(f),
        }
    }
}

impl Display for LineFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.op)?;
        for (at, needle) in self.needles.iter().enumerate() {
            f.write_str(if at > 0 { " or " } else { " " })?;
            match needle {
                Needle::Text(text) => f.write_str(&quote(text))?,
                Needle::Ip(pattern) => write!(f, "ip({})", quote(pattern))?,
            }
        }
        Ok(())
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        // Numbers are compared with `=` as readily as with `==`; Loki writes `==` only for numbers read so, we for all.
        match self {
            Self::And(left, right) => write!(f, "( {left} , {right} )"),
            Self::Or(left, right) => write!(f, "( {left} or {right} )"),
            Self::Match(matcher) => matcher.fmt(f),
            Self::Number { name, op, value, .. } => write!(f, "{name}{op}{value}"),
            Self::Duration { name, op, nanos, .. } => write!(f, "{name}{op}{}", print_go_duration(*nanos)),
            Self::Bytes { name, op, bytes, .. } => write!(f, "{name}{op}{}", print_bytes(*bytes)),
            Self::Ip { name, equal, pattern, .. } => {
                write!(f, "{name}{}ip({})", if *equal { "=" } else { "!=" }, quote(pattern))
            }
        }
    }
}

impl Display for Unwrap {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.convert {
            None => write!(f, "| unwrap {}", self.label)?,
            Some(convert) => write!(f, "| unwrap {convert}({})", self.label)?,
        }
        self.filters.iter().try_for_each(|filter| write!(f, " | {filter}"))
    }
}

impl Display for Convert {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Duration => "duration",
            Self::DurationSeconds => "duration_seconds",
            Self::Bytes => "bytes",
        })
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} ({})", if self.without { "without" } else { "by" }, self.labels.join(","))
    }
}

impl Display for MetricExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Range(range) => range.fmt(f),
            Self::Vector(vector) => vector.fmt(f),
            Self::Binary(binary) => binary.fmt(f),
            Self::LabelReplace(replace) => replace.fmt(f),
            Self::Literal { value, .. } => value.fmt(f),
            Self::VectorOf { value, .. } => write!(f, "vector({value})"),
        }
    }
}

impl RangeAggregation {
    /// `[5m] offset 1h0m0s`
    pub(super) fn window(&self) -> String {
        let range = print_prometheus_duration(self.range_ns);
        match self.offset_ns {
            0 => format!("[{range}]"),
            offset => format!("[{range}] offset {}", print_go_duration(offset)),
        }
    }
}

impl Display for RangeAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}(", self.op)?;
        if let Some(param) = self.param {
            write!(f, "{param},")?;
        }
        self.log.fmt(f)?;
        if let Some(unwrap) = &self.unwrap {
            write!(f, " {unwrap}")?;
        }
        write!(f, "{})", self.window())?;
        self.grouping.iter().try_for_each(|grouping| write!(f, " {grouping}"))
    }
}

impl Display for VectorAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.op.fmt(f)?;
        self.grouping.iter().try_for_each(|grouping| write!(f, " {grouping}"))?;
        f.write_str("(")?;
        if let Some(param) = self.param {
            write!(f, "{param},")?;
        }
        write!(f, "{})", self.inner)
    }
}

impl Binary {
    /// `/ on (app) group_left ()`
    pub(super) fn operator(&self) -> String {
        let mut text = binary_name(self.op).to_owned();
        if self.return_bool {
            text.push_str(" bool");
        }
        if let Some(matching) = &self.matching {
            text.push_str(&format!(" {} ({})", if matching.on { "on" } else { "ignoring" }, matching.labels.join(",")));
            if let Some(group) = &matching.group {
                text.push_str(&format!(" {} ({})", if group.left { "group_left" } else { "group_right" }, group.include.join(",")));
            }
        }
        text
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "({} {} {})", self.left, self.operator(), self.right)
    }
}

impl Display for LabelReplace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "label_replace({}", self.inner)?;
        [&self.dst, &self.replacement, &self.src, &self.regex].into_iter().try_for_each(|text| write!(f, ",{}", quote(text)))?;
        f.write_str(")")
    }
}
