//! Where a searched text stands in a line.

use std::ops::Range;

use wasm_bindgen::JsCast;

use super::log_view::LogView;

/// Matches marked in one line at most.
const MAX_MARKS: usize = 100;

/// What is looked for, ready to be found many times.
pub enum Marker {
    Nothing,
    Plain {
        needle: String,
        fold: bool,
    },
    /// Any of several texts, each with whether its case does not matter.
    Texts(Vec<(String, bool)>),
    /// The browser's engine: close enough to the server's for marking.
    Regex(js_sys::RegExp),
}

impl Marker {
    /// For the browser only where `view.regex` is on.
    ///
    /// # Errors
    /// What the browser says of a pattern that is no regular expression.
    pub fn new(view: &LogView) -> Result<Self, String> {
        if view.search.is_empty() || (view.invert && !view.highlight) {
            return Ok(Self::Nothing);
        }
        let fold = !has_capital(&view.search, view.regex);
        if !view.regex {
            return Ok(Self::Plain { needle: view.search.clone(), fold });
        }
        let flags: &[&str] = if fold { &["giu", "gi"] } else { &["gu", "g"] };
        let mut says = String::new();
        for flags in flags {
            match compile(&view.search, flags) {
                Ok(regex) => return Ok(Self::Regex(regex)),
                Err(error) => says = error,
            }
        }
        Err(says)
    }

    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// Whether the text is in a line without codes.
    pub fn hits(&self, plain: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Plain { needle, fold } => find(plain, needle, *fold, 1).len() == 1,
            Self::Texts(texts) => texts.iter().any(|(needle, fold)| find(plain, needle, *fold, 1).len() == 1),
            Self::Regex(regex) => {
                regex.set_last_index(0);
                regex.test(plain)
            }
        }
    }

    /// The matches in a line without codes, as byte ranges, ascending and apart.
    pub fn marks(&self, plain: &str) -> Vec<Range<usize>> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Plain { needle, fold } => find(plain, needle, *fold, MAX_MARKS),
            Self::Texts(texts) => apart(texts.iter().flat_map(|(needle, fold)| find(plain, needle, *fold, MAX_MARKS)).collect()),
            Self::Regex(regex) => from_utf16(plain, &regex_marks(regex, plain)),
        }
    }
}

/// Ranges in order, those that overlap made one.
fn apart(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|range, before| {
        let overlaps = range.start < before.end;
        if overlaps {
            before.end = before.end.max(range.end);
        }
        overlaps
    });
    ranges.truncate(MAX_MARKS);
    ranges
}

fn compile(pattern: &str, flags: &str) -> Result<js_sys::RegExp, String> {
    let make = js_sys::Reflect::get(&js_sys::global(), &"RegExp".into()).ok().and_then(|make| make.dyn_into::<js_sys::Function>().ok());
    let Some(make) = make else { return Err(String::new()) };
    let arguments = js_sys::Array::of2(&pattern.into(), &flags.into());
    match js_sys::Reflect::construct(&make, &arguments) {
        Ok(regex) => Ok(regex.unchecked_into()),
        Err(error) => Err(error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message())).unwrap_or_default()),
    }
}

/// Matches in UTF-16 units.
fn regex_marks(regex: &js_sys::RegExp, plain: &str) -> Vec<Range<usize>> {
    let mut marks = Vec::new();
    regex.set_last_index(0);
    // `test` with the flag `g` leaves the end in `lastIndex`; the match's start comes from `exec`.
    while marks.len() < MAX_MARKS
        && let Some(found) = regex.exec(plain)
    {
        let number = |name: &str| js_sys::Reflect::get(&found, &name.into()).ok().and_then(|value| value.as_f64());
        let Some(start) = number("index") else { break };
        let end = regex.last_index() as usize;
        if end > start as usize {
            marks.push(start as usize..end);
        } else {
            regex.set_last_index(end as u32 + 1);
        }
    }
    marks
}

/// A capital letter makes a search exact; those of classes such as `\S` are no letters. The server's rule.
fn has_capital(pattern: &str, regex: bool) -> bool {
    let mut escaped = false;
    pattern.chars().any(|c| {
        let literal = !(regex && escaped);
        escaped = c == '\\' && !escaped;
        literal && c.is_uppercase()
    })
}

/// At most `most` places of a text, case folded where asked.
fn find(text: &str, needle: &str, fold: bool, most: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if !fold {
        found.extend(text.match_indices(needle).take(most).map(|(at, _)| at..at + needle.len()));
    } else if needle.is_ascii() {
        let (text, needle) = (text.as_bytes(), needle.as_bytes());
        let mut at = 0;
        while at + needle.len() <= text.len() && found.len() < most {
            if text[at..at + needle.len()].eq_ignore_ascii_case(needle) {
                found.push(at..at + needle.len());
                at += needle.len();
            } else {
                at += 1;
            }
        }
    } else {
        // Each lower-case letter with the byte its original starts at.
        let lower: Vec<(char, usize)> = text.char_indices().flat_map(|(at, c)| c.to_lowercase().map(move |c| (c, at))).collect();
        let needle: Vec<char> = needle.chars().flat_map(char::to_lowercase).collect();
        let mut at = 0;
        while at + needle.len() <= lower.len() && found.len() < most {
            if lower[at..].iter().zip(&needle).all(|((have, _), want)| have == want) {
                let end = lower.get(at + needle.len()).map_or(text.len(), |(_, end)| *end);
                found.push(lower[at].1..end);
                at += needle.len();
            } else {
                at += 1;
            }
        }
    }
    found
}

