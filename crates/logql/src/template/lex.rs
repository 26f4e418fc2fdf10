//! The text of a template, cut into what is copied and the words of its actions.

#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// To copy.
    Text(String),
    /// `{{` and `}}`
    Open,
    Close,
    Name(String),
    /// `.a`; `.` alone has no name.
    Field(String),
    /// `$a`, its dollar included.
    Variable(String),
    Quoted(String),
    Number(String),
    Char(char),
    Space,
    /// `|`, `(`, `)`, `,`, `:=`, `=`
    Sign(&'static str),
    /// Nothing follows.
    Wrong(String),
    End,
}

#[derive(Clone, Debug)]
pub struct Item {
    pub word: Word,
    pub at: usize,
    pub len: usize,
}

/// All words; after the first that is wrong there are no more.
pub fn lex(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut at = 0;
    let mut trim = false;
    while let Some(open) = text[at..].find("{{") {
        let mut copied = &text[at..at + open];
        let inside = at + open + 2;
        let trims_before = text[inside..].starts_with('-') && text[inside + 1..].starts_with(is_space);
        copied = if trim { copied.trim_start_matches(is_space) } else { copied };
        copied = if trims_before { copied.trim_end_matches(is_space) } else { copied };
        if !copied.is_empty() {
            items.push(Item { word: Word::Text(copied.to_owned()), at, len: copied.len() });
        }
        let start = inside + usize::from(trims_before);
        if let Some(comment) = text[start..].trim_start_matches(is_space).strip_prefix("/*") {
            let from = text.len() - comment.len();
            match comment_end(text, from) {
                Ok((end, trims)) => (at, trim) = (end, trims),
                Err(message) => {
                    items.push(Item { word: Word::Wrong(message.into()), at: at + open, len: 0 });
                    return items;
                }
            }
            continue;
        }
        items.push(Item { word: Word::Open, at: at + open, len: 2 });
        match action(text, start, &mut items) {
            Some((end, trims)) => (at, trim) = (end, trims),
            None => return items,
        }
    }
    let rest = if trim { text[at..].trim_start_matches(is_space) } else { &text[at..] };
    if !rest.is_empty() {
        items.push(Item { word: Word::Text(rest.to_owned()), at, len: rest.len() });
    }
    items.push(Item { word: Word::End, at: text.len(), len: 0 });
    items
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Where the action after a comment ends, and whether it trims what follows.
fn comment_end(text: &str, from: usize) -> Result<(usize, bool), &'static str> {
    let close = text[from..].find("*/").ok_or("unclosed comment")? + from + 2;
    match (text[close..].strip_prefix("}}"), text[close..].strip_prefix(" -}}")) {
        (Some(rest), _) => Ok((text.len() - rest.len(), false)),
        (_, Some(rest)) => Ok((text.len() - rest.len(), true)),
        _ => Err("comment ends before closing delimiter"),
    }
}

/// The words up to `}}`; `None` if something was wrong.
fn action(text: &str, start: usize, items: &mut Vec<Item>) -> Option<(usize, bool)> {
    let mut at = start;
    let mut depth = 0_usize;
    loop {
        let rest = &text[at..];
        let trims = rest.starts_with(is_space) && rest.trim_start_matches(is_space).starts_with("-}}");
        if trims || rest.starts_with("}}") {
            let end = if trims { text.len() - rest.trim_start_matches(is_space).len() + 3 } else { at + 2 };
            if depth > 0 {
                items.push(Item { word: Word::Wrong("unclosed left paren".into()), at, len: 0 });
                return None;
            }
            items.push(Item { word: Word::Close, at, len: end - at });
            return Some((end, trims));
        }
        let (word, len) = word(rest);
        match &word {
            Word::Sign("(") => depth += 1,
            Word::Sign(")") if depth == 0 => {
                items.push(Item { word: Word::Wrong("unexpected right paren".into()), at, len });
                return None;
            }
            Word::Sign(")") => depth -= 1,
            _ => {}
        }
        let wrong = matches!(word, Word::Wrong(_));
        items.push(Item { word, at, len });
        if wrong {
            return None;
        }
        at += len;
    }
}

fn word(rest: &str) -> (Word, usize) {
    let Some(first) = rest.chars().next() else { return (Word::Wrong("unclosed action".into()), 0) };
    let name_len = |from: usize| rest[from..].find(|c: char| c != '_' && !c.is_alphanumeric()).map_or(rest.len(), |len| from + len);
    match first {
        c if is_space(c) => (Word::Space, rest.find(|c| !is_space(c)).unwrap_or(rest.len())),
        '"' | '`' => quoted(rest, first),
        '\'' => character(rest),
        '|' => (Word::Sign("|"), 1),
        '(' => (Word::Sign("("), 1),
        ')' => (Word::Sign(")"), 1),
        ',' => (Word::Sign(","), 1),
        ':' if rest[1..].starts_with('=') => (Word::Sign(":="), 2),
        ':' => (Word::Wrong("expected :=".into()), 1),
        '=' => (Word::Sign("="), 1),
        '$' => (Word::Variable(rest[..name_len(1)].to_owned()), name_len(1)),
        '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Word::Field(rest[1..name_len(1)].to_owned()), name_len(1)),
        c if c == '.' || c.is_ascii_digit() || matches!(c, '+' | '-') => {
            let mut previous = ' ';
            let len = rest.char_indices().find(|(at, c)| {
                let sign = matches!(c, '+' | '-') && (*at == 0 || matches!(previous, 'e' | 'E'));
                let ends = !(sign || *c == '.' || *c == '_' || c.is_ascii_alphanumeric());
                previous = *c;
                ends
            });
            let len = len.map_or(rest.len(), |(at, _)| at);
            (Word::Number(rest[..len].to_owned()), len)
        }
        c if c == '_' || c.is_alphabetic() => (Word::Name(rest[..name_len(0)].to_owned()), name_len(0)),
        c => (Word::Wrong(format!("unexpected {} in command", crate::syntax::quote(&c.to_string()))), c.len_utf8()),
    }
}

fn quoted(rest: &str, quote: char) -> (Word, usize) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            '\n' if quote == '"' => break,
            c if c == quote => {
                let text = crate::syntax::unquote(&rest[..=at]);
                return (text.map_or_else(|| Word::Wrong("invalid syntax".into()), Word::Quoted), at + 1);
            }
            _ => {}
        }
    }
    let what = if quote == '"' { "unterminated quoted string" } else { "unterminated raw quoted string" };
    (Word::Wrong(what.into()), rest.len())
}

fn character(rest: &str) -> (Word, usize) {
    let inner = &rest[1..];
    let end = if inner.starts_with('\\') { inner.get(2..).and_then(|rest| rest.find('\'')).map(|at| at + 2) } else { inner.find('\'') };
    let text = end.and_then(|end| {
        let text = &inner[..end];
        let text = if text == "\\'" { Some("'".to_owned()) } else { crate::syntax::unquote(&format!("\"{}\"", text.replace('"', "\\\""))) };
        text.filter(|text| text.chars().count() == 1).map(|text| (text, end + 2))
    });
    match text.as_ref().and_then(|(text, len)| text.chars().next().map(|c| (c, *len))) {
        Some((c, len)) => (Word::Char(c), len),
        None => (Word::Wrong("unterminated character constant".into()), rest.len()),
    }
}
