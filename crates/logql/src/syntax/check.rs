//! What the grammar lets through and cannot be run: patterns that do not compile, templates that do not parse,
//! aggregations that lack a label, selectors that select everything. Kept apart because it needs the engines.

use std::net::IpAddr;

use regex::{Regex, RegexBuilder};

use super::{SyntaxError, go_regex::translate, jsonpath::json_path, pattern, print};
use crate::{
    ast::{
        Expr, FormatValue, Grouping, LabelFilter, LabelPick, LineOp, LogExpr, MatchOp, Matcher, MetricExpr, Needle, RangeAggregation,
        RangeOp, Selector, Span, Stage, StageKind, VectorOp,
    },
    template::Template,
};

type Result<T = ()> = std::result::Result<T, SyntaxError>;

const NO_MATCHER: &str = "queries require at least one regexp or equality matcher that does not have an empty-compatible value. For \
                          instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";
/// Patterns in all templates of a query; the parser counts the others.
const MAX_TEMPLATE_REGEXES: usize = 128;
/// Bytes a compiled pattern may take.
const REGEX_BYTES: usize = 1 << 21;

/// Whether the query can be run.
///
/// # Errors
/// The first thing that prevents it, in Loki's words.
pub fn check(expr: &Expr) -> Result {
    let mut regexes = 0;
    match expr {
        Expr::Log(log) => {
            stages(log, &mut regexes)?;
            selector(&log.selector)
        }
        Expr::Metric(metric) => {
            each_metric(metric, &mut |metric| meaning(metric, &mut regexes))?;
            each_metric(metric, &mut |metric| match metric {
                MetricExpr::Range(range) => selector(&range.log.selector),
                _ => Ok(()),
            })
        }
    }
}

/// Inner ones first, as a parser from the bottom up meets them.
fn each_metric(metric: &MetricExpr, each: &mut dyn FnMut(&MetricExpr) -> Result) -> Result {
    match metric {
        MetricExpr::Vector(vector) => each_metric(&vector.inner, each)?,
        MetricExpr::LabelReplace(replace) => each_metric(&replace.inner, each)?,
        MetricExpr::Binary(binary) => {
            each_metric(&binary.left, each)?;
            each_metric(&binary.right, each)?;
        }
        MetricExpr::Range(_) | MetricExpr::Literal { .. } | MetricExpr::VectorOf { .. } => {}
    }
    each(metric)
}

fn meaning(metric: &MetricExpr, regexes: &mut usize) -> Result {
    match metric {
        MetricExpr::Range(range) => {
            stages(&range.log, regexes)?;
            range.unwrap.iter().flat_map(|unwrap| &unwrap.filters).try_for_each(label_filter)?;
            range_meaning(range)
        }
        MetricExpr::Vector(vector) if matches!(vector.op, VectorOp::Sort | VectorOp::SortDesc | VectorOp::ApproxTopk) => {
            no_grouping(vector.span, vector.grouping.as_ref(), print::vector_name(vector.op))
        }
        MetricExpr::LabelReplace(replace) => match compile(&replace.regex) {
            Ok(_) => Ok(()),
            Err(error) => Err(SyntaxError::meaning(replace.span, format!("invalid regex in label_replace: {error}"))),
        },
        _ => Ok(()),
    }
}

fn no_grouping(span: Span, grouping: Option<&Grouping>, name: &str) -> Result {
    match grouping {
        None => Ok(()),
        Some(_) => Err(SyntaxError::meaning(span, format!("grouping not allowed for {name} aggregation"))),
    }
}

