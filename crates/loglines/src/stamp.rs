//! The time that a file's line begins with. Docker gives each line a time of its own; files do not.

use model::{Timestamp, time::NANOS_PER_SEC};

use crate::{ansi, fields, json, text};

/// The time at the head of `line`: ISO 8601 and RFC 3339 (blank or `T`, dot or comma before the fraction), the same
/// with `/` or `.` in the date, access logs, syslog, klog, Redis, Apache's error log, and the time keys of JSON and
/// logfmt (text, or seconds, milliseconds, microseconds, nanoseconds by their size). Without an offset it is UTC; without
/// a year it is the latest that is not more than a day after `now`. `None` before 1970 and after 2261.
pub fn leading(line: &str, now: Timestamp) -> Option<Timestamp> {
    // Only the head is looked at, save for JSON, whose keys may be anywhere.
    let trimmed = line.trim_start();
    if trimmed.starts_with('{') {
        let raw = json::find(fields::object_in(trimmed)?, is_time_key)?;
        return value(&json::unquoted(raw), now);
    }
    let plain = ansi::strip(text::cut(trimmed, 400));
    let head = text::unprefixed(&plain).trim_start();
    if let Some((key, rest)) = head.split_once('=')
        && is_time_key(key)
    {
        let rest = rest.trim_start_matches('"');
        return value(rest.split('"').next().unwrap_or(rest), now);
    }
    plain_text(head, now).or_else(|| access_log(head))
}

fn is_time_key(key: &str) -> bool {
    matches!(key, "time" | "ts" | "timestamp" | "@timestamp" | "t" | "@t")
}

/// A value under a time key.
fn value(text: &str, now: Timestamp) -> Option<Timestamp> {
    epoch(text::token(text).0).or_else(|| plain_text(text, now))
}

/// A number since 1970, in the unit that its size tells; a fraction goes down to nanoseconds.
fn epoch(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || whole.len() > 19 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Eleven digits of seconds reach the year 5138; so do fourteen of milliseconds.
    let unit = match whole.len() {
        9..=11 => NANOS_PER_SEC,
        12..=14 => 1_000_000,
        15..=17 => 1_000,
        18.. => 1,
        _ => return None,
    };
    let whole: i64 = whole.parse().ok()?;
    let nanos = fraction_nanos(fraction) / (NANOS_PER_SEC / unit);
    whole.checked_mul(unit)?.checked_add(nanos).map(Timestamp)
}

fn plain_text(text: &str, now: Timestamp) -> Option<Timestamp> {
    let mut at = Cursor { bytes: text.as_bytes() };
    at.skip_priority();
    at.one_of(b"[");
    at.klog(now).or_else(|| at.named_month(now)).or_else(|| at.redis()).or_else(|| at.numeric())
}

/// `… [22/Nov/2026:16:36:00 +0000] …`.
fn access_log(text: &str) -> Option<Timestamp> {
    let open = memchr::memchr(b'[', text.as_bytes())?;
    let mut at = Cursor { bytes: &text.as_bytes()[open + 1..] };
    let day = at.number(2)?;
    at.expect(b'/')?;
    let month = at.month()?;
    at.expect(b'/')?;
    let year = at.number(4)?;
    at.expect(b':')?;
    let clock = at.clock()?;
    at.one_of(b" ");
    let offset = at.offset()?;
    instant(year, month, day, clock, offset)
}

/// Reads from the left; a method that gives `None` may have read a part, so alternatives work on copies.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
}

