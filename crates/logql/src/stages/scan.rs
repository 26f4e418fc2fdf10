//! The lexical level of JSON: where a string, a block or a number ends, and what an escaped string says. Lenient where Loki's
//! scanner is: what a query skips is checked only for its brackets and quotes.

use std::borrow::Cow;

/// What is wrong with a line; the wording is that of Loki's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("Value is string, but can't find closing '\"' symbol")]
    String,
    #[error("Value is array, but can't find closing ']' symbol")]
    Array,
    #[error("Value looks like object, but can't find closing '}}' symbol")]
    Object,
    #[error("Value looks like Number/Boolean/None, but can't find its end: ',' or '}}' symbol")]
    Value,
    #[error("Unknown value type")]
    Unknown,
    #[error("Malformed JSON error")]
    Malformed,
    #[error("Encountered an invalid escape sequence in a string")]
    Escape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The text between the quotes, escapes and all.
    String {
        escaped: bool,
    },
    Number,
    Bool,
    Null,
    Array,
    Object,
}

/// A value as it stands in the line.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    pub kind: Kind,
    pub raw: &'a str,
    /// Where the line goes on.
    pub end: usize,
}

impl<'a> Value<'a> {
    /// What the value says: a string without its escapes, all else as written. A string with a wrong escape stays raw.
    pub fn text(&self) -> Cow<'a, str> {
        match self.kind {
            Kind::String { escaped: true } => {
                let mut out = String::with_capacity(self.raw.len());
                if unescape(self.raw, &mut out) { Cow::Owned(out) } else { Cow::Borrowed(self.raw) }
            }
            _ => Cow::Borrowed(self.raw),
        }
    }
}

/// The value that starts at `at` (white space left out); blocks are skipped whole.
pub fn value(text: &str, at: usize) -> Result<Value<'_>, JsonError> {
    let bytes = text.as_bytes();
    let make = |kind, start: usize, stop: usize, end| Value { kind, raw: text.get(start..stop).unwrap_or_default(), end };
    match bytes.get(at) {
        None => Err(JsonError::Malformed),
        Some(b'"') => {
            let (stop, escaped) = string_end(bytes, at + 1).ok_or(JsonError::String)?;
            Ok(make(Kind::String { escaped }, at + 1, stop, stop + 1))
        }
        Some(b'[') => block_end(bytes, at).map(|end| make(Kind::Array, at, end, end)).ok_or(JsonError::Array),
        Some(b'{') => block_end(bytes, at).map(|end| make(Kind::Object, at, end, end)).ok_or(JsonError::Object),
        Some(first) => {
            let end = bytes[at..].iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'}' | b']'));
            let end = end.map_or(bytes.len(), |len| at + len);
            let kind = match (first, &bytes[at..end]) {
                (b'-' | b'0'..=b'9', _) => Kind::Number,
                (_, b"true" | b"false") => Kind::Bool,
                (_, b"null") => Kind::Null,
                _ => return Err(JsonError::Unknown),
            };
            Ok(make(kind, at, end, end))
        }
    }
}

/// A field's name, whose first quote stands at `at`, and where its value begins.
pub fn key(text: &str, at: usize) -> Result<(Cow<'_, str>, usize), JsonError> {
    let bytes = text.as_bytes();
    let (stop, escaped) = string_end(bytes, at + 1).ok_or(JsonError::String)?;
    let raw = text.get(at + 1..stop).unwrap_or_default();
    let key = if escaped {
        let mut out = String::with_capacity(raw.len());
        if !unescape(raw, &mut out) {
            return Err(JsonError::Escape);
        }
        Cow::Owned(out)
    } else {
        Cow::Borrowed(raw)
    };
    let colon = skip_white(bytes, stop + 1);
    if bytes.get(colon) == Some(&b':') { Ok((key, skip_white(bytes, colon + 1))) } else { Err(JsonError::Malformed) }
}

/// Behind a field of an object: where the next one begins, or that the object ends and where.
pub fn next_field(bytes: &[u8], at: usize) -> Result<Next, JsonError> {
    let at = skip_white(bytes, at);
    match bytes.get(at) {
        Some(b',') => {
            let at = skip_white(bytes, at + 1);
            if at < bytes.len() { Ok(Next::Field(at)) } else { Err(JsonError::Object) }
        }
        Some(b'}') => Ok(Next::End(at + 1)),
        Some(_) => Err(JsonError::Object),
        None => Err(JsonError::Array),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Field(usize),
    End(usize),
}

pub fn skip_white(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The place of the closing quote of a string whose text starts at `at`, and whether it holds escapes.
pub fn string_end(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        // Eight bytes at a time: most strings are too short for more (a byte equals `x` where `word ^ x` is zero; see
        // "Determine if a word has a zero byte" in Anderson's Bit Twiddling Hacks).
        while let Some(chunk) = bytes.get(at..at + 8) {
            let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
            let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
            let hit = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c));
            if hit != 0 {
                at += (hit.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        match bytes.get(at)? {
            b'"' => return Some((at, escaped)),
            b'\\' => {
                escaped = true;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// The place behind the bracket that closes the one at `at`.
pub fn block_end(bytes: &[u8], at: usize) -> Option<usize> {
    let (open, close) = match bytes.get(at)? {
        b'[' => (b'[', b']'),
        b'{' => (b'{', b'}'),
        _ => return None,
    };
    // The first byte opens, so it never falls below zero.
    let mut depth = 0_usize;
    let mut at = at;
    loop {
        let byte = *bytes.get(at)?;
        if byte == b'"' {
            at = string_end(bytes, at + 1)?.0;
        } else if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + 1);
            }
        }
        at += 1;
    }
}

/// Appends what the escaped text says; false where an escape is wrong. A lone surrogate becomes U+FFFD.
pub fn unescape(raw: &str, out: &mut String) -> bool {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let Some(kind) = rest.chars().next() else { return false };
        rest = &rest[kind.len_utf8()..];
        out.push(match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let Some(high) = hex(rest) else { return false };
                rest = rest.get(4..).unwrap_or_default();
                let low = rest.strip_prefix("\\u").and_then(hex);
                match (high, low) {
                    (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                        rest = rest.get(6..).unwrap_or_default();
                        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    _ => char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            _ => return false,
        });
    }
    out.push_str(rest);
    true
}

fn hex(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_their_quote_and_say_what_their_escapes_mean() {
        for (raw, expect) in [
            ("plain", Some("plain")),
            (r#"a\"b\\c\/\n\t"#, Some("a\"b\\c/\n\t")),
            (r"\u00e9\ud83d\ude80", Some("é🚀")),
            (r"\ud83d!", Some("\u{fffd}!")),
            (r"日\u65e5", Some("日日")),
            (r"\x", None),
            (r"\u12g4", None),
            (r"\u+123", None),
        ] {
            let line = format!("\"{raw}\",");
            let (end, escaped) = string_end(line.as_bytes(), 1).unwrap();
            assert_eq!((end, escaped), (line.len() - 2, raw.contains('\\')), "{raw}");
            let mut out = String::new();
            assert_eq!(unescape(raw, &mut out).then_some(out.as_str()), expect, "{raw}");
        }
        assert_eq!(string_end(b"no end here, nowhere\\\"", 0), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in r#"[\[\]{}",:\\u0-9a-f é-]{0,40}"#, at in 0..50_usize) {
            let _ = (value(&text, at), key(&text, at), next_field(text.as_bytes(), at), block_end(text.as_bytes(), at));
            let _ = unescape(&text, &mut String::new());
        }
    }
}
