//! `| status >= 500 and method="POST"`: filters on labels, alone or joined.

use super::{CompileError, convert, ip::IpRange};
use crate::{
    ast::{CompareOp, LabelFilter as Ast},
    labelset::LabelSet,
    matcher::LabelMatcher,
};

/// The error of a value that is no number (duration, size) where one is compared.
pub const FILTER_ERROR: &str = "LabelFilterErr";

/// A label filter, ready to run.
#[derive(Clone, Debug)]
pub enum LabelFilter {
    And(Box<LabelFilter>, Box<LabelFilter>),
    Or(Box<LabelFilter>, Box<LabelFilter>),
    Match(LabelMatcher),
    Compare { name: String, op: CompareOp, value: Comparand },
    Ip { name: String, equal: bool, range: IpRange },
}

#[derive(Clone, Copy, Debug)]
pub enum Comparand {
    Number(f64),
    Nanos(i64),
    Bytes(u64),
}

impl LabelFilter {
    /// # Errors
    /// [`CompileError`].
    pub fn compile(filter: &Ast) -> Result<Self, CompileError> {
        let compare = |name: &String, op: CompareOp, value| Ok(Self::Compare { name: name.clone(), op, value });
        match filter {
            Ast::And(left, right) => Ok(Self::And(Box::new(Self::compile(left)?), Box::new(Self::compile(right)?))),
            Ast::Or(left, right) => Ok(Self::Or(Box::new(Self::compile(left)?), Box::new(Self::compile(right)?))),
            Ast::Match(matcher) => matches(matcher).map(Self::Match),
            Ast::Number { name, op, value, .. } => compare(name, *op, Comparand::Number(*value)),
            Ast::Duration { name, op, nanos, .. } => compare(name, *op, Comparand::Nanos(*nanos)),
            Ast::Bytes { name, op, bytes, .. } => compare(name, *op, Comparand::Bytes(*bytes)),
            Ast::Ip { span, name, equal, pattern } => {
                let range = IpRange::parse(pattern).map_err(|message| CompileError { span: *span, message })?;
                Ok(Self::Ip { name: name.clone(), equal: *equal, range })
            }
        }
    }

    /// Whether the row stays. Comparing drops a row without the label and keeps one that has an error already, so that only a
    /// text matcher (`__error__=""`, say) drops it; a value that cannot be read sets the error and keeps the row.
    pub fn takes(&self, labels: &mut LabelSet) -> bool {
        match self {
            Self::And(left, right) => left.takes(labels) && right.takes(labels),
            Self::Or(left, right) => left.takes(labels) || right.takes(labels),
            Self::Match(matcher) => matcher.matches(labels.get(&matcher.name).unwrap_or_default()),
            Self::Compare { name, op, value } => {
                let Some(text) = labels.get(name) else { return false };
                if labels.error().is_some() {
                    return true;
                }
                let taken = match value {
                    Comparand::Number(value) => convert::float(text).map(|found| op.holds(found, *value)),
                    Comparand::Nanos(value) => convert::duration(text).map(|found| op.holds(found, *value)),
                    Comparand::Bytes(value) => convert::bytes(text).map(|found| op.holds(found, *value)),
                };
                taken.unwrap_or_else(|details| {
                    labels.set_error(FILTER_ERROR, &details);
                    true
                })
            }
            Self::Ip { name, equal, range } => {
                let Some(text) = labels.get(name) else { return false };
                labels.error().is_some() || range.takes(text) == *equal
            }
        }
    }
}

impl CompareOp {
    fn holds<T: PartialOrd>(self, found: T, value: T) -> bool {
        match self {
            Self::Equal => found == value,
            Self::NotEqual => found != value,
            Self::Greater => found > value,
            Self::GreaterOrEqual => found >= value,
            Self::Less => found < value,
            Self::LessOrEqual => found <= value,
        }
    }
}

