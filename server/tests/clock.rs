//! The wall clock is stepped while lines are followed: Docker's, whose times stand before the lines, and the console's.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod engine;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use engine::{Console, fake::Fake};
use model::{Direction, Timestamp};
use ops::{
    logs::Filter,
    source::{Frontier, LogSource},
};

const HOUR: i64 = 3_600 * 1_000_000_000;
const MILLI: i64 = 1_000_000;
/// Lines between two steps.
const EACH: usize = 300;

async fn paged(console: &Console, direction: Direction) -> Vec<String> {
    let (mut whole, mut cursor) = (Vec::new(), None);
    loop {
        let (page, frontier) = console.search("clock", direction, 100, cursor, Filter::default()).await;
        whole.extend(page.into_iter().map(|line| line.text.to_string()));
        match frontier {
            Frontier::Exhausted => return whole,
            Frontier::Upto(id) => cursor = Some(id),
        }
    }
}

#[tokio::test]
async fn a_clock_that_steps_loses_and_doubles_no_line() {
    let began = Timestamp::parse_rfc3339("2026-11-22T12:00:00Z").unwrap().0;
    let now = Arc::new(AtomicI64::new(began));
    let engine = Fake::start("clock", Timestamp(began - 2 * HOUR));
    let clock = now.clone();
    let console = Console::follow_by(&engine.host(), Arc::new(move || Timestamp(clock.load(Ordering::SeqCst))));
    let mut view = console.watch("clock");
    let mut expect = Vec::new();
    // Back by an hour, still further, forward over the beginning: with and without a new connection in between.
    for (step, cut) in [(0, false), (-HOUR, false), (-HOUR, true), (-2 * HOUR, true), (HOUR, false), (HOUR, true), (-MILLI, true)] {
        let from = expect.len();
        if cut {
            engine.cut();
        }
        for n in from..from + EACH {
            // Each phase has nanoseconds of its own, so that no two lines of the log have one time.
            let at = Timestamp(began + step + MILLI * (n - from) as i64 + from as i64);
            now.store(at.0, Ordering::SeqCst);
            expect.push(format!("n={n}"));
            engine.write(at, &expect[n]);
        }
        let lines = view.until(expect.len()).await;
        let got: Vec<_> = lines.iter().map(|line| line.text.to_string()).collect();
        assert!(got == expect, "step {step}, cut {cut}: {} of {}", got.len(), expect.len());
    }
    expect.sort();
    let second = Console::follow_by(&engine.host(), Arc::new(move || Timestamp(now.load(Ordering::SeqCst))));
    engine::eventually("it sees that the clock was stepped", || second.logs.containers().iter().any(|one| one.memory.is_stepped())).await;
    for (which, console) in [("the one that saw it", &console), ("one that came later", &second)] {
        engine::eventually("the engine is there again", || console.logs.part().detail.is_empty()).await;
        for direction in [Direction::Forward, Direction::Backward] {
            let mut found = paged(console, direction).await;
            found.sort();
            assert!(found == expect, "{which}, {direction:?}: {} of {}", found.len(), expect.len());
        }
    }
}
