//! What repeats: the newest lines of a range, and of the span before it, learned in their order.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use loglines::ansi;
use logpush::drain::{Config, PatternSeries, Patterns, merge};
use logql::engine::{LogParams, LogRow};
use model::Direction;
use ops::source::engine::{Mined, MinedPattern, PatternParams};

const ESCAPE: char = '\u{1b}';

/// Learns the lines of one question: those of the span before, if it is wanted, and then those that were asked for.
pub struct Miner {
    params: PatternParams,
    /// Lines that are looked at in each span; the newest, where there are more.
    limit: usize,
    /// What lies before the range and is as long; nothing where it is not compared with.
    before: Option<Range<i64>>,
    /// All lines of the span before were seen, and there were some.
    is_known: bool,
    /// Lines are learned without their colours.
    plain: bool,
    learned: Learned,
}

impl Miner {
    /// With `compare`, it is told of each pattern whether the span before has it too, and colours are no part of patterns.
    pub fn new(params: PatternParams, compare: bool, limit: usize) -> Self {
        let (start, end) = (params.range.start.0, params.range.end.0);
        let before = start.saturating_sub(end.saturating_sub(start)).max(0);
        // To compare two spans no step may lie in both: times are moved so that the range begins with a step.
        let shift = if compare { start.rem_euclid(params.step_ns) } else { 0 };
        let config = if compare { Config { step_ns: params.step_ns, ..Config::default() } } else { Config::default() };
        let learned = Learned { config, shift, is_coloured: false, streams: BTreeMap::new() };
        let before = (compare && before < start).then_some(before..start);
        Self { params, limit, before, is_known: false, plain: compare, learned }
    }

    /// What [`Miner::before`] is to be given, if anything.
    pub fn asks_before(&self) -> Option<LogParams> {
        self.before.clone().map(|span| self.newest(span))
    }

    /// What [`Miner::mine`] is to be given.
    pub fn asks(&self) -> LogParams {
        self.newest(self.params.range.start.0..self.params.range.end.0)
    }

    fn newest(&self, span: Range<i64>) -> LogParams {
        let Range { start, end } = span;
        LogParams { start, end, limit: Some(self.limit), direction: Direction::Backward, after: None, interval_ns: 0 }
    }

    /// Rows newest first.
    pub fn before(&mut self, rows: &[LogRow]) {
        self.is_known = !rows.is_empty() && rows.len() < self.limit;
        self.train(rows);
    }

    fn train(&mut self, rows: &[LogRow]) {
        for row in rows.iter().rev() {
            let is_coloured = self.plain && row.line.contains(ESCAPE);
            self.learned.is_coloured |= is_coloured;
            let line = if is_coloured { ansi::strip(&row.line) } else { Cow::Borrowed(&*row.line) };
            self.learned.train(row, &line);
        }
    }

    /// Rows newest first. Both spans are told by the templates as they are at the end.
    pub fn mine(mut self, rows: &[LogRow]) -> Mined {
        self.train(rows);
        let (step, shift) = (self.params.step_ns, self.learned.shift);
        let known = self.before.filter(|_| self.is_known);
        let seen: Option<HashSet<(String, String)>> =
            known.map(|span| self.learned.told(span, step).map(|one| (one.pattern, one.level)).collect());
        let patterns = self.learned.told(self.params.range.start.0..self.params.range.end.0, step).map(|one| {
            let samples = one.samples.iter().map(|(at, lines)| (at + shift / model::time::NANOS_PER_SEC, *lines)).collect();
            let key = (one.pattern, one.level);
            let is_new = seen.as_ref().map(|seen| !seen.contains(&key));
            MinedPattern { pattern: key.0, level: key.1, samples, is_new }
        });
        let patterns = patterns.collect();
        Mined { patterns, lines: rows.len() as u64, is_whole: rows.len() < self.limit, is_coloured: self.learned.is_coloured }
    }
}

/// Patterns are learned stream by stream: what two programs write alike is still two patterns until it is merged.
struct Learned {
    config: Config,
    /// Taken from every time, nanoseconds.
    shift: i64,
    is_coloured: bool,
    streams: BTreeMap<u64, Patterns>,
}

impl Learned {
    fn train(&mut self, row: &LogRow, line: &str) {
        let level = row.labels.get("detected_level").unwrap_or("unknown");
        let patterns = self.streams.entry(row.stream.hash.0).or_insert_with(|| Patterns::new(self.config));
        patterns.train(level, line, row.at - self.shift);
    }

    fn told(&self, span: Range<i64>, step_ns: i64) -> impl Iterator<Item = PatternSeries> {
        merge(self.streams.values(), span.start - self.shift, span.end - self.shift, step_ns, 1).into_iter()
    }
}
