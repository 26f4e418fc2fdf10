//! For an editor: what may stand at the cursor. Looks back over the words before it and never at a tree, so that it also
//! answers in the middle of a query that is far from being one.

use super::{
    lexer,
    token::{self, Kind, Token},
};
use crate::ast::Span;

/// What may stand at the cursor, and which part of the text it would replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The word being written; empty between words. Inside quotes: what is between them.
    pub span: Span,
    pub expects: Vec<Expect>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// `{`
    Selector,
    /// The name of a stream label.
    LabelName,
    /// The name of any label: of a stream, of metadata or parsed.
    Field,
    /// A value of this label. `quoted` is false where the quotes are still to be written.
    LabelValue {
        label: String,
        quoted: bool,
    },
    /// A pattern, a template, a text to look for.
    Text {
        quoted: bool,
    },
    Operator(Vec<&'static str>),
    Stage(Vec<&'static str>),
    Function(Vec<&'static str>),
    /// `by` and `without`
    Grouping,
    /// `5m`; in `[…]` if `brackets` is true and they are still to be written.
    Duration {
        brackets: bool,
    },
    Number,
}

const MATCH: &[&str] = &["=", "!=", "=~", "!~"];
const COMPARE: &[&str] = &["=", "!=", "=~", "!~", ">", ">=", "<", "<="];
const PIPE: &[&str] = &["|", "|=", "!=", "|~", "!~", "|>", "!>"];
const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "%", "^", "==", "!=", ">", ">=", "<", "<=", "and", "or", "unless"];

/// `cursor` is a byte of `text`; beyond its end, or within a character, it counts as the end or the character's start.
pub fn complete(text: &str, cursor: usize) -> Completion {
    let cursor = (0..=cursor.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = &text[..cursor];
    let mut tokens = if before.len() > super::MAX_QUERY_BYTES { Vec::new() } else { lexer::lex(before) };
    tokens.retain(|token| !matches!(token.kind, Kind::Comment | Kind::End));
    let end = u32::try_from(cursor).unwrap_or(u32::MAX);
    let mut span = Span { start: end, end };
    let mut inside = None;
    if let Some(Token { span: last, kind }) = tokens.last()
        && last.end == end
    {
        let first = before[last.start as usize..].chars().next();
        match (kind, first) {
            (Kind::Word, _) => {
                span.start = last.start;
                tokens.pop();
            }
            // A quote that is not closed before the cursor: the cursor is inside.
            (Kind::Bad(_), Some(quote @ ('"' | '`'))) if before.len() == 1 + last.start as usize || !before.ends_with(quote) => {
                span.start = last.start + 1;
                span.end = closing(text, cursor, quote);
                inside = Some('"');
                tokens.pop();
            }
            (Kind::Bad(_), Some('[')) => {
                span.start = last.start + 1;
                inside = Some('[');
                tokens.pop();
            }
            _ => {}
        }
    }
    let before = Before { text, tokens: &tokens };
    let expects = match inside {
        Some('[') => vec![Expect::Duration { brackets: false }],
        Some(_) => vec![before.quoted()],
        None => before.expects(),
    };
    Completion { span, expects }
}

/// Where the text around the cursor ends: at its closing quote, if that comes on this line.
fn closing(text: &str, cursor: usize, quote: char) -> u32 {
    let end =
        text[cursor..].find([quote, '\n']).map_or(cursor, |at| if text[cursor + at..].starts_with(quote) { cursor + at } else { cursor });
    u32::try_from(end).unwrap_or(u32::MAX)
}

struct Before<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

impl<'a> Before<'a> {
    /// The word so many words back, 0 for the last; empty where there is none.
    fn back(&self, count: usize) -> &'a str {
        let at = self.tokens.len().checked_sub(count + 1);
        at.and_then(|at| self.tokens.get(at)).map_or("", |token| &self.text[token.span.start as usize..token.span.end as usize])
    }

    fn kind(&self) -> Option<&'a Kind> {
        self.tokens.last().map(|token| &token.kind)
    }

    /// The brackets open here, innermost last, each with the word in front of it.
    fn open(&self) -> Vec<(&'static str, &'a str)> {
        let mut open = Vec::new();
        let mut word = "";
        for token in self.tokens {
            match &token.kind {
                Kind::Sign(sign @ ("{" | "(")) => open.push((*sign, word)),
                Kind::Sign("}" | ")") => {
                    open.pop();
                }
                _ => {}
            }
            word = &self.text[token.span.start as usize..token.span.end as usize];
        }
        open
    }

    /// The stage that the cursor is in, if any: the first word behind the last pipe.
    fn stage(&self) -> Option<&'a str> {
        let pipe = self.tokens.iter().rposition(|token| token.kind == Kind::Sign("|"))?;
        let inside = self.tokens[pipe..].iter().all(|token| !matches!(token.kind, Kind::Range(_) | Kind::Sign("{")));
        self.tokens.get(pipe + 1).filter(|_| inside).map(|token| &self.text[token.span.start as usize..token.span.end as usize])
    }

    fn quoted(&self) -> Expect {
        if COMPARE.contains(&self.back(0)) && !matches!(self.stage(), Some("json" | "logfmt" | "label_format")) && self.has_name(1) {
            Expect::LabelValue { label: self.back(1).to_owned(), quoted: true }
        } else {
            Expect::Text { quoted: true }
        }
    }

    fn has_name(&self, count: usize) -> bool {
        self.back(count).starts_with(|c: char| c == '_' || c.is_alphabetic())
    }

    fn expects(&self) -> Vec<Expect> {
        let open = self.open();
        let last = self.back(0);
        let Some(kind) = self.kind() else { return begin() };
        if let Some(("{", _)) = open.last() {
            return match kind {
                Kind::Sign("{" | ",") => vec![Expect::LabelName],
                Kind::Word => vec![Expect::Operator(MATCH.to_vec())],
                Kind::Text(_) => vec![Expect::Operator(vec![",", "}"])],
                _ => vec![Expect::LabelValue { label: self.back(1).to_owned(), quoted: false }],
            };
        }
        if let Some(("(", word)) = open.last() {
            if matches!(*word, "by" | "without" | "on" | "ignoring" | "group_left" | "group_right") {
                return match kind {
                    Kind::Word => vec![Expect::Operator(vec![",", ")"])],
                    _ => vec![Expect::Field],
                };
            }
            if *word == "ip" {
                return vec![Expect::Text { quoted: false }];
            }
        }
        let in_range = open.iter().rev().any(|(_, word)| token::RANGE_FUNCTIONS.contains(word));
        match kind {
            Kind::Sign("(") => match open.last().map_or("", |(_, word)| word) {
                word if token::RANGE_FUNCTIONS.contains(&word) => vec![Expect::Selector],
                "duration" | "duration_seconds" | "bytes" => vec![Expect::Field],
                "topk" | "bottomk" | "approx_topk" => vec![Expect::Number],
                "vector" => vec![Expect::Number],
                _ if self.stage().is_some() => vec![Expect::Field],
                _ => begin(),
            },
            Kind::Sign("|") => vec![Expect::Stage(token::STAGES.to_vec()), Expect::Field],
            Kind::Sign("|=" | "|~" | "|>" | "!>") => vec![Expect::Text { quoted: false }],
            Kind::Sign("," | "!=" | "!~" | "=" | "=~" | ">" | ">=" | "<" | "<=" | "==") => match (last, self.stage()) {
                (",", Some(_)) => vec![Expect::Field],
                (",", None) => begin(),
                (_, Some(stage)) if self.has_name(1) && !matches!(stage, "json" | "logfmt" | "label_format") => {
                    vec![Expect::LabelValue { label: self.back(1).to_owned(), quoted: false }]
                }
                ("!=" | "!~" | "=", _) => vec![Expect::Text { quoted: false }],
                _ => begin(),
            },
            Kind::Sign("}") | Kind::Text(_) | Kind::Flag | Kind::Number(_) | Kind::Duration(_) | Kind::Bytes(_) => {
                self.after_value(in_range)
            }
            Kind::Range(_) => vec![Expect::Operator(vec![")", "offset"])],
            Kind::Sign(")") if self.stage().is_some() => self.after_value(in_range),
            Kind::Sign(")") => vec![Expect::Grouping, Expect::Operator(ARITHMETIC.to_vec())],
            Kind::Word => self.after_word(last, in_range),
            _ => begin(),
        }
    }

    fn after_value(&self, in_range: bool) -> Vec<Expect> {
        let mut signs = PIPE.to_vec();
        match self.stage() {
            Some("json" | "logfmt" | "drop" | "keep" | "label_format") => signs.push(","),
            Some(_) => signs.extend(["and", "or"]),
            None if matches!(self.kind(), Some(Kind::Number(_) | Kind::Duration(_))) => return vec![Expect::Operator(ARITHMETIC.to_vec())],
            None if matches!(self.kind(), Some(Kind::Text(_))) => signs.push("or"),
            None => {}
        }
        let mut expects = vec![Expect::Operator(signs)];
        if in_range {
            expects.push(Expect::Duration { brackets: true });
        }
        expects
    }

    fn after_word(&self, last: &str, in_range: bool) -> Vec<Expect> {
        let piped = self.back(1) == "|";
        match last {
            "offset" => vec![Expect::Duration { brackets: false }],
            "by" | "without" | "on" | "ignoring" => vec![Expect::Operator(vec!["("])],
            "json" | "logfmt" if piped => [vec![Expect::Field], self.after_value(in_range)].concat(),
            "line_format" | "pattern" | "regexp" if piped => vec![Expect::Text { quoted: false }],
            "drop" | "keep" | "distinct" | "label_format" if piped => vec![Expect::Field],
            "unwrap" if piped => vec![Expect::Field, Expect::Function(vec!["duration", "duration_seconds", "bytes"])],
            "unpack" | "decolorize" if piped => self.after_value(in_range),
            "and" | "or" | "unless" if self.stage().is_some() => vec![Expect::Field],
            "and" | "or" | "unless" | "bool" | "group_left" | "group_right" => begin(),
            _ => match self.stage() {
                Some("unwrap" | "distinct") => self.after_value(in_range),
                Some("json" | "logfmt" | "label_format") => [vec![Expect::Operator(vec!["="])], self.after_value(in_range)].concat(),
                Some(_) => vec![Expect::Operator(COMPARE.to_vec())],
                None => vec![Expect::Operator(vec!["("]), Expect::Grouping],
            },
        }
    }
}

fn begin() -> Vec<Expect> {
    let functions = [token::VECTOR_FUNCTIONS, token::RANGE_FUNCTIONS, token::OTHER_FUNCTIONS].concat();
    vec![Expect::Selector, Expect::Function(functions)]
}
