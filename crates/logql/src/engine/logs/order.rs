//! The order of lines, and what acts on lines in order: `distinct`, `interval`, the limit.

use std::collections::HashSet;

use model::Direction;

use super::{LogParams, LogRow, distincts};
use crate::ast::LogExpr;

/// `(at, stream hash, ordinal)`: the total order of lines.
pub(super) type Rank = (i64, u64, u16);

/// A number for each line by which lines of either direction sort upwards.
pub(super) fn key((at, stream, ordinal): Rank, direction: Direction) -> Rank {
    match direction {
        Direction::Forward => (at, stream, ordinal),
        Direction::Backward => (!at, !stream, !ordinal),
    }
}

/// Sees every line in order and says which are given.
pub(super) struct Ordered {
    distincts: Vec<Distinct>,
    interval_ns: i64,
    last: Option<i64>,
    left: usize,
}

impl Ordered {
    pub fn new(log: &LogExpr, params: &LogParams) -> Self {
        Self {
            distincts: distincts(log).map(|labels| Distinct::new(labels.clone())).collect(),
            interval_ns: params.interval_ns,
            last: None,
            left: params.limit.unwrap_or(usize::MAX),
        }
    }

    /// Whether only the limit stands between a line and the answer.
    pub fn passes_all(log: &LogExpr, params: &LogParams) -> bool {
        params.interval_ns <= 0 && distincts(log).next().is_none()
    }

    pub fn takes(&mut self, row: &LogRow) -> bool {
        if !self.distincts.iter_mut().all(|distinct| distinct.is_new(row)) {
            return false;
        }
        // As Loki does: the limit is of lines looked at, also of those that the interval leaves out.
        self.left = self.left.saturating_sub(1);
        if self.interval_ns > 0 {
            if self.last.is_some_and(|last| row.at.abs_diff(last) < self.interval_ns.unsigned_abs()) {
                return false;
            }
            self.last = Some(row.at);
        }
        true
    }

    pub fn is_full(&self) -> bool {
        self.left == 0
    }
}

/// Values that a `distinct` stage remembers; of what comes behind that many it takes each line.
const MAX_DISTINCT: usize = 1_000_000;

/// Takes the first line with each combination of values. An absent label has the value `""`.
pub(super) struct Distinct {
    labels: Vec<String>,
    /// Hashes of 128 bits: two combinations never meet in practice, and a value may be long.
    seen: HashSet<u128>,
}

impl Distinct {
    pub fn new(labels: Vec<String>) -> Self {
        Self { labels, seen: HashSet::new() }
    }

    pub fn is_new(&mut self, row: &LogRow) -> bool {
        if self.seen.len() >= MAX_DISTINCT {
            return true;
        }
        // FNV-1a, 128 bits.
        let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        for label in &self.labels {
            for byte in row.labels.get(label).unwrap_or_default().bytes().chain([0xff]) {
                hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
            }
        }
        self.seen.insert(hash)
    }
}
