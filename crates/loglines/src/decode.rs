//! Bytes in, physical lines out. One decoder per stream: it holds the line that has not ended yet.

use std::mem;

/// A line longer than this is given out in pieces of at most this many bytes.
pub const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Splits at `\n`, drops one `\r` before it, and replaces invalid UTF-8 by U+FFFD. Pieces may end anywhere, inside a
/// character too: the lines are the same however the bytes were cut. Holds at most [`MAX_LINE_BYTES`] and one byte.
#[derive(Debug)]
pub struct LineDecoder {
    held: Vec<u8>,
    max: usize,
}

impl Default for LineDecoder {
    fn default() -> Self {
        Self::with_max(MAX_LINE_BYTES)
    }
}

impl LineDecoder {
    fn with_max(max: usize) -> Self {
        Self { held: Vec::new(), max }
    }

    /// Calls `out` with each line that ends in `bytes`, in order.
    pub fn push(&mut self, mut bytes: &[u8], mut out: impl FnMut(String)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if self.held.is_empty() && end <= self.max {
                out(lossy(without_return(&bytes[..end]).to_vec()));
            } else {
                self.hold(&bytes[..end], &mut out);
                self.release(&mut out);
            }
            bytes = &bytes[end + 1..];
        }
        self.hold(bytes, &mut out);
    }

    /// Gives out a last line that no `\n` ended, if there is one. The decoder can be used again.
    pub fn finish(&mut self, mut out: impl FnMut(String)) {
        if !self.held.is_empty() {
            self.release(&mut out);
        }
    }

    /// Whether a line has begun and not ended.
    pub fn is_partial(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes `bytes` (no `\n` in them) in steps, so that what is held stays bounded and is copied once.
    fn hold(&mut self, mut bytes: &[u8], out: &mut impl FnMut(String)) {
        while !bytes.is_empty() {
            // One more than the limit: the byte may be the `\r` of the line's end, which does not count.
            let take = bytes.len().min(self.max + 2 - self.held.len());
            self.held.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            while self.held.len() > self.max + 1 || (self.held.len() == self.max + 1 && self.held.last() != Some(&b'\r')) {
                let rest = self.held.split_off(boundary(&self.held, self.max));
                out(lossy(mem::replace(&mut self.held, rest)));
            }
        }
    }

    fn release(&mut self, out: &mut impl FnMut(String)) {
        let mut line = mem::take(&mut self.held);
        line.truncate(without_return(&line).len());
        out(lossy(line));
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The last place at or before `at` where a character may begin; `at` itself in bytes that are not UTF-8 there.
fn boundary(bytes: &[u8], at: usize) -> usize {
    (at.saturating_sub(3).max(1)..=at).rev().find(|&i| bytes[i] & 0xc0 != 0x80).unwrap_or(at)
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(max: usize, pieces: &[&[u8]]) -> Vec<String> {
        let mut decoder = LineDecoder::with_max(max);
        let mut lines = Vec::new();
        for piece in pieces {
            decoder.push(piece, |line| lines.push(line));
        }
        decoder.finish(|line| lines.push(line));
        lines
    }

    #[test]
    fn bytes_become_lines() {
        for (bytes, expect) in [
            (&b"a\nb\r\nc"[..], &["a", "b", "c"][..]),
            (b"\n\n", &["", ""]),
            (b"", &[]),
            (b"a\rb\r\r\n", &["a\rb\r"]),
            (b"\xc3\xa9 \xff \xe2\x82\n", &["é \u{fffd} \u{fffd}"]),
            (b"nul\0byte\n", &["nul\0byte"]),
            (b"12345678\n", &["12345678"]),
            (b"12345678\r\n9", &["12345678", "9"]),
            (b"123456789\n", &["12345678", "9"]),
            (b"1234567\xc3\xa9\n", &["1234567", "é"]),
            (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\n", &["\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}"]),
        ] {
            assert_eq!(lines(8, &[bytes]), expect, "{bytes:?}");
        }
    }

    #[test]
    fn a_line_of_the_limit_in_small_pieces_is_one_line() {
        let mut decoder = LineDecoder::default();
        let mut sizes = Vec::new();
        for _ in 0..MAX_LINE_BYTES / 16 {
            decoder.push(&[b'x'; 16], |line| sizes.push(line.len()));
        }
        assert!(decoder.is_partial() && sizes.is_empty());
        decoder.push(b"\r\nshort\n", |line| sizes.push(line.len()));
        assert_eq!(sizes, [MAX_LINE_BYTES, 5]);
        assert!(!decoder.is_partial());
    }

    proptest! {
        #[test]
        fn any_split_of_any_bytes_equals_the_whole(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0xc3), Just(0xa9), Just(0xf0), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0..200usize, 0..12),
            max in 4..40usize,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            prop_assert_eq!(lines(max, &pieces), lines(max, &[&bytes]));
            prop_assert_eq!(lines(max, &bytes.chunks(1).collect::<Vec<_>>()), lines(max, &[&bytes]));
        }

        #[test]
        fn below_the_limit_lines_are_those_of_the_lossy_text(text in "[a-zé\u{1F600}\n]{0,100}") {
            let mut expect: Vec<&str> = text.split('\n').collect();
            if expect.last() == Some(&"") {
                expect.pop();
            }
            prop_assert_eq!(lines(1000, &[text.as_bytes()]), expect);
        }
    }
}
