//! Instants in nanoseconds and the forms in which a parameter may name one (contract §2).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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

    /// Parses RFC 3339 (section 5.6) with any offset; of the fraction's digits the first nine count. By hand, because the browser carries it:
    /// a calendar crate would be several times its size. A leap second (`:60`) is the last nanosecond of its minute.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| {
            let digits = bytes.get(from..to)?;
            digits.iter().try_fold(0_i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
        };
        let is = |at: usize, one_of: &[u8]| bytes.get(at).is_some_and(|byte| one_of.contains(byte));
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
            return None;
        }
        let mut at = 19;
        let mut nanos = 0;
        if is(at, b".") {
            let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            let kept = digits.min(9);
            nanos = number(at + 1, at + 1 + kept)? * 10_i64.pow(9 - kept as u32);
            at += 1 + digits;
        }
        let offset_minutes = match (*bytes.get(at)?, bytes.len() - at) {
            (b'Z' | b'z', 1) => 0,
            (sign @ (b'+' | b'-'), 6) if is(at + 3, b":") => {
                let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                if sign == b'+' { hours * 60 + minutes } else { -(hours * 60 + minutes) }
            }
            _ => return None,
        };
        if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (second, nanos) = if second == 60 { (59, NANOS_PER_SEC - 1) } else { (second, nanos) };
        let secs = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + (minute - offset_minutes) * 60 + second;
        // Together, as a second that underflows alone may fit with its fraction.
        i64::try_from(i128::from(secs) * i128::from(NANOS_PER_SEC) + i128::from(nanos)).ok().map(Self)
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

/// Days from 1970-01-01 to a day of the Gregorian calendar: `days_from_civil` of Howard Hinnant's "chrono-Compatible Low-Level Date
/// Algorithms" (<https://howardhinnant.github.io/date_algorithms.html>). Years begin in March there, so that a leap day is the last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`], from the same source: year, month (1–12) and day (1–31).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_from_march + 2) / 5 + 1)
}

/// Days of a month (1–12).
fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.secs();
        let (year, month, day) = civil_from_days(secs.div_euclid(86_400));
        let (hour, minute, second) = (secs.rem_euclid(86_400) / 3_600, secs.rem_euclid(3_600) / 60, secs.rem_euclid(60));
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match self.0.rem_euclid(NANOS_PER_SEC) {
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

    #[test]
    fn rfc_3339_is_read_to_the_nanosecond_and_nothing_else_is() {
        for (text, expect) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59.999999999Z", Some(-1)),
            ("2000-02-29T12:00:00Z", Some(951_825_600 * NANOS_PER_SEC)),
            ("2024-02-29t12:00:00.5z", Some(1_709_208_000 * NANOS_PER_SEC + 500_000_000)),
            ("2026-11-22T12:06:00-04:30", Some(NOW.0)),
            ("2026-11-22T16:36:00.1234567899Z", Some(NOW.0 + 123_456_789)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800 * NANOS_PER_SEC - 1)),
            ("2262-04-11T23:47:16.854775807Z", Some(i64::MAX)),
            ("2262-04-11T23:47:16.854775808Z", None),
            ("1677-09-21T00:12:43.145224192Z", Some(i64::MIN)),
            ("9999-12-31T23:59:59Z", None),
            ("1900-02-29T00:00:00Z", None),
            ("2026-04-31T00:00:00Z", None),
            ("2026-00-10T00:00:00Z", None),
            ("2026-11-22T24:00:00Z", None),
            ("2026-11-22T16:36:61Z", None),
            ("2026-11-22T16:36:00", None),
            ("2026-11-22T16:36:00.Z", None),
            ("2026-11-22T16:36:00+24:00", None),
            ("2026-11-22T16:36:00+0100", None),
            ("2026-11-22T16:36:00Zx", None),
            ("+026-11-22T16:36:00Z", None),
            ("2026-11-22", None),
            ("2026-11-22T16:36:0é", None),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), expect.map(Timestamp), "{text}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_has_one_name() {
        let mut day_before = (1599, 12, 31);
        for days in days_from_civil(1600, 1, 1)..days_from_civil(2400, 1, 1) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            let (y, m, d) = day_before;
            let next = if d < days_of(y, m) {
                (y, m, d + 1)
            } else if m < 12 {
                (y, m + 1, 1)
            } else {
                (y + 1, 1, 1)
            };
            assert_eq!((year, month, day), next);
            day_before = next;
        }
    }

    proptest::proptest! {
        #[test]
        fn an_instant_before_1970_prints_and_parses_too(nanos in i64::MIN..0) {
            let at = Timestamp(nanos);
            proptest::prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_string()), Some(at));
        }

        #[test]
        fn printing_and_parsing_agree(nanos in 0..i64::MAX) {
            let at = Timestamp(nanos);
            proptest::prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_string()), Some(at));
        }
    }
}