impl Cursor<'_> {
    /// Four digits, month and day between the same marks, then a clock time, a fraction and an offset.
    fn numeric(mut self) -> Option<Timestamp> {
        let year = self.number(4)?;
        let mark = self.one_of(b"-/.")?;
        let month = self.number(2)?;
        self.expect(mark)?;
        let day = self.number(2)?;
        self.one_of(b"T t_")?;
        let clock = self.clock()?;
        let mut zone = self;
        zone.one_of(b" ");
        // ` -05:00` is an offset, ` - name` and ` 12` are not.
        let offset = self.offset().or_else(|| zone.offset()).unwrap_or(0);
        instant(year, month, day, clock, offset)
    }

    /// `Nov 22 16:36:00`, `Sun Nov 22 16:36:00.1 2026`.
    fn named_month(mut self, now: Timestamp) -> Option<Timestamp> {
        let mut month = self.month();
        if month.is_none() && self.bytes.get(3) == Some(&b' ') {
            self.bytes = &self.bytes[4..];
            month = self.month();
        }
        let month = month?;
        self.expect(b' ')?;
        self.one_of(b" ");
        let day = self.number_up_to(2)?;
        self.expect(b' ')?;
        let clock = self.clock()?;
        let mut year = self;
        match year.expect(b' ').and_then(|()| year.number(4)) {
            Some(year @ 1970..) if matches!(self.bytes.get(5), None | Some(b']' | b' ')) => instant(year, month, day, clock, 0),
            _ => with_year(month, day, clock, now),
        }
    }

    /// `I1122 16:36:00.000000`, `I20261122 16:36:00.000000`.
    fn klog(mut self, now: Timestamp) -> Option<Timestamp> {
        self.one_of(b"IWEFD")?;
        let digits = self.bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let year = if digits == 8 { Some(self.number(4)?) } else { None };
        let (month, day) = (self.number(2)?, self.number(2)?);
        self.expect(b' ')?;
        let clock = self.clock()?;
        match year {
            Some(year) => instant(year, month, day, clock, 0),
            None => with_year(month, day, clock, now),
        }
    }

    /// `1:M 22 Nov 2026 16:36:00.123`.
    fn redis(mut self) -> Option<Timestamp> {
        self.number_up_to(7)?;
        self.expect(b':')?;
        self.one_of(b"XCSM")?;
        self.expect(b' ')?;
        let day = self.number_up_to(2)?;
        self.expect(b' ')?;
        let month = self.month()?;
        self.expect(b' ')?;
        let year = self.number(4)?;
        self.expect(b' ')?;
        let clock = self.clock()?;
        instant(year, month, day, clock, 0)
    }

    /// `<13>`, and RFC 5424's version after it.
    fn skip_priority(&mut self) {
        if self.bytes.first() == Some(&b'<')
            && let Some(end) = self.bytes.iter().take(5).position(|&b| b == b'>')
        {
            self.bytes = &self.bytes[end + 1..];
            if self.bytes.starts_with(b"1 ") {
                self.bytes = &self.bytes[2..];
            }
        }
    }

    /// Hours, minutes, perhaps seconds with a fraction, in nanoseconds of the day.
    fn clock(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        self.expect(b':')?;
        let minute = self.number(2)?;
        let (mut second, mut nanos) = (0, 0);
        if self.one_of(b":").is_some() {
            second = self.number(2)?;
            let mut fraction = *self;
            if fraction.one_of(b".,").is_some() {
                let digits = fraction.bytes.iter().take_while(|b| b.is_ascii_digit()).count();
                if digits > 0 {
                    nanos = fraction_nanos(std::str::from_utf8(&fraction.bytes[..digits]).expect("digits are UTF-8"));
                    self.bytes = &fraction.bytes[digits..];
                }
            }
        }
        (hour < 24 && minute < 60 && second <= 60).then_some((hour * 3600 + minute * 60 + second.min(59)) * NANOS_PER_SEC + nanos)
    }

    /// `Z`, `+01:00`, `-0500`, `+01`, as seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.number(2)?;
        self.one_of(b":");
        let minutes = self.number(2).unwrap_or(0);
        (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }

    fn month(&mut self) -> Option<i64> {
        const NAMES: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let name = self.bytes.get(..3)?;
        let month = NAMES.chunks_exact(3).position(|known| known == name)?;
        self.bytes = &self.bytes[3..];
        i64::try_from(month + 1).ok()
    }

    /// Exactly `digits` digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.bytes.split_at_checked(digits)?;
        let value = number.iter().try_fold(0_i64, |value, b| b.is_ascii_digit().then(|| value * 10 + i64::from(b - b'0')))?;
        self.bytes = rest;
        Some(value)
    }

    fn number_up_to(&mut self, digits: usize) -> Option<i64> {
        let count = self.bytes.iter().take(digits).take_while(|b| b.is_ascii_digit()).count();
        if count == 0 { None } else { self.number(count) }
    }

    fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let first = self.bytes.first().copied().filter(|b| set.contains(b))?;
        self.bytes = &self.bytes[1..];
        Some(first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.one_of(&[byte]).map(|_| ())
    }
}

/// Digits after a decimal point as nanoseconds of one second; more than nine are cut.
fn fraction_nanos(digits: &str) -> i64 {
    digits.bytes().chain(std::iter::repeat(b'0')).take(9).fold(0, |nanos, b| nanos * 10 + i64::from(b - b'0'))
}

fn instant(year: i64, month: i64, day: i64, clock: i64, offset: i64) -> Option<Timestamp> {
    if !(1970..=2261).contains(&year) || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 - offset;
    seconds.checked_mul(NANOS_PER_SEC)?.checked_add(clock).filter(|nanos| *nanos >= 0).map(Timestamp)
}

