//! Times in Go's layouts (`2006-01-02 15:04:05`). Only UTC.

use std::fmt::Write as _;

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Go's zero time: the first of January of the year 1.
pub const ZERO: i128 = -719_162 * DAY;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A piece of a layout. The longer of two that begin alike comes first.
const PIECES: [&str; 32] = [
    "January", "Jan", "Monday", "Mon", "MST", "2006", "Z07:00", "Z0700", "Z07", "-07:00", "-0700", "-07", "002", "01", "02", "03", "04",
    "05", "06", "15", "_2", "PM", "pm", ".000", ",000", ".999", ",999", "1", "2", "3", "4", "5",
];

/// The first piece in a layout, with what stands before and behind it.
fn next(layout: &str) -> Option<(&str, &str, &str)> {
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        if let Some(fraction) = rest.strip_prefix(['.', ',']) {
            let first = fraction.chars().next().filter(|c| matches!(c, '0' | '9'));
            let len = first.map_or(0, |first| fraction.chars().take_while(|c| *c == first).count());
            if len > 0 && !fraction[len..].starts_with(|c: char| c.is_ascii_digit()) {
                return Some((&layout[..at], &rest[..=len], &rest[1 + len..]));
            }
            continue;
        }
        let found = PIECES.iter().find(|piece| rest.starts_with(**piece) && !piece.starts_with(['.', ',']));
        if let Some(piece) = found {
            // `Jan` is not the start of `Janet`.
            let letters = matches!(*piece, "Jan" | "Mon") && rest[piece.len()..].starts_with(|c: char| c.is_ascii_lowercase());
            if !letters {
                return Some((&layout[..at], &rest[..piece.len()], &rest[piece.len()..]));
            }
        }
    }
    None
}

struct Parts {
    year: i128,
    month: usize,
    day: u32,
    of_year: u32,
    weekday: usize,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
}

/// Days since 1970 to a date, after Howard Hinnant, "chrono-compatible low-level date algorithms".
fn parts(at: i128) -> Parts {
    let (days, rest) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    let small = |value: i128| u32::try_from(value).unwrap_or(0);
    let seconds = rest / SECOND;
    Parts {
        year,
        month: usize::try_from(month).unwrap_or(1),
        day: small(day),
        of_year: small(days - days_of(year, 1, 1) + 1),
        weekday: usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0),
        hour: small(seconds / 3600),
        minute: small(seconds / 60 % 60),
        second: small(seconds % 60),
        nanos: small(rest % SECOND),
    }
}

