//! Label sets as text: `{app="x", env="y"}`, read and written as Prometheus does.

use std::fmt::Write;

use model::Labels;

/// Where a label string goes wrong. The text is that of Prometheus' parser, which Loki passes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1:{column}: parse error: {what}")]
pub struct LabelError {
    /// In characters, from 1.
    pub column: usize,
    pub what: String,
}

/// Labels longer than this as text are cut in messages.
const MAX_SHOWN_BYTES: usize = 4096;

/// Reads a label string. Labels with empty values are left out, as if they were not there. Also gives the first name that
/// stands twice (of which the last value is kept).
///
/// # Errors
/// [`LabelError`].
pub fn parse(text: &str) -> Result<(Labels, Option<String>), LabelError> {
    let mut cursor = Cursor { text, at: 0 };
    let mut labels = Labels::default();
    let mut duplicate = None;
    cursor.spaces();
    match cursor.take() {
        Some('{') => {}
        None => return Err(cursor.error(0, "unexpected end of input")),
        Some(other) => return Err(cursor.error(0, format!("unexpected character: {}", quoted_char(other)))),
    }
    loop {
        cursor.spaces();
        if cursor.eat('}') {
            break;
        }
        let name = cursor.name()?;
        cursor.spaces();
        if !cursor.eat('=') {
            return Err(cursor.unexpected("label matching, expected \"=\""));
        }
        cursor.spaces();
        let value = cursor.string()?;
        if labels.0.insert(name.to_owned(), value).is_some() && duplicate.is_none() {
            duplicate = Some(name.to_owned());
        }
        cursor.spaces();
        if !cursor.eat(',') {
            if cursor.eat('}') {
                break;
            }
            return Err(cursor.unexpected("label matching, expected \",\" or \"}\""));
        }
    }
    cursor.spaces();
    if cursor.at < text.len() {
        return Err(cursor.unexpected("metric, expected end of input"));
    }
    labels.0.retain(|_, value| !value.is_empty());
    Ok((labels, duplicate))
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The label set as text, sorted by name; values quoted as Go does. What [`parse`] reads.
pub fn text(labels: &Labels) -> String {
    write(labels, usize::MAX)
}

/// As [`text`], cut where it gets very long.
pub fn show(labels: &Labels) -> String {
    write(labels, MAX_SHOWN_BYTES)
}

fn write(labels: &Labels, max_bytes: usize) -> String {
    let mut out = String::from("{");
    for (at, (name, value)) in labels.0.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        out.push_str(name);
        out.push('=');
        quote(value, &mut out);
        if out.len() > max_bytes {
            let end = (0..=max_bytes).rev().find(|&end| out.is_char_boundary(end)).unwrap_or(0);
            out.truncate(end);
            out.push('…');
            return out;
        }
    }
    out.push('}');
    out
}

