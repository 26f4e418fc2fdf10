//! Formats of particular programs that say their level in a way of their own. Each function looks at the head of a line
//! and costs a few comparisons where it does not apply.

use model::Level;

use crate::{level, text};

/// `<PRI>` (RFC 3164 and 5424), also the kernel's and systemd's `<6>`.
pub(crate) fn syslog_priority(text: &str) -> Option<Level> {
    let (digits, _) = text.strip_prefix('<')?.split_once('>').filter(|(digits, _)| digits.len() <= 3)?;
    let priority: u8 = digits.parse().ok().filter(|p| *p <= 191)?;
    level::syslog(priority & 7)
}

/// `I0122 16:36:00.000000 …` (klog, glog) or with the year, `I20261122 16:36:00.000000 …`.
pub(crate) fn klog(text: &str) -> Option<Level> {
    let (token, rest) = text::token(text);
    let [mark @ (b'I' | b'W' | b'E' | b'F' | b'D'), digits @ ..] = token.as_bytes() else { return None };
    let clock = rest.trim_start().as_bytes().get(..8)?;
    let timed = matches!(digits.len(), 4 | 8) && digits.iter().all(u8::is_ascii_digit) && clock[2] == b':' && clock[5] == b':';
    if timed { level::letter(*mark) } else { None }
}

/// `address - user [time] "request" status size …`, a virtual host before it or not.
pub(crate) fn access_log(text: &str) -> Option<Level> {
    let open = memchr::memchr(b'[', &text.as_bytes()[..text.len().min(300)])?;
    let close = open + memchr::memchr(b']', &text.as_bytes()[open..text.len().min(open + 40)])?;
    let request = text[close..].strip_prefix("] \"")?;
    if !text[open + 1..].starts_with(|c: char| c.is_ascii_digit()) || text[..open].split_ascii_whitespace().count() < 3 {
        return None;
    }
    let mut from = 0;
    let end = loop {
        let quote = from + memchr::memchr(b'"', &request.as_bytes()[from..])?;
        if quote == 0 || request.as_bytes()[quote - 1] != b'\\' {
            break quote;
        }
        from = quote + 1;
    };
    let (status, _) = text::token(request[end + 1..].strip_prefix(' ')?);
    if status.len() != 3 {
        return None;
    }
    Some(match status.parse::<u16>().ok()? {
        500.. => Level::Error,
        400.. => Level::Warn,
        100.. => Level::Info,
        _ => return None,
    })
}

/// `1:M 22 Nov 2026 16:36:00.123 * …`; older servers leave the year out.
pub(crate) fn redis(text: &str) -> Option<Level> {
    let (process, _) = text::token(text);
    let (pid, role) = process.split_once(':')?;
    if !matches!(role, "X" | "C" | "S" | "M") || pid.is_empty() || !pid.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mark = text.split(' ').skip(3).take(3).find(|token| token.len() == 1)?;
    Some(match mark {
        "." | "-" => Level::Debug,
        "*" => Level::Info,
        "#" => Level::Warn,
        _ => return None,
    })
}

/// `LOG:  …` after any `log_line_prefix` without a colon and blank of its own.
pub(crate) fn postgres(text: &str) -> Option<Level> {
    let head = text::cut(text, 160);
    let colon = head.find(":  ")?;
    let start = head[..colon].rfind([' ', '\t', ']']).map_or(0, |blank| blank + 1);
    let prefix = head[..start].trim_end();
    if !(prefix.is_empty() || prefix.starts_with(|c: char| c.is_ascii_digit() || c == '[')) {
        return None;
    }
    Some(match &head[start..colon] {
        "PANIC" | "FATAL" => Level::Fatal,
        "ERROR" => Level::Error,
        "WARNING" => Level::Warn,
        "LOG" | "NOTICE" | "INFO" | "STATEMENT" | "DETAIL" | "HINT" | "CONTEXT" | "QUERY" | "LOCATION" | "BACKTRACE" => Level::Info,
        "DEBUG" | "DEBUG1" | "DEBUG2" | "DEBUG3" | "DEBUG4" | "DEBUG5" => Level::Debug,
        _ => return None,
    })
}

/// Heads of stack traces that name no level.
pub(crate) fn uncaught(text: &str) -> Option<Level> {
    const HEADS: &[(&str, Level)] = &[
        ("Traceback (most recent call last):", Level::Error),
        ("Exception in thread ", Level::Error),
        ("Unhandled exception", Level::Error),
        ("Uncaught ", Level::Error),
        ("PHP Fatal error: ", Level::Error),
        ("PHP Parse error: ", Level::Error),
        ("PHP Warning: ", Level::Warn),
        ("PHP Deprecated: ", Level::Warn),
        ("PHP Notice: ", Level::Info),
        ("Fatal error: ", Level::Error),
        ("npm ERR! ", Level::Error),
        ("npm error ", Level::Error),
        ("npm WARN ", Level::Warn),
        ("npm warn ", Level::Warn),
    ];
    if text.starts_with("thread '") && text::cut(text, 200).contains("' panicked at ") {
        return Some(Level::Error);
    }
    // rustc and newer panics: `thread 'main' (12) panicked at`.
    if text.starts_with("thread '") && text::cut(text, 200).contains(") panicked at ") {
        return Some(Level::Error);
    }
    HEADS.iter().find(|(head, _)| text.starts_with(head)).map(|(_, level)| *level)
}
