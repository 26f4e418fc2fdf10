//! Pattern expressions, `<ip> - <_> "<method>`: constant pieces and captures.

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    Capture(String),
    /// `<_>`
    Any,
}

/// The pieces of a `| pattern` expression.
///
/// # Errors
/// In Loki's words, for use behind `invalid pattern parser: `.
pub fn pattern_pieces(text: &str) -> Result<Vec<Piece>, String> {
    let pieces = split(text)?;
    let mut names: Vec<&str> = Vec::new();
    for piece in &pieces {
        if let Piece::Capture(name) = piece {
            if names.contains(&name.as_str()) {
                return Err(format!("duplicate capture name ({name}): invalid expression"));
            }
            names.push(name);
        }
    }
    if names.is_empty() { Err("at least one capture is required".into()) } else { Ok(pieces) }
}

/// The pieces of a `|>` line filter, which has no names.
///
/// # Errors
/// In Loki's words.
pub fn line_pattern_pieces(text: &str) -> Result<Vec<Piece>, String> {
    let pieces = split(text)?;
    if pieces.iter().any(|piece| matches!(piece, Piece::Capture(_))) {
        return Err("named captures are not allowed".into());
    }
    Ok(pieces)
}

fn split(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some((name, tail)) = capture(rest) {
            if let Some(last @ (Piece::Capture(_) | Piece::Any)) = pieces.last() {
                let last = if let Piece::Capture(name) = last { name } else { "_" };
                return Err(format!("found consecutive capture '<{last}><{name}>': invalid expression"));
            }
            pieces.push(if name == "_" { Piece::Any } else { Piece::Capture(name.to_owned()) });
            rest = tail;
        } else {
            let len = rest.chars().next().map_or(0, char::len_utf8);
            let (first, tail) = rest.split_at(len);
            match pieces.last_mut() {
                Some(Piece::Literal(literal)) => literal.push_str(first),
                _ => pieces.push(Piece::Literal(first.to_owned())),
            }
            rest = tail;
        }
    }
    Ok(pieces)
}

/// `<name>` at the start, and what follows.
fn capture(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('<')?.split_once('>')?;
    let mut bytes = name.bytes();
    let valid = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    valid.then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_split_at_their_captures() {
        let pieces = pattern_pieces("<ip> - [<_>] a < b").unwrap();
        let literal = |text: &str| Piece::Literal(text.into());
        assert_eq!(pieces, [Piece::Capture("ip".into()), literal(" - ["), Piece::Any, literal("] a < b")]);
        for (text, expect) in [
            ("abc", "at least one capture is required"),
            ("<_> a", "at least one capture is required"),
            ("<a><b>", "found consecutive capture '<a><b>': invalid expression"),
            ("<a> <a>", "duplicate capture name (a): invalid expression"),
        ] {
            assert_eq!(pattern_pieces(text).unwrap_err(), expect);
        }
        assert!(line_pattern_pieces("a <b>").is_err());
        assert_eq!(line_pattern_pieces("").unwrap(), []);
    }
}
