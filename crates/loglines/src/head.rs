//! Level words near the head of a text line. Walks over what loggers put before a message (times, process ids, brackets,
//! separators, logger names) and stops where prose begins: a word deep in the message is not evidence.

use model::Level;

use crate::{
    fields::is_month,
    level::{self, Rank},
    rules::{self, Word},
    text,
};

/// How a level was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    Bracket,
    Colon,
    Word,
    Pair,
}

const HEAD_BYTES: usize = 240;
const MAX_TOKENS: usize = 14;
/// More names than these before a level are a sentence.
const MAX_NAMES: u8 = 3;

/// A level at the head of a line, and how it was written.
pub(crate) type Found = (Evidence, Level);

pub(crate) fn find(text: &str) -> Option<Found> {
    let head = text::cut(text, HEAD_BYTES);
    let rest = head.trim_start();
    // An indented line belongs to the one before, unless it has a time of its own.
    if rest.len() < head.len() && !text::is_time(text::token(rest.trim_start_matches('[')).0) {
        return None;
    }
    let mut walk = Walk { rest, names: 0, timed: false, dated: false, parted: false };
    for _ in 0..MAX_TOKENS {
        walk.rest = walk.rest.trim_start();
        match walk.step() {
            Step::Found(found) => return Some(found),
            Step::Stop => return None,
            Step::Next => {}
        }
    }
    None
}

enum Step {
    Found(Found),
    Next,
    Stop,
}

struct Walk<'a> {
    rest: &'a str,
    /// Words so far that are neither time, number, separator nor pair.
    names: u8,
    /// A date or clock time was seen.
    timed: bool,
    /// The name of a month was seen: a syslog header, perhaps.
    dated: bool,
    /// The token before was a separator or a bracket.
    parted: bool,
}

impl Walk<'_> {
    fn step(&mut self) -> Step {
        let Some(first) = self.rest.chars().next() else { return Step::Stop };
        if matches!(first, '[' | '<' | '(' | '{')
            && let Some((inside, after)) = bracketed(self.rest)
        {
            if first != '{'
                && self.names <= 1
                && let Some(level) = in_bracket(inside, self.timed)
            {
                return Step::Found((Evidence::Bracket, level));
            }
            self.timed |= inside.split_ascii_whitespace().take(4).any(text::is_time);
            self.rest = after.trim_start_matches(':');
            self.parted = true;
            return Step::Next;
        }
        let (token, after) = text::token(self.rest);
        self.rest = after;
        if is_separator(token) {
            self.parted = true;
            return Step::Next;
        }
        if text::is_numeric(token.trim_end_matches([',', ':', ']', ')'])) {
            self.timed |= text::is_time(token.trim_end_matches([',', ':']));
            return Step::Next;
        }
        if is_calendar(token) {
            self.dated |= is_month(token);
            return Step::Next;
        }
        if let Some((key, value)) = token.split_once('=') {
            return pair(key, value);
        }
        if let Some(found) = self.word(token, after).or_else(|| self.channel(token)) {
            return Step::Found(found);
        }
        self.name(token)
    }

    /// A token that starts with a level's name.
    fn word(&self, token: &str, after: &str) -> Option<Found> {
        let (name, tail) = token.split_at(token.bytes().position(|b| !b.is_ascii_alphabetic()).unwrap_or(token.len()));
        let Word { level, bare, colon, .. } = rules::word(name)?;
        let upper = name.bytes().all(|b| b.is_ascii_uppercase());
        let alone = self.names == 0;
        let before_separator = is_separator(text::token(after.trim_start()).0);
        if tail.starts_with(':') {
            let capitals = upper && (alone || self.parted || (self.timed && self.names <= 2));
            let any_case = colon && alone && tail == ":";
            return (capitals || any_case).then_some((Evidence::Colon, level));
        }
        // logrus on a terminal: `ERRO[0012]`.
        if upper && alone && tail.starts_with('[') && tail.ends_with(']') && tail.bytes().any(|b| b.is_ascii_digit()) {
            return Some((Evidence::Word, level));
        }
        if !matches!(tail, "" | "!" | ",") {
            return None;
        }
        let capitals = upper && ((bare && alone) || (self.parted && before_separator));
        let lower = !upper
            && tail.is_empty()
            && ((bare && self.timed && alone && (after.starts_with('\t') || after.starts_with("  ")))
                || (self.timed && self.parted && before_separator));
        let timed = upper && self.timed && alone;
        (capitals || lower || timed).then_some((Evidence::Word, level))
    }

    /// Monolog's `channel.LEVEL:`.
    fn channel(&self, token: &str) -> Option<Found> {
        let (_, name) = token.strip_suffix(':')?.rsplit_once('.')?;
        let known = rules::word(name).filter(|_| self.timed && self.names == 0 && name.bytes().all(|b| b.is_ascii_uppercase()))?;
        Some((Evidence::Colon, known.level))
    }

    fn name(&mut self, token: &str) -> Step {
        let is_name = token.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./@:[]#$".contains(&b));
        let is_tag = token.ends_with(':');
        // The Ruby logger's `E, [time #pid] ERROR -- : …`.
        if token.len() == 2 && token.ends_with(',') && self.names == 0 {
            return Step::Next;
        }
        if !is_name {
            return Step::Stop;
        }
        // A syslog tag, `app[12]:` or `host app:`, ends a header: what follows starts anew.
        if is_tag && self.names <= 1 && (self.dated || token.ends_with("]:")) {
            (self.names, self.parted) = (0, true);
            return Step::Next;
        }
        self.parted = is_tag;
        // `app.db` after a time names a logger.
        let is_logger = self.timed && !is_tag && (token.contains("::") || token.trim_matches('.').contains('.'));
        self.names += u8::from(!is_logger);
        if self.names > MAX_NAMES { Step::Stop } else { Step::Next }
    }
}

