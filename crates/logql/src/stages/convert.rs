//! Texts to numbers, durations and bytes, with the error texts that Loki's clients know (those of Go's `strconv` and `time`).

use crate::syntax::quote;

/// # Errors
/// Go's text.
pub fn float(text: &str) -> Result<f64, String> {
    let wrong = |why| format!("strconv.ParseFloat: parsing {}: {why}", quote(text));
    let value: f64 = text.parse().map_err(|_| wrong("invalid syntax"))?;
    if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) { Err(wrong("value out of range")) } else { Ok(value) }
}

/// `1h30m`, `-1.5s`, `150µs`: nanoseconds (<https://pkg.go.dev/time#ParseDuration>).
///
/// # Errors
/// Go's text.
pub fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", time_quote(text));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let whole = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit()).len();
        let (digits, tail) = rest.split_at(whole);
        let (fraction, tail) = match tail.strip_prefix('.') {
            Some(tail) => {
                let len = tail.len() - tail.trim_start_matches(|char: char| char.is_ascii_digit()).len();
                tail.split_at(len)
            }
            None => ("", tail),
        };
        if digits.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_len = tail.find(|char: char| char == '.' || char.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let scale: i128 = match unit {
            "" => return Err(format!("time: missing unit in duration {}", time_quote(text))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {} in duration {}", time_quote(unit), time_quote(text))),
        };
        let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i64>().ok() };
        // More digits than a nanosecond of an hour has are of no weight.
        let fraction = fraction.get(..fraction.len().min(15)).unwrap_or_default();
        let power = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or_default());
        let (Some(whole), Some(part)) = (number(digits), number(fraction)) else { return Err(invalid()) };
        total += i128::from(whole) * scale + i128::from(part) * scale / power;
        if total > i128::from(i64::MAX) {
            return Err(invalid());
        }
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// `1.5MB` (thousands), `2MiB` (1024s), `512`: bytes.
///
/// # Errors
/// The text of Go's `humanize`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let len = text.len() - text.trim_start_matches(|char: char| char.is_ascii_digit() || matches!(char, '.' | ',')).len();
    let (number, unit) = text.split_at(len);
    let value = if number.contains(',') { float(&number.replace(',', "")) } else { float(number) }?;
    let unit = unit.trim();
    let scale: f64 = match unit.to_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        "tb" | "t" => 1e12,
        "pb" | "p" => 1e15,
        "eb" | "e" => 1e18,
        "kib" | "ki" => 1024.0,
        "mib" | "mi" => 1_048_576.0,
        "gib" | "gi" => 1_073_741_824.0,
        "tib" | "ti" => 1_099_511_627_776.0,
        "pib" | "pi" => 1_125_899_906_842_624.0,
        "eib" | "ei" => 1_152_921_504_606_846_976.0,
        unit => return Err(format!("unhandled size name: {unit}")),
    };
    // The cast saturates; what is beyond is told apart here.
    let value = value * scale;
    if value >= 18_446_744_073_709_551_615.0 { Err(format!("too large: {text}")) } else { Ok(value as u64) }
}

/// A text in quotes as Go's package `time` writes it: bytes beyond ASCII in hexadecimal.
fn time_quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_durations_and_bytes_are_read_as_go_reads_them() {
        for (text, expect) in [("1.50", Ok(1.5)), ("1e3", Ok(1000.0)), ("-2", Ok(-2.0)), ("inf", Ok(f64::INFINITY))] {
            assert_eq!(float(text), expect);
        }
        for (text, expect) in [
            ("", r#"strconv.ParseFloat: parsing "": invalid syntax"#),
            ("a \"b\"\n", r#"strconv.ParseFloat: parsing "a \"b\"\n": invalid syntax"#),
            ("1e999", r#"strconv.ParseFloat: parsing "1e999": value out of range"#),
        ] {
            assert_eq!(float(text), Err(expect.into()));
        }
        for (text, expect) in [
            ("150µs", Ok(150_000)),
            ("2.40s", Ok(2_400_000_000)),
            ("1h30m", Ok(5_400_000_000_000)),
            ("-.5ms", Ok(-500_000)),
            ("0", Ok(0)),
            ("", Err(r#"time: invalid duration """#)),
            ("10", Err(r#"time: missing unit in duration "10""#)),
            ("10x", Err(r#"time: unknown unit "x" in duration "10x""#)),
            ("x", Err(r#"time: invalid duration "x""#)),
            ("é", Err(r#"time: invalid duration "\xc3\xa9""#)),
            ("9999999h", Err(r#"time: invalid duration "9999999h""#)),
        ] {
            assert_eq!(duration(text), expect.map_err(str::to_owned), "{text}");
        }
        for (text, expect) in [
            ("12.3KB", Ok(12_300)),
            ("2MiB", Ok(2_097_152)),
            ("1.5MB", Ok(1_500_000)),
            ("0B", Ok(0)),
            ("1,024", Ok(1024)),
            ("5 gib", Ok(5_368_709_120)),
            ("5 x", Err("unhandled size name: x")),
            ("x", Err(r#"strconv.ParseFloat: parsing "": invalid syntax"#)),
            ("99999EB", Err("too large: 99999EB")),
        ] {
            assert_eq!(bytes(text), expect.map_err(str::to_owned), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in r"[-+]?[0-9.]{0,30}[a-zµ\\]{0,3}[0-9.]{0,5}\PC{0,3}") {
            let _ = (float(&text), duration(&text), bytes(&text));
        }
    }
}
