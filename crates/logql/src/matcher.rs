//! A label matcher made ready to run.

use regex::{Regex, RegexBuilder};

use crate::{
    ast::{MatchOp, Matcher},
    syntax::translate,
};

/// Tells whether a label's value is wanted. A label that is absent has the value `""`.
#[derive(Clone, Debug)]
pub struct LabelMatcher {
    pub name: String,
    pub op: MatchOp,
    pub value: String,
    regex: Option<Regex>,
}

impl LabelMatcher {
    /// # Errors
    /// What is wrong with the regular expression.
    pub fn new(matcher: &Matcher) -> Result<Self, regex::Error> {
        let regex = match matcher.op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(whole(&matcher.value)?),
        };
        Ok(Self { name: matcher.name.clone(), op: matcher.op, value: matcher.value.clone(), regex })
    }

    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => self.regex.as_ref().is_some_and(|regex| regex.is_match(value)),
            MatchOp::NotRegex => !self.regex.as_ref().is_some_and(|regex| regex.is_match(value)),
        }
    }
}

/// A pattern that matches this text and nothing else.
pub fn escape(text: &str) -> String {
    regex::escape(text)
}

/// Label patterns match the whole value, and `.` also a line break (as in Prometheus).
pub(crate) fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    let pattern = translate(pattern).map_err(|error| regex::Error::Syntax(error.to_string()))?;
    RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(1 << 20).dfa_size_limit(1 << 20).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::Span;

    #[test]
    fn an_absent_label_is_the_empty_text_and_patterns_match_whole() {
        for (op, value, on, expect) in [
            (MatchOp::Equal, "a", "a", true),
            (MatchOp::Equal, "", "", true),
            (MatchOp::NotEqual, "a", "", true),
            (MatchOp::Regex, "a|b", "b", true),
            (MatchOp::Regex, "a", "ab", false),
            (MatchOp::Regex, "a.c", "a\nc", true),
            (MatchOp::NotRegex, "a.*", "b", true),
            (MatchOp::NotRegex, ".+", "", true),
        ] {
            let matcher = Matcher { span: Span::default(), name: "x".into(), op, value: value.into() };
            assert_eq!(LabelMatcher::new(&matcher).unwrap().matches(on), expect, "{op:?} {value} on {on:?}");
        }
    }
}
