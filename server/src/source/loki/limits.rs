//! What a Loki allows: read from `drilldown-limits` where it has that (3.6 and later), and from its refusals.

use std::time::Duration;

use model::time::{NANOS_PER_SEC, parse_duration};
use serde::Deserialize;

use super::client::Client;

const HOUR_NS: i64 = 3_600 * NANOS_PER_SEC;
/// How far back lines are looked for in a Loki that does not say how long it keeps them.
const LOOK_BACK_NS: i64 = 5 * 365 * 24 * HOUR_NS;
/// Lines may lie ahead of our clock: Loki's own `creation_grace_period` is ten minutes.
const AHEAD_NS: i64 = HOUR_NS;
/// Of ten digits or fewer Loki makes seconds; and nothing was logged in the first ten seconds of 1970.
const LEAST_NS: i64 = 10 * NANOS_PER_SEC;
/// Limits change when somebody configures Loki anew.
pub const READ_EVERY: Duration = Duration::from_secs(600);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `max_entries_limit_per_query`: lines of one answer.
    pub entries: usize,
    /// `max_query_length`, nanoseconds; `None`: as long as one likes.
    pub length_ns: Option<i64>,
    /// How far back there can be lines, nanoseconds.
    pub back_ns: i64,
    /// `retention_period`, where it is told: how long lines stay if Loki's compactor is told to delete at all.
    pub kept_ns: Option<i64>,
    /// `volume_max_series`.
    pub volume_series: usize,
}

impl Default for Limits {
    /// Loki's defaults.
    fn default() -> Self {
        Self { entries: 5_000, length_ns: Some(721 * HOUR_NS), back_ns: LOOK_BACK_NS, kept_ns: None, volume_series: 1_000 }
    }
}

#[derive(Deserialize)]
struct Told {
    limits: Named,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    max_entries_limit_per_query: usize,
    max_query_length: String,
    max_query_lookback: String,
    retention_period: String,
    volume_max_series: usize,
}

impl Limits {
    /// Asks for them. A Loki that does not tell has the defaults, until it refuses something.
    pub async fn read(client: &Client) {
        let Ok(body) = client.ask("loki/api/v1/drilldown-limits", &[], &[]).await else { return };
        if let Ok(told) = serde_json::from_slice::<Told>(&body) {
            client.with_limits(|limits| limits.take(&told.limits));
        }
    }

    fn take(&mut self, named: &Named) {
        if named.max_entries_limit_per_query > 0 {
            self.entries = named.max_entries_limit_per_query;
        }
        if named.volume_max_series > 0 {
            self.volume_series = named.volume_max_series;
        }
        // 0 stands for no limit.
        self.length_ns = parse_duration(&named.max_query_length).map_or(self.length_ns, |nanos| (nanos > 0).then_some(nanos));
        let back = [&named.max_query_lookback, &named.retention_period].into_iter().filter_map(|text| parse_duration(text));
        self.kept_ns = parse_duration(&named.retention_period).filter(|nanos| *nanos > 0);
        self.back_ns = back.filter(|nanos| *nanos > 0).min().unwrap_or(LOOK_BACK_NS);
    }

    /// Reads a limit out of the refusal of a request that went beyond it. Whether there was one that it did not know.
    pub fn learn(&mut self, refusal: &str) -> bool {
        let before = self.clone();
        if let Some((_, rest)) = refusal.split_once("max_entries_limit_per_query (")
            && let Some(most) = number_behind(rest, "> ")
        {
            self.entries = self.entries.min(most).max(1);
        }
        if refusal.contains("query time range exceeds the limit")
            && let Some((_, rest)) = refusal.split_once("limit: ")
            && let Some(nanos) = parse_duration(rest.split(')').next().unwrap_or_default().trim()).filter(|nanos| *nanos > 0)
        {
            self.length_ns = Some(self.length_ns.map_or(nanos, |own| own.min(nanos)));
        }
        *self != before
    }

    /// The part of `[start, end)` in which there can be lines, both ends such that Loki reads them as nanoseconds.
    pub fn within(&self, start: i64, end: i64, now: i64) -> (i64, i64) {
        let start = start.max(now.saturating_sub(self.back_ns)).max(LEAST_NS);
        (start, end.min(now.saturating_add(AHEAD_NS)))
    }

    /// The longest range of one request; a little less than the limit, of which Loki counts both ends.
    pub fn span_ns(&self) -> i64 {
        self.length_ns.map_or(i64::MAX, |nanos| (nanos - NANOS_PER_SEC).max(NANOS_PER_SEC))
    }
}

fn number_behind(text: &str, mark: &str) -> Option<usize> {
    let (_, rest) = text.split_once(mark)?;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_learnt_from_what_loki_says() {
        let mut limits = Limits::default();
        let told: Told = serde_json::from_str(
            r#"{"limits":{"max_entries_limit_per_query":2000,"max_query_length":"0s","retention_period":"744h","volume_max_series":9,"x":1},"version":"3.7.6"}"#,
        )
        .unwrap();
        limits.take(&told.limits);
        assert_eq!(
            limits,
            Limits { entries: 2_000, length_ns: None, back_ns: 744 * HOUR_NS, kept_ns: Some(744 * HOUR_NS), volume_series: 9 }
        );
        assert_eq!(limits.span_ns(), i64::MAX);
        for (text, new) in [
            ("max entries limit per query exceeded, limit > max_entries_limit_per_query (5000 > 100)", true),
            ("the query time range exceeds the limit (query length: 800h0m0s, limit: 30d1h)", true),
            ("the query time range exceeds the limit (query length: 800h0m0s, limit: 30d1h)", false),
            ("parse error at line 1, col 1: limit: 5", false),
            ("max_entries_limit_per_query ( > )", false),
        ] {
            assert_eq!(limits.learn(text), new, "{text}");
        }
        assert_eq!((limits.entries, limits.length_ns), (100, Some(721 * HOUR_NS)));
    }

    #[test]
    fn a_range_without_ends_becomes_one_that_loki_can_be_asked() {
        let now = 1_795_365_360 * NANOS_PER_SEC;
        let (start, end) = Limits::default().within(i64::MIN, i64::MAX, now);
        assert_eq!((start, end), (now - LOOK_BACK_NS, now + HOUR_NS));
        let keeps_all = Limits { back_ns: i64::MAX, ..Limits::default() };
        assert_eq!(keeps_all.within(0, 5, now).0, LEAST_NS);
        assert_eq!(Limits::default().within(now, now + 5, now), (now, now + 5));
    }
}
