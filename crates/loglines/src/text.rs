//! Small pieces of text: cutting, and the prefixes that other programs put before a line.

/// The longest head of `text` of at most `max` bytes that ends on a char boundary.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|&at| text.is_char_boundary(at)).expect("zero is a boundary");
    &text[..end]
}

/// The first token of `text` and what follows it, at the first blank.
pub(crate) fn token(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| b == b' ' || b == b'\t').unwrap_or(text.len());
    text.split_at(end)
}

/// Whether a token is made like a date, a clock time, an offset, an address or a number: it starts with a digit or a
/// sign and has few letters (`T`, `Z`, a month).
pub(crate) fn is_numeric(token: &str) -> bool {
    let bytes = token.as_bytes();
    let starts = match bytes {
        [b'+' | b'-' | b'#', second, ..] => second.is_ascii_digit(),
        [first, ..] => first.is_ascii_digit(),
        [] => false,
    };
    starts
        && bytes.len() <= 40
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b":.,+-/_#".contains(b))
        && bytes.iter().filter(|b| b.is_ascii_alphabetic()).count() <= 4
}

/// Whether a token is made like a date or a clock time, not just any number.
pub(crate) fn is_time(token: &str) -> bool {
    let count = |mark: u8| token.bytes().filter(|&b| b == mark).count();
    is_numeric(token)
        && token.bytes().filter(u8::is_ascii_digit).count() >= 4
        && (count(b':') >= 1 || count(b'-') == 2 || count(b'/') >= 2 || (count(b'.') == 2 && token.len() == 10))
}

/// `text` without what a runtime put before the program's own line, where that is certain: `web-1  | ` (compose) and
/// `<time> stdout F ` (the container runtime interface).
pub(crate) fn unprefixed(text: &str) -> &str {
    compose(text).or_else(|| cri(text)).unwrap_or(text)
}

fn compose(text: &str) -> Option<&str> {
    let (name, rest) = token(text);
    let (stem, replica) = name.rsplit_once(['-', '_'])?;
    let named = stem.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 128
        && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !replica.is_empty()
        && replica.bytes().all(|b| b.is_ascii_digit());
    let rest = rest.trim_start_matches(' ');
    if named { rest.strip_prefix("| ") } else { None }
}

fn cri(text: &str) -> Option<&str> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (time, rest) = token(text);
    let rest = rest.strip_prefix(" stdout ").or_else(|| rest.strip_prefix(" stderr "))?;
    if is_time(time) { rest.strip_prefix("F ").or_else(|| rest.strip_prefix("P ")) } else { None }
}
