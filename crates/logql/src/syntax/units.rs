//! Durations, byte sizes and floats as LogQL reads and prints them: Go's `time.ParseDuration`, Prometheus' durations with
//! days and weeks, and sizes as humans write them.

use std::fmt::Write as _;

const MICRO: i64 = 1_000;
const MILLI: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Nanoseconds of a duration in Go's or in Prometheus' form: `1.5h`, `300ms`, `2d`, `1w3d`.
pub fn parse_duration(text: &str) -> Option<i64> {
    go_duration(text).or_else(|_| prometheus_duration(text)).ok()
}

/// Nanoseconds of a duration as Go's `time.ParseDuration` reads it (what `| took > 5s` does to a label's value).
///
/// # Errors
/// Go's text, like `time: invalid duration "abc"`.
pub fn go_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", super::quote(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (digits, tail) = rest.split_at(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(invalid());
        }
        let unit_len = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", super::quote(text)));
        }
        let scale = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => MICRO,
            "ms" => MILLI,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            _ => return Err(format!("time: unknown unit {} in duration {}", super::quote(unit), super::quote(text))),
        };
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let part = whole.checked_mul(scale).and_then(|nanos| nanos.checked_add(fraction_of(fraction, scale)));
        total = part.and_then(|nanos| total.checked_add(nanos)).ok_or_else(invalid)?;
        rest = tail;
    }
    Ok(if negative { -total } else { total })
}

/// `0.fraction × scale`, cut to whole nanoseconds. Digits beyond the eighteenth cannot matter.
fn fraction_of(fraction: &str, scale: i64) -> i64 {
    let (mut value, mut power) = (0_i128, 1_i128);
    for digit in fraction.bytes().take(18) {
        value = value * 10 + i128::from(digit - b'0');
        power *= 10;
    }
    i64::try_from(value * i128::from(scale) / power).unwrap_or(0)
}

