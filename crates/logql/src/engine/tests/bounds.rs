//! What a query may take: how soon it ends when told, and how much it may hold.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
};

use model::{Direction, Labels};

use super::{build::line, limited, log_query, metric_query, piped};
use crate::engine::{
    EngineError, Limits, LogParams, RangeParams, Stop,
    ram::{Ram, RamLine},
};

fn params(direction: Direction, limit: Option<usize>) -> LogParams {
    LogParams { start: 0, end: i64::MAX, limit, direction, after: None, interval_ns: 0 }
}

/// How often a query looks whether it shall end, and what it answers if told so at the look of that number.
fn looks<T>(ram: &Ram, end_at: usize, run: impl FnOnce(&crate::engine::Engine<'_, Ram>) -> T) -> (T, usize) {
    let count = AtomicUsize::new(0);
    let stop = || (count.fetch_add(1, Ordering::Relaxed) + 1 >= end_at).then_some(Stop::Deadline);
    let out = piped(ram, false, &stop, run);
    (out, count.load(Ordering::Relaxed))
}

const NEVER: usize = usize::MAX;

#[test]
fn dear_rows_let_the_stop_be_looked_at_sooner() {
    let rows = |count: i64, text: &str| Ram::new((0..count).map(|at| line(at, "a", "", text)), usize::MAX, false);
    let long = "x".repeat(64 << 10);
    for (ram, query, at_least) in [
        (rows(6400, "short"), r#"{app="a"} |= "or""#, 100),
        (rows(50, &long), r#"{app="a"} |= "or""#, 50),
        (rows(500, "short"), r#"{app="a"} | line_format `{{ repeat 9 "x" }}`"#, 500),
        (rows(500, "short"), r#"{app="a"} | label_format y=`{{ repeat 9 "x" }}`"#, 500),
    ] {
        let ask = |engine: &crate::engine::Engine<'_, Ram>| engine.logs(&log_query(query), &params(Direction::Forward, Some(10_000)));
        let (answer, count) = looks(&ram, NEVER, ask);
        assert!(answer.is_ok() && count >= at_least, "{query}: {count}");
        let (answer, count) = looks(&ram, 20, ask);
        assert_eq!((answer.err(), count), (Some(EngineError::Deadline), 20), "{query}");
    }
}

#[test]
fn folding_ends_soon_when_told_so() {
    let ram = Ram::new((0..2000).map(|at| line(at, "a", "", &format!("took={at}"))), usize::MAX, false);
    let end = RangeParams { start: 0, end: 2000, step: 1 };
    let range =
        |query: &str, end_at| looks(&ram, end_at, |engine| engine.range(&metric_query(query), &end).map(|answer| answer.value.len()));
    for func in ["quantile_over_time(0.5, ", "stddev_over_time(", "rate_counter(", "max_over_time(", "sum_over_time("] {
        let query = format!(r#"{func}{{app="a"}} | logfmt | unwrap took [1us])"#);
        let (answer, all) = range(&query, NEVER);
        assert_eq!(answer, Ok(1), "{func}");
        // Two thousand rows are read with 32 looks, then there are a million folds.
        assert!(all >= 80, "{func}: {all}");
        assert_eq!(range(&query, 60), (Err(EngineError::Deadline), 60), "{func}");
    }
    let many = r#"count_over_time({app="a"} | logfmt [1ns])"#;
    let limits = Limits { max_series: 5000, ..Limits::default() };
    let (answer, all) = limited(limits, || range(many, NEVER));
    // 32 while reading; then two thousand series.
    assert!(answer == Ok(2000) && all >= 38, "{all}");
}

/// Short lines of some streams, a hundred in a part.
fn big(count: i64, streams: i64) -> Ram {
    let rows = |at: i64| (at, Labels::from([("app", "a"), ("pod", &format!("{}", at % streams))]), format!("n={at}"), Vec::new());
    Ram::new((0..count).map(rows).collect::<Vec<RamLine>>(), 100, false)
}

#[test]
fn an_answer_of_too_many_bytes_is_refused_and_one_that_fits_is_not() {
    let limits = Limits { max_held_bytes: 1 << 20, buffer_bytes: 256 << 10, ..Limits::default() };
    let ram = big(2000, 3);
    for query in [
        r#"{app="a"} | line_format `{{ repeat 5000 "x" }}`"#,
        r#"{app="a"} | label_format y=`{{ __line__ }}{{ repeat 5000 "x" }}`"#,
        r#"{app="a"} | label_format y=`{{ __line__ }}{{ repeat 5000 "x" }}` | distinct y"#,
    ] {
        for (direction, threads) in
            [(Direction::Forward, false), (Direction::Backward, false), (Direction::Forward, true), (Direction::Backward, true)]
        {
            let ask = |limit| {
                limited(limits, || piped(&ram, threads, &|| None, |engine| engine.logs(&log_query(query), &params(direction, limit))))
            };
            // All lines are looked at, but what is not kept is not counted.
            assert_eq!(ask(Some(100)).unwrap().rows.len(), 100, "{query} {direction:?}");
            for limit in [Some(300), None] {
                assert_eq!(ask(limit).err(), Some(EngineError::TooManyHeldBytes(1 << 20)), "{query} {direction:?} {limit:?}");
            }
        }
    }
    // Parts that lie over each other: most of what each gives is dropped for what another gives.
    let over = Ram::new(
        ram.parts.iter().flat_map(|part| {
            let row = |row: &crate::engine::ram::RamRow| (row.at, part.stream.labels.clone(), row.line.clone(), Vec::new());
            part.rows.iter().map(row).collect::<Vec<RamLine>>()
        }),
        100,
        true,
    );
    let wide = log_query(r#"{app="a"} | line_format `{{ repeat 5000 "x" }}`"#);
    for direction in [Direction::Forward, Direction::Backward] {
        let answer = limited(limits, || piped(&over, false, &|| None, |engine| engine.logs(&wide, &params(direction, Some(100)))));
        assert_eq!(answer.map(|answer| answer.rows.len()), Ok(100), "{direction:?}");
    }
    // Labels that rows share are counted once.
    let shared = r#"{app="a"} | label_format y=`{{ repeat 2000 "x" }}`"#;
    let ask = |direction| {
        limited(limits, || piped(&ram, false, &|| None, |engine| engine.logs(&log_query(shared), &params(direction, Some(2000)))))
    };
    assert_eq!(ask(Direction::Forward).map(|answer| answer.rows.len()), Ok(2000));
    assert_eq!(ask(Direction::Backward).map(|answer| answer.rows.len()), Ok(2000));
}

#[test]
fn a_stream_of_rows_is_as_long_as_it_likes_and_holds_what_it_may() {
    let limits = Limits { max_held_bytes: 1 << 20, buffer_bytes: 256 << 10, ..Limits::default() };
    // Each of the parts may hold 64 KiB, and all lines are in the first window.
    let ram = big(4000, 40);
    for direction in [Direction::Forward, Direction::Backward] {
        let mut rows = 0;
        let query = log_query(r#"{app="a"} | line_format `{{ repeat 5000 "x" }}`"#);
        let each = limited(limits, || {
            piped(&ram, false, &|| None, |engine| {
                engine.logs_each(&query, &params(direction, None), &mut |_| {
                    rows += 1;
                    ControlFlow::Continue(())
                })
            })
        });
        assert_eq!((each.err(), rows), (None, 4000), "{direction:?}");
    }
}

#[test]
fn names_of_series_are_bounded() {
    let limits = Limits { max_held_bytes: 1 << 20, max_series: 10_000, ..Limits::default() };
    let ram = big(4000, 2);
    let end = RangeParams { start: 0, end: 4000, step: 4000 };
    let ask = |query: &str| {
        limited(limits, || piped(&ram, true, &|| None, |engine| engine.range(&metric_query(query), &end).map(|answer| answer.value.len())))
    };
    let refused = Err(EngineError::TooManyHeldBytes(1 << 20));
    assert_eq!(ask(r#"sum by (y) (count_over_time({app="a"} | label_format y=`{{ repeat 4000 __line__ }}` [1h]))"#), refused);
    assert_eq!(ask(r#"sum by (y) (count_over_time({app="a"} | label_format y=`{{ __line__ }}` [1h]))"#), Ok(4000));
    // The same name in each part is one.
    assert_eq!(ask(r#"sum by (y) (count_over_time({app="a"} | label_format y=`{{ repeat 100000 "x" }}` [1h]))"#), Ok(1));
    let doubled = (0..40).fold(r#"sum by (pod) (count_over_time({app="a"}[1h]))"#.to_owned(), |inner, _| {
        format!(r#"label_replace({inner}, "pod", "$1$1", "pod", "(.*)")"#)
    });
    assert_eq!(ask(&doubled), refused);
}