/// UTF-16 ranges as byte ranges of the same text.
fn from_utf16(text: &str, marks: &[Range<usize>]) -> Vec<Range<usize>> {
    if text.is_ascii() || marks.is_empty() {
        return marks.to_vec();
    }
    let mut places = text.char_indices().chain([(text.len(), '\0')]);
    let mut units = 0;
    let mut byte_at = |unit: usize| {
        for (byte, c) in places.by_ref() {
            let here = units;
            units += c.len_utf16();
            if here >= unit {
                // The next question is for a later unit: what was taken here starts behind it.
                return (byte, here, c);
            }
        }
        (text.len(), usize::MAX, '\0')
    };
    let mut bytes = Vec::with_capacity(marks.len());
    let mut last: Option<(usize, usize)> = None;
    for mark in marks {
        let mut edge = |unit: usize| match last {
            Some((at, byte)) if at == unit => byte,
            _ => {
                let byte = byte_at(unit).0;
                last = Some((unit, byte));
                byte
            }
        };
        bytes.push(edge(mark.start)..edge(mark.end));
    }
    bytes
}

/// A run of text within one of the styled spans, marked or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub span: usize,
    /// Bytes of that span.
    pub range: Range<usize>,
    pub marked: bool,
}

/// Cuts spans of the given lengths at the edges of marks over their whole text. No segment is empty.
pub fn segments(lengths: &[usize], marks: &[Range<usize>]) -> Vec<Segment> {
    let mut out = Vec::with_capacity(lengths.len() + 2 * marks.len());
    let mut marks = marks.iter().peekable();
    let mut start = 0;
    for (span, length) in lengths.iter().enumerate() {
        let end = start + length;
        let mut at = start;
        while at < end {
            while marks.next_if(|mark| mark.end <= at).is_some() {}
            let (stop, marked) = match marks.peek() {
                Some(mark) if mark.start <= at => (mark.end.min(end), true),
                Some(mark) => (mark.start.min(end), false),
                None => (end, false),
            };
            out.push(Segment { span, range: at - start..stop - start, marked });
            at = stop;
        }
        start = end;
    }
    out
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one range is one match")]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_found_with_smart_case() {
        for (text, search, expect) in [
            ("An ERROR, an error", "error", vec![3..8, 13..18]),
            ("An ERROR, an Error", "Error", vec![13..18]),
            ("aaaa", "aa", vec![0..2, 2..4]),
            ("GRÜN grün", "grün", vec![0..5, 6..11]),
            ("İx", "x", vec![2..3]),
            ("a.c", ".", vec![1..2]),
            ("short", "longer than it", vec![]),
            ("é", "e", vec![]),
        ] {
            let view = LogView { search: search.into(), ..LogView::default() };
            let marker = Marker::new(&view).unwrap();
            assert_eq!(marker.marks(text), expect, "{search} in {text}");
            assert_eq!(marker.hits(text), !expect.is_empty());
        }
    }

    #[test]
    fn lines_kept_because_they_do_not_match_have_no_marks() {
        let view = LogView { search: "x".into(), invert: true, ..LogView::default() };
        assert!(Marker::new(&view).unwrap().is_nothing());
        assert!(!Marker::new(&LogView { highlight: true, ..view }).unwrap().is_nothing());
        assert!(Marker::new(&LogView::default()).unwrap().is_nothing());
    }

    #[test]
    fn classes_are_no_capitals() {
        for (pattern, regex, expect) in [(r"\Sx", true, false), (r"\Sx", false, true), (r"\\S", true, true), ("É", false, true)] {
            assert_eq!(has_capital(pattern, regex), expect, "{pattern}");
        }
    }

    #[test]
    fn units_of_the_browser_become_bytes() {
        let text = "a😀é x";
        for (units, bytes) in [
            (vec![0..1, 1..3], vec![0..1, 1..5]),
            (vec![3..4, 5..6], vec![5..7, 8..9]),
            (vec![1..3, 3..4], vec![1..5, 5..7]),
            (vec![], vec![]),
        ] {
            assert_eq!(from_utf16(text, &units), bytes, "{units:?}");
        }
    }

    #[test]
    fn marks_cut_spans_and_may_reach_over_several() {
        let shown = |lengths: &[usize], marks: &[Range<usize>]| {
            let show = |one: &Segment| format!("{}:{}-{}{}", one.span, one.range.start, one.range.end, if one.marked { "!" } else { "" });
            segments(lengths, marks).iter().map(show).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&[5], &[]), "0:0-5");
        assert_eq!(shown(&[5], &[1..3]), "0:0-1 0:1-3! 0:3-5");
        assert_eq!(shown(&[3, 3], &[2..5]), "0:0-2 0:2-3! 1:0-2! 1:2-3");
        assert_eq!(shown(&[2, 2], &[0..1, 1..2, 3..4]), "0:0-1! 0:1-2! 1:0-1 1:1-2!");
        assert_eq!(shown(&[], &[]), "");
    }
}