/// Nanoseconds of a duration as Prometheus writes it in `[5m]`: whole numbers with the units `y w d h m s ms`, each at
/// most once, in this order.
///
/// # Errors
/// Prometheus' text, like `unknown unit "q" in duration "1q"`.
pub fn prometheus_duration(text: &str) -> Result<i64, String> {
    const UNITS: [(&str, i64); 7] =
        [("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLI)];
    match text {
        "0" => return Ok(0),
        "" => return Err("empty duration string".into()),
        _ => {}
    }
    let invalid = || format!("not a valid duration string: {}", super::quote(text));
    let (mut rest, mut total, mut next) = (text, 0_i64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(invalid());
        }
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail.bytes().position(|byte| byte.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        if unit.is_empty() {
            return Err(invalid());
        }
        let Some(at) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(format!("unknown unit {} in duration {}", super::quote(unit), super::quote(text)));
        };
        if at < next {
            return Err(invalid());
        }
        next = at + 1;
        let nanos = number.parse::<i64>().ok().and_then(|number| number.checked_mul(UNITS[at].1));
        total = nanos.and_then(|nanos| total.checked_add(nanos)).ok_or("duration out of range")?;
        rest = tail;
    }
    Ok(total)
}

/// As Go prints a duration: `1h30m0s`, `1.5s`, `300ms`, `0s`.
pub fn print_go_duration(nanos: i64) -> String {
    let mut out = String::new();
    let magnitude = nanos.unsigned_abs();
    if nanos < 0 {
        out.push('-');
    }
    let second = SECOND.unsigned_abs();
    if magnitude == 0 {
        out.push_str("0s");
    } else if magnitude < second {
        let (scale, unit) = match magnitude {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        push_decimal(&mut out, magnitude, scale);
        out.push_str(unit);
    } else {
        let (hours, minutes) = (magnitude / (3600 * second), magnitude / (60 * second) % 60);
        if hours > 0 {
            let _ = write!(out, "{hours}h");
        }
        if hours > 0 || minutes > 0 {
            let _ = write!(out, "{minutes}m");
        }
        push_decimal(&mut out, magnitude % (60 * second), second);
        out.push('s');
    }
    out
}

/// `value ÷ scale` without trailing zeros; `scale` is a power of ten.
fn push_decimal(out: &mut String, value: u64, scale: u64) {
    let _ = write!(out, "{}", value / scale);
    let fraction = value % scale;
    if fraction > 0 {
        let width = scale.ilog10() as usize;
        let digits = format!("{fraction:0width$}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// As Prometheus prints a duration: `5m`, `1h30m`, `1w`. What is no whole number of milliseconds is printed in Go's form.
pub fn print_prometheus_duration(nanos: i64) -> String {
    if nanos < 0 || nanos % MILLI != 0 {
        return print_go_duration(nanos);
    }
    if nanos == 0 {
        return "0s".into();
    }
    let (mut out, mut rest) = (String::new(), nanos);
    // Years, weeks and days only where nothing is left over, lest `8d` should read `1w1d`.
    for (unit, scale, exact) in
        [("y", 365 * DAY, true), ("w", 7 * DAY, true), ("d", DAY, true), ("h", HOUR, false), ("m", MINUTE, false), ("s", SECOND, false)]
    {
        if (!exact || rest % scale == 0) && rest >= scale {
            let _ = write!(out, "{}{unit}", rest / scale);
            rest %= scale;
        }
    }
    if rest > 0 {
        let _ = write!(out, "{}ms", rest / MILLI);
    }
    out
}

/// Names and factors as in the go-humanize package; compared in lower case.
const SIZES: [(&str, u64); 25] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("ki", 1 << 10),
    ("kb", 1_000),
    ("k", 1_000),
    ("mib", 1 << 20),
    ("mi", 1 << 20),
    ("mb", 1_000_000),
    ("m", 1_000_000),
    ("gib", 1 << 30),
    ("gi", 1 << 30),
    ("gb", 1_000_000_000),
    ("g", 1_000_000_000),
    ("tib", 1 << 40),
    ("ti", 1 << 40),
    ("tb", 1_000_000_000_000),
    ("t", 1_000_000_000_000),
    ("pib", 1 << 50),
    ("pi", 1 << 50),
    ("pb", 1_000_000_000_000_000),
    ("p", 1_000_000_000_000_000),
    ("eib", 1 << 60),
    ("eb", 1_000_000_000_000_000_000),
    ("e", 1_000_000_000_000_000_000),
];

/// Bytes of a size as humans write it: `42MB`, `1.5 KiB`, `20B`, `1,000`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    go_bytes(text).ok()
}

/// As [`parse_bytes`].
///
/// # Errors
/// The text of Go's humanize package, like `unhandled size name: qb`.
pub fn go_bytes(text: &str) -> Result<u64, String> {
    let number_len = text.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')).count();
    let (number, unit) = text.split_at(number_len);
    let plain;
    let number = if number.contains(',') {
        plain = number.replace(',', "");
        plain.as_str()
    } else {
        number
    };
    let invalid = || format!("strconv.ParseFloat: parsing {}: invalid syntax", super::quote(number));
    let value: f64 = number.parse().map_err(|_| invalid())?;
    let unit = unit.trim();
    let Some((_, scale)) = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
        return Err(format!("unhandled size name: {}", unit.to_lowercase()));
    };
    // Whole numbers exactly; the rest as floats, cut.
    if let Some(bytes) = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale)) {
        return Ok(bytes);
    }
    let bytes = value * *scale as f64;
    if bytes >= u64::MAX as f64 { Err(format!("too large: {text}")) } else { Ok(bytes as u64) }
}

/// The shortest of `2.1MB`, `2MiB`, `2097153B` that says exactly so many bytes, without a space. (Loki writes the first,
/// rounded, and then searches for something else; this does not.)
pub fn print_bytes(bytes: u64) -> String {
    let exact = |text: &String| parse_bytes(text) == Some(bytes);
    let decimal = humanize(bytes, 1000, &["B", "kB", "MB", "GB", "TB", "PB", "EB"]);
    Some(decimal)
        .filter(exact)
        .or_else(|| Some(humanize(bytes, 1024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])).filter(exact))
        .unwrap_or_else(|| format!("{bytes}B"))
}