fn range_meaning(range: &RangeAggregation) -> Result {
    let name = print::range_name(range.op);
    // It goes by the order of an answer's lines, and here there is none.
    if let Some(distinct) = range.log.stages.iter().find(|stage| matches!(stage.kind, StageKind::Distinct(_))) {
        return Err(SyntaxError::meaning(
            distinct.span,
            format!("distinct not allowed for {name} aggregation: it is for log queries only"),
        ));
    }
    let wrong = |message: String| Err(SyntaxError::meaning(range.span, message));
    match (range.op, range.param) {
        (RangeOp::Quantile, None) => return wrong(format!("parameter required for operation {name}")),
        (RangeOp::Quantile, Some(_)) | (_, None) => {}
        (_, Some(param)) => return wrong(format!("parameter {param} not supported for operation {name}")),
    }
    let unwraps = matches!(
        range.op,
        RangeOp::Avg
            | RangeOp::Sum
            | RangeOp::Min
            | RangeOp::Max
            | RangeOp::Stdvar
            | RangeOp::Stddev
            | RangeOp::Quantile
            | RangeOp::First
            | RangeOp::Last
            | RangeOp::RateCounter
    );
    if !unwraps || matches!(range.op, RangeOp::Sum | RangeOp::RateCounter) {
        no_grouping(range.span, range.grouping.as_ref(), name)?;
    }
    match (&range.unwrap, unwraps, range.op) {
        (None, true, _) => wrong(format!("invalid aggregation {name} without unwrap")),
        (Some(_), false, RangeOp::Count | RangeOp::Bytes | RangeOp::BytesRate) => wrong(format!("invalid aggregation {name} with unwrap")),
        _ => Ok(()),
    }
}

fn selector(selector: &Selector) -> Result {
    let selects = |matcher: &Matcher| match matcher.op {
        MatchOp::Equal => !matcher.value.is_empty(),
        MatchOp::NotEqual => matcher.value.is_empty(),
        MatchOp::Regex | MatchOp::NotRegex => {
            let empty = whole(&matcher.value).is_ok_and(|regex| regex.is_match(""));
            empty != (matcher.op == MatchOp::Regex)
        }
    };
    if selector.matchers.iter().any(selects) { Ok(()) } else { Err(SyntaxError::meaning(selector.span, NO_MATCHER)) }
}

/// A matcher whose pattern compiles.
pub fn matcher(matcher: &Matcher) -> Result {
    match matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => Ok(()),
        MatchOp::Regex | MatchOp::NotRegex => whole(&matcher.value).map(drop).map_err(|error| SyntaxError::meaning(matcher.span, error)),
    }
}

fn compile(pattern: &str) -> std::result::Result<Regex, String> {
    build(pattern, translate(pattern).map_err(|error| error.to_string())?)
}

fn whole(pattern: &str) -> std::result::Result<Regex, String> {
    let translated = translate(pattern).map_err(|error| error.to_string())?;
    build(pattern, format!("^(?s:{translated})$"))
}

fn build(pattern: &str, translated: String) -> std::result::Result<Regex, String> {
    let built = RegexBuilder::new(&translated).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("error parsing regexp: expression too large: `{pattern}`"),
        _ => format!("error parsing regexp: invalid or unsupported syntax: `{pattern}`"),
    })
}

fn stages(log: &LogExpr, regexes: &mut usize) -> Result {
    log.selector.matchers.iter().try_for_each(matcher)?;
    log.stages.iter().try_for_each(|item| stage(item, regexes))
}

