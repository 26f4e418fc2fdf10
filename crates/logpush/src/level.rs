//! Loki's level of a line, `detected_level`: from the labels, the metadata, a field of the line, or a word in it. (The
//! console's own screens read more than this; see the crate `loglines`.) The rules are those of Loki's documentation on
//! `discover_log_levels` and of recorded answers.

use std::borrow::Cow;

use model::Labels;

use crate::{
    json_scan::{Members, unquoted},
    logfmt_scan::Pairs,
};

/// The name of the metadata that holds it.
pub const DETECTED_LEVEL: &str = "detected_level";

/// Where no rule applies.
pub const UNKNOWN: &str = "unknown";

/// Fields that hold a level, first choice first (`log_level_fields`, documented default).
pub const FIELDS: [&str; 14] = [
    "level",
    "LEVEL",
    "Level",
    "log.level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
];

/// Objects within a JSON line that are searched (`log_level_from_json_max_depth`): the line's and those in it.
const JSON_DEPTH: u32 = 2;

/// The level of one line. `metadata` has normal names (see [`crate::normalise()`]). A value in labels or metadata that is no
/// known level is given as it is.
pub fn detect<'a>(labels: &'a Labels, metadata: &'a [(Cow<'_, str>, Cow<'_, str>)], line: &str) -> Cow<'a, str> {
    let given = metadata.iter().find(|(name, value)| name == DETECTED_LEVEL && !value.is_empty());
    if let Some((_, value)) = given {
        return canonical(value);
    }
    of_labels(labels).unwrap_or_else(|| of_entry(metadata, line))
}

/// The level that a stream's labels name; it goes for all its lines.
pub fn of_labels(labels: &Labels) -> Option<Cow<'_, str>> {
    FIELDS.iter().find_map(|field| labels.get(field)).filter(|value| !value.is_empty()).map(canonical)
}

/// The level that a line's metadata names, or the line.
pub fn of_entry<'a>(metadata: &'a [(Cow<'_, str>, Cow<'_, str>)], line: &str) -> Cow<'a, str> {
    let ranked = metadata.iter().filter(|(_, value)| !value.is_empty()).filter_map(|(name, value)| Some((rank(name)?, value)));
    if let Some((_, value)) = ranked.min_by_key(|(rank, _)| *rank) {
        return canonical(value);
    }
    let number = metadata.iter().find(|(name, _)| name == "severity_number").and_then(|(_, number)| number.parse().ok());
    Cow::Borrowed(number.filter(|number| *number != 0).map_or_else(|| of_line(line), of_severity))
}

/// The level that a line alone tells.
pub fn of_line(line: &str) -> &'static str {
    let field = if is_json(line) {
        json_field(line, 1)
    } else if memchr::memchr(b'=', line.as_bytes()).is_some() {
        logfmt_field(line)
    } else {
        None
    };
    field.and_then(|value| named(&value)).unwrap_or_else(|| word_in(line))
}

/// A level's name in any spelling → Loki's name for it.
pub fn named(value: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 14] = [
        ("info", "info"),
        ("error", "error"),
        ("warn", "warn"),
        ("debug", "debug"),
        ("warning", "warn"),
        ("trace", "trace"),
        ("fatal", "fatal"),
        ("critical", "critical"),
        ("err", "error"),
        ("information", "info"),
        ("inf", "info"),
        ("wrn", "warn"),
        ("dbg", "debug"),
        ("trc", "trace"),
    ];
    NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value)).map(|(_, level)| *level)
}

fn canonical(value: &str) -> Cow<'_, str> {
    Cow::Borrowed(named(value).unwrap_or(value))
}

/// OpenTelemetry's severity number (opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber).
fn of_severity(number: i64) -> &'static str {
    match number {
        ..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warn",
        17..=20 => "error",
        21..=24 => "fatal",
        25.. => UNKNOWN,
    }
}

/// A field's place among [`FIELDS`]; only these spellings.
fn rank(name: &str) -> Option<usize> {
    if !matches!(name.len(), 3 | 5 | 8 | 9 | 12 | 13) || !matches!(name.as_bytes()[0] | 0x20, b'l' | b's') {
        return None;
    }
    FIELDS.iter().position(|field| *field == name)
}

fn is_json(line: &str) -> bool {
    let trimmed = line.trim();
    trimmed.starts_with('{') && trimmed.ends_with('}')
}

/// The first field in the order of the text, deep before later. What is wrong further on does no harm.
fn json_field(text: &str, depth: u32) -> Option<Cow<'_, str>> {
    Members::new(text).find_map(|member| match member.value.as_bytes()[0] {
        b'"' if rank(member.key).is_some() => Some(unquoted(member.value)),
        b'{' if depth < JSON_DEPTH => json_field(member.value, depth + 1),
        _ => None,
    })
}

/// The best-ranked field, its name in any case, before the line's first mistake.
fn logfmt_field(line: &str) -> Option<Cow<'_, str>> {
    let mut best: Option<(usize, Cow<'_, str>)> = None;
    let mut pairs = Pairs::new(line);
    while let Some(pair) = pairs.next() {
        if pairs.stumbled {
            break;
        }
        if !matches!(pair.key.len(), 3 | 5 | 8 | 9 | 12 | 13) {
            continue;
        }
        let Some(rank) = FIELDS.iter().position(|field| field.eq_ignore_ascii_case(pair.key)) else { continue };
        if best.as_ref().is_none_or(|(other, _)| rank < *other) {
            best = Some((rank, pair.value()));
            if rank == 0 {
                break;
            }
        }
    }
    best.map(|(_, value)| value)
}