/// One decimal below ten, none above, as the humanize package rounds.
pub fn humanize(bytes: u64, base: u64, units: &[&str]) -> String {
    let (mut scale, mut at) = (1_u64, 0);
    while bytes / scale >= base && at + 1 < units.len() {
        scale *= base;
        at += 1;
    }
    let unit = units.get(at).copied().unwrap_or_default();
    if at == 0 {
        return format!("{bytes}{unit}");
    }
    let value = (bytes as f64 / scale as f64 * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 { format!("{value:.1}{unit}").replace(".0", "") } else { format!("{value:.0}{unit}") }
}

/// A float as Go's `strconv.ParseFloat` reads it.
///
/// # Errors
/// Go's text, like `strconv.ParseFloat: parsing "x": invalid syntax`.
pub fn go_float(text: &str) -> Result<f64, String> {
    // Rust takes what Go takes, save hexadecimal floats and digit separators, which no log line holds.
    match text.parse::<f64>() {
        Ok(value) if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) => {
            Err(format!("strconv.ParseFloat: parsing {}: value out of range", super::quote(text)))
        }
        Ok(value) => Ok(value),
        Err(_) => Err(format!("strconv.ParseFloat: parsing {}: invalid syntax", super::quote(text))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_go_and_prometheus_do() {
        for (text, expect) in [
            ("5m", Some(5 * MINUTE)),
            ("1.5h", Some(90 * MINUTE)),
            ("2h45m", Some(165 * MINUTE)),
            ("-1s", Some(-SECOND)),
            ("150µs", Some(150_000)),
            ("990.0ms", Some(990 * MILLI)),
            ("0", Some(0)),
            ("2d", Some(2 * DAY)),
            ("1w3d", Some(10 * DAY)),
            ("1y", Some(365 * DAY)),
            ("3d1w", None),
            ("5", None),
            ("", None),
            ("s", None),
            (".s", None),
            ("1q", None),
            ("9999999999999h", None),
        ] {
            assert_eq!(parse_duration(text), expect, "{text}");
        }
    }

    #[test]
    fn durations_fail_in_the_words_of_go_and_prometheus() {
        assert_eq!(go_duration("abc").unwrap_err(), r#"time: invalid duration "abc""#);
        assert_eq!(go_duration("5").unwrap_err(), r#"time: missing unit in duration "5""#);
        assert_eq!(go_duration("5 apples").unwrap_err(), r#"time: unknown unit " apples" in duration "5 apples""#);
        assert_eq!(prometheus_duration("1q").unwrap_err(), r#"unknown unit "q" in duration "1q""#);
        assert_eq!(prometheus_duration("m").unwrap_err(), r#"not a valid duration string: "m""#);
    }

    #[test]
    fn durations_print_in_both_ways() {
        for (nanos, go, prometheus) in [
            (0, "0s", "0s"),
            (5 * MINUTE, "5m0s", "5m"),
            (90 * MINUTE, "1h30m0s", "1h30m"),
            (7 * DAY, "168h0m0s", "1w"),
            (8 * DAY, "192h0m0s", "8d"),
            (1_500 * MILLI, "1.5s", "1s500ms"),
            (150_000, "150µs", "150µs"),
            (-SECOND, "-1s", "-1s"),
        ] {
            assert_eq!((print_go_duration(nanos).as_str(), print_prometheus_duration(nanos).as_str()), (go, prometheus));
        }
    }

    #[test]
    fn bytes_are_read_and_printed() {
        for (text, expect) in [
            ("42MB", Some(42_000_000)),
            ("1.5KiB", Some(1536)),
            ("2 MiB", Some(2 << 20)),
            ("20B", Some(20)),
            ("3k", Some(3000)),
            ("1G", Some(1_000_000_000)),
            ("512", Some(512)),
            ("1,024", Some(1024)),
            ("23.6KB", Some(23_600)),
            ("x", None),
            ("1qb", None),
            ("99999EB", None),
        ] {
            assert_eq!(parse_bytes(text), expect, "{text}");
        }
        for (bytes, expect) in [(0, "0B"), (20, "20B"), (1_000_000, "1MB"), (2 << 20, "2MiB"), (23_600, "23600B"), (2_100_000, "2.1MB")] {
            assert_eq!(print_bytes(bytes), expect);
        }
        assert_eq!(go_bytes("1qb").unwrap_err(), "unhandled size name: qb");
        assert_eq!(go_bytes("x").unwrap_err(), r#"strconv.ParseFloat: parsing "": invalid syntax"#);
    }

    #[test]
    fn floats_fail_in_the_words_of_go() {
        assert_eq!(go_float("a b").unwrap_err(), r#"strconv.ParseFloat: parsing "a b": invalid syntax"#);
        assert_eq!(go_float("1e999").unwrap_err(), r#"strconv.ParseFloat: parsing "1e999": value out of range"#);
        assert!(go_float("+Inf").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(nanos in (i64::MIN + 1)..i64::MAX, bytes in any::<u64>()) {
            prop_assert_eq!(go_duration(&print_go_duration(nanos)), Ok(nanos));
            prop_assert_eq!(parse_duration(&print_prometheus_duration(nanos)), Some(nanos));
            prop_assert_eq!(parse_bytes(&print_bytes(bytes)), Some(bytes));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}|[0-9.,hmskKiB]{0,12}") {
            let _ = (parse_duration(&text), prometheus_duration(&text), parse_bytes(&text), go_float(&text));
        }
    }
}
