//! What a value is, by its text.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    String,
    Int,
    Float,
    Boolean,
    /// Go's `1h30m`.
    Duration,
    /// `1.5MB`, `2MiB`.
    Bytes,
}

impl FieldType {
    pub fn of(value: &str) -> Self {
        let leads = value.as_bytes().first().copied().unwrap_or(b' ');
        if leads.is_ascii_digit() || matches!(leads, b'-' | b'+' | b'.') {
            if value.parse::<i64>().is_ok() {
                Self::Int
            } else if value.parse::<f64>().is_ok() {
                Self::Float
            } else if is_duration(value) {
                Self::Duration
            } else if is_bytes(value) {
                Self::Bytes
            } else {
                Self::String
            }
        } else if matches!(value, "true" | "false" | "True" | "False" | "TRUE" | "FALSE") {
            Self::Boolean
        } else {
            Self::String
        }
    }

    /// The type that holds values of both.
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (left, right) if left == right => left,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            _ => Self::String,
        }
    }
}

/// pkg.go.dev/time#ParseDuration
fn is_duration(value: &str) -> bool {
    let mut rest = value.strip_prefix(['-', '+']).unwrap_or(value);
    while !rest.is_empty() {
        let Some(unit) = after_number(rest) else { return false };
        let units = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"];
        let Some(next) = units.iter().find_map(|name| unit.strip_prefix(name)) else { return false };
        rest = next;
    }
    value.bytes().any(|byte| byte.is_ascii_digit())
}

/// A number, perhaps a space, and one of the units of bytes.
fn is_bytes(value: &str) -> bool {
    let Some(unit) = after_number(value) else { return false };
    let unit = unit.trim_start().to_ascii_lowercase();
    matches!(
        unit.as_str(),
        "b" | "kb"
            | "kib"
            | "mb"
            | "mib"
            | "gb"
            | "gib"
            | "tb"
            | "tib"
            | "pb"
            | "pib"
            | "eb"
            | "eib"
            | "k"
            | "ki"
            | "m"
            | "mi"
            | "g"
            | "gi"
            | "t"
            | "ti"
            | "p"
            | "pi"
            | "e"
            | "ei"
    )
}

/// What follows the digits and points at the beginning; `None` without a digit.
fn after_number(text: &str) -> Option<&str> {
    let end = text.find(|symbol: char| !symbol.is_ascii_digit() && symbol != '.').unwrap_or(text.len());
    let number = &text[..end];
    (number.bytes().any(|byte| byte.is_ascii_digit()) && number.matches('.').count() < 2).then(|| &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_types() {
        let check = |value: &str, expect: FieldType| assert_eq!(FieldType::of(value), expect, "{value}");
        check("200", FieldType::Int);
        check("12345678901234567890", FieldType::Float);
        check("1.50", FieldType::Float);
        check("1e3", FieldType::Float);
        check("true", FieldType::Boolean);
        check("250ms", FieldType::Duration);
        check("1h2m3.5s", FieldType::Duration);
        check("150µs", FieldType::Duration);
        check("11.8KB", FieldType::Bytes);
        check("2 MiB", FieldType::Bytes);
        check("0B", FieldType::Bytes);
        check("2026-11-22T16:36:06Z", FieldType::String);
        check("192.168.4.9", FieldType::String);
        check("-", FieldType::String);
        check("", FieldType::String);
        check("nan", FieldType::String);
    }
}
