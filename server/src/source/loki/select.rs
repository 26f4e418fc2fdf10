//! A plan in LogQL: as much of it as Loki can decide exactly or too generously. What it lets through is looked at again here,
//! by the same filter as everywhere.

use logql::{
    ast::{self, Expr, LogExpr, MatchOp, Matcher, Span},
    matcher::{LabelMatcher, escape},
    plan::regex_literals,
    read::Literal,
    syntax::{SyntaxError, parse, quote},
};
use model::{Labels, Level};
use ops::{
    logs::{Filter, Selector, ServiceRef, TextMatch},
    source::LogPlan,
};

use super::walk::having;

/// Every stream: Loki gives each a `service_name` (3.0 and later).
pub const ALL: &str = r#"{service_name=~".+"}"#;

/// As Loki takes it: it refuses a selector of which no matcher demands a value, as a scope may be.
pub fn demanding(selector: &ast::Selector) -> ast::Selector {
    let demands = |one: &Matcher| {
        matches!(one.op, MatchOp::Equal | MatchOp::Regex) && LabelMatcher::new(one).is_ok_and(|matcher| !matcher.matches(""))
    };
    let mut selector = selector.clone();
    if !selector.matchers.iter().any(demands) {
        let (name, value) = ("service_name".to_owned(), ".+".to_owned());
        selector.matchers.push(Matcher { span: Span::default(), name, op: MatchOp::Regex, value });
    }
    selector
}

/// The query of a plan; `stream` are the labels of the one stream that it asks for.
///
/// # Errors
/// None that a plan of ours makes: names and texts are quoted.
pub fn query_of(plan: &LogPlan, stream: Option<&Labels>) -> Result<LogExpr, SyntaxError> {
    let mut text = match stream {
        Some(labels) => having(labels).to_string(),
        None => selector(&plan.selector),
    };
    stages(&plan.filter, &mut text);
    match parse(&text)? {
        Expr::Log(mut log) => {
            if let Some(scope) = &plan.scope {
                log.selector = scope.narrowed(log.selector);
            }
            Ok(log)
        }
        Expr::Metric(_) => unreachable!("it begins with a selector"),
    }
}

fn selector(selector: &Selector) -> String {
    match selector {
        Selector::All => ALL.to_owned(),
        Selector::Refs(refs) => match refs.as_slice() {
            [ServiceRef { host, project, name }] => {
                let mut text = format!("{{service_name={}", quote(name));
                for (label, value) in [("compose_project", project), ("host", host)] {
                    if let Some(value) = value {
                        text += &format!(", {label}={}", quote(value));
                    }
                }
                text + "}"
            }
            refs => {
                let names: Vec<String> = refs.iter().map(|one| escape(&one.name)).collect();
                format!("{{service_name=~{}}}", quote(&names.join("|")))
            }
        },
    }
}

fn stages(filter: &Filter, text: &mut String) {
    for list in filter.text.as_ref().map(literals).unwrap_or_default() {
        let any_case = list.iter().any(|literal| literal.any_case);
        let mut pattern: Vec<String> = list.iter().map(|literal| escape(&literal.text)).collect();
        // Colours may stand between the letters.
        pattern.push(r"\x1b".to_owned());
        let pattern = format!("{}{}", if any_case { "(?i)" } else { "" }, pattern.join("|"));
        *text += &format!(" |~ {}", quote(&pattern));
    }
    for field in filter.fields.iter().filter(|field| field.wanted && is_word(&field.value)) {
        *text += &format!(" |= {}", quote(&field.value));
    }
    let unwanted: Vec<&str> = match filter.levels.as_slice() {
        [] => Vec::new(),
        // Whatever is no level of ours is unknown, and a line without one is looked at here.
        wanted => Level::ALL.into_iter().filter(|level| !wanted.contains(level)).map(Level::as_str).collect(),
    };
    if !unwanted.is_empty() {
        let mut unwanted = unwanted;
        if !filter.levels.contains(&Level::Fatal) {
            unwanted.push("critical");
        }
        *text += &format!(" | detected_level!~{}", quote(&unwanted.join("|")));
    }
}

