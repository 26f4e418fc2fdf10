use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use model::{Direction, EntryId, Timestamp};
use proptest::prelude::*;

use super::{
    build::*,
    limited, on,
    toy::{Toy, matcher},
};
use crate::{
    ast::*,
    engine::{
        Limits, LogParams, LogRow, Tailer,
        pipe::{CompileError, Pipe, PipeWorker, Pipes},
        ram::{Ram, RamLine},
    },
    read::{Prefilter, RowRef, StreamRef},
};

fn all(stages: Vec<StageKind>) -> LogExpr {
    selector(vec![matcher("app", MatchOp::Regex, ".+")], stages)
}

fn params(direction: Direction, limit: Option<usize>) -> LogParams {
    LogParams { start: 0, end: i64::MAX, limit, direction, after: None, interval_ns: 0 }
}

type Id = (i64, u64, u16);

fn id(row: &LogRow) -> Id {
    (row.at, row.stream.hash.0, row.ordinal)
}

fn entry((at, stream, ordinal): Id) -> EntryId {
    EntryId { at: Timestamp(at), stream: model::StreamHash(stream), ordinal }
}

fn any_lines() -> impl Strategy<Value = Vec<RamLine>> {
    let one = (0_i64..60, 0..3_usize, 0..4_usize).prop_map(|(at, app, user)| line(at, ["a", "b", "c"][app], "", &format!("user={user}")));
    prop::collection::vec(one, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn lines_come_in_exact_order_whatever_the_parts(
        lines in any_lines(), start in 0_i64..60, length in 0_i64..70, limit in prop::option::of(0_usize..30), backward: bool, filter: bool,
        distinct: bool, interval in 0_i64..4, size in 1_usize..20, overlap: bool, threads: bool, after in prop::option::of(0_usize..120), tiny: bool,
    ) {
        let ram = Ram::new(lines, size, overlap);
        let direction = if backward { Direction::Backward } else { Direction::Forward };
        let mut ids: Vec<(Id, String)> = ram.parts.iter().flat_map(|part| {
            part.rows.iter().map(|row| ((row.at, part.stream.hash.0, row.ordinal), row.line.clone()))
        }).collect();
        ids.sort();
        let after = after.and_then(|index| ids.get(index)).map(|(id, _)| *id);
        if backward { ids.reverse(); }
        let mut seen = std::collections::HashSet::new();
        let mut last: Option<i64> = None;
        let mut expect: Vec<Id> = Vec::new();
        let mut looked_at = 0;
        for (id, line) in ids {
            let behind = after.is_none_or(|after| if backward { id < after } else { id > after });
            if id.0 < start || id.0 >= start + length || !behind || (filter && !line.contains('1')) { continue; }
            if distinct && !seen.insert(line.clone()) { continue; }
            // The limit is of lines that the interval looks at, as in Loki.
            if limit.is_some_and(|limit| looked_at >= limit) { break; }
            looked_at += 1;
            if interval > 0 && last.is_some_and(|last| (id.0 - last).abs() < interval) { continue; }
            last = Some(id.0);
            expect.push(id);
        }
        let mut stages = if filter { vec![contains("1")] } else { vec![] };
        if distinct { stages.extend([logfmt(), StageKind::Distinct(vec!["user".into()])]); }
        let params = LogParams { start, end: start + length, limit, direction, after: after.map(entry), interval_ns: interval };
        let limits = Limits { buffer_bytes: if tiny { 300 } else { 32 << 20 }, ..Limits::default() };
        let (rows, stats) = limited(limits, || on(&ram, threads, |engine| engine.logs(&all(stages), &params).unwrap().rows));
        prop_assert_eq!(rows.iter().map(id).collect::<Vec<_>>(), expect);
        prop_assert_eq!(stats.entries, rows.len() as u64);
    }
}

#[test]
fn only_parts_that_may_hold_the_first_lines_are_read() {
    let ram = Ram::new((0..10_000).map(|at| line(at, "a", "", "user=1")), 100, false);
    for (direction, first) in [(Direction::Backward, 9_999), (Direction::Forward, 0)] {
        let (rows, stats) = on(&ram, false, |engine| engine.logs(&all(vec![]), &params(direction, Some(150))).unwrap().rows);
        assert_eq!((rows.len(), rows[0].at), (150, first));
        assert_eq!(stats.parts_read + stats.parts_skipped, 100);
        assert!(stats.lines <= 300, "{stats:?}");
    }
    let one = Ram::new((0..100_000).map(|at| line(at, "a", "", "user=1")), 100_000, false);
    let (rows, stats) = on(&one, false, |engine| engine.logs(&all(vec![]), &params(Direction::Backward, Some(150))).unwrap().rows);
    assert_eq!((rows.len(), rows[0].at), (150, 99_999));
    assert!(stats.lines <= 300, "{stats:?}");
}

#[test]
fn a_stream_of_rows_holds_little_and_ends_when_told() {
    let ram = Ram::new(
        (0..50_000).map(|at| line(at / 3, ["a", "b"][(at % 2) as usize], "", "user=1 and more text to fill the line")),
        5_000,
        false,
    );
    let limits = Limits { buffer_bytes: 256 << 10, ..Limits::default() };
    let mut last = None;
    let mut count = 0;
    let warnings = limited(limits, || {
        on(&ram, true, |engine| {
            engine.logs_each(&all(vec![]), &params(Direction::Forward, None), &mut |row| {
                assert!(last < Some(id(&row)));
                last = Some(id(&row));
                count += 1;
                ControlFlow::Continue(())
            })
        })
    });
    assert_eq!((count, warnings.0.unwrap().len()), (50_000, 0));
    let mut seen = 0;
    let (_, stats) = on(&ram, false, |engine| {
        engine.logs_each(&all(vec![]), &params(Direction::Backward, None), &mut |_| {
            seen += 1;
            if seen == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    assert_eq!((seen, stats.entries), (10, 10));
}

#[test]
fn labels_are_shared_while_they_stay_the_same() {
    let ram = Ram::new((0..10).map(|at| line(at, "a", ["info", "warn"][(at / 5) as usize], "x")), 100, false);
    let (rows, _) = on(&ram, false, |engine| engine.logs(&all(vec![]), &params(Direction::Forward, Some(10))).unwrap().rows);
    assert!(std::sync::Arc::ptr_eq(&rows[0].labels, &rows[4].labels));
    assert!(!std::sync::Arc::ptr_eq(&rows[4].labels, &rows[5].labels));
    assert_eq!(rows[9].labels.merged(), [("app", "a"), ("level", "warn")]);
    assert_eq!(rows[9].labels.metadata, [("level".to_owned(), "warn".to_owned())]);
}

#[test]
fn a_damaged_part_gives_what_it_can_and_a_warning() {
    let mut ram = Ram::new((0..10).map(|at| line(at, "a", "", "x")), 5, false);
    ram.parts[1].damaged_after = Some(2);
    for limit in [Some(100), None] {
        let (answer, _) = on(&ram, false, |engine| engine.logs(&all(vec![]), &params(Direction::Forward, limit)).unwrap());
        assert_eq!((answer.rows.len(), answer.warnings.len()), (7, 1));
    }
}

#[test]
fn a_tailer_takes_new_lines_that_are_asked_for() {
    let ram = Ram::new([line(1, "a", "", "user=1"), line(1, "b", "", "user=2")], 5, false);
    let log = selector(vec![matcher("app", MatchOp::Equal, "a")], vec![contains("1"), logfmt(), StageKind::Distinct(vec!["user".into()])]);
    let (mut tailer, _) = on(&ram, false, |engine| engine.tailer(&log).unwrap());
    for (part, text, expect) in
        [(0, "user=1", true), (0, "user=1", false), (0, "user=2", false), (1, "user=1", false), (0, "user=11", true)]
    {
        let row = RowRef { at: 5, ordinal: 0, line: text, len: 6, metadata: &[] };
        assert_eq!(tailer.take(&ram.parts[part].stream, &row).is_some(), expect, "{text}");
    }
}

#[test]
fn a_tailer_keeps_its_worker() {
    /// The toy, with a count of the workers made.
    struct Counted(Arc<AtomicUsize>);
    struct CountedPipe(Box<dyn Pipe>, Arc<AtomicUsize>);
    impl Pipes for Counted {
        fn compile(
            &self,
            log: &LogExpr,
            unwrap: Option<&Unwrap>,
            needed: Option<Vec<String>>,
            now_ns: i64,
        ) -> Result<Box<dyn Pipe>, CompileError> {
            Ok(Box::new(CountedPipe(Toy.compile(log, unwrap, needed, now_ns)?, self.0.clone())))
        }
        fn prefilter(&self, log: &LogExpr) -> Prefilter {
            Toy.prefilter(log)
        }
        fn needs(&self, expr: &MetricExpr) -> Option<Vec<String>> {
            Toy.needs(expr)
        }
        fn needs_text(&self, log: &LogExpr) -> bool {
            Toy.needs_text(log)
        }
    }
    impl Pipe for CountedPipe {
        fn worker(&self, stream: &StreamRef) -> Box<dyn PipeWorker> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.worker(stream)
        }
    }
    let ram = Ram::new([line(1, "a", "", "x"), line(1, "b", "", "x")], 5, false);
    let made = Arc::new(AtomicUsize::new(0));
    for pipes in [&Counted(made.clone()) as &dyn Pipes, &crate::engine::Piped] {
        let mut tailer = Tailer::new(pipes, &all(vec![contains("x")]), 0).unwrap();
        for at in 0..10 {
            let part = &ram.parts[usize::from(at % 3 == 0)];
            let row = tailer.take(&part.stream, &RowRef { at, ordinal: 0, line: "x", len: 1, metadata: &[] }).unwrap();
            assert_eq!(row.labels.get("app"), part.stream.labels.get("app"), "the labels are those of the line's own stream");
        }
    }
    assert_eq!(made.load(Ordering::Relaxed), 1);
}