/// The latest year in which the day exists and is not more than a day after `now`; a February 29 may be years back.
fn with_year(month: i64, day: i64, clock: i64, now: Timestamp) -> Option<Timestamp> {
    let about = 1970 + now.secs() / 31_556_952;
    let latest = now.saturating_add_nanos(86_400 * NANOS_PER_SEC);
    (0..10).filter_map(|back| instant(about + 1 - back, month, day, clock, 0)).find(|at| *at <= latest)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - 477;
    (year - 1970) * 365 + leaps + (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-22T18:00:00Z.
    const NOW: Timestamp = Timestamp(1_795_370_400_000_000_000);

    fn check(line: &str, expect: &str) {
        let found = leading(line, NOW).map_or_else(|| "none".to_owned(), |at| at.to_string());
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn the_time_at_a_lines_head_is_found() {
        for (line, expect) in [
            ("2026-11-22T16:36:00Z INFO started", "2026-11-22T16:36:00Z"),
            ("2026-11-22T17:36:00.123456789+01:00 x", "2026-11-22T16:36:00.123456789Z"),
            ("2026-11-22 16:36:00,123 INFO x", "2026-11-22T16:36:00.123Z"),
            ("2026-11-22 16:36 short", "2026-11-22T16:36:00Z"),
            ("2026-11-22 16:36:00.5 UTC [1] LOG:  x", "2026-11-22T16:36:00.500Z"),
            ("2026-11-22 16:36:00 -0500 x", "2026-11-22T21:36:00Z"),
            ("2026-11-22 16:36:00 - app - INFO", "2026-11-22T16:36:00Z"),
            ("[2026-11-22 16:36:00 +0000] [7] [INFO] x", "2026-11-22T16:36:00Z"),
            ("\u{1b}[2m2026-11-22T16:36:00.000001Z\u{1b}[0m INFO", "2026-11-22T16:36:00.000001Z"),
            ("2026/11/22 16:36:00 [error] 1#1: x", "2026-11-22T16:36:00Z"),
            ("2026.11.22 16:36:00.000001 [ 1 ] {} <Error> x", "2026-11-22T16:36:00.000001Z"),
            (r#"10.0.0.1 - bob [22/Nov/2026:17:36:00 +0100] "GET / HTTP/1.1" 200 1"#, "2026-11-22T16:36:00Z"),
            ("Nov 22 16:36:00 host app[1]: x", "2026-11-22T16:36:00Z"),
            ("<13>Nov  2 16:36:00 host app[1]: x", "2026-11-02T16:36:00Z"),
            ("<13>1 2026-11-22T16:36:00Z host app - - - x", "2026-11-22T16:36:00Z"),
            ("Nov 23 16:36:00 a clock a little ahead", "2026-11-23T16:36:00Z"),
            ("Nov 24 16:36:00 last year", "2025-11-24T16:36:00Z"),
            ("Feb 29 00:00:00 the last leap year", "2024-02-29T00:00:00Z"),
            ("[Sun Nov 22 16:36:00.123456 2026] [core:error] x", "2026-11-22T16:36:00.123456Z"),
            ("I1122 16:36:00.000001       1 main.go:1] x", "2026-11-22T16:36:00.000001Z"),
            ("E20251122 16:36:00.000001 1 main.cc:1] x", "2025-11-22T16:36:00.000001Z"),
            ("1:M 22 Nov 2026 16:36:00.123 * Ready", "2026-11-22T16:36:00.123Z"),
            ("web-1 | 2026-11-22T16:36:00Z x", "2026-11-22T16:36:00Z"),
            (r#"{"level":"info","time":"2026-11-22T16:36:00.001Z"}"#, "2026-11-22T16:36:00.001Z"),
            (r#"{"ts":1795365360.25,"x":{"time":1}}"#, "2026-11-22T16:36:00.250Z"),
            (r#"{"time":1795365360123}"#, "2026-11-22T16:36:00.123Z"),
            (r#"{"t":1795365360123456789}"#, "2026-11-22T16:36:00.123456789Z"),
            (r#"{"@timestamp":"2026-11-22 16:36:00"}"#, "2026-11-22T16:36:00Z"),
            ("time=2026-11-22T16:36:00.001Z level=info", "2026-11-22T16:36:00.001Z"),
            (r#"ts="2026-11-22 16:36:00" level=info"#, "2026-11-22T16:36:00Z"),
            ("ts=1795365360 level=info", "2026-11-22T16:36:00Z"),
            // None there.
            ("", "none"),
            ("plain text with 2026-11-22T16:36:00Z inside", "none"),
            ("2026-13-22T16:36:00Z", "none"),
            ("2026-02-29T16:36:00Z", "none"),
            ("2026-11-22T25:36:00Z", "none"),
            ("1969-12-31T23:59:59Z", "none"),
            ("2026-11-22", "none"),
            ("Marching 22 16:36:00", "none"),
            ("é2026-11-22T16:36:00Z", "none"),
            (r#"{"time":12}"#, "none"),
            (r#"{"msg":"no time"}"#, "none"),
            ("time=soon", "none"),
        ] {
            check(line, expect);
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_models_own_format(nanos in 0..9_000_000_000_000_000_000_i64) {
            let at = Timestamp(nanos);
            prop_assert_eq!(leading(&format!("{at} x"), NOW), Some(at));
        }

        #[test]
        fn no_line_panics(line in "([0-9]|[-/:., TZ+\\[\\]{}\"=<>]|Nov|Sun|time|é|\\PC){0,40}", now in any::<i64>()) {
            leading(&line, Timestamp(now));
        }
    }
}
