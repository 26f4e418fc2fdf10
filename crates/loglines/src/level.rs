//! From words and numbers to levels, and the keys under which structured lines keep them.

use model::{Level, log::Fields};

use crate::{ansi, rules};

/// How grave `line` says it is, by the first of [`rules::RULES`] that applies. [`Level::Unknown`] without evidence.
pub fn detect(line: &str) -> Level {
    crate::understand(line).level
}

/// The level that a structured line's fields name: a word or number at the top before one nested in an object, and
/// both before a syslog priority.
pub(crate) fn of_fields(fields: &Fields) -> Option<Level> {
    let mut best: Option<(Rank, Level)> = None;
    for (key, value) in &fields.0 {
        let Some((rank, scale)) = key_of(key) else { continue };
        if best.is_some_and(|(other, _)| other <= rank) {
            continue;
        }
        if let Some(level) = read(value, scale, rank, fields) {
            if rank == Rank::Top {
                return Some(level);
            }
            best = Some((rank, level));
        }
    }
    best.map(|(_, level)| level)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Top,
    Nested,
    Priority,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Words; the numbers of pino and bunyan (10..=60) and of Monolog (100..=600).
    Word,
    /// OpenTelemetry's `SeverityNumber`, 1..=24.
    Otel,
    /// RFC 5424: 0 emergency to 7 debug.
    Syslog,
    /// Python's `levelno`: 10 debug to 50 critical.
    Python,
    /// MongoDB's `s`: a letter, or `D1` to `D5`.
    Mongo,
}

/// Whether a key names a level, how much it weighs, and how its value reads.
pub(crate) fn key_of(key: &str) -> Option<(Rank, Scale)> {
    if key.eq_ignore_ascii_case("record.level.name") {
        return Some((Rank::Nested, Scale::Word));
    }
    let known = |name: &str| rules::LEVEL_KEYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, scale)| scale);
    let (rank, scale) = match known(key) {
        Some(scale) => (Rank::Top, scale),
        None => {
            // One object deep; a letter or two there is as likely something else.
            let (parent, name) = key.split_once('.')?;
            let plausible = !parent.is_empty() && name.len() > 2 && !name.contains('.');
            (Rank::Nested, known(name).filter(|_| plausible)?)
        }
    };
    Some((if scale == Scale::Syslog { Rank::Priority } else { rank }, scale))
}

fn read(value: &str, scale: Scale, rank: Rank, fields: &Fields) -> Option<Level> {
    let value = ansi::strip(value);
    let value = value.trim();
    let number: Option<u32> = value.parse().ok();
    match (scale, number) {
        (Scale::Otel, Some(n)) => otel(n),
        (Scale::Syslog, Some(n)) => u8::try_from(n).ok().and_then(syslog),
        // GELF keeps a syslog severity under `level`.
        (Scale::Word, Some(n @ 0..=7)) if fields.0.iter().any(|(key, _)| key == "short_message") => syslog(n as u8),
        // Nested numbers are as likely a game's level as a log's.
        (Scale::Word, Some(n)) if rank == Rank::Top => stepped(n),
        (Scale::Python, Some(n)) => n.checked_add(10).and_then(stepped),
        (Scale::Mongo, None) if fields.0.iter().any(|(key, _)| key == "c") => match value {
            "D1" | "D2" | "D3" | "D4" | "D5" => Some(Level::Debug),
            _ if value.len() == 1 => letter(value.as_bytes()[0]),
            _ => None,
        },
        (Scale::Word | Scale::Otel | Scale::Syslog, None) => named(value),
        _ => None,
    }
}

/// A level's name as the whole of a value, in any case: `warn`, `ERROR+2` (slog), `E`.
pub(crate) fn named(value: &str) -> Option<Level> {
    let name = value.split(['+', '-']).next().unwrap_or(value).trim_end();
    if let [one] = name.as_bytes() {
        return letter(*one);
    }
    rules::word(name).map(|word| word.level)
}

pub(crate) fn letter(letter: u8) -> Option<Level> {
    Some(match letter.to_ascii_uppercase() {
        b'T' => Level::Trace,
        b'D' => Level::Debug,
        b'I' | b'N' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' | b'C' => Level::Fatal,
        _ => return None,
    })
}

/// RFC 5424 §6.2.1: 0 emergency, 1 alert, 2 critical, 3 error, 4 warning, 5 notice, 6 informational, 7 debug.
pub(crate) fn syslog(severity: u8) -> Option<Level> {
    Some(match severity {
        0..=2 => Level::Fatal,
        3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        7 => Level::Debug,
        _ => return None,
    })
}

/// OpenTelemetry's log data model: four numbers to a level, 1 trace to 24 fatal.
fn otel(number: u32) -> Option<Level> {
    Some(match number {
        1..=4 => Level::Trace,
        5..=8 => Level::Debug,
        9..=12 => Level::Info,
        13..=16 => Level::Warn,
        17..=20 => Level::Error,
        21..=24 => Level::Fatal,
        _ => return None,
    })
}

/// pino and bunyan by tens, Monolog by hundreds.
fn stepped(number: u32) -> Option<Level> {
    Some(match number {
        10..=19 => Level::Trace,
        20..=29 => Level::Debug,
        30..=39 => Level::Info,
        40..=49 => Level::Warn,
        50..=59 => Level::Error,
        60..=69 => Level::Fatal,
        100..=199 => Level::Debug,
        200..=299 => Level::Info,
        300..=399 => Level::Warn,
        400..=499 => Level::Error,
        500..=600 => Level::Fatal,
        _ => return None,
    })
}
