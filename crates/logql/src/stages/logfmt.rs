//! `| logfmt`: `key=value key="quoted value" bare` (<https://pkg.go.dev/github.com/kr/logfmt>). What is no pair is passed over up
//! to the next space; with `--strict` it ends the parsing with an error.

use super::{
    names::{self, Wanted},
    scan,
};
use crate::{ast::Extraction, labelset::LabelSet};

/// The error of a line that is not strictly logfmt.
pub const LOGFMT_ERROR: &str = "LogfmtParserErr";

/// The stage.
#[derive(Clone, Debug)]
pub struct Logfmt {
    strict: bool,
    keep_empty: bool,
    wanted: Wanted,
    name: String,
    value: String,
}

/// A flaw: what and where (bytes from 0).
struct Flaw {
    what: What,
    at: usize,
}

enum What {
    Unexpected(u8),
    Unterminated,
    BadEscape,
}

impl Flaw {
    fn describe(&self) -> String {
        let at = self.at + 1;
        match self.what {
            What::Unexpected(byte) => format!("logfmt syntax error at pos {at} : unexpected '{}'", char::from(byte)),
            What::Unterminated => format!("logfmt syntax error at pos {at} : unterminated quoted value"),
            What::BadEscape => format!("logfmt syntax error at pos {at} : invalid quoted value"),
        }
    }
}

struct Pair<'a> {
    key: &'a str,
    value: &'a str,
    escaped: bool,
}

impl Logfmt {
    pub fn new(strict: bool, keep_empty: bool, wanted: Wanted) -> Self {
        Self { strict, keep_empty, wanted, name: String::new(), value: String::new() }
    }

    pub fn run(&mut self, line: &str, labels: &mut LabelSet) {
        let mut missing = self.wanted.missing(labels);
        if missing == Some(0) {
            return;
        }
        let Self { strict, keep_empty, wanted, name, value } = self;
        let flaw = pairs(line, *strict, value, &mut |key, value| {
            let key = if names::is_clean(key) {
                key
            } else {
                name.clear();
                names::sanitize(key, name);
                name.as_str()
            };
            if key.is_empty() || (value.is_empty() && !*keep_empty) || !wanted.may_take(key) || !wanted.take(labels, key, value) {
                return true;
            }
            match &mut missing {
                Some(missing) => {
                    *missing -= 1;
                    *missing > 0
                }
                None => true,
            }
        });
        if let Some(flaw) = flaw {
            labels.set_error(LOGFMT_ERROR, &flaw.describe());
        }
    }
}

/// `| logfmt host, code="status"`: only these keys; a label whose key is not in the line is empty.
#[derive(Clone, Debug)]
pub struct LogfmtFields {
    strict: bool,
    /// Label and key.
    fields: Vec<(String, String)>,
    value: String,
}

impl LogfmtFields {
    pub fn new(strict: bool, extractions: &[Extraction], wanted: &Wanted) -> Self {
        let fields = extractions
            .iter()
            .filter(|extraction| wanted.may_take(&extraction.label))
            .map(|extraction| (extraction.label.clone(), extraction.expression.trim().trim_matches('"').to_owned()))
            .collect();
        Self { strict, fields, value: String::new() }
    }

    pub fn run(&mut self, line: &str, labels: &mut LabelSet) {
        let Self { strict, fields, value } = self;
        let flaw = pairs(line, *strict, value, &mut |key, value| {
            for (label, _) in fields.iter().filter(|(_, wanted)| wanted == key) {
                labels.extract(label, value);
            }
            true
        });
        if let Some(flaw) = flaw {
            labels.set_error(LOGFMT_ERROR, &flaw.describe());
        }
        for (label, _) in fields {
            if labels.get(label).is_none() {
                labels.extract(label, "");
            }
        }
    }
}

/// Calls `each` for key and value until it says no. Gives the first flaw where the line is read strictly.
fn pairs(line: &str, strict: bool, buffer: &mut String, each: &mut dyn FnMut(&str, &str) -> bool) -> Option<Flaw> {
    let mut at = 0;
    while let Some(start) = line.as_bytes().get(at..).and_then(|rest| rest.iter().position(|&byte| byte > b' ')) {
        let (found, end) = pair(line, at + start);
        at = end;
        let goes_on = match found {
            Ok(Pair { key, value, escaped: false }) => each(key, value),
            Ok(Pair { key, value, escaped: true }) => {
                buffer.clear();
                if scan::unescape(value, buffer) {
                    each(key, buffer)
                } else if strict {
                    return Some(Flaw { what: What::BadEscape, at: end });
                } else {
                    true
                }
            }
            Err(flaw) if strict => return Some(flaw),
            Err(_) => true,
        };
        if !goes_on {
            return None;
        }
    }
    None
}

