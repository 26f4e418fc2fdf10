//! Numbers and spans for people to read. Whole numbers only: the browser's build carries no float formatting for it.

/// `1284` as `1,284`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 match`, `1,284 matches`: the words are those for one and for any other number.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    [&*grouped(number), " ", if number == 1 { one } else { many }].concat()
}

/// Bytes with one decimal in binary units: `3.2 GiB`, `512 B`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return bytes.to_string() + " B";
    }
    let mut unit = 0;
    let mut size = bytes;
    while size >= 1024 * 1024 && unit + 1 < UNITS.len() {
        size /= 1024;
        unit += 1;
    }
    let (whole, tenth) = (size / 1024, size % 1024 * 10 / 1024);
    [&*grouped(whole), ".", &*tenth.to_string(), " ", UNITS[unit]].concat()
}

/// Seconds as their two largest units: `3 d 4 h`, `12 min 5 s`, `7 s`.
pub fn span(seconds: u64) -> String {
    let parts = [(seconds / 86_400, " d"), (seconds / 3_600 % 24, " h"), (seconds / 60 % 60, " min"), (seconds % 60, " s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown: Vec<String> =
        parts[first..].iter().take(2).filter(|(count, _)| *count > 0 || first == 3).map(|(count, unit)| count.to_string() + unit).collect();
    shown.join(" ")
}

/// Milliseconds passed, in one unit: `now`, `12 s ago`, `3 min ago`, `5 h ago`, `2 d ago`. What lies ahead (two clocks differ) is `now`.
pub fn ago(ms: i64) -> String {
    let seconds = ms / 1_000;
    let (count, unit) = match seconds {
        ..5 => return "now".to_owned(),
        5..60 => (seconds, " s ago"),
        60..3_600 => (seconds / 60, " min ago"),
        3_600..86_400 => (seconds / 3_600, " h ago"),
        _ => (seconds / 86_400, " d ago"),
    };
    count.to_string() + unit
}

/// How well `needle` fits `text` when its letters may be scattered, case aside: lower is better, `None` where a letter is missing.
/// A run of neighbours and an early start cost least.
pub fn fuzzy(needle: &str, text: &str) -> Option<usize> {
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let (mut at, mut cost) = (0, 0);
    for wanted in needle.chars().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()) {
        let step = text[at..].iter().position(|c| *c == wanted)?;
        cost += step;
        at += step + 1;
    }
    Some(cost * 8 + text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, expect) in [(0, "0"), (999, "999"), (1_284, "1,284"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), expect);
        }
    }

    #[test]
    fn one_is_not_many() {
        for (number, expect) in [(0, "0 matches"), (1, "1 match"), (2, "2 matches"), (1_001, "1,001 matches")] {
            assert_eq!(counted(number, "match", "matches"), expect);
        }
    }

    #[test]
    fn sizes_have_one_decimal() {
        for (size, expect) in
            [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (1_536, "1.5 KiB"), (8_589_934_592, "8.0 GiB"), (u64::MAX, "16,383.9 PiB")]
        {
            assert_eq!(bytes(size), expect);
        }
    }

    #[test]
    fn spans_name_their_two_largest_units() {
        for (seconds, expect) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (725, "12 min 5 s"), (86_400 * 3 + 3_600 * 4 + 5, "3 d 4 h"), (86_401, "1 d")]
        {
            assert_eq!(span(seconds), expect);
        }
    }

    #[test]
    fn the_past_is_told_in_one_unit() {
        for (ms, expect) in
            [(-9_000, "now"), (4_999, "now"), (5_000, "5 s ago"), (61_000, "1 min ago"), (7_200_000, "2 h ago"), (200_000_000, "2 d ago")]
        {
            assert_eq!(ago(ms), expect);
        }
    }

    #[test]
    fn a_scattered_match_is_worse_than_a_run() {
        assert!(fuzzy("web", "shop/web") < fuzzy("web", "weather-blog"));
        assert_eq!(fuzzy("xyz", "shop/web"), None);
        assert!(fuzzy("", "anything").is_some());
    }
}
