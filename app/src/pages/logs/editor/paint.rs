//! The text of a query in pieces: what colour each has, and which are wrong.

use logql::syntax::{TokenKind, tolerant};

/// A piece of the text as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub class: &'static str,
    pub wrong: bool,
}

/// What is wrong with a text, and the bytes where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub message: String,
    pub start: usize,
    pub end: usize,
}

/// What the grammar has to say against a text that may be half written.
pub fn wrong(text: &str) -> Option<Wrong> {
    let diagnostic = tolerant(text).1.into_iter().next()?;
    Some(Wrong { message: diagnostic.message, start: diagnostic.span.start as usize, end: diagnostic.span.end as usize })
}

/// The text in pieces that together are all of it. A place of no width is shown at the sign before it, or at the one space behind the text.
pub fn pieces(text: &str, wrong: Option<&Wrong>) -> Vec<Piece> {
    let tokens = tolerant(text).0;
    let bad = wrong.map(|wrong| {
        let end = wrong.end.min(text.len());
        let start = wrong.start.min(end);
        if start < end {
            return start..end;
        }
        let before = text[..boundary(text, start)].char_indices().next_back().map_or(0, |(at, _)| at);
        before..boundary(text, start)
    });
    let mut cuts: Vec<usize> = vec![0, text.len()];
    for token in &tokens {
        cuts.extend([token.span.start as usize, token.span.end as usize]);
    }
    cuts.extend(bad.iter().flat_map(|bad| [bad.start, bad.end]));
    cuts.retain(|at| text.is_char_boundary(*at));
    cuts.sort_unstable();
    cuts.dedup();
    let mut tokens = tokens.into_iter().peekable();
    let piece = |cut: &[usize]| {
        let (start, end) = (cut[0], cut[1]);
        while tokens.next_if(|token| token.span.end as usize <= start).is_some() {}
        let kind = tokens.peek().filter(|token| token.span.start as usize <= start).map(|token| token.kind);
        Piece {
            text: text[start..end].to_owned(),
            class: kind.map_or("", class),
            wrong: bad.as_ref().is_some_and(|bad| bad.start <= start && end <= bad.end),
        }
    };
    cuts.windows(2).map(piece).collect()
}

fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn class(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Label => "q-label",
        TokenKind::Text => "q-text",
        TokenKind::Number | TokenKind::Unit => "q-number",
        TokenKind::Function => "q-function",
        TokenKind::Stage => "q-stage",
        TokenKind::Keyword => "q-keyword",
        TokenKind::Operator => "q-operator",
        TokenKind::Bracket => "q-bracket",
        TokenKind::Comment => "q-comment",
        TokenKind::Error => "q-error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_all_of_the_text_and_the_wrong_one_is_marked() {
        for text in ["", " ", r#"{a="b"} |= "ü" | json | x > 5 # end"#, "{a=", "{a=\"b\"} | jsn!", "rate({a=\"é", "\u{1f600}{"] {
            let wrong = wrong(text);
            let pieces = pieces(text, wrong.as_ref());
            assert_eq!(pieces.iter().map(|piece| &*piece.text).collect::<String>(), text);
            let marked = pieces.iter().any(|piece| piece.wrong);
            assert_eq!(marked, wrong.is_some(), "{text}");
        }
    }

    #[test]
    fn pieces_have_the_colours_of_their_words() {
        let pieces = pieces(r#"{a="b"} | json"#, None);
        let classes: Vec<_> = pieces.iter().map(|piece| (&*piece.text, piece.class)).collect();
        assert_eq!(
            classes,
            [
                ("{", "q-bracket"),
                ("a", "q-label"),
                ("=", "q-operator"),
                ("\"b\"", "q-text"),
                ("}", "q-bracket"),
                (" ", ""),
                ("|", "q-operator"),
                (" ", ""),
                ("json", "q-stage"),
            ]
        );
    }
}
