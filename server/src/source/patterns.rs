//! What repeats: the newest lines of a range, and of the span before it, learned in their order.

use std::collections::{BTreeMap, HashSet};

use logpush::drain::{Config, PatternSeries, Patterns, merge};
use logql::{
    ast::LogExpr,
    engine::{Engine, EngineError, LogParams, LogRow},
};
use logstore::Store;
use model::Direction;
use ops::source::engine::{Mined, MinedPattern, PatternParams};

/// Lines that are looked at in each span; the newest, where there are more. About 20 MB while they are learned.
const LINES: usize = 100_000;

/// What is mined of a query's lines, and what could not be read.
pub fn mine(run: &Engine<'_, Store>, log: &LogExpr, params: PatternParams, compare: bool) -> Result<(Mined, Vec<String>), EngineError> {
    let (start, end) = (params.range.start.0, params.range.end.0);
    let before = start.saturating_sub(end.saturating_sub(start)).max(0);
    // To compare two spans no step may lie in both: times are moved so that the range begins with a step.
    let shift = if compare { start.rem_euclid(params.step_ns) } else { 0 };
    let config = if compare { Config { step_ns: params.step_ns, ..Config::default() } } else { Config::default() };
    let mut learned = Learned { config, shift, streams: BTreeMap::new() };
    let mut warnings = Vec::new();
    let mut is_known = false;
    if compare && before < start {
        let (rows, more) = newest(run, log, before, start)?;
        warnings.extend(more);
        is_known = !rows.is_empty() && rows.len() < LINES;
        rows.iter().rev().for_each(|row| learned.train(row));
    }
    let (rows, more) = newest(run, log, start, end)?;
    warnings.extend(more);
    warnings.dedup();
    rows.iter().rev().for_each(|row| learned.train(row));
    // Both spans by the templates as they are at the end.
    let seen: HashSet<(String, String)> =
        if is_known { learned.told(before, start, params.step_ns).map(|one| (one.pattern, one.level)).collect() } else { HashSet::new() };
    let patterns = learned.told(start, end, params.step_ns).map(|one| {
        let samples = one.samples.iter().map(|(at, lines)| (at + shift / model::time::NANOS_PER_SEC, *lines)).collect();
        let key = (one.pattern, one.level);
        let is_new = is_known.then(|| !seen.contains(&key));
        MinedPattern { pattern: key.0, level: key.1, samples, is_new }
    });
    Ok((Mined { patterns: patterns.collect(), lines: rows.len() as u64, is_whole: rows.len() < LINES }, warnings))
}

fn newest(run: &Engine<'_, Store>, log: &LogExpr, start: i64, end: i64) -> Result<(Vec<LogRow>, Vec<String>), EngineError> {
    let params = LogParams { start, end, limit: Some(LINES), direction: Direction::Backward, after: None, interval_ns: 0 };
    run.logs(log, &params).map(|found| (found.rows, found.warnings))
}

/// Patterns are learned stream by stream: what two programs write alike is still two patterns until it is merged.
struct Learned {
    config: Config,
    /// Taken from every time, nanoseconds.
    shift: i64,
    streams: BTreeMap<u64, Patterns>,
}

impl Learned {
    fn train(&mut self, row: &LogRow) {
        let level = row.labels.get("detected_level").unwrap_or("unknown");
        let patterns = self.streams.entry(row.stream.hash.0).or_insert_with(|| Patterns::new(self.config));
        patterns.train(level, &row.line, row.at - self.shift);
    }

    fn told(&self, start: i64, end: i64, step_ns: i64) -> impl Iterator<Item = PatternSeries> {
        merge(self.streams.values(), start - self.shift, end - self.shift, step_ns, 1).into_iter()
    }
}
