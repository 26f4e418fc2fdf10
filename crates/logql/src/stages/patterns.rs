//! Patterns of literals and captures: `<ip> - - <_> "<method>`. The `pattern` stage takes labels from a line, `|>` and `!>` ask
//! whether a line is of that form (<https://grafana.com/docs/loki/latest/query/log_queries/#pattern>).

use memchr::memmem::Finder;

use super::names::Wanted;
use crate::labelset::LabelSet;

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<Finder<'static>>),
    /// `<name>`; without a name `<_>`.
    Capture(Option<String>),
}

/// A pattern taken apart; two captures never stand side by side.
#[derive(Clone, Debug)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn parse(text: &str) -> Result<Self, String> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            if let Some((name, tail)) = capture(rest) {
                if !literal.is_empty() {
                    pieces.push(literal_piece(&std::mem::take(&mut literal)));
                }
                if matches!(pieces.last(), Some(Piece::Capture(_))) {
                    return Err(format!("found consecutive capture: invalid expression '{text}'"));
                }
                pieces.push(Piece::Capture((name != "_").then(|| name.to_owned())));
                rest = tail;
            } else {
                literal.push(char);
                rest = &rest[char.len_utf8()..];
            }
        }
        if !literal.is_empty() {
            pieces.push(literal_piece(&literal));
        }
        Ok(Self(pieces))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Capture(name) => name.as_deref(),
            Piece::Literal(_) => None,
        })
    }
}

fn literal_piece(text: &str) -> Piece {
    Piece::Literal(Box::new(Finder::new(text).into_owned()))
}

/// `<name>` at the start of the text, and what follows.
fn capture(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('<')?.split_once('>')?;
    super::names::is_clean(name).then_some((name, rest))
}

/// The `pattern` stage.
#[derive(Clone, Debug)]
pub struct Pattern {
    pieces: Pieces,
    wanted: Wanted,
}

impl Pattern {
    /// # Errors
    /// A text for the client.
    pub fn compile(text: &str, wanted: Wanted) -> Result<Self, String> {
        let pieces = Pieces::parse(text)?;
        let names: Vec<_> = pieces.names().collect();
        if names.is_empty() {
            return Err("invalid pattern parser: at least one capture is required".into());
        }
        if let Some(twice) = names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name)) {
            return Err(format!("invalid pattern parser: duplicate capture name ({twice})"));
        }
        Ok(Self { pieces, wanted })
    }

    /// Takes labels until a literal is not found; the capture before it takes the rest of the line. A line that does not
    /// start with the first literal gives none.
    pub fn run(&self, line: &str, labels: &mut LabelSet) {
        let mut pieces = self.pieces.0.iter().peekable();
        let mut rest = line;
        if let Some(Piece::Literal(literal)) = pieces.peek() {
            match rest.as_bytes().strip_prefix(literal.needle()) {
                Some(_) => rest = rest.get(literal.needle().len()..).unwrap_or_default(),
                None => return,
            }
            pieces.next();
        }
        if line.is_empty() {
            return;
        }
        while let Some(Piece::Capture(name)) = pieces.next() {
            let (found, tail) = match pieces.next() {
                Some(Piece::Literal(literal)) => match literal.find(rest.as_bytes()) {
                    Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + literal.needle().len()..)),
                    None => (rest, None),
                },
                _ => (rest, None),
            };
            if let Some(name) = name
                && self.wanted.may_take(name)
            {
                self.wanted.take(labels, name, found);
            }
            match tail {
                Some(tail) => rest = tail,
                None => return,
            }
        }
    }
}

/// `|> "…"`: whether the whole line is of the form; a `<_>` takes at least one character.
#[derive(Clone, Debug)]
pub struct Form(Pieces);

impl Form {
    /// # Errors
    /// A text for the client.
    pub fn compile(text: &str) -> Result<Self, String> {
        let pieces = Pieces::parse(text)?;
        if let Some(name) = pieces.names().next() {
            return Err(format!("invalid pattern filter: named captures are not allowed (<{name}>)"));
        }
        Ok(Self(pieces))
    }

    pub fn matches(&self, line: &str) -> bool {
        let pieces = &self.0.0;
        let mut rest = line.as_bytes();
        // Whether a capture stands before the piece; the earliest place of each literal leaves most to those behind it.
        let mut open = false;
        for (at, piece) in pieces.iter().enumerate() {
            let last = at + 1 == pieces.len();
            rest = match piece {
                Piece::Capture(_) => {
                    open = true;
                    continue;
                }
                Piece::Literal(literal) if !open => match rest.strip_prefix(literal.needle()) {
                    Some(rest) => rest,
                    None => return false,
                },
                Piece::Literal(literal) if last => return rest.len() > literal.needle().len() && rest.ends_with(literal.needle()),
                Piece::Literal(literal) => match rest.get(1..).and_then(|behind| Some((behind, literal.find(behind)?))) {
                    Some((behind, at)) => &behind[at + literal.needle().len()..],
                    None => return false,
                },
            };
            open = false;
        }
        if open { !rest.is_empty() } else { rest.is_empty() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_labels_as_far_as_it_fits() {
        for (pattern, line, expect) in [
            (
                r#"<ip> - - [<_>] "<method> <path> <_>" <code>"#,
                r#"10.0.0.2 - - [22/Nov] "GET /healthz HTTP/1.1" 200"#,
                "code=200 ip=10.0.0.2 method=GET path=/healthz",
            ),
            ("<a> - <b>", "connected (attempt 2)", "a=connected (attempt 2)"),
            ("x <a>", "y 1", ""),
            ("x <a>", "x 1 2", "a=1 2"),
            ("<a>, <b>", "1, ", "a=1 b="),
            ("<日> <a>", "1 2", ""),
            ("<_>日<a>志", "x日y志z", "a=y"),
            ("<a>", "", ""),
        ] {
            let mut labels = LabelSet::default();
            Pattern::compile(pattern, Wanted::All).unwrap().run(line, &mut labels);
            let found: Vec<_> = labels.parsed().iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(found.join(" "), expect, "{pattern}");
        }
        for wrong in ["abc", "<_>", "<a><b>", "<a> <a>", ""] {
            assert!(Pattern::compile(wrong, Wanted::All).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_form_fits_the_whole_line() {
        for (form, line, expect) in [
            ("connected to <_>", "connected to db", true),
            ("connected to <_>", "connected to ", false),
            ("connected to <_>", "re connected to db", false),
            ("<_>a", "banana", true),
            ("<_>ab<_>", "abab!", true),
            ("<_>ab<_>", "ab!", false),
            ("<_> b <_> c", "a b x b c", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("<_>", "", false),
            ("", "", true),
            ("", "x", false),
            ("a<b c><_>", "a<b c>d", true),
            ("<_>志", "日志", true),
        ] {
            assert_eq!(Form::compile(form).unwrap().matches(line), expect, "{form} on {line}");
        }
        assert!(Form::compile("<a>").is_err());
    }
}
