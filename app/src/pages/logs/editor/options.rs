//! What may be written at the cursor, as choices with the text that each puts in.

use logql::syntax::{Expect, complete, quote};

/// Shown at once; typing on finds the others.
const MOST: usize = 60;

/// What the console said there is.
pub struct Known<'a> {
    /// Labels of streams.
    pub names: &'a [String],
    /// Fields of lines on the screen.
    pub fields: &'a [String],
    /// Values of a label; `None` while nobody has asked.
    pub values: &'a dyn Fn(&str) -> Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub shown: String,
    /// What it is: `label`, `value`, `stage`, `function`, `operator`.
    pub kind: &'static str,
    pub insert: String,
}

/// Choices in place of the bytes `start..end`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    pub start: usize,
    pub end: usize,
    pub choices: Vec<Choice>,
    /// The label whose values are to be asked for.
    pub lacks: Option<String>,
}

/// `cursor` is a byte of `text`.
pub fn offer(text: &str, cursor: usize, known: &Known<'_>) -> Offer {
    let found = complete(text, cursor);
    let (start, mut end) = (found.span.start as usize, found.span.end as usize);
    let typed = text.get(start..cursor.max(start)).unwrap_or_default();
    let is_spaced = text[..start].chars().next_back().is_none_or(char::is_whitespace);
    let mut choices = Vec::new();
    let mut lacks = None;
    let mut add = |shown: &str, kind: &'static str, insert: String| {
        choices.push(Choice { shown: shown.to_owned(), kind, insert });
    };
    for expect in &found.expects {
        match expect {
            Expect::Selector => add("{", "selector", "{".to_owned()),
            Expect::LabelName => known.names.iter().for_each(|name| add(name, "label", name.clone())),
            Expect::Field => {
                let fields = known.fields.iter().filter(|field| !known.names.contains(field) && is_name(field));
                known.names.iter().for_each(|name| add(name, "label", name.clone()));
                fields.for_each(|field| add(field, "field", field.clone()));
            }
            Expect::LabelValue { label, quoted } => {
                let Some(values) = (known.values)(label) else {
                    lacks = Some(label.clone());
                    continue;
                };
                let closed = text[end..].starts_with(['"', '`']);
                let raw = text[..start].ends_with('`');
                for value in &values {
                    let whole = quote(value);
                    let insert = match (quoted, raw) {
                        (false, _) => whole,
                        (true, true) => value.clone() + "`",
                        (true, false) => whole[1..].to_owned(),
                    };
                    add(value, "value", insert);
                }
                if *quoted && closed {
                    end += 1;
                }
            }
            Expect::Operator(signs) => {
                for sign in signs {
                    add(sign, "operator", operator(sign, is_spaced));
                }
            }
            Expect::Stage(stages) => {
                for stage in stages {
                    let space = if is_spaced { "" } else { " " };
                    add(stage, "stage", [space, stage].concat());
                }
            }
            Expect::Function(functions) => {
                for function in functions {
                    add(function, "function", [function, "("].concat());
                }
            }
            Expect::Grouping => {
                let space = if is_spaced { "" } else { " " };
                for word in ["by", "without"] {
                    add(word, "keyword", [space, word, " ("].concat());
                }
            }
            Expect::Duration { brackets } => {
                for span in ["1m", "5m", "15m", "1h", "1d"] {
                    add(span, "span", if *brackets { ["[", span, "]"].concat() } else { span.to_owned() });
                }
            }
            Expect::Text { .. } | Expect::Number => {}
        }
    }
    let rank = |choice: &Choice| rank(&choice.shown, typed);
    choices.retain(|choice| rank(choice).is_some() && choice.shown != typed);
    // A stable sort: within a rank the order is the language's, or the alphabet's.
    choices.sort_by_key(|choice| rank(choice));
    choices.truncate(MOST);
    Offer { start, end, choices, lacks }
}

/// Nought for what begins as it was typed, one for what has it in it.
fn rank(shown: &str, typed: &str) -> Option<u8> {
    let (shown, typed) = (shown.to_lowercase(), typed.to_lowercase());
    if shown.starts_with(&typed) { Some(0) } else { shown.contains(&typed).then_some(1) }
}

/// A stage's names need no quotes.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn operator(sign: &str, is_spaced: bool) -> String {
    match sign {
        "," => ", ".to_owned(),
        "=" | "=~" | "!~" | "}" | "(" | ")" => sign.to_owned(),
        sign if is_spaced => [sign, " "].concat(),
        sign => [" ", sign, " "].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(marked: &str, shown: &[&str], accepted: Option<(&str, &str)>) {
        let cursor = marked.find('^').unwrap();
        let text = marked.replace('^', "");
        let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let (names, fields) = (own(&["host", "service"]), own(&["status", "user.id"]));
        let values = |label: &str| (label == "service").then(|| own(&["web", "say \"x\""]));
        let offer = offer(&text, cursor, &Known { names: &names, fields: &fields, values: &values });
        let all: Vec<&str> = offer.choices.iter().map(|choice| &*choice.shown).collect();
        assert_eq!(&all[..shown.len().min(all.len())], shown, "{marked}: {all:?}");
        if let Some((choice, expect)) = accepted {
            let choice = offer.choices.iter().find(|one| one.shown == choice).unwrap();
            let after = [&text[..offer.start], &choice.insert, "^", &text[offer.end..]].concat();
            assert_eq!(after, expect, "{marked}");
        }
    }

    #[test]
    fn choices_fit_the_place_and_what_was_typed() {
        check("^", &["{", "sum"], Some(("rate", "rate(^")));
        check("{^", &["host", "service"], Some(("service", "{service^")));
        check("{ser^", &["service"], Some(("service", "{service^")));
        check("{service^", &[], None);
        check("{service ^", &["=", "!="], Some(("=~", "{service =~^")));
        check("{service=^", &["web", "say \"x\""], Some(("say \"x\"", r#"{service="say \"x\""^"#)));
        check(r#"{service="w^"}"#, &["web"], Some(("web", r#"{service="web"^}"#)));
        check(r#"{service="^"#, &["web"], Some(("web", r#"{service="web"^"#)));
        check("{service=`^`}", &["web"], Some(("web", "{service=`web`^}")));
        check(r#"{a="b"}^"#, &["|", "|="], Some(("|=", r#"{a="b"} |= ^"#)));
        check(r#"{a="b"} |^"#, &["json"], Some(("logfmt", r#"{a="b"} | logfmt^"#)));
        check(r#"{a="b"} | sta^"#, &["status"], Some(("status", r#"{a="b"} | status^"#)));
        check(r#"rate({a="b"}^)"#, &["|"], Some(("5m", r#"rate({a="b"}[5m]^)"#)));
    }

    #[test]
    fn values_that_nobody_has_asked_for_are_missed() {
        let known = Known { names: &[], fields: &[], values: &|_| None };
        assert_eq!(offer("{host=\"", 7, &known).lacks.as_deref(), Some("host"));
        assert_eq!(offer("{", 1, &known).lacks, None);
    }
}
