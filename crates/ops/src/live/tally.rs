//! Counts per service, kept as lines pass: totals, lines of the last whole minute, errors of the last five.

use std::collections::HashMap;

use model::{Labels, Level, StreamHash, Timestamp};

use crate::{
    access::{Scope, ScopeLabels},
    source::{ServiceKey, Stream},
};

const MINUTES: usize = 6;
/// Streams whose counter is remembered; beyond it they are forgotten together and looked for again.
const STREAMS: usize = 50_000;

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

impl Tally {
    fn and(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            bytes: self.bytes + other.bytes,
            lines_per_minute: self.lines_per_minute + other.lines_per_minute,
            errors: self.errors + other.errors,
            level: self.level.max(other.level),
            last_seen: self.last_seen.max(other.last_seen),
        }
    }
}

/// A service's lines, counted apart where a scope may tell them apart: who sees some of its containers learns nothing of the
/// others.
#[derive(Default)]
pub(super) struct Counters {
    services: HashMap<ServiceKey, HashMap<Labels, usize>>,
    /// Found by their stream: what is done for each line is one look here.
    streams: HashMap<StreamHash, usize>,
    counters: Vec<Counter>,
}

impl Counters {
    pub fn of(&mut self, stream: &Stream, labels: &ScopeLabels) -> &mut Counter {
        let at = match self.streams.get(&stream.hash) {
            Some(at) => *at,
            None => self.find(stream, labels),
        };
        &mut self.counters[at]
    }

    fn find(&mut self, stream: &Stream, labels: &ScopeLabels) -> usize {
        let own = self.services.entry(stream.key.clone()).or_default();
        let at = *own.entry(labels.of(&stream.labels)).or_insert_with(|| {
            self.counters.push(Counter::default());
            self.counters.len() - 1
        });
        if self.streams.len() >= STREAMS {
            self.streams.clear();
        }
        self.streams.insert(stream.hash, at);
        at
    }

    pub fn tally(&self, key: &ServiceKey, scope: Option<&Scope>, now: Timestamp) -> Tally {
        let own = self.services.get(key).into_iter().flatten();
        own.filter(|(labels, _)| scope.is_none_or(|scope| scope.admits(labels)))
            .fold(Tally::default(), |sum, (_, at)| sum.and(self.counters[*at].tally(now)))
    }
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

    #[test]
    fn who_sees_a_part_of_a_service_is_told_the_counts_of_that_part() {
        let labels = ScopeLabels::with(["team".to_owned()]);
        let key = ServiceKey { host: "local".into(), project: None, name: "web".into(), kind_file: false };
        let mut counters = Counters::default();
        for (output, team, lines) in [("stdout", "a", 3), ("stderr", "a", 4), ("stdout", "b", 10)] {
            let stream = Stream::new(key.clone(), Labels::from([("service", "web"), ("stream", output), ("team", team)]));
            for second in 0..lines {
                counters.of(&stream, &labels).add(Timestamp::from_secs(60 + second), 5, Level::Error, Timestamp::from_secs(70));
            }
        }
        let seen = |text: &str| {
            let scope = Scope::parse(text, &labels).unwrap();
            let tally = counters.tally(&key, Some(&scope), Timestamp::from_secs(130));
            (tally.lines, tally.bytes, tally.lines_per_minute, tally.errors, tally.last_seen.map(Timestamp::secs))
        };
        assert_eq!(seen(r#"{team="a"}"#), (7, 35, 7, 7, Some(63)));
        assert_eq!(seen(r#"{service="web"}"#), (17, 85, 17, 17, Some(69)));
        assert_eq!(seen(r#"{team=""}"#), (0, 0, 0, 0, None));
        assert_eq!(counters.counters.len(), 2, "stdout and stderr are not told apart");
        let all = counters.tally(&key, None, Timestamp::from_secs(130));
        assert_eq!((all.lines, all.level), (17, Level::Error));
    }
}
