//! `key=value` pairs. There is no standard; this follows what the Go libraries write: values bare or in double quotes
//! with backslash escapes.

use model::log::Fields;

use crate::{
    fields::{MAX_FIELDS, MAX_VALUE_BYTES},
    text,
};

/// The pairs of a text that is logfmt: at least two, the first at its start (after a timestamp, perhaps), and together
/// seven tenths of what is written.
pub(crate) fn parse(line: &str) -> Option<Fields> {
    let first = memchr::memchr(b'=', line.as_bytes().get(..512.min(line.len()))?)?;
    let start = line[..first].rfind([' ', '\t']).map_or(0, |blank| blank + 1);
    if line[..start].split([' ', '\t']).any(|token| !token.is_empty() && !text::is_time(token)) {
        return None;
    }
    let mut fields = Fields::default();
    let (mut covered, mut written) = (0, 0);
    let mut rest = &line[start..];
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            break;
        }
        let length = match pair(rest) {
            Some((key, value, length)) => {
                covered += length;
                if fields.0.len() < MAX_FIELDS {
                    fields.0.push((text::cut(key, MAX_VALUE_BYTES).to_owned(), value));
                }
                length
            }
            None => text::token(rest).0.len(),
        };
        written += length;
        rest = &rest[length..];
    }
    (fields.0.len() >= 2 && covered * 10 >= written * 7).then_some(fields)
}

/// The pair at the start of `text`: key, value, and how many bytes it takes.
fn pair(text: &str) -> Option<(&str, String, usize)> {
    let equals = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || b"_.-/@:".contains(&b)))?;
    let key = &text[..equals];
    if text.as_bytes()[equals] != b'=' || !key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '@') {
        return None;
    }
    let value = &text[equals + 1..];
    if !value.starts_with('"') {
        let (value, _) = text::token(value);
        return Some((key, text::cut(value, MAX_VALUE_BYTES).to_owned(), equals + 1 + value.len()));
    }
    let mut unquoted = String::new();
    let mut chars = value.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        let c = match c {
            '"' => return Some((key, unquoted, equals + 1 + at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            },
            c => c,
        };
        if unquoted.len() + c.len_utf8() <= MAX_VALUE_BYTES {
            unquoted.push(c);
        }
    }
    None
}
