//! `/patterns`: groups by level, and the shape of Loki's answer.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Config, Drain};

/// One pattern of one level, as Loki's API gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PatternSeries {
    pub pattern: String,
    pub level: String,
    /// Starts of steps in seconds, and the lines within.
    pub samples: Vec<(i64, u64)>,
}

/// Groups lines by level and pattern.
#[derive(Debug)]
pub struct Patterns {
    config: Config,
    levels: BTreeMap<Box<str>, Drain>,
}

impl Patterns {
    /// Patterns with fewer lines are not told.
    pub const MIN_LINES: u64 = 30;
    /// Further levels are taken for the unknown one: labels can bring any text.
    const MAX_LEVELS: usize = 12;

    pub fn new(config: Config) -> Self {
        Self { config, levels: BTreeMap::new() }
    }

    /// Takes a line in. `at` is in nanoseconds.
    pub fn train(&mut self, level: &str, line: &str, at: i64) {
        let level = if self.levels.contains_key(level) || self.levels.len() < Self::MAX_LEVELS { level } else { "unknown" };
        if !self.levels.contains_key(level) {
            self.levels.insert(level.into(), Drain::new(self.config));
        }
        if let Some(drain) = self.levels.get_mut(level) {
            drain.train(line, at);
        }
    }

    /// The patterns of `[start_ns, end_ns)` by steps of `step_ns`, the most frequent first.
    pub fn answer(&self, start_ns: i64, end_ns: i64, step_ns: i64) -> Vec<PatternSeries> {
        merge([self], start_ns, end_ns, step_ns, Self::MIN_LINES)
    }
}

/// As [`Patterns::answer`], of several at once: equal patterns are one. Those with fewer than `min_lines` are left out.
pub fn merge<'p>(
    all: impl IntoIterator<Item = &'p Patterns>,
    start_ns: i64,
    end_ns: i64,
    step_ns: i64,
    min_lines: u64,
) -> Vec<PatternSeries> {
    let step_ns = step_ns.max(1_000_000_000);
    let mut merged: BTreeMap<(String, Box<str>), BTreeMap<i64, u64>> = BTreeMap::new();
    for (level, drain) in all.into_iter().flat_map(|patterns| &patterns.levels) {
        for pattern in drain.patterns() {
            let samples = merged.entry((pattern.pattern, level.clone())).or_default();
            for (at, lines) in pattern.steps {
                if (start_ns..end_ns).contains(&at) {
                    *samples.entry((at - at.rem_euclid(step_ns)) / 1_000_000_000).or_default() += lines;
                }
            }
        }
    }
    let mut series: Vec<(u64, PatternSeries)> = merged
        .into_iter()
        .map(|((pattern, level), samples)| {
            (samples.values().sum(), PatternSeries { pattern, level: level.into(), samples: samples.into_iter().collect() })
        })
        .filter(|(lines, _)| *lines >= min_lines)
        .collect();
    series.sort_by_key(|(lines, _)| std::cmp::Reverse(*lines));
    series.into_iter().map(|(_, series)| series).collect()
}
