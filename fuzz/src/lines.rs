//! From bytes to lines, and what a line says.

use loglines::{ansi, decode::LineDecoder, fields, group::Grouper, level, stamp};
use model::{EntryId, StreamHash, Timestamp};

use crate::{
    frames::{FrameError, LogDecoder, Output, RawLine},
    pieces,
};

const NOW: Timestamp = Timestamp(1_795_365_360_000_000_000);

/// Docker's framing, with a terminal and without.
pub fn docker_frames(bytes: &[u8]) {
    let (whole, cut) = pieces(bytes);
    for tty in [false, true] {
        let at_once = decode(tty, &[whole]);
        assert_eq!(at_once, decode(tty, &cut), "tty: {tty}");
        for (output, _, text) in at_once.iter().flatten() {
            assert!(!text.contains('\n'), "a line ends where it ends");
            assert!(!tty || *output == Output::Out, "a terminal has one output");
        }
    }
}

fn decode(tty: bool, pieces: &[&[u8]]) -> Result<Vec<(Output, i64, String)>, FrameError> {
    let mut lines = Vec::new();
    let mut decoder = LogDecoder::new(tty);
    let mut out = |line: RawLine| lines.push((line.output, line.at.0, line.text));
    for piece in pieces {
        decoder.push(piece, &mut out)?;
    }
    decoder.finish(&mut out);
    assert!(!decoder.is_partial());
    Ok(lines)
}

/// A file's bytes.
pub fn file_lines(bytes: &[u8]) {
    let (whole, cut) = pieces(bytes);
    let read = |pieces: &[&[u8]]| {
        let mut lines: Vec<String> = Vec::new();
        let mut decoder = LineDecoder::default();
        for piece in pieces {
            decoder.push(piece, |line| lines.push(line));
        }
        decoder.finish(|line| lines.push(line));
        lines
    };
    let lines = read(&[whole]);
    assert_eq!(lines, read(&cut));
    let ends = whole.iter().filter(|byte| **byte == b'\n').count();
    assert!(lines.len() == ends || lines.len() == ends + 1, "{} lines of {ends} ends", lines.len());
}

/// Level, fields, colours, time and group of lines.
pub fn line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut grouper = Grouper::default();
    for (n, line) in text.lines().enumerate() {
        let understood = loglines::understand(line);
        assert_eq!(understood.level, level::detect(line));
        assert_eq!(understood.fields, fields::parse(line));
        let shown: String = ansi::spans(line).iter().map(|span| &*span.text).collect();
        assert_eq!(shown, ansi::strip(line));
        stamp::leading(line, NOW);
        let id = EntryId { at: NOW.saturating_add_nanos(n as i64), stream: StreamHash(1), ordinal: 0 };
        let head = grouper.push(id, line, understood.level);
        assert!(head <= id, "a group begins with a line that was there");
    }
}
