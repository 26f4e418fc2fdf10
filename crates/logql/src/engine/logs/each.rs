//! Every line of a range in order, in bounded memory: the range is walked in windows of time, and of each window all
//! parts are read and merged. A window that holds more than the budget ends where the first part's share is full.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{Mutex, PoisonError},
};

use model::Direction;

use super::{
    super::{
        Engine, EngineError, Stats,
        scan::{Purse, Scan},
    },
    LogRow, Plan,
    row::Rows,
};
use crate::read::{Ask, Part, Source};

/// Raw bytes in the first window, about: it shall come soon.
const FIRST_BYTES: u128 = 2 << 20;

/// Of each part in a window at least this much is held.
const MIN_SHARE: usize = 64 << 10;

pub(super) fn each<S: Source>(
    engine: &Engine<'_, S>,
    plan: &Plan,
    sink: &mut dyn FnMut(LogRow) -> ControlFlow<()>,
) -> Result<Vec<String>, EngineError> {
    let scan = engine.scan();
    let parts = engine.source.parts(&plan.ask)?;
    Stats::add(&engine.control.stats.parts, parts.len() as u64);
    let budget = engine.control.limits.buffer_bytes;
    let (mut start, mut end) = (plan.ask.start, plan.ask.end);
    let mut width = first_width(&parts, start, end);
    while let Some((from, to)) = window(&parts, start, end, width, plan.direction) {
        let inside: Vec<&S::Part> = parts.iter().filter(|part| part.bounds().1 >= from && part.bounds().0 < to).collect();
        let share = (budget / inside.len().max(1)).max(MIN_SHARE);
        let held = Mutex::new(Held { rows: Vec::new(), used: 0, from, to });
        let ran = scan.run(inside.len(), &|index| {
            let (read, purse) = share_of(&scan, inside[index], plan, from, to, share)?;
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            held.from = held.from.max(read.from);
            held.to = held.to.min(read.to);
            held.rows.extend(read.rows);
            held.used += read.used;
            purse.leave(read.used);
            Ok(())
        });
        let Held { mut rows, used, from: complete_from, to: complete_to } = held.into_inner().unwrap_or_else(PoisonError::into_inner);
        match ran {
            // As many parts as there are may each hold a share: less of each is tried before giving up.
            Err(EngineError::TooManyHeldBytes(_)) if to.abs_diff(from) > 1 => {
                scan.drop_bytes(used);
                width = (to.abs_diff(from) / 8).max(1);
                continue;
            }
            ran => ran?,
        }
        rows.retain(|row| row.at >= complete_from && row.at < complete_to);
        rows.sort_unstable_by_key(LogRow::rank);
        let mut give = |row| sink(row);
        let flow = match plan.direction {
            Direction::Forward => rows.into_iter().try_for_each(&mut give),
            Direction::Backward => rows.into_iter().rev().try_for_each(&mut give),
        };
        scan.drop_bytes(used);
        if flow.is_break() {
            break;
        }
        match plan.direction {
            Direction::Forward => start = complete_to,
            Direction::Backward => end = complete_from,
        }
        let done = u64::try_from(complete_to.saturating_sub(complete_from)).unwrap_or(1).max(1);
        width = match used {
            used if used < budget / 16 => width.saturating_mul(8),
            used if used < budget / 4 => width.saturating_mul(2),
            used if used > budget / 2 => (done / 2).max(1),
            _ => width,
        };
    }
    Ok(scan.into_warnings())
}

/// Rows of parts, complete within `[from, to)`.
struct Held {
    rows: Vec<LogRow>,
    /// Bytes of them.
    used: usize,
    from: i64,
    to: i64,
}

/// So long that it holds about [`FIRST_BYTES`].
fn first_width<P: Part>(parts: &[P], start: i64, end: i64) -> u64 {
    let bytes: u128 = parts.iter().map(|part| u128::from(part.bytes())).sum();
    let first = parts.iter().map(|part| part.bounds().0).min().unwrap_or(start).max(start);
    let last = parts.iter().map(|part| part.bounds().1).max().unwrap_or(end).min(end);
    let span = u128::from(last.abs_diff(first)) + 1;
    u64::try_from(span * FIRST_BYTES / bytes.max(1)).unwrap_or(u64::MAX).max(1)
}

/// The next window: where the nearest line may be, and as long as `width`. `None` when no part is left.
fn window<P: Part>(parts: &[P], start: i64, end: i64, width: u64, direction: Direction) -> Option<(i64, i64)> {
    let bounds = parts.iter().map(Part::bounds).filter(|&(first, last)| last >= start && first < end);
    let (from, to) = match direction {
        Direction::Forward => {
            let from = bounds.map(|(first, _)| first).min()?.max(start);
            (from, from.saturating_add_unsigned(width).min(end))
        }
        Direction::Backward => {
            let to = bounds.map(|(_, last)| last).max()?.saturating_add(1).min(end);
            (to.saturating_sub_unsigned(width).max(start), to)
        }
    };
    (from < to).then_some((from, to))
}

/// What one part has within `[from, to)`: as much as `share` holds of the near end, but always a whole nanosecond.
fn share_of<'s>(
    scan: &'s Scan<'_>,
    part: &impl Part,
    plan: &Plan,
    from: i64,
    to: i64,
    share: usize,
) -> Result<(Held, Purse<'s>), EngineError> {
    let stream = part.stream();
    let mut worker = plan.pipe.worker(stream);
    let mut make = Rows::default();
    let mut rows: VecDeque<LogRow> = VecDeque::new();
    let mut purse = scan.purse();
    let mut complete = (from, to);
    let mut matched = 0;
    let ask = Ask { start: from, end: to, ..plan.ask.clone() };
    scan.read(part, &ask, plan.need, plan.work, |row| {
        if row.at < complete.0 || !plan.wants((row.at, stream.hash.0, row.ordinal)) {
            return Ok(ControlFlow::Continue(()));
        }
        if purse.held() > share && rows.back().is_some_and(|last| last.at < row.at) {
            match plan.direction {
                Direction::Forward => {
                    complete.1 = row.at;
                    return Ok(ControlFlow::Break(()));
                }
                Direction::Backward => {
                    let oldest = rows.front().map_or(row.at, |first| first.at);
                    complete.0 = oldest.saturating_add(1);
                    while rows.front().is_some_and(|first| first.at == oldest) {
                        purse.drop_bytes(rows.pop_front().map_or(0, |first| first.weight()));
                    }
                }
            }
        }
        if let Some(line) = worker.process(&row) {
            matched += 1;
            let (row, weight) = make.row(&row, &line, stream, String::new());
            purse.hold(weight)?;
            rows.push_back(row);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Stats::add(&scan.control.stats.matched, matched);
    Ok((Held { rows: rows.into(), used: purse.held(), from: complete.0, to: complete.1 }, purse))
}