/// Texts that a wanted line holds: of each list at least one.
fn literals(text: &TextMatch) -> Vec<Vec<Literal>> {
    // ASCII: where case does not count, other letters have more forms than two.
    if !text.wanted || text.pattern.is_empty() || !text.pattern.is_ascii() {
        return Vec::new();
    }
    let pattern = if text.regex { text.pattern.clone() } else { escape(&text.pattern) };
    let any_case = !text.is_exact_case();
    let mut lists = regex_literals(&if any_case { format!("(?i){pattern}") } else { pattern });
    lists.iter_mut().flatten().for_each(|literal| literal.any_case |= any_case);
    lists
}

/// What stands in a structured line as it is, in quotes or not: letters are not escaped, numbers may be written otherwise.
fn is_word(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_alphabetic()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Direction, TimeRange};
    use ops::logs::FieldMatch;

    use super::*;

    fn check(services: &[&str], filter: Filter, expect: &str) {
        let plan = LogPlan {
            selector: Selector::parse(services.iter().copied()).unwrap(),
            stream: None,
            range: TimeRange::ALL,
            cursor: None,
            direction: Direction::Backward,
            limit: 10,
            filter: Arc::new(filter),
            scope: None,
        };
        assert_eq!(query_of(&plan, None).unwrap().to_string(), expect);
    }

    #[test]
    fn a_selector_that_demands_nothing_is_made_to() {
        for (text, expect) in [
            (r#"{a="b"}"#, r#"{a="b"}"#),
            (r#"{a!="", b=~"c.+"}"#, r#"{a!="", b=~"c.+"}"#),
            (r#"{a!="b"}"#, r#"{a!="b", service_name=~".+"}"#),
            (r#"{a="", b=~"c|"}"#, r#"{a="", b=~"c|", service_name=~".+"}"#),
        ] {
            let selector = logql::syntax::parse_selector(text).unwrap();
            assert_eq!(demanding(&selector).to_string(), expect);
        }
    }

    #[test]
    fn a_plan_becomes_a_query() {
        let text = |pattern, regex, wanted| Filter { text: Some(TextMatch::new(pattern, regex, wanted).unwrap()), ..Filter::default() };
        let none = Filter::default;
        check(&[], none(), r#"{service_name=~".+"}"#);
        check(&["a\"b"], none(), r#"{service_name="a\"b"}"#);
        check(&["h/p/web"], none(), r#"{service_name="web", compose_project="p", host="h"}"#);
        check(&["/web"], none(), r#"{service_name="web", compose_project=""}"#);
        check(&["a.b", "c"], none(), r#"{service_name=~"a\\.b|c"}"#);
        check(&["w"], text("time out", false, true), r#"{service_name="w"} |~ "(?i)time out|\\x1b""#);
        check(&["w"], text("Timeout", false, true), r#"{service_name="w"} |~ "Timeout|\\x1b""#);
        check(&["w"], text("Timeout", false, false), r#"{service_name="w"}"#);
        check(&["w"], text("größe", false, true), r#"{service_name="w"}"#);
        check(&["w"], text(r"Code=\d+ in", true, true), r#"{service_name="w"} |~ "Code=|\\x1b" |~ " in|\\x1b""#);
        check(&["w"], text(r"\d+", true, true), r#"{service_name="w"}"#);
        check(
            &["w"],
            Filter { levels: vec![Level::Warn, Level::Error, Level::Fatal], ..none() },
            r#"{service_name="w"} | detected_level!~"trace|debug|info|unknown""#,
        );
        check(
            &["w"],
            Filter { levels: vec![Level::Info], ..none() },
            r#"{service_name="w"} | detected_level!~"trace|debug|warn|error|fatal|unknown|critical""#,
        );
        let fields = ["user=ada", "n=42", "user!=bob"].map(|text| FieldMatch::parse(text).unwrap()).to_vec();
        check(&["w"], Filter { fields, ..none() }, r#"{service_name="w"} |= "ada""#);
    }
}