fn days_of(year: i128, month: i128, day: i128) -> i128 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `at` in nanoseconds since 1970.
pub fn format(layout: &str, at: i128) -> String {
    let parts = parts(at);
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while let Some((before, piece, after)) = next(rest) {
        out.push_str(before);
        write_piece(&mut out, piece, &parts);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn write_piece(out: &mut String, piece: &str, parts: &Parts) {
    let hour12 = (parts.hour + 11) % 12 + 1;
    let month = MONTHS.get(parts.month - 1).copied().unwrap_or_default();
    let day = DAYS.get(parts.weekday).copied().unwrap_or_default();
    let _ = match piece {
        "January" => write!(out, "{month}"),
        "Jan" => write!(out, "{}", &month[..3]),
        "Monday" => write!(out, "{day}"),
        "Mon" => write!(out, "{}", &day[..3]),
        "MST" => write!(out, "UTC"),
        "2006" => write!(out, "{:04}", parts.year),
        "06" => write!(out, "{:02}", parts.year.rem_euclid(100)),
        "01" => write!(out, "{:02}", parts.month),
        "1" => write!(out, "{}", parts.month),
        "02" => write!(out, "{:02}", parts.day),
        "_2" => write!(out, "{:2}", parts.day),
        "2" => write!(out, "{}", parts.day),
        "002" => write!(out, "{:03}", parts.of_year),
        "15" => write!(out, "{:02}", parts.hour),
        "03" => write!(out, "{hour12:02}"),
        "3" => write!(out, "{hour12}"),
        "04" => write!(out, "{:02}", parts.minute),
        "4" => write!(out, "{}", parts.minute),
        "05" => write!(out, "{:02}", parts.second),
        "5" => write!(out, "{}", parts.second),
        "PM" => write!(out, "{}", if parts.hour < 12 { "AM" } else { "PM" }),
        "pm" => write!(out, "{}", if parts.hour < 12 { "am" } else { "pm" }),
        "Z07:00" | "Z0700" | "Z07" => write!(out, "Z"),
        "-07:00" => write!(out, "+00:00"),
        "-0700" => write!(out, "+0000"),
        "-07" => write!(out, "+00"),
        fraction => {
            let digits = format!("{:09}", parts.nanos);
            let digits = &digits[..(fraction.len() - 1).min(9)];
            let digits = if fraction.ends_with('9') { digits.trim_end_matches('0') } else { digits };
            let point = if digits.is_empty() { "" } else { &fraction[..1] };
            write!(out, "{point}{digits}")
        }
    };
}

/// As Go prints a `time.Time`.
pub fn print(at: i128) -> String {
    format("2006-01-02 15:04:05.999999999 -0700 MST", at)
}

/// Nanoseconds since 1970; `None` where the text does not follow the layout.
pub fn parse(layout: &str, text: &str) -> Option<i128> {
    let (mut year, mut month, mut day, mut hour, mut minute, mut second, mut nanos, mut offset) = (0_i128, 1, 1, 0, 0, 0, 0_i128, 0_i128);
    let (mut pm, mut of_year) = (None, None);
    let (mut layout, mut text) = (layout, text);
    while let Some((before, piece, after)) = next(layout) {
        text = text.strip_prefix(before)?;
        let mut digits = |least: usize, most: usize| {
            let len = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
            let (number, tail) = text.split_at(len);
            text = tail;
            number.parse::<i128>().ok().filter(|_| len >= least)
        };
        match piece {
            "2006" => year = digits(4, 4)?,
            "06" => year = digits(2, 2).map(|year| if year >= 69 { year + 1900 } else { year + 2000 })?,
            "01" => month = digits(2, 2)?,
            "1" => month = digits(1, 2)?,
            "02" => day = digits(2, 2)?,
            "2" => day = digits(1, 2)?,
            "_2" => {
                text = text.strip_prefix(' ').unwrap_or(text);
                let len = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
                day = text[..len].parse().ok()?;
                text = &text[len..];
            }
            "002" => of_year = Some(digits(3, 3)?),
            "15" => hour = digits(2, 2)?,
            "03" => hour = digits(2, 2)?,
            "3" => hour = digits(1, 2)?,
            "04" => minute = digits(2, 2)?,
            "4" => minute = digits(1, 2)?,
            "05" | "5" => {
                second = digits(if piece == "05" { 2 } else { 1 }, 2)?;
                // Go takes a fraction here even where the layout has none.
                let follows = next(after).is_some_and(|(before, piece, _)| before.is_empty() && piece.starts_with(['.', ',']));
                if !follows && let Some(tail) = text.strip_prefix(['.', ',']) {
                    let len = tail.bytes().take_while(u8::is_ascii_digit).count();
                    nanos = fraction(&tail[..len])?;
                    text = &tail[len..];
                }
            }
            "PM" | "pm" => {
                pm = Some(match text.get(..2)?.to_ascii_uppercase().as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                });
                text = &text[2..];
            }
            "January" | "Jan" => {
                let cut = if piece == "Jan" { 3 } else { usize::MAX };
                let at = MONTHS.iter().position(|name| starts(text, name.get(..cut).unwrap_or(name)))?;
                month = at as i128 + 1;
                text = &text[MONTHS[at].len().min(cut)..];
            }
            "Monday" | "Mon" => {
                let cut = if piece == "Mon" { 3 } else { usize::MAX };
                let at = DAYS.iter().position(|name| starts(text, name.get(..cut).unwrap_or(name)))?;
                text = &text[DAYS[at].len().min(cut)..];
            }
            "MST" => {
                let len = text.bytes().take_while(u8::is_ascii_uppercase).count();
                if len < 3 {
                    return None;
                }
                text = &text[len..];
            }
            "Z07:00" | "Z0700" | "Z07" | "-07:00" | "-0700" | "-07" => {
                if let Some(tail) = text.strip_prefix('Z').filter(|_| piece.starts_with('Z')) {
                    text = tail;
                } else {
                    let negative = text.starts_with('-');
                    text = text.strip_prefix(['+', '-'])?;
                    let pair = |text: &str| {
                        text.get(..2)
                            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                            .and_then(|digits| digits.parse::<i128>().ok())
                    };
                    let mut seconds = pair(text)? * 3600;
                    text = &text[2..];
                    if !piece.ends_with("07") {
                        text = if piece.contains(':') { text.strip_prefix(':')? } else { text };
                        seconds += pair(text)? * 60;
                        text = &text[2..];
                    }
                    offset = if negative { -seconds } else { seconds };
                }
            }
            piece => match text.strip_prefix(['.', ',']) {
                Some(tail) => {
                    let len = tail.bytes().take_while(u8::is_ascii_digit).count();
                    if piece.ends_with('0') && len != piece.len() - 1 {
                        return None;
                    }
                    nanos = fraction(&tail[..len])?;
                    text = &tail[len..];
                }
                None if piece.ends_with('9') => {}
                None => return None,
            },
        }
        layout = after;
    }
    if text != layout || !(1..=12).contains(&month) || day < 1 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    match pm {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let days = match of_year {
        Some(of_year) => days_of(year, 1, 1) + of_year - 1,
        None => {
            let first = days_of(year, month, 1);
            let next = if month == 12 { days_of(year + 1, 1, 1) } else { days_of(year, month + 1, 1) };
            if first + day > next {
                return None;
            }
            first + day - 1
        }
    };
    Some(days * DAY + (hour * 3600 + minute * 60 + second - offset) * SECOND + nanos)
}

fn starts(text: &str, name: &str) -> bool {
    text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

fn fraction(digits: &str) -> Option<i128> {
    let cut = &digits[..digits.len().min(9)];
    let value: i128 = cut.parse().ok()?;
    Some(value * 10_i128.pow(u32::try_from(9 - cut.len()).ok()?))
}
