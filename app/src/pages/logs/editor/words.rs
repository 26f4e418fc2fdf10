//! A query as words and chips, where it says nothing that they cannot say.

use logql::{
    ast::{Expr, LabelFilter, LineFilter, LineOp, LogExpr, MatchOp, Matcher, Needle, Selector, StageKind},
    syntax::parse_unchecked,
};
use model::Level;

use crate::parts::log_view::LogView;

/// The view that shows the same lines, but for its range. Words look for text in either case where they have no capitals; the second value
/// says whether that makes a difference here.
///
/// # Errors
/// Which part of the query words cannot say.
pub fn words(query: &str) -> Result<(LogView, bool), String> {
    let log = match parse_unchecked(query) {
        Ok(Expr::Log(log)) => log,
        Ok(Expr::Metric(_)) => return Err("a query for numbers".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let LogExpr { selector, stages, .. } = log;
    let mut view = LogView { service: services(&selector)?, ..LogView::default() };
    let mut folds = false;
    let mut parsed = false;
    for stage in stages {
        let text = || query.get(stage.span.start as usize..stage.span.end as usize).unwrap_or("a stage").to_owned();
        match stage.kind {
            StageKind::Decolorize => {}
            StageKind::Json(extractions) | StageKind::Logfmt { extractions, .. } if extractions.is_empty() => parsed = true,
            StageKind::Line(filter) if view.search.is_empty() => folds = line(&mut view, &filter).ok_or_else(text)?,
            StageKind::Label(filter) => label(&mut view, &filter, parsed).ok_or_else(text)?,
            _ => return Err(text()),
        }
    }
    Ok((view, folds))
}

fn services(selector: &Selector) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let (mut project, mut host) = (None, None);
    for matcher in &selector.matchers {
        match (&*matcher.name, matcher.op) {
            ("service_name" | "service", MatchOp::Regex) if matcher.value == ".+" => {}
            ("service_name" | "service", MatchOp::Equal) if names.is_empty() => names.push(matcher.value.clone()),
            ("service_name" | "service", MatchOp::Regex) if names.is_empty() => {
                names = alternatives(&matcher.value).ok_or_else(|| matcher_text(matcher))?;
            }
            ("compose_project", MatchOp::Equal) => project = Some(matcher),
            ("host", MatchOp::Equal) => host = Some(matcher),
            _ => return Err(matcher_text(matcher)),
        }
    }
    match (&names[..], project, host) {
        (_, None, None) => Ok(names),
        ([name], Some(project), None) => Ok(vec![[&project.value, "/", name].concat()]),
        ([name], Some(project), Some(host)) => Ok(vec![[&host.value, "/", &project.value, "/", name].concat()]),
        (_, Some(matcher), _) | (_, None, Some(matcher)) => Err(matcher_text(matcher)),
    }
}

fn matcher_text(matcher: &Matcher) -> String {
    let op = match matcher.op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    };
    [&matcher.name, op, &logql::syntax::quote(&matcher.value)].concat()
}

/// The texts of `a\.b|c`; `None` for a pattern that is more than that.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    pattern.split('|').map(literal).collect()
}

