//! A line's words, by what kind of line it is: the words of a JSON line's message, keys and values of logfmt, words and
//! punctuation of anything else.

use crate::{json_scan::Members, logfmt_scan::Pairs};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    #[default]
    Plain,
    Logfmt,
    Json,
}

/// Where the words of the last line read stand. Kept, so that its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub shape: Shape,
    /// Ends of the text within the line that the words are from.
    text: (u32, u32),
    places: Vec<(u32, u32)>,
}

/// Members that hold a JSON line's text.
const MESSAGES: [&str; 6] = ["message", "msg", "log", "content", "_msg", "event"];

impl Tokens {
    /// Reads a line; false where it has no or too many words.
    pub(super) fn read(&mut self, line: &str, max_tokens: usize) -> bool {
        self.places.clear();
        self.text = (0, line.len() as u32);
        self.shape = Shape::Plain;
        if let Some(message) = message_in(line) {
            self.shape = Shape::Json;
            let start = place(line, message);
            self.text = (start, start + message.len() as u32);
            self.read_plain(line, message, max_tokens);
        } else if self.read_logfmt(line, max_tokens) {
            self.shape = Shape::Logfmt;
        } else {
            self.places.clear();
            self.read_plain(line, line, max_tokens);
        }
        (1..=max_tokens).contains(&self.places.len())
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter<'l>(&self, line: &'l str) -> impl Iterator<Item = &'l str> {
        self.places.iter().map(move |&(start, end)| &line[start as usize..end as usize])
    }

    /// What stands before each word, and behind the last.
    pub(super) fn gaps<'l>(&self, line: &'l str) -> impl Iterator<Item = &'l str> {
        let ends = std::iter::once(self.text.0).chain(self.places.iter().map(|place| place.1));
        let starts = self.places.iter().map(|place| place.0).chain([self.text.1]);
        ends.zip(starts).map(move |(end, start)| &line[end as usize..start as usize])
    }

    fn push(&mut self, line: &str, token: &str) {
        let start = place(line, token);
        self.places.push((start, start + token.len() as u32));
    }

    /// Whether most words are pairs.
    fn read_logfmt(&mut self, line: &str, max_tokens: usize) -> bool {
        if memchr::memchr(b'=', line.as_bytes()).is_none() {
            return false;
        }
        let (mut pairs, mut bare) = (0usize, 0usize);
        let mut scan = Pairs::new(line);
        while let Some(pair) = scan.next() {
            if scan.stumbled || self.places.len() > max_tokens {
                return false;
            }
            self.push(line, pair.key);
            if pair.raw.is_empty() {
                bare += 1;
            } else {
                pairs += 1;
                self.push(line, pair.raw);
            }
        }
        !scan.stumbled && pairs > bare
    }

    fn read_plain(&mut self, line: &str, text: &str, max_tokens: usize) {
        let mut start = None;
        for (at, byte) in text.bytes().enumerate() {
            let splits = matches!(byte, b',' | b';' | b'=' | b'"' | b'\'' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'|');
            if splits || byte <= b' ' {
                if let Some(start) = start.take() {
                    self.push(line, &text[start..at]);
                }
                if splits {
                    self.push(line, &text[at..=at]);
                }
                if self.places.len() > max_tokens {
                    return;
                }
            } else {
                start.get_or_insert(at);
            }
        }
        if let Some(start) = start {
            self.push(line, &text[start..]);
        }
    }
}

/// Where a part of `line` begins.
fn place(line: &str, part: &str) -> u32 {
    (part.as_ptr() as usize - line.as_ptr() as usize) as u32
}

/// The message of a JSON line, as written.
fn message_in(line: &str) -> Option<&str> {
    if !line.trim_start().starts_with('{') {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for member in Members::new(line) {
        let Some(rank) = MESSAGES.iter().position(|name| *name == member.key) else { continue };
        let Some(text) = member.value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { continue };
        if best.is_none_or(|(other, _)| rank < other) {
            best = Some((rank, text));
        }
    }
    best.map(|(_, text)| text)
}