/// # Errors
/// [`CompileError`], where the regular expression is wrong.
pub fn matches(matcher: &crate::ast::Matcher) -> Result<LabelMatcher, CompileError> {
    LabelMatcher::new(matcher).map_err(|error| CompileError { span: matcher.span, message: format!("error parsing regexp: {error}") })
}

/// Calls `each` for the names a filter looks at.
pub fn names(filter: &Ast, each: &mut dyn FnMut(&str)) {
    match filter {
        Ast::And(left, right) | Ast::Or(left, right) => {
            names(left, each);
            names(right, each);
        }
        Ast::Match(matcher) => each(&matcher.name),
        Ast::Number { name, .. } | Ast::Duration { name, .. } | Ast::Bytes { name, .. } | Ast::Ip { name, .. } => each(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::{MatchOp, Matcher, Span};

    const SPAN: Span = Span { start: 0, end: 0 };

    fn number(name: &str, op: CompareOp, value: f64) -> Ast {
        Ast::Number { span: SPAN, name: name.into(), op, value }
    }

    fn text(name: &str, op: MatchOp, value: &str) -> Ast {
        Ast::Match(Matcher { span: SPAN, name: name.into(), op, value: value.into() })
    }

    fn check(filter: &Ast, error: Option<&'static str>, takes: bool, error_after: Option<&str>) {
        let mut labels = LabelSet::default();
        for (name, value) in [("status", "503"), ("msg", "a b"), ("took", "990.0ms"), ("size", "2MiB"), ("ip", "10.0.3.77"), ("empty", "")]
        {
            labels.extract(name, value);
        }
        if let Some(error) = error {
            labels.set_error(error, "");
        }
        assert_eq!(LabelFilter::compile(filter).unwrap().takes(&mut labels), takes, "{filter:?}");
        assert_eq!(labels.error(), error_after, "{filter:?}");
    }

    #[test]
    fn filters_compare_and_errors_keep_the_row() {
        use CompareOp::*;
        let nanos = |op, nanos| Ast::Duration { span: SPAN, name: "took".into(), op, nanos };
        let bytes = |op, bytes| Ast::Bytes { span: SPAN, name: "size".into(), op, bytes };
        let ip = |name: &str, equal| Ast::Ip { span: SPAN, name: name.into(), equal, pattern: "10.0.0.0/16".into() };
        let json = Some("JSONParserErr");
        let flaw = Some(FILTER_ERROR);
        for (filter, error, takes, after) in [
            (number("status", GreaterOrEqual, 500.0), None, true, None),
            (number("status", Less, 500.0), None, false, None),
            (number("status", Less, 500.0), json, true, json),
            (number("absent", Equal, 0.0), None, false, None),
            (number("absent", NotEqual, 0.0), json, false, json),
            (number("msg", Greater, 5.0), None, true, flaw),
            (number("empty", Greater, 5.0), None, true, flaw),
            (nanos(Greater, 900_000_000), None, true, None),
            (nanos(LessOrEqual, 900_000_000), None, false, None),
            (bytes(GreaterOrEqual, 2 << 20), None, true, None),
            (bytes(Equal, 2_000_000), None, false, None),
            (ip("ip", true), None, true, None),
            (ip("ip", false), None, false, None),
            (ip("msg", false), None, true, None),
            (ip("absent", false), None, false, None),
            (text("absent", MatchOp::NotEqual, "x"), None, true, None),
            (text("absent", MatchOp::Equal, ""), None, true, None),
            (text("msg", MatchOp::Regex, "a.*"), None, true, None),
            (text("msg", MatchOp::Regex, "a"), None, false, None),
            (text("__error__", MatchOp::Equal, ""), json, false, json),
            (text("__error__", MatchOp::NotEqual, ""), json, true, json),
            (Ast::Or(Box::new(number("status", Equal, 503.0)), Box::new(number("msg", Equal, 1.0))), None, true, None),
            (Ast::And(Box::new(number("status", Equal, 1.0)), Box::new(number("msg", Equal, 1.0))), None, false, None),
        ] {
            check(&filter, error, takes, after);
        }
    }
}