/// The first word of the line that names a level and stands free: not part of a longer word, not behind a colon.
fn word_in(line: &str) -> &'static str {
    // `İ` is the one letter beyond ASCII whose lower case is a letter of these words.
    if memchr::memchr(0xc4, line.as_bytes()).is_some() && line.contains('İ') {
        return word_in_bytes(line.replace('İ', "i").as_bytes());
    }
    word_in_bytes(line.as_bytes())
}

fn word_in_bytes(line: &[u8]) -> &'static str {
    let mut free = OPENS;
    for (at, &byte) in line.iter().enumerate() {
        let class = CLASSES[byte as usize];
        if free & (class << 1) != 0
            && let Some(level) = word_at(&line[at..])
        {
            return level;
        }
        free = class & OPENS;
    }
    UNKNOWN
}

/// A word may begin behind it.
const OPENS: u8 = 2;
/// A level's name begins with it.
const STARTS: u8 = 1;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'[' | b'(' | b'{' | b'"' | b'=' => OPENS,
            b'i' | b'e' | b'w' | b'd' | b't' | b'f' | b'c' | b'I' | b'E' | b'W' | b'D' | b'T' | b'F' | b'C' => STARTS,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

fn word_at(rest: &[u8]) -> Option<&'static str> {
    let [first, second, ..] = rest else { return None };
    let words: &[(&[u8], &'static str)] = match [first | 0x20, second | 0x20] {
        [b'i', b'n'] => &[(b"info", "info")],
        [b'e', b'r'] => &[(b"error", "error"), (b"err", "error")],
        [b'w', b'a'] => &[(b"warn", "warn"), (b"warning", "warn")],
        [b'd', b'e'] => &[(b"debug", "debug")],
        [b't', b'r'] => &[(b"trace", "trace")],
        [b'f', b'a'] => &[(b"fatal", "fatal")],
        [b'c', b'r'] => &[(b"critical", "critical")],
        _ => return None,
    };
    let hit = words.iter().find(|(word, _)| {
        rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word) && rest.get(word.len()).is_none_or(|&byte| ends(byte))
    });
    hit.map(|(_, level)| *level)
}

fn ends(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b':' | b',' | b'!' | b'"' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &str) {
        assert_eq!(of_line(line), expect, "{line}");
    }

    #[test]
    fn a_line_tells_its_level_by_field_or_word() {
        check(r#"{"ts":"2026-11-22T16:36:06Z","level":"info","msg":"an error"}"#, "info");
        check(r#"{"level":"INFO","msg":"escapes \u00e9 \n"}"#, "info");
        check(r#"{"level":"info","msg":"truncated json","order_id":"o-9"#, "info");
        check(r#"{"log":{"level":"warn"}}"#, "warn");
        check(r#"{"a":{"b":{"level":"information"}}}"#, "unknown");
        check(r#"{"severity":"critical","level":"error"}"#, "critical");
        check(r#"{"lEvEl":"information"}"#, "unknown");
        check(r#"{"level":30,"msg":"numbers are no names"}"#, "unknown");
        check(r#"{"level":"error","#, "error");
        check("[1,2,3]", "unknown");
        check(r#"{"_entry":"job=2000 state=failed took=17ms","pod":"worker-0"}"#, "unknown");
        check("level=warn ts=1 msg=\"an error\"", "warn");
        check("severity=critical level=error", "error");
        check("SEVERITY=fatal x=1", "fatal");
        check("lvl=dbug entering loop", "unknown");
        check("level=info msg=\"no closing quote path=/x status=200", "info");
        check("panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:", "error");
        check("2026-11-22T16:36:24.386Z ERROR [pool-2] worker.Runner - job 1002 failed", "error");
        check("\u{1b}[32mINFO\u{1b}[0m  job 1000 finished in 470ms", "unknown");
        check("misc:error happened", "unknown");
        check("debug: message", "debug");
        check("[WARN] x", "warn");
        check("an information desk", "unknown");
        check("xerror then err!", "error");
        check("İNFO started", "info");
        check("éerror", "unknown");
        check("warning first, error later", "warn");
        check("", "unknown");
    }

    #[test]
    fn labels_come_first_then_metadata_then_the_line() {
        let check = |labels: &[(&str, &str)], metadata: &[(&'static str, &'static str)], expect: &str| {
            let labels = Labels(labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
            let metadata: Vec<_> = metadata.iter().map(|(n, v)| (Cow::Borrowed(*n), Cow::Borrowed(*v))).collect();
            assert_eq!(detect(&labels, &metadata, "level=error x=1"), expect, "{labels:?} {metadata:?}");
        };
        check(&[], &[], "error");
        check(&[("level", "banana")], &[], "banana");
        check(&[("LeVeL", "warning")], &[], "error");
        check(&[("severity", "Warning")], &[("level", "debug")], "warn");
        check(&[("level", "warn")], &[("detected_level", "DBG")], "debug");
        check(&[], &[("severity", "critical"), ("level", "error")], "error");
        check(&[], &[("level", "")], "error");
        check(&[], &[("severity_number", "9")], "info");
        check(&[], &[("severity_number", "25")], "unknown");
        check(&[], &[("severity_number", "0")], "error");
        check(&[], &[("severity_number", "17"), ("severity_text", "Warning")], "warn");
    }

    proptest::proptest! {
        #[test]
        fn any_line_has_a_level(line in "\\PC{0,60}|[{}\":=\\\\ levErrorİ]{0,40}") {
            of_line(&line);
        }
    }
}
