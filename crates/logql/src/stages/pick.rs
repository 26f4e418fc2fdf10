//! `drop` and `keep`: which labels a row loses.

use super::{CompileError, label_filter::matches};
use crate::{
    ast::LabelPick,
    labelset::{ERROR, ERROR_DETAILS, LabelSet},
    matcher::LabelMatcher,
};

/// A label, or a label where its value matches.
#[derive(Clone, Debug)]
enum Pick {
    Name(String),
    Match(LabelMatcher),
}

impl Pick {
    fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Match(matcher) => &matcher.name,
        }
    }

    fn takes(&self, name: &str, value: &str) -> bool {
        self.name() == name
            && match self {
                Self::Name(_) => true,
                Self::Match(matcher) => matcher.matches(value),
            }
    }
}

/// What both stages name.
#[derive(Clone, Debug)]
pub struct Picks(Vec<Pick>);

impl Picks {
    /// # Errors
    /// [`CompileError`].
    pub fn compile(picks: &[LabelPick]) -> Result<Self, CompileError> {
        let pick = |pick: &LabelPick| match pick {
            LabelPick::Name { name, .. } => Ok(Pick::Name(name.clone())),
            LabelPick::Match(matcher) => matches(matcher).map(Pick::Match),
        };
        picks.iter().map(pick).collect::<Result<_, _>>().map(Self)
    }

    /// `drop`: the error can be dropped like a label.
    pub fn drop(&self, labels: &mut LabelSet) {
        for pick in &self.0 {
            let name = pick.name();
            if !labels.get(name).is_some_and(|value| pick.takes(name, value)) {
                continue;
            }
            match name {
                ERROR => labels.clear_error(),
                ERROR_DETAILS => labels.clear_error_details(),
                name => labels.remove(name),
            }
        }
    }

    /// `keep`: the error stays whatever is kept.
    pub fn keep(&self, labels: &mut LabelSet) {
        labels.retain(|name, value| self.0.iter().any(|pick| pick.takes(name, value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::{MatchOp, Matcher, Span};

    fn name(name: &str) -> LabelPick {
        LabelPick::Name { span: Span::default(), name: name.into() }
    }

    fn matching(name: &str, op: MatchOp, value: &str) -> LabelPick {
        LabelPick::Match(Matcher { span: Span::default(), name: name.into(), op, value: value.into() })
    }

    fn check(run: fn(&Picks, &mut LabelSet), picks: &[LabelPick], expect: &str) {
        let mut labels = LabelSet::default();
        for (name, value) in [("method", "GET"), ("status", "404"), ("ua", "x")] {
            labels.extract(name, value);
        }
        labels.set_error("JSONParserErr", "why");
        run(&Picks::compile(picks).unwrap(), &mut labels);
        let found: Vec<_> = labels.merged().iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found.join(" "), expect, "{picks:?}");
    }

    #[test]
    fn labels_are_dropped_and_kept() {
        const ERRORS: &str = "__error__=JSONParserErr __error_details__=why ";
        let get = matching("method", MatchOp::Equal, "GET");
        let four = matching("status", MatchOp::Regex, "5..");
        check(Picks::drop, &[name("ua"), name("absent")], &format!("{ERRORS}method=GET status=404"));
        check(Picks::drop, &[get.clone(), four.clone()], &format!("{ERRORS}status=404 ua=x"));
        check(Picks::drop, &[name("__error__"), name("__error_details__")], "method=GET status=404 ua=x");
        check(
            Picks::drop,
            &[matching("__error__", MatchOp::Regex, "Logfmt.*"), name("__error_details__")],
            "__error__=JSONParserErr method=GET status=404 ua=x",
        );
        check(Picks::keep, &[get, four, name("ua")], &format!("{ERRORS}method=GET ua=x"));
    }
}
