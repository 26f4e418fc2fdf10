//! Functions of texts.

use std::fmt::Write as _;

use regex::{Captures, Regex};

use super::{
    MAX_OUTPUT_BYTES,
    format::{check, too_long},
};

pub const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Every word's first letter in upper case.
pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.push(c)
        } else {
            out.extend(c.to_uppercase())
        }
        inside = c.is_alphanumeric() || c == '_' || c == '\'';
    }
    out
}

/// The byte at which the character with this number begins; the text's end if there are fewer.
fn char_at(text: &str, count: usize) -> usize {
    text.char_indices().nth(count).map_or(text.len(), |(at, _)| at)
}

/// The first `count` characters; of a negative number, the last.
pub fn trunc(text: &str, count: i64) -> &str {
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count >= 0 {
        return &text[..char_at(text, wanted)];
    }
    let all = text.chars().count();
    &text[char_at(text, all.saturating_sub(wanted))..]
}

/// Characters `[start, end)`; without a start where it is negative, without an end where that is.
pub fn substr(text: &str, start: i64, end: i64) -> &str {
    let from = usize::try_from(start).map_or(0, |start| char_at(text, start));
    let to = usize::try_from(end).map_or(text.len(), |end| char_at(text, end));
    text.get(from..to.max(from)).unwrap_or_default()
}

/// # Errors
/// Where the width is beyond all bounds.
pub fn align(text: &str, width: i64, left: bool) -> Result<String, String> {
    let width = width_of(width)?;
    let length = text.chars().count();
    Ok(match (length.cmp(&width), left) {
        (std::cmp::Ordering::Less, true) => format!("{text}{}", " ".repeat(width - length)),
        (std::cmp::Ordering::Less, false) => format!("{}{text}", " ".repeat(width - length)),
        (_, true) => text[..char_at(text, width)].to_owned(),
        (_, false) => text[char_at(text, length - width)..].to_owned(),
    })
}

fn width_of(width: i64) -> Result<usize, String> {
    let width = usize::try_from(width.max(0)).unwrap_or(usize::MAX);
    if width > MAX_OUTPUT_BYTES { Err(too_long()) } else { Ok(width) }
}

/// # Errors
/// Where the result is beyond all bounds.
pub fn indent(text: &str, spaces: i64) -> Result<String, String> {
    let spaces = width_of(spaces)?;
    if spaces.saturating_mul(text.matches('\n').count() + 1) > MAX_OUTPUT_BYTES {
        return Err(too_long());
    }
    let pad = " ".repeat(spaces);
    Ok(format!("{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

/// `None` where nothing matches. With `expand`, `$1` and `${name}` stand for groups.
///
/// # Errors
/// Where the result is beyond all bounds.
pub fn replace_regex(regex: &Regex, source: &str, new: &str, expand: bool) -> Result<Option<String>, String> {
    let (mut out, mut last, mut any) = (String::new(), 0, false);
    for captures in regex.captures_iter(source) {
        let Some(whole) = captures.get(0) else { continue };
        any = true;
        out.push_str(&source[last..whole.start()]);
        if expand {
            expand_groups(&captures, new, &mut out)?;
        } else {
            out.push_str(new);
        }
        last = whole.end();
        check(&out)?;
    }
    out.push_str(&source[last..]);
    Ok(any.then_some(out))
}

/// Group by group: a hundred times `$0` may be a hundred times the line.
fn expand_groups(captures: &Captures<'_>, new: &str, out: &mut String) -> Result<(), String> {
    let mut rest = new;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let behind = &rest[1..];
        let length = match behind.as_bytes().first() {
            Some(b'$') => 2,
            Some(b'{') => behind.find('}').map_or(rest.len(), |end| end + 2),
            _ => behind.find('$').map_or(rest.len(), |end| end + 1),
        };
        captures.expand(&rest[..length], out);
        rest = &rest[length..];
        check(out)?;
    }
    out.push_str(rest);
    Ok(())
}

/// Whether a character is one of these; a set may be as long as a line.
pub fn one_of(set: &str) -> impl Fn(char) -> bool + use<> {
    let mut set: Vec<char> = set.chars().collect();
    set.sort_unstable();
    move |c| set.binary_search(&c).is_ok()
}

pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

pub fn escape_js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' => out.push_str("\\u003C"),
            '>' => out.push_str("\\u003E"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003D"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// As Go's `url.QueryEscape`.
pub fn escape_url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            b' ' => out.push('+'),
            byte => {
                out.extend(['%', HEX[usize::from(byte >> 4)] as char, HEX[usize::from(byte & 15)] as char]);
            }
        }
    }
    out
}

/// As Go's `url.QueryUnescape`.
///
/// # Errors
/// Go's, like `invalid URL escape "%zz"`.
pub fn unescape_url(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = bytes.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                let code =
                    digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(code) = code else {
                    let part = String::from_utf8_lossy(&bytes[at..(at + 3).min(bytes.len())]).into_owned();
                    return Err(format!("invalid URL escape {}", crate::syntax::quote(&part)));
                };
                out.push(code);
                at += 2;
            }
            byte => out.push(*byte),
        }
        at += 1;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn b64enc(text: &str) -> String {
    let mut out = String::with_capacity(text.len().div_ceil(3) * 4);
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let symbol = BASE64[(bits >> (18 - 6 * at) & 63) as usize] as char;
            out.push(if at <= chunk.len() { symbol } else { '=' });
        }
    }
    out
}

/// What is no base64 gives Go's complaint as its text.
pub fn b64dec(text: &str) -> String {
    let illegal = |at: usize| format!("illegal base64 data at input byte {at}");
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0_u32, 0, 0);
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')) {
        if byte == b'=' {
            padding += 1;
            continue;
        }
        let Some(value) = BASE64.iter().position(|symbol| *symbol == byte).filter(|_| padding == 0) else { return illegal(at) };
        bits = bits << 6 | value as u32;
        count += 1;
        if count % 4 == 0 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            bits = 0;
        }
    }
    match (count % 4, padding) {
        (0, 0) => {}
        (2, 2) => out.push((bits >> 4) as u8),
        (3, 1) => out.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => return illegal(text.len()),
    }
    String::from_utf8_lossy(&out).into_owned()
}