fn pair(key: &str, value: &str) -> Step {
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-@".contains(&b)) {
        return Step::Stop;
    }
    let level = level::key_of(key).filter(|(rank, _)| *rank == Rank::Top).and_then(|_| level::named(value.trim_matches('"')));
    level.map_or(Step::Next, |level| Step::Found((Evidence::Pair, level)))
}

/// What a bracket says: `error`, `WARN  tini (7)`, `2026-… INFO app`, `core:error`, `…: INFO/MainProcess`, `I 2026-… app`.
fn in_bracket(inside: &str, timed: bool) -> Option<Level> {
    let inside = inside.trim();
    if let Some(word) = rules::word(inside) {
        return Some(word.level);
    }
    // MySQL's own messages.
    if timed && inside == "System" {
        return Some(Level::Info);
    }
    if let Some((_, name)) =
        inside.rsplit_once(':').filter(|(module, _)| timed && module.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    {
        return rules::word(name).map(|word| word.level);
    }
    let mut tokens = inside.split_ascii_whitespace().take(5);
    let first = tokens.next()?;
    if first.len() == 1 && tokens.clone().next().is_some_and(text::is_time) {
        return level::letter(first.as_bytes()[0]);
    }
    let capitals = |token: &str| {
        let name = token.split('/').next().unwrap_or(token);
        rules::word(name).filter(|word| word.bare && name.bytes().all(|b| b.is_ascii_uppercase())).map(|word| word.level)
    };
    if text::is_time(first) { tokens.find_map(capitals) } else { capitals(first) }
}

/// The inside of the bracket that `text` starts with, and what follows it.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let close = match text.as_bytes()[0] {
        b'[' => b']',
        b'<' => b'>',
        b'(' => b')',
        _ => b'}',
    };
    let end = memchr::memchr(close, &text.as_bytes()[..text.len().min(100)])?;
    Some((&text[1..end], &text[end + 1..]))
}

fn is_separator(token: &str) -> bool {
    !token.is_empty() && (token.bytes().all(|b| b"-|:>*~".contains(&b)) || matches!(token, "»" | "·" | "—" | "–" | "│"))
}

fn is_calendar(token: &str) -> bool {
    const WORDS: [&str; 16] =
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "AM", "PM", "UTC", "GMT", "CET", "CEST", "EST", "EDT", "PST"];
    is_month(token) || WORDS.contains(&token)
}
