//! Instants in nanoseconds and the forms in which a parameter may name one (contract §2).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub const NANOS_PER_SEC: i64 = 1_000_000_000;

/// Nanoseconds since 1970-01-01T00:00:00Z. Prints and serialises as RFC 3339 in UTC, with as many fraction digits as
/// it needs (0, 3, 6 or 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub const MIN: Self = Self(0);
    pub const MAX: Self = Self(i64::MAX);

    pub fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(NANOS_PER_SEC))
    }

    pub fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// Whole seconds, rounded towards the past.
    pub fn secs(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SEC)
    }

    /// Whole milliseconds, rounded towards the past.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub fn saturating_add_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Parses RFC 3339 with any offset and up to nine fraction digits.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos()).ok().map(Self)
    }

    /// Parses a time parameter: RFC 3339; an integer of at most 10 digits (seconds) or of 19 (nanoseconds); decimal
    /// seconds; `now`; or relative to `now` as `-15m` (units `ms s m h d w`, combinable: `-1h30m`).
    ///
    /// # Errors
    /// A sentence that names what was wrong and what is allowed.
    pub fn parse_param(text: &str, now: Timestamp) -> Result<Self, String> {
        const ALLOWED: &str = "use RFC 3339, Unix seconds, 19-digit nanoseconds, `now` or a relative time such as `-15m`";
        let text = text.trim();
        if text == "now" {
            return Ok(now);
        }
        if let Some(span) = text.strip_prefix('-').filter(|s| s.ends_with(|c: char| c.is_ascii_alphabetic())) {
            let nanos = parse_duration(span).ok_or_else(|| format!("`{text}` is not a relative time: {ALLOWED}"))?;
            return Ok(Self(now.0.saturating_sub(nanos)));
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return match text.len() {
                1..=10 => Ok(Self::from_secs(text.parse().expect("ten digits fit"))),
                13 => Err(format!("`{text}` looks like milliseconds, which are not accepted: {ALLOWED}")),
                19 => text.parse().map(Self).map_err(|_| format!("`{text}` is out of range: {ALLOWED}")),
                n => Err(format!("`{text}` has {n} digits: {ALLOWED}")),
            };
        }
        if let Some((whole, fraction)) = text.split_once('.')
            && !whole.is_empty()
            && whole.len() <= 10
            && whole.bytes().all(|b| b.is_ascii_digit())
            && (1..=9).contains(&fraction.len())
            && fraction.bytes().all(|b| b.is_ascii_digit())
        {
            let secs: i64 = whole.parse().expect("ten digits fit");
            let nanos: i64 = format!("{fraction:0<9}").parse().expect("nine digits fit");
            return Ok(Self(secs * NANOS_PER_SEC + nanos));
        }
        Self::parse_rfc3339(text).ok_or_else(|| format!("`{text}` is not a time: {ALLOWED}"))
    }
}

/// Parses `1h30m`, `250ms`, `7d` into nanoseconds. Units: ms, s, m, h, d, w. `None` for anything else, and on overflow.
pub fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_len = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..unit_len] {
            "ms" => 1_000_000,
            "s" => NANOS_PER_SEC,
            "m" => 60 * NANOS_PER_SEC,
            "h" => 3_600 * NANOS_PER_SEC,
            "d" => 86_400 * NANOS_PER_SEC,
            "w" => 604_800 * NANOS_PER_SEC,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[unit_len..];
    }
    Some(total)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0)).expect("an i64 of nanoseconds is within ±292 years");
        let (date, clock) = (at.date(), at.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second()
        )?;
        match clock.nanosecond() {
            0 => {}
            n if n % 1_000_000 == 0 => write!(f, ".{:03}", n / 1_000_000)?,
            n if n % 1_000 == 0 => write!(f, ".{:06}", n / 1_000)?,
            n => write!(f, ".{n:09}")?,
        }
        f.write_str("Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is not an RFC 3339 time")))
    }
}

/// A log range: `start` is inside, `end` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl TimeRange {
    pub const ALL: Self = Self { start: Timestamp::MIN, end: Timestamp::MAX };

    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_365_360_000_000_000);

    #[test]
    fn a_time_parameter_is_read_in_each_allowed_form() {
        for (text, expect) in [
            ("now", NOW.0),
            ("-15m", NOW.0 - 900 * NANOS_PER_SEC),
            ("-1h30m", NOW.0 - 5_400 * NANOS_PER_SEC),
            ("1795365360", NOW.0),
            ("1795365360000000001", NOW.0 + 1),
            ("1795365360.25", NOW.0 + 250_000_000),
            ("2026-11-22T16:36:00Z", NOW.0),
            ("2026-11-22T17:36:00.000000001+01:00", NOW.0 + 1),
            ("0", 0),
        ] {
            assert_eq!(Timestamp::parse_param(text, NOW), Ok(Timestamp(expect)), "{text}");
        }
    }

    #[test]
    fn a_bad_time_parameter_names_itself_and_what_is_allowed() {
        for (text, says) in [
            ("1795365360000", "milliseconds"),
            ("12345678901", "11 digits"),
            ("yesterday", "not a time"),
            ("", "not a time"),
            ("-15", "not a time"),
            ("-15y", "relative time"),
            ("-99999999999999w", "relative time"),
            ("9999999999999999999", "out of range"),
            ("2026-13-01T00:00:00Z", "not a time"),
        ] {
            let error = Timestamp::parse_param(text, NOW).expect_err(text);
            assert!(error.contains(says) && error.contains("RFC 3339"), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn printing_and_parsing_agree(nanos in 0..i64::MAX) {
            let at = Timestamp(nanos);
            proptest::prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_string()), Some(at));
        }
    }
}