/// The one text that a pattern matches.
fn literal(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len());
    let mut signs = pattern.chars();
    while let Some(c) = signs.next() {
        match c {
            '\\' => out.push(signs.next().filter(char::is_ascii_punctuation)?),
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' | '|' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

/// Whether words would fold the case where the filter does not.
fn line(view: &mut LogView, filter: &LineFilter) -> Option<bool> {
    let [Needle::Text(text)] = &filter.needles[..] else { return None };
    let (is_regex, invert) = match filter.op {
        LineOp::Contains => (false, false),
        LineOp::NotContains => (false, true),
        LineOp::Regex => (true, false),
        LineOp::NotRegex => (true, true),
        LineOp::Pattern | LineOp::NotPattern => return None,
    };
    if text.is_empty() {
        return Some(false);
    }
    let (pattern, folds) = match text.strip_prefix("(?i)") {
        Some(pattern) if is_regex => (pattern, true),
        _ => (&**text, false),
    };
    let plain = if is_regex { literal(pattern) } else { Some(pattern.to_owned()) };
    view.regex = plain.is_none();
    view.search = plain.unwrap_or_else(|| pattern.to_owned());
    view.invert = invert;
    let has_capital = view.search.chars().any(char::is_uppercase);
    // A capital makes words exact, which the query is not.
    if folds && has_capital {
        return None;
    }
    Some(!folds && !has_capital && view.search.chars().any(char::is_alphabetic))
}

fn label(view: &mut LogView, filter: &LabelFilter, parsed: bool) -> Option<()> {
    match filter {
        LabelFilter::And(one, other) => {
            label(view, one, parsed)?;
            label(view, other, parsed)
        }
        LabelFilter::Match(matcher) if matches!(&*matcher.name, "detected_level" | "level") && view.level.is_empty() => {
            let names = match matcher.op {
                MatchOp::Equal => vec![matcher.value.clone()],
                MatchOp::Regex => alternatives(&matcher.value)?,
                _ => return None,
            };
            for name in names.iter().filter(|name| !matches!(&***name, "" | "critical")) {
                let level: Level = name.parse().ok()?;
                view.level.push(level.as_str().to_owned());
            }
            (!view.level.is_empty()).then_some(())
        }
        LabelFilter::Match(matcher) if parsed => {
            let op = match matcher.op {
                MatchOp::Equal => "=",
                MatchOp::NotEqual => "!=",
                _ => return None,
            };
            view.field.push([&matcher.name, op, &matcher.value].concat());
            Some(())
        }
        _ => None,
    }
}

/// What the query's line filters look for, to be marked in lines: texts and whether their case does not matter.
pub fn needles(query: &str) -> Vec<(String, bool)> {
    let Ok(Expr::Log(log)) = parse_unchecked(query) else { return Vec::new() };
    let filters = log.stages.into_iter().filter_map(|stage| match stage.kind {
        StageKind::Line(filter) if matches!(filter.op, LineOp::Contains | LineOp::Regex) => Some(filter),
        _ => None,
    });
    let needle = |(is_regex, needle): (bool, Needle)| match needle {
        Needle::Ip(_) => None,
        Needle::Text(text) if !is_regex => Some((text, false)),
        Needle::Text(text) => match text.strip_prefix("(?i)") {
            Some(pattern) => Some((literal(pattern)?, true)),
            None => Some((literal(&text)?, false)),
        },
    };
    let all = filters.flat_map(|filter| {
        let is_regex = filter.op == LineOp::Regex;
        filter.needles.into_iter().map(move |needle| (is_regex, needle))
    });
    all.filter_map(needle).filter(|(text, _)| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simple_query_becomes_words() {
        let view = |service: &[&str], level: &[&str], search: &str, field: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
            LogView { service: own(service), level: own(level), search: search.to_owned(), field: own(field), ..LogView::default() }
        };
        for (query, expect, folds) in [
            (r#"{service_name=~".+"}"#, view(&[], &[], "", &[]), false),
            (r#"{service_name="web"}"#, view(&["web"], &[], "", &[]), false),
            (r#"{service_name="web", compose_project="p", host="h"}"#, view(&["h/p/web"], &[], "", &[]), false),
            (r#"{service_name=~"a\\.b|c"}"#, view(&["a.b", "c"], &[], "", &[]), false),
            (r#"{service="a"} | detected_level=~"fatal|critical""#, view(&["a"], &["fatal"], "", &[]), false),
            (r#"{service="a"} | decolorize |= "Boom""#, view(&["a"], &[], "Boom", &[]), false),
            (r#"{service="a"} |= "boom""#, view(&["a"], &[], "boom", &[]), true),
            (r#"{service="a"} |~ "(?i)b\\.m""#, view(&["a"], &[], "b.m", &[]), false),
            (r#"{service="a"} !~ "B.m""#, LogView { regex: true, invert: true, ..view(&["a"], &[], "B.m", &[]) }, false),
            (r#"{service="a"} | json | user="ada", n!="2""#, view(&["a"], &[], "", &["user=ada", "n!=2"]), false),
        ] {
            assert_eq!(words(query), Ok((expect, folds)), "{query}");
        }
    }

    #[test]
    fn what_words_cannot_say_is_named() {
        for (query, says) in [
            (r#"rate({a="b"}[5m])"#, "numbers"),
            (r#"{app="b"}"#, r#"app="b""#),
            (r#"{service=~"a.*"}"#, r#"service=~"a.*""#),
            (r#"{service="a"} |= "x" |= "y""#, r#"|= "y""#),
            (r#"{service="a"} | status >= 500"#, "status >= 500"),
            (r#"{service="a"} | line_format "x""#, "line_format"),
            (r#"{service="a""#, "parse error"),
            (r#"{service="a"} |~ "(?i)B""#, "(?i)B"),
        ] {
            let error = words(query).unwrap_err();
            assert!(error.contains(says), "{query}: {error}");
        }
    }

    #[test]
    fn texts_to_mark_are_those_that_lines_must_have() {
        let query = r#"{a="b"} |= "x" or "y" != "z" |~ "(?i)w\\.w" |~ "v+" |= ip("10.0.0.1") | json"#;
        assert_eq!(needles(query), [("x".to_owned(), false), ("y".to_owned(), false), ("w.w".to_owned(), true)]);
        assert!(needles("rate").is_empty());
    }
}
