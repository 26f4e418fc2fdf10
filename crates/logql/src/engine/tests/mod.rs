//! The engine over lines in memory, with a toy pipeline.

mod bounds;
mod build;
mod logs;
mod metric;
mod naive;
mod toy;

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::read::{Inline, Pool};

/// Each job on a thread of its own.
pub struct Threads;

impl Pool for Threads {
    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= jobs {
                            break;
                        }
                        job(index);
                    }
                });
            }
        });
    }
}

thread_local! {
    static LIMITS: Cell<Limits> = Cell::new(Limits::default());
}

/// Runs with limits.
pub fn limited<T>(limits: Limits, run: impl FnOnce() -> T) -> T {
    LIMITS.set(limits);
    let out = run();
    LIMITS.set(Limits::default());
    out
}

/// Runs something on an engine over `ram`, on three threads or on this one.
pub fn on<T>(ram: &ram::Ram, threads: bool, run: impl FnOnce(&Engine<'_, ram::Ram>) -> T) -> (T, StatsSnapshot) {
    let stats = Stats::default();
    let control = Control { stop: &|| None, limits: LIMITS.get(), stats: &stats, partial_series: false, now_ns: 0 };
    let pool: &dyn Pool = if threads { &Threads } else { &Inline };
    let out = run(&Engine { source: ram, pool, pipes: &toy::Toy, control: &control });
    (out, stats.snapshot())
}

/// Runs something with the stages of the crate on an engine that asks `stop`.
pub fn piped<T>(
    ram: &ram::Ram,
    threads: bool,
    stop: &(dyn Fn() -> Option<Stop> + Sync),
    run: impl FnOnce(&Engine<'_, ram::Ram>) -> T,
) -> T {
    let stats = Stats::default();
    let control = Control { stop, limits: LIMITS.get(), stats: &stats, partial_series: false, now_ns: 0 };
    let pool: &dyn Pool = if threads { &Threads } else { &Inline };
    run(&Engine { source: ram, pool, pipes: &Piped, control: &control })
}

pub fn log_query(text: &str) -> crate::ast::LogExpr {
    match crate::syntax::parse(text).unwrap() {
        crate::ast::Expr::Log(log) => log,
        crate::ast::Expr::Metric(_) => panic!("{text} is a metric query"),
    }
}

pub fn metric_query(text: &str) -> crate::ast::MetricExpr {
    match crate::syntax::parse(text).unwrap() {
        crate::ast::Expr::Metric(metric) => metric,
        crate::ast::Expr::Log(_) => panic!("{text} is a log query"),
    }
}
