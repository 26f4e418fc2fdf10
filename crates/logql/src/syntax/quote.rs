//! Texts in quotes, as Go writes and reads them.

use std::fmt::Write as _;

/// `"…"` with Go's escapes (`strconv.Quote`).
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x80 && c.is_control() => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            // Rust's `Debug` escapes what does not print, by Unicode's tables, as Go does.
            c if c.escape_debug().len() > 1 && !matches!(c, '\'') => {
                let code = c as u32;
                let _ = if code > 0xffff { write!(out, "\\U{code:08x}") } else { write!(out, "\\u{code:04x}") };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The text inside `"…"` or `` `…` ``, escapes undone; `None` where an escape is wrong, or where bytes given by escapes
/// are not UTF-8.
pub fn unquote(quoted: &str) -> Option<String> {
    if let Some(raw) = quoted.strip_prefix('`') {
        return raw.strip_suffix('`').map(|raw| raw.replace('\r', ""));
    }
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = unescape(&rest[at + 1..], &mut out)?;
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).ok()
}

/// Takes one escape, its backslash already gone, and gives what is left.
fn unescape<'a>(rest: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
    let first = rest.chars().next()?;
    let numeric = |from: usize, len: usize, radix: u32| {
        let digits = rest.get(from..from + len)?;
        let valid = digits.bytes().all(|byte| (byte as char).is_digit(radix));
        valid.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
    };
    let (byte, len) = match first {
        'a' => (7, 1),
        'b' => (8, 1),
        'f' => (0xc, 1),
        'n' => (b'\n', 1),
        'r' => (b'\r', 1),
        't' => (b'\t', 1),
        'v' => (0xb, 1),
        '\\' => (b'\\', 1),
        '"' => (b'"', 1),
        'x' => (u8::try_from(numeric(1, 2, 16)?).ok()?, 3),
        '0'..='7' => (u8::try_from(numeric(0, 3, 8)?).ok()?, 3),
        'u' | 'U' => {
            let len = if first == 'u' { 4 } else { 8 };
            let c = char::from_u32(numeric(1, len, 16)?)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return rest.get(1 + len..);
        }
        _ => return None,
    };
    out.push(byte);
    rest.get(len..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_go_s() {
        for (quoted, expect) in [
            (r#""a\tb\n""#, Some("a\tb\n")),
            (r#""\x41\101\u65e5""#, Some("AA日")),
            (r#""\u001b[32m""#, Some("\u{1b}[32m")),
            (r"`a\d`", Some(r"a\d")),
            (r#""\d""#, None),
            (r#""\"#, None),
            (r#""\xff""#, None),
            (r#""\u12""#, None),
        ] {
            assert_eq!(unquote(quoted).as_deref(), expect, "{quoted}");
        }
        assert_eq!(quote("a\u{1b}\"日\n"), r#""a\x1b\"日\n""#);
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(text in any::<String>()) {
            prop_assert_eq!(unquote(&quote(&text)), Some(text));
        }
    }
}