fn quote(value: &str, out: &mut String) {
    out.push('"');
    for symbol in value.chars() {
        match symbol {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn quoted_char(symbol: char) -> String {
    match symbol {
        '\'' => "'\\''".to_owned(),
        '\n' => "'\\n'".to_owned(),
        other => format!("'{other}'"),
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let symbol = self.peek()?;
        self.at += symbol.len_utf8();
        Some(symbol)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let hit = self.peek() == Some(wanted);
        if hit {
            self.at += wanted.len_utf8();
        }
        hit
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn name(&mut self) -> Result<&'a str, LabelError> {
        let start = self.at;
        match self.peek() {
            None => return Err(self.error(self.at, "unexpected end of input inside braces")),
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {}
            Some(_) => return Err(self.unexpected("label matching, expected identifier or \"}\"")),
        }
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() && (bytes[self.at].is_ascii_alphanumeric() || bytes[self.at] == b'_') {
            self.at += 1;
        }
        Ok(&self.text[start..self.at])
    }

    fn string(&mut self) -> Result<String, LabelError> {
        let start = self.at;
        let quote = match self.peek() {
            Some(quote @ ('"' | '\'' | '`')) => quote,
            None => return Err(self.error(self.at, "unexpected end of input inside braces")),
            Some(_) => return Err(self.unexpected("label matching, expected string")),
        };
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(symbol) = self.take() else {
                return Err(self.error(start, if quote == '`' { "unterminated raw string" } else { "unterminated quoted string" }));
            };
            match symbol {
                end if end == quote => return Ok(out),
                '\n' if quote != '`' => return Err(self.error(start, "unterminated quoted string")),
                '\\' if quote != '`' => self.escape(quote, &mut out)?,
                other => out.push(other),
            }
        }
    }

    /// Go's escapes (go.dev/ref/spec#String_literals). Bytes that do not make UTF-8 become U+FFFD.
    fn escape(&mut self, quote: char, out: &mut String) -> Result<(), LabelError> {
        let start = self.at;
        let plain = match self.take() {
            Some('a') => '\x07',
            Some('b') => '\x08',
            Some('f') => '\x0c',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\x0b',
            Some('\\') => '\\',
            Some(same) if same == quote => quote,
            Some('x') => return self.code(start, 2, 16, out),
            Some('u') => return self.code(start, 4, 16, out),
            Some('U') => return self.code(start, 8, 16, out),
            Some('0'..='7') => {
                self.at -= 1;
                return self.code(start, 3, 8, out);
            }
            _ => return Err(self.error(start, "unknown escape sequence")),
        };
        out.push(plain);
        Ok(())
    }

    /// A character by its number.
    fn code(&mut self, start: usize, digits: usize, radix: u32, out: &mut String) -> Result<(), LabelError> {
        let code = self.text.get(self.at..self.at + digits).and_then(|code| u32::from_str_radix(code, radix).ok());
        let code = code.ok_or_else(|| self.error(start, "unknown escape sequence"))?;
        self.at += digits;
        let as_byte = digits < 4;
        out.push(char::from_u32(code).filter(|_| !as_byte || code < 0x80).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    fn unexpected(&self, place: &str) -> LabelError {
        match self.peek() {
            None => self.error(self.at, "unexpected end of input inside braces"),
            Some(symbol) if symbol.is_ascii_alphanumeric() || matches!(symbol, '_' | '"' | '\'' | '`' | '=' | ',' | '{' | '}') => {
                self.error(self.at, format!("unexpected {} in {place}", quoted_char(symbol)))
            }
            Some(symbol) => self.error(self.at, format!("unexpected character inside braces: {}", quoted_char(symbol))),
        }
    }

    fn error(&self, at: usize, what: impl Into<String>) -> LabelError {
        LabelError { column: self.text[..at].chars().count() + 1, what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&[(&str, &str)], &str>) {
        let got = parse(text).map(|(labels, _)| labels).map_err(|error| error.to_string());
        let expect = expect.map(|pairs| Labels(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()));
        assert_eq!(got.as_ref().map_err(String::as_str), expect.as_ref().map_err(|text| *text), "{text}");
    }

    #[test]
    fn label_strings_read_as_prometheus_reads_them() {
        check("{}", Ok(&[]));
        check(r#"{app="x"}"#, Ok(&[("app", "x")]));
        check(r#" { b = 'y' , a="x\n\"\u00e9\x41\101" ,} "#, Ok(&[("a", "x\n\"éAA"), ("b", "y")]));
        check(r#"{a=`raw\n`, empty=""}"#, Ok(&[("a", r"raw\n")]));
        check(r#"{bad-name="x"}"#, Err("1:5: parse error: unexpected character inside braces: '-'"));
        check(r#"{a="x"#, Err("1:4: parse error: unterminated quoted string"));
        check(r#"{a="x""#, Err("1:7: parse error: unexpected end of input inside braces"));
        check(r#"{a="\q"}"#, Err("1:6: parse error: unknown escape sequence"));
        check(r#"{a="\u00"}"#, Err("1:6: parse error: unknown escape sequence"));
        check("", Err("1:1: parse error: unexpected end of input"));
        check(r#"{a="x"} b"#, Err("1:9: parse error: unexpected 'b' in metric, expected end of input"));
    }

    #[test]
    fn a_name_given_twice_is_told() {
        assert_eq!(parse(r#"{a="1",b="2",a="3"}"#).unwrap().1.as_deref(), Some("a"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_reads_back(pairs in proptest::collection::btree_map("[a-z_][a-z0-9_]{0,5}", "\\PC{1,10}|[\\x00-\\x7f]{1,5}", 0..5)) {
            let labels = Labels(pairs);
            proptest::prop_assert_eq!(parse(&show(&labels)).unwrap(), (labels, None));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}|[{}a=\"\\\\,'`\n]{0,20}") {
            let _ = parse(&text);
        }
    }
}
