//! `| decolorize`: takes terminal control sequences (ECMA-48) out of the line, hyperlinks and titles among them (Loki leaves
//! pieces of those).

const ESC: u8 = 0x1b;

/// Says whether `out` is the new line; false where the line has no sequences.
pub fn decolorize(line: &str, out: &mut String) -> bool {
    // U+009B is the one-character form of `ESC [`.
    if memchr::memchr2(ESC, 0xc2, line.as_bytes()).is_none() || !line.contains(['\u{1b}', '\u{9b}']) {
        return false;
    }
    out.clear();
    let mut rest = line;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}']) {
        out.push_str(rest.get(..at).unwrap_or_default());
        let tail = rest.get(at..).unwrap_or_default();
        rest = tail.get(sequence(tail)..).unwrap_or_default();
    }
    out.push_str(rest);
    true
}

/// The length of the sequence at the start of the text. One that never ends is only its introducer.
fn sequence(text: &str) -> usize {
    let bytes = text.as_bytes();
    let start = text.chars().next().map_or(0, char::len_utf8);
    let (kind, body) = if bytes.first() == Some(&ESC) { (bytes.get(1).copied(), start + 1) } else { (Some(b'['), start) };
    let run = |from: usize, of: std::ops::RangeInclusive<u8>| {
        bytes.get(from..).unwrap_or_default().iter().position(|byte| !of.contains(byte)).map_or(bytes.len(), |len| from + len)
    };
    match kind {
        Some(b'[') => {
            let end = run(run(body, 0x30..=0x3f), 0x20..=0x2f);
            match bytes.get(end) {
                Some(0x40..=0x7e) => end + 1,
                _ => body,
            }
        }
        // A string up to BEL or `ESC \`.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let end = bytes.get(body..).and_then(|tail| memchr::memchr2(0x07, ESC, tail)).map(|len| body + len);
            match end {
                Some(end) if bytes[end] == ESC => end + 1 + usize::from(bytes.get(end + 1) == Some(&b'\\')),
                Some(end) => end + 1,
                None => body,
            }
        }
        Some(0x20..=0x7e) => {
            let end = run(start, 0x20..=0x2f);
            match bytes.get(end) {
                Some(0x30..=0x7e) => end + 1,
                _ => start,
            }
        }
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_go() {
        for (line, expect) in [
            ("\u{1b}[32mINFO\u{1b}[0m  job", Some("INFO  job")),
            (
                "\u{1b}[38;5;208mextended\u{1b}[0m \u{1b}]8;;http://x.test\u{7}link\u{1b}]8;;\u{7} \u{1b}[2K\u{1b}[1Gend",
                Some("extended link end"),
            ),
            ("\u{1b}]0;title\u{1b}\\x\u{1b}(By\u{9b}1mz", Some("xyz")),
            ("plain é\u{a0}", None),
            ("open \u{1b}", Some("open ")),
            ("open \u{1b}[", Some("open ")),
            ("open \u{1b}]8;;x", Some("open 8;;x")),
            ("a\u{1b}é", Some("aé")),
        ] {
            let mut out = String::new();
            assert_eq!(decolorize(line, &mut out).then_some(out.as_str()), expect, "{line:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in "[\u{1b}\u{9b}\\[\\]PX;0-9mé\u{7}\\\\ ]{0,20}") {
            decolorize(&line, &mut String::new());
        }
    }
}
