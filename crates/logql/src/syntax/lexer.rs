//! Text to words. Never fails: what is no word of the language becomes [`Kind::Bad`], and the parser complains when it
//! gets there.

use super::{
    quote::unquote,
    token::{Kind, Token},
    units::{parse_bytes, parse_duration, prometheus_duration},
};
use crate::ast::Span;

/// Two-character signs first.
const SIGNS: [&str; 25] =
    ["|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", "=", ">", "<", "|", ",", "{", "}", "(", ")", "+", "-", "*", "/", "%", "^"];

/// The words of `text`, which must be shorter than 4 GiB; the last is always [`Kind::End`]. Comments are among them.
pub fn lex(text: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len() / 4 + 1);
    let mut at = 0;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        let rest = &text[at..];
        let (kind, len) = next(rest);
        let end = kind == Kind::End;
        tokens.push(Token { span: span(at, at + len), kind });
        if end {
            return tokens;
        }
        at += len;
    }
}

fn span(start: usize, end: usize) -> Span {
    Span { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
}

/// The first word of `rest`, which does not start with a space, and its length.
fn next(rest: &str) -> (Kind, usize) {
    let Some(first) = rest.chars().next() else { return (Kind::End, 0) };
    match first {
        '#' => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
        '"' | '`' => quoted(rest, first),
        '[' => range(rest),
        '0'..='9' => number(rest),
        '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest),
        '-' if rest[1..].starts_with('-') && rest[2..].starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(rest.len());
            (Kind::Flag, len)
        }
        c if c == '_' || c.is_alphabetic() => (Kind::Word, word(rest)),
        c => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => (Kind::Sign(sign), sign.len()),
            None => (Kind::Bad(String::new()), c.len_utf8()),
        },
    }
}

fn word(rest: &str) -> usize {
    rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len())
}

fn quoted(rest: &str, quote: char) -> (Kind, usize) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            '\n' if quote == '"' => return (Kind::Bad("literal not terminated".into()), at),
            c if c == quote => {
                let kind = unquote(&rest[..=at]).map_or_else(|| Kind::Bad("invalid char escape".into()), Kind::Text);
                return (kind, at + 1);
            }
            _ => {}
        }
    }
    (Kind::Bad("literal not terminated".into()), rest.len())
}

fn range(rest: &str) -> (Kind, usize) {
    let Some(end) = rest.find(']') else {
        return (Kind::Bad("missing closing ']' in duration".into()), rest.len());
    };
    let inside = rest[1..end].trim();
    let kind = match parse_duration(inside) {
        Some(nanos) if nanos >= 0 => Kind::Range(nanos),
        _ => Kind::Bad(prometheus_duration(inside).err().unwrap_or_else(|| "duration out of range".into())),
    };
    (kind, end + 1)
}

/// A number, or one with a unit.
fn number(rest: &str) -> (Kind, usize) {
    let digits = |from: usize| rest.as_bytes().iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut len = digits(0);
    if rest[len..].starts_with('.') {
        len += 1 + digits(len + 1);
    }
    let exponent = match rest.as_bytes().get(len) {
        Some(b'e' | b'E') => {
            let sign = usize::from(matches!(rest.as_bytes().get(len + 1), Some(b'+' | b'-')));
            let power = digits(len + 1 + sign);
            if power > 0 { 1 + sign + power } else { 0 }
        }
        _ => 0,
    };
    let with_unit = rest.find(|c: char| c != '.' && !c.is_alphanumeric()).unwrap_or(rest.len());
    if rest[len + exponent..].starts_with(|c: char| c.is_alphabetic()) {
        let whole = &rest[..with_unit];
        if let Some(nanos) = parse_duration(whole) {
            return (Kind::Duration(nanos), with_unit);
        }
        if let Some(bytes) = parse_bytes(whole) {
            return (Kind::Bytes(bytes), with_unit);
        }
        if let Some(digits) = whole.strip_prefix("0x").filter(|digits| !digits.is_empty())
            && let Ok(value) = u64::from_str_radix(digits, 16)
        {
            return (Kind::Number(value as f64), with_unit);
        }
    }
    len += exponent;
    match rest[..len].parse::<f64>() {
        Ok(value) if value.is_finite() => (Kind::Number(value), len),
        _ => (Kind::Bad(format!("strconv.ParseFloat: parsing {}: value out of range", super::quote(&rest[..len]))), len),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &[Kind]) {
        let kinds: Vec<Kind> = lex(text).into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds, expect, "{text}");
    }

    #[test]
    fn words_are_told_apart() {
        check(
            "{a!=`b`} # c\n|~ \"\\d\"",
            &[
                Kind::Sign("{"),
                Kind::Word,
                Kind::Sign("!="),
                Kind::Text("b".into()),
                Kind::Sign("}"),
                Kind::Comment,
                Kind::Sign("|~"),
                Kind::Bad("invalid char escape".into()),
                Kind::End,
            ],
        );
        check(
            "5m 1.5 1e3 20KB 1d .5",
            &[
                Kind::Duration(300_000_000_000),
                Kind::Number(1.5),
                Kind::Number(1000.0),
                Kind::Bytes(20_000),
                Kind::Duration(86_400_000_000_000),
                Kind::Number(0.5),
                Kind::End,
            ],
        );
        check(
            "--strict 1-2 [5m] $",
            &[
                Kind::Flag,
                Kind::Number(1.0),
                Kind::Sign("-"),
                Kind::Number(2.0),
                Kind::Range(300_000_000_000),
                Kind::Bad(String::new()),
                Kind::End,
            ],
        );
    }

    proptest! {
        #[test]
        fn every_text_is_covered_by_its_words(text in "\\PC{0,40}|[\"`{}|=\\\\#\\[\\]0-9a-z.\n -]{0,40}") {
            let mut at = 0;
            for token in lex(&text) {
                prop_assert!(token.span.start >= at && token.span.end >= token.span.start);
                prop_assert!(text[at as usize..token.span.start as usize].trim().is_empty());
                at = token.span.end;
            }
            prop_assert_eq!(at as usize, text.len());
        }
    }
}
