//! Which rows may pass a prefilter: searched in all text at once, not line by line.

use std::ops::Range;

use logql::read::{Literal, Prefilter};
use memchr::memmem::Finder;

/// More alternatives than this are not worth a pass over the text each.
const MAX_PASSES: usize = 16;

/// Lines one behind the other.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    pub bytes: &'a [u8],
    /// Where each line ends.
    pub ends: &'a [u32],
}

impl Text<'_> {
    fn start(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.ends[row - 1] as usize }
    }
}

/// A prefilter made ready to run.
pub struct Search<'a> {
    /// The conjunct that is searched in all text: the one with the longest needles.
    first: Vec<Needle<'a>>,
    /// Checked on the lines that the first one leaves.
    others: Vec<Vec<Needle<'a>>>,
}

struct Needle<'a> {
    finder: Finder<'a>,
    len: usize,
    any_case: bool,
}

impl<'a> Search<'a> {
    /// `None` where the prefilter says nothing worth a search.
    pub fn new(prefilter: &'a Prefilter) -> Option<Self> {
        let usable = |any: &&Vec<Literal>| !any.is_empty() && any.len() <= MAX_PASSES && any.iter().all(|literal| !literal.text.is_empty());
        let mut conjuncts: Vec<&Vec<Literal>> = prefilter.all.iter().filter(usable).collect();
        conjuncts.sort_by_key(|any| std::cmp::Reverse((any.iter().map(|literal| literal.text.len()).min(), std::cmp::Reverse(any.len()))));
        let mut conjuncts = conjuncts.into_iter().map(|any| any.iter().map(Needle::new).collect::<Vec<_>>());
        Some(Self { first: conjuncts.next()?, others: conjuncts.collect() })
    }

    /// Whether any text of these bytes can pass: a look before the line ends are known.
    pub fn finds_any(&self, text: &[u8], lower: &mut Vec<u8>) -> bool {
        self.lower(text, lower);
        self.first.iter().any(|needle| needle.finder.find(if needle.any_case { lower } else { text }).is_some())
    }

    fn lower(&self, text: &[u8], lower: &mut Vec<u8>) {
        if self.first.iter().any(|needle| needle.any_case) && lower.is_empty() {
            lower.extend_from_slice(text);
            lower.make_ascii_lowercase();
        }
    }

    /// Sets the bit of each row of `rows` that may pass. `lower` is empty or `text` in lower case.
    pub fn mark(&self, text: Text<'_>, rows: Range<usize>, lower: &mut Vec<u8>, hits: &mut Vec<u64>) {
        hits.clear();
        hits.resize(text.ends.len().div_ceil(64), 0);
        if rows.is_empty() {
            return;
        }
        self.lower(text.bytes, lower);
        for needle in &self.first {
            needle.mark(text, if needle.any_case { lower } else { text.bytes }, rows.clone(), hits);
        }
        if self.others.is_empty() {
            return;
        }
        let mut scratch = Vec::new();
        for row in rows {
            if hits[row / 64] >> (row % 64) & 1 == 1 {
                let line = &text.bytes[text.start(row)..text.ends[row] as usize];
                if !self.others.iter().all(|any| any.iter().any(|needle| needle.is_in(line, &mut scratch))) {
                    hits[row / 64] &= !(1 << (row % 64));
                }
            }
        }
    }
}

impl<'a> Needle<'a> {
    fn new(literal: &'a Literal) -> Self {
        let finder = Finder::new(literal.text.as_bytes());
        let any_case = literal.any_case && literal.text.bytes().any(|byte| byte.is_ascii_alphabetic());
        let finder = if any_case { Finder::new(&literal.text.to_ascii_lowercase()).into_owned() } else { finder };
        Self { finder, len: literal.text.len(), any_case }
    }

    fn mark(&self, text: Text<'_>, bytes: &[u8], rows: Range<usize>, hits: &mut [u64]) {
        let (mut at, end) = (text.start(rows.start), text.ends[rows.end - 1] as usize);
        let mut row = rows.start;
        while let Some(found) = bytes.get(at..end).and_then(|rest| self.finder.find(rest)) {
            let start = at + found;
            // Galloping: hits are mostly either close to each other or few.
            let mut step = 1;
            while row + step < rows.end && text.ends[row + step] as usize <= start {
                row += step;
                step *= 2;
            }
            let high = (row + step).min(rows.end);
            row += text.ends[row..high].partition_point(|end| *end as usize <= start);
            if start + self.len <= text.ends[row] as usize {
                hits[row / 64] |= 1 << (row % 64);
                at = text.ends[row] as usize;
            } else {
                // It reaches into the next line.
                at = start + 1;
            }
        }
    }

    fn is_in(&self, line: &[u8], scratch: &mut Vec<u8>) -> bool {
        if !self.any_case {
            return self.finder.find(line).is_some();
        }
        scratch.clear();
        scratch.extend_from_slice(line);
        scratch.make_ascii_lowercase();
        self.finder.find(scratch).is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(lines: &[String], prefilter: &Prefilter, rows: Range<usize>) -> Vec<usize> {
        let text: String = lines.concat();
        let mut end = 0;
        let ends: Vec<u32> = lines
            .iter()
            .map(|line| {
                end += line.len() as u32;
                end
            })
            .collect();
        let (mut lower, mut hits) = (Vec::new(), Vec::new());
        let search = Search::new(prefilter).unwrap();
        search.mark(Text { bytes: text.as_bytes(), ends: &ends }, rows.clone(), &mut lower, &mut hits);
        let found: Vec<usize> = (0..lines.len()).filter(|row| hits[row / 64] >> (row % 64) & 1 == 1).collect();
        assert!(found.is_empty() || search.finds_any(text.as_bytes(), &mut Vec::new()));
        found
    }

    proptest! {
        #[test]
        fn rows_are_those_that_hold_the_texts(
            lines in proptest::collection::vec("[abAB]{0,6}", 1..200),
            all in proptest::collection::vec(proptest::collection::vec(("[abAB]{1,3}", any::<bool>()), 1..3), 1..3),
            from: prop::sample::Index, to: prop::sample::Index,
        ) {
            let prefilter = Prefilter { all: all.iter().map(|any| any.iter().map(|(text, any_case)| Literal { text: text.clone(), any_case: *any_case }).collect()).collect() };
            let (from, to) = (from.index(lines.len() + 1), to.index(lines.len() + 1));
            let rows = from.min(to)..from.max(to);
            let holds = |line: &str, (text, any_case): &(String, bool)| {
                if *any_case { line.to_ascii_lowercase().contains(&text.to_ascii_lowercase()) } else { line.contains(text.as_str()) }
            };
            let expect: Vec<usize> = rows.clone().filter(|row| all.iter().all(|any| any.iter().any(|literal| holds(&lines[*row], literal)))).collect();
            prop_assert_eq!(marked(&lines, &prefilter, rows), expect);
        }
    }
}
