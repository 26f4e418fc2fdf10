//! Counts per service, kept as lines pass: totals, lines of the last whole minute, errors of the last five.

use model::{Level, Timestamp};

const MINUTES: usize = 6;

#[derive(Clone, Copy, Default)]
struct Minute {
    /// Minutes since 1970; says whether the slot is of now or of an hour ago.
    number: i64,
    lines: u64,
    errors: u64,
    worst: Level,
}

/// What a list shows of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub lines: u64,
    pub bytes: u64,
    pub lines_per_minute: u64,
    pub errors: u64,
    pub level: Level,
    pub last_seen: Option<Timestamp>,
}

#[derive(Default)]
pub(super) struct Counter {
    lines: u64,
    bytes: u64,
    last_seen: Option<Timestamp>,
    minutes: [Minute; MINUTES],
}

impl Counter {
    /// `now` is when the line arrived: an old line taken in at start is not "of this minute" by its arrival, so lines
    /// older than five minutes only count into the total.
    pub fn add(&mut self, at: Timestamp, bytes: usize, level: Level, now: Timestamp) {
        self.lines += 1;
        self.bytes += bytes as u64;
        self.last_seen = self.last_seen.max(Some(at));
        let (number, this) = (at.secs().div_euclid(60), now.secs().div_euclid(60));
        if !(this - MINUTES as i64 + 1..=this + 1).contains(&number) {
            return;
        }
        let slot = &mut self.minutes[number.rem_euclid(MINUTES as i64) as usize];
        if slot.number != number {
            *slot = Minute { number, ..Minute::default() };
        }
        slot.lines += 1;
        slot.errors += u64::from(level >= Level::Error);
        slot.worst = slot.worst.max(level);
    }

    pub fn tally(&self, now: Timestamp) -> Tally {
        let this = now.secs().div_euclid(60);
        let recent = self.minutes.iter().filter(|minute| minute.lines > 0 && minute.number > this - MINUTES as i64);
        Tally {
            lines: self.lines,
            bytes: self.bytes,
            lines_per_minute: recent.clone().find(|minute| minute.number == this - 1).map_or(0, |minute| minute.lines),
            errors: recent.clone().map(|minute| minute.errors).sum(),
            level: recent.map(|minute| minute.worst).max().unwrap_or_default(),
            last_seen: self.last_seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_minute_and_the_last_five_are_told() {
        let at = Timestamp::from_secs;
        let mut counter = Counter::default();
        counter.add(at(60), 10, Level::Error, at(60));
        counter.add(at(119), 10, Level::Info, at(119));
        counter.add(at(121), 10, Level::Warn, at(121));
        let tally = counter.tally(at(130));
        assert_eq!((tally.lines, tally.bytes, tally.lines_per_minute, tally.errors, tally.level), (3, 30, 2, 1, Level::Error));
        let later = counter.tally(at(130 + 300));
        assert_eq!((later.lines, later.lines_per_minute, later.errors, later.level), (3, 0, 0, Level::Warn));
        assert_eq!(counter.tally(at(10_000)).level, Level::Unknown);
    }
}