/// The pair at `at` and where the line goes on behind it, or behind the flaw.
fn pair(line: &str, at: usize) -> (Result<Pair<'_>, Flaw>, usize) {
    let bytes = line.as_bytes();
    let word_end = |from: usize| bytes[from..].iter().position(|&byte| byte <= b' ').map_or(bytes.len(), |len| from + len);
    let special = |from: usize| {
        bytes[from..].iter().position(|&byte| byte <= b' ' || byte == b'=' || byte == b'"').map_or(bytes.len(), |len| from + len)
    };
    let slice = |start: usize, end: usize| line.get(start..end).unwrap_or_default();
    let unexpected = |byte: u8, at: usize| (Err(Flaw { what: What::Unexpected(byte), at }), word_end(at));
    let key_end = special(at);
    let key = slice(at, key_end);
    match bytes.get(key_end) {
        Some(b'=') if key_end > at => {}
        Some(&byte @ (b'=' | b'"')) => return unexpected(byte, key_end),
        _ => return (Ok(Pair { key, value: "", escaped: false }), key_end),
    }
    let value_at = key_end + 1;
    if bytes.get(value_at) == Some(&b'"') {
        return match scan::string_end(bytes, value_at + 1) {
            Some((end, escaped)) => (Ok(Pair { key, value: slice(value_at + 1, end), escaped }), end + 1),
            None => (Err(Flaw { what: What::Unterminated, at: bytes.len() }), bytes.len()),
        };
    }
    let value_end = special(value_at);
    match bytes.get(value_end) {
        Some(&byte @ (b'=' | b'"')) => unexpected(byte, value_end),
        _ => (Ok(Pair { key, value: slice(value_at, value_end), escaped: false }), value_end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flags: &str, line: &str, expect: &str) {
        let mut labels = LabelSet::default();
        Logfmt::new(flags.contains("strict"), flags.contains("keep"), Wanted::All).run(line, &mut labels);
        let found: Vec<_> = labels.parsed().iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found.join(" "), expect, "{line}");
    }

    const ODD: [&str; 3] = [
        "level=info bare key= empty=\"\" dup=1 dup=2 status=200 msg=ok",
        "level=info =novalue status=200 msg=\"equals a=b=c\" q=a=b",
        "level=info msg=\"no closing quote path=/x status=200",
    ];

    #[test]
    fn odd_lines_give_what_can_be_read() {
        for (flags, line, expect) in [
            ("", ODD[0], "dup=1 level=info msg=ok status=200"),
            ("", ODD[1], "level=info msg=equals a=b=c status=200"),
            ("", ODD[2], "level=info"),
            ("keep", ODD[0], "bare= dup=1 empty= key= level=info msg=ok status=200"),
            ("strict", ODD[0], "dup=1 level=info msg=ok status=200"),
            ("strict", ODD[1], "__error__=LogfmtParserErr __error_details__=logfmt syntax error at pos 12 : unexpected '=' level=info"),
            (
                "strict",
                ODD[2],
                "__error__=LogfmtParserErr __error_details__=logfmt syntax error at pos 52 : unterminated quoted value level=info",
            ),
            ("", r#"ua="curl/8.1 (x; \"y\")" a.b=1 1x=2 d=150µs"#, r#"_1x=2 a_b=1 d=150µs ua=curl/8.1 (x; "y")"#),
            ("keep", r#"{"ts":"2026","msg":"order o-0 in 9 ms"}"#, "9= in= o_0="),
            ("", "", ""),
            ("strict", r#"a="\x" b=1"#, "__error__=LogfmtParserErr __error_details__=logfmt syntax error at pos 7 : invalid quoted value"),
        ] {
            // A bare number is a key of its own.
            check(flags, line, &expect.replace("9= in=", "_9= in="));
        }
    }

    #[test]
    fn chosen_keys_are_empty_where_absent() {
        let extraction = |label: &str, key: &str| Extraction { span: Default::default(), label: label.into(), expression: key.into() };
        let extractions = [extraction("m", "method"), extraction("nope", "missing"), extraction("again", "method")];
        let mut labels = LabelSet::default();
        LogfmtFields::new(false, &extractions, &Wanted::All).run("a=1 method=GET", &mut labels);
        assert_eq!(labels.parsed(), [("again", "GET"), ("m", "GET"), ("nope", "")]);
    }

    #[test]
    fn the_last_wanted_key_ends_the_parsing() {
        let mut labels = LabelSet::default();
        Logfmt::new(true, false, Wanted::only(vec!["a".into()])).run("x=0 a=1 =", &mut labels);
        assert_eq!(labels.parsed(), [("a", "1")]);
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in r#"[a-c="\\ éu0\t]{0,40}"#, strict: bool) {
            Logfmt::new(strict, true, Wanted::All).run(&line, &mut LabelSet::default());
        }
    }
}
