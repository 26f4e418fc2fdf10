//! Grouping of lines over traces of real runtimes mixed with other lines (`groups.txt`).

#![allow(clippy::unwrap_used, reason = "a test may")]

use loglines::{
    group::{Grouper, MAX_GROUP_LINES, is_continuation},
    level,
};
use model::{EntryId, Level, StreamHash, Timestamp};

fn id(at: i64) -> EntryId {
    EntryId { at: Timestamp(at), stream: StreamHash(7), ordinal: 0 }
}

#[test]
fn each_line_is_in_its_group() {
    let mut wrong = Vec::new();
    let mut grouper = Grouper::default();
    let (mut at, mut head, mut cases) = (1_000_000_000, id(0), 0);
    for (number, row) in include_str!("groups.txt").lines().enumerate() {
        let line = row.get(2..).unwrap_or_default().replace('␉', "\t");
        at += 1_000_000;
        match row.as_bytes().first() {
            Some(b'>') => head = id(at),
            Some(b'.') => {}
            Some(b'~') => {
                at += line.parse::<i64>().expect("milliseconds") * 1_000_000;
                continue;
            }
            _ => {
                grouper = Grouper::default();
                continue;
            }
        }
        cases += 1;
        let found = grouper.push(id(at), &line, level::detect(&line));
        if found != head {
            wrong.push(format!("line {}: {row}", number + 1));
            head = found;
        }
    }
    assert!(wrong.is_empty(), "wrong:\n{}", wrong.join("\n"));
    assert!(cases > 100, "{cases}");
}

#[test]
fn a_group_is_bounded() {
    let mut grouper = Grouper::default();
    let heads: std::collections::BTreeSet<EntryId> =
        (0..1200).map(|n| grouper.push(id(n), "    at f (a.js:1:2)", Level::Unknown)).collect();
    assert_eq!(heads.into_iter().map(|head| head.at.0).collect::<Vec<_>>(), [0, 500, 1000].map(|n| n * i64::from(MAX_GROUP_LINES) / 500));
}

#[test]
fn a_line_by_itself_continues_or_not() {
    for (expect, line) in [
        (true, "\tat com.example.App.main(App.java:5)"),
        (true, "\u{1b}[31m    at run (/app/index.js:3:9)\u{1b}[0m"),
        (true, "Caused by: java.io.IOException: x"),
        (true, "... 12 more"),
        (true, "}"),
        (true, "});"),
        (true, "goroutine 7 [chan receive]:"),
        (true, "stack backtrace:"),
        (true, "  two blanks"),
        (false, ""),
        (false, "   "),
        (false, " one blank"),
        (false, "at noon"),
        (false, "ValueError: bad"),
        (false, "... and more to come"),
        (false, "{\"a\":1}"),
        (false, "  {\"a\":1}"),
        (false, "  2026-11-22T16:36:00Z  INFO x"),
        (false, "ERROR: x"),
    ] {
        assert_eq!(is_continuation(line), expect, "{line:?}");
    }
}