fn stage(stage: &Stage, regexes: &mut usize) -> Result {
    let span = stage.span;
    let mut count = |template: &Template| {
        *regexes += template.regexes();
        if *regexes > MAX_TEMPLATE_REGEXES {
            let message = format!("query has more than {MAX_TEMPLATE_REGEXES} regular expressions in templates");
            return Err(SyntaxError::meaning(span, message));
        }
        Ok(())
    };
    let in_stage = |error: String| Err(SyntaxError::meaning(span, format!("stage '{stage}' : {error}")));
    let plain = |error: String| Err(SyntaxError::meaning(span, error));
    match &stage.kind {
        StageKind::Line(filter) => filter
            .needles
            .iter()
            .try_for_each(|needle| match (needle, filter.op) {
                (Needle::Ip(_), op) if !matches!(op, LineOp::Contains | LineOp::NotContains) => {
                    Err(format!("ip filter cannot be used with {op}"))
                }
                (Needle::Ip(pattern), _) => ip(pattern),
                (Needle::Text(text), LineOp::Regex | LineOp::NotRegex) => compile(text).map(drop),
                (Needle::Text(text), LineOp::Pattern | LineOp::NotPattern) => pattern::line_pattern_pieces(text).map(drop),
                (Needle::Text(_), LineOp::Contains | LineOp::NotContains) => Ok(()),
            })
            .or_else(in_stage),
        StageKind::Json(extractions) => extractions.iter().try_for_each(|extraction| {
            let wrong = |error| in_stage(format!("cannot parse expression [{}]: {error}", extraction.expression));
            json_path(&extraction.expression).map(drop).or_else(wrong)
        }),
        StageKind::Logfmt { extractions, .. } => extractions.iter().try_for_each(|extraction| match extraction.expression.trim() {
            "" => in_stage(format!("cannot parse expression [{}]: syntax error: unexpected $end, expecting KEY", extraction.expression)),
            _ => Ok(()),
        }),
        StageKind::Pattern(text) => {
            pattern::pattern_pieces(text).map(drop).or_else(|error| plain(format!("invalid pattern parser: {error}")))
        }
        StageKind::Regexp(text) => regexp(text).or_else(|error| plain(format!("invalid regexp parser: {error}"))),
        StageKind::Label(filter) => label_filter(filter),
        StageKind::LineFormat(text) => match Template::parse(text, "line") {
            Ok(template) => count(&template),
            Err(error) => in_stage(format!("invalid line template: {error}")),
        },
        StageKind::LabelFormat(formats) => {
            let mut seen: Vec<&str> = Vec::new();
            formats.iter().try_for_each(|format| {
                if format.target == "__error__" {
                    return in_stage(format!("{} cannot be formatted", format.target));
                }
                if seen.contains(&format.target.as_str()) {
                    return in_stage(format!("multiple label name '{}' not allowed in a single format operation", format.target));
                }
                seen.push(&format.target);
                match &format.value {
                    FormatValue::Rename(_) => Ok(()),
                    FormatValue::Template(text) => match Template::parse(text, "label") {
                        Ok(template) => count(&template),
                        Err(error) => in_stage(format!("invalid template for label '{}': {error}", format.target)),
                    },
                }
            })
        }
        StageKind::Drop(picks) | StageKind::Keep(picks) => picks.iter().try_for_each(|pick| match pick {
            LabelPick::Name { .. } => Ok(()),
            LabelPick::Match(pick) => matcher(pick),
        }),
        StageKind::Unpack | StageKind::Decolorize | StageKind::Distinct(_) => Ok(()),
    }
}

fn label_filter(filter: &LabelFilter) -> Result {
    match filter {
        LabelFilter::And(left, right) | LabelFilter::Or(left, right) => {
            label_filter(left)?;
            label_filter(right)
        }
        LabelFilter::Match(inner) => matcher(inner),
        LabelFilter::Number { .. } | LabelFilter::Duration { .. } | LabelFilter::Bytes { .. } => Ok(()),
        LabelFilter::Ip { span, pattern, .. } => ip(pattern).map_err(|error| SyntaxError::meaning(*span, error)),
    }
}

fn regexp(text: &str) -> std::result::Result<(), String> {
    let regex = compile(text)?;
    let mut names: Vec<&str> = Vec::new();
    for name in regex.capture_names().flatten() {
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("invalid extracted label name '{name}'"));
        }
        if names.contains(&name) {
            return Err(format!("duplicate extracted label name '{name}'"));
        }
        names.push(name);
    }
    if names.is_empty() { Err("at least one named capture must be supplied".into()) } else { Ok(()) }
}

/// An address, `a-b`, or a prefix like `10.0.0.0/8`.
fn ip(pattern: &str) -> std::result::Result<(), String> {
    let address = |text: &str| text.trim().parse::<IpAddr>().ok();
    let valid = if let Some((low, high)) = pattern.split_once('-') {
        matches!((address(low), address(high)), (Some(low), Some(high)) if low.is_ipv4() == high.is_ipv4() && low <= high)
    } else if let Some((base, bits)) = pattern.split_once('/') {
        let bits: Option<u8> = bits.parse().ok();
        address(base).zip(bits).is_some_and(|(base, bits)| bits <= if base.is_ipv4() { 32 } else { 128 })
    } else {
        address(pattern).is_some()
    };
    if valid { Ok(()) } else { Err(format!("ip: invalid pattern {}", super::quote(pattern))) }
}
