//! The first so many lines of a range. Parts are read nearest first; once enough lines are known, parts that lie behind
//! all of them are not read, and of the others only the piece in front.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use model::Direction;

use super::{
    super::{
        Engine, EngineError, Stats,
        scan::{Purse, Scan},
    },
    LogRow, LogRows, Plan,
    order::{Rank, key},
    row::Rows,
};
use crate::read::{Ask, Part, Source};

/// A part of at least this many times the limit is read in two pieces, the near one first.
const SPLIT: u64 = 4;

/// What a piece found goes to the best lines when it is this share of what the query may hold: most of it may not be among
/// them, and other pieces are read beside it.
const HOARD: usize = 64;

pub(super) fn first<S: Source>(engine: &Engine<'_, S>, plan: &Plan, limit: usize) -> Result<LogRows, EngineError> {
    let scan = engine.scan();
    let mut parts = if limit == 0 { Vec::new() } else { engine.source.parts(&plan.ask)? };
    parts.sort_by_key(|part| near(part, plan.direction));
    Stats::add(&engine.control.stats.parts, parts.len() as u64);
    let best = Best { scan: &scan, limit, cut: AtomicI64::new(i64::MAX), rows: Mutex::new(BTreeMap::new()) };
    // Until a near piece held too few lines: then each part would be unpacked twice.
    let is_dense = AtomicBool::new(true);
    scan.run(parts.len(), &|index| {
        let part = &parts[index];
        if near(part, plan.direction) > best.cut.load(Ordering::Relaxed) {
            Stats::add(&engine.control.stats.parts_skipped, 1);
            return Ok(());
        }
        let mut found = 0;
        let pieces = if is_dense.load(Ordering::Relaxed) { pieces(part, plan, limit) } else { vec![plan.ask.clone()] };
        for ask in pieces {
            found += piece(part, plan, &ask, limit - found, &best)?;
            if found >= limit {
                return Ok(());
            }
            is_dense.store(false, Ordering::Relaxed);
        }
        Ok(())
    })?;
    let Best { rows, .. } = best;
    let rows: Vec<LogRow> = rows.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect();
    Stats::add(&engine.control.stats.entries, rows.len() as u64);
    Ok(LogRows { rows, warnings: scan.into_warnings() })
}

/// The first component of the key of the nearest line a part may hold.
fn near(part: &impl Part, direction: Direction) -> i64 {
    let (first, last) = part.bounds();
    key((if direction == Direction::Forward { first } else { last }, 0, 0), direction).0
}

/// The best lines so far, over all threads.
struct Best<'s> {
    scan: &'s Scan<'s>,
    limit: usize,
    /// Once full: lines whose key starts above it are not wanted.
    cut: AtomicI64,
    rows: Mutex<BTreeMap<Rank, LogRow>>,
}

impl Best<'_> {
    /// The rows' bytes are noted already; those of rows that are not wanted are given back.
    fn add(&self, found: impl Iterator<Item = LogRow>, direction: Direction) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for row in found {
            let mut unwanted = rows.insert(key(row.rank(), direction), row);
            if rows.len() > self.limit {
                unwanted = rows.pop_last().map(|(_, row)| row);
            }
            if let Some(row) = unwanted {
                self.scan.drop_bytes(row.weight());
            }
        }
        if rows.len() >= self.limit
            && let Some((worst, _)) = rows.last_key_value()
        {
            self.cut.store(worst.0, Ordering::Relaxed);
        }
    }
}

/// The ranges in which to read a part, the nearest first. Going back, a part is read upwards all the same, so that the
/// last piece of a big one is tried alone.
fn pieces(part: &impl Part, plan: &Plan, limit: usize) -> Vec<Ask> {
    let whole = || vec![plan.ask.clone()];
    let (first, last) = part.bounds();
    let (from, to) = (first.max(plan.ask.start), last.saturating_add(1).min(plan.ask.end));
    if plan.direction == Direction::Forward || to <= from {
        return whole();
    }
    let span = i128::from(last) - i128::from(first) + 1;
    let wanted = i128::from(to) - i128::from(from);
    let rows = i128::from(part.rows()) * wanted / span;
    let enough = i128::try_from(limit).unwrap_or(i128::MAX / 8) * 2;
    if rows < enough.saturating_mul(i128::from(SPLIT) / 2) || rows < 4096 {
        return whole();
    }
    let near = (wanted * enough / rows).clamp(1, wanted);
    let middle = i64::try_from(i128::from(to) - near).unwrap_or(from);
    vec![Ask { start: middle, ..plan.ask.clone() }, Ask { end: middle, ..plan.ask.clone() }]
}

/// Reads one piece and returns how many lines of it are among the nearest `limit` of the part.
fn piece(part: &impl Part, plan: &Plan, ask: &Ask, limit: usize, best: &Best<'_>) -> Result<usize, EngineError> {
    let scan = best.scan;
    let hoard = scan.control.limits.max_held_bytes / HOARD;
    let stream = part.stream();
    let mut worker = plan.pipe.worker(stream);
    let mut rows = Rows::default();
    let mut found: VecDeque<LogRow> = VecDeque::new();
    let mut purse = scan.purse();
    let mut handed_over = 0;
    let mut ask = ask.clone();
    let cut = best.cut.load(Ordering::Relaxed);
    if cut != i64::MAX {
        match plan.direction {
            Direction::Forward => ask.end = ask.end.min(cut.saturating_add(1)),
            Direction::Backward => ask.start = ask.start.max(!cut),
        }
    }
    let mut matched = 0;
    scan.read(part, &ask, plan.need, plan.work, |row| {
        let rank = (row.at, stream.hash.0, row.ordinal);
        if !plan.wants(rank) {
            return Ok(ControlFlow::Continue(()));
        }
        let cut = best.cut.load(Ordering::Relaxed);
        if key(rank, plan.direction).0 > cut {
            let ends = plan.direction == Direction::Forward;
            return Ok(if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        }
        if let Some(line) = worker.process(&row) {
            matched += 1;
            let full = found.len() >= limit;
            let mut old = if full { found.pop_front() } else { None };
            let buffer = old.as_mut().map(|old| {
                purse.drop_bytes(old.line.capacity());
                std::mem::take(&mut old.line)
            });
            let (row, weight) = rows.row(&row, &line, stream, buffer.unwrap_or_default());
            // Its labels may be those of the new row.
            purse.drop_bytes(old.map_or(0, |old| old.weight()));
            purse.hold(weight)?;
            found.push_back(row);
            if plan.direction == Direction::Forward && handed_over + found.len() >= limit {
                return Ok(ControlFlow::Break(()));
            }
            if purse.held() > hoard {
                handed_over += found.len();
                hand_over(std::mem::take(&mut found), std::mem::replace(&mut purse, scan.purse()), best, plan.direction);
                // Labels that others may drop are not shared any more.
                rows = Rows::default();
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Stats::add(&scan.control.stats.matched, matched);
    let count = (handed_over + found.len()).min(limit);
    hand_over(found, purse, best, plan.direction);
    Ok(count)
}

fn hand_over(found: VecDeque<LogRow>, purse: Purse<'_>, best: &Best<'_>, direction: Direction) {
    let held = purse.held();
    purse.leave(held);
    best.add(found.into_iter(), direction);
}
