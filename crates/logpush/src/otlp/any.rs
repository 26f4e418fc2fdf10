//! `AnyValue`, and how it becomes text: as the OpenTelemetry collector's `AsString` does it.

use std::{borrow::Cow, fmt::Write};

use base64::{Engine, prelude::BASE64_STANDARD};

pub(super) type Attributes<'a> = Vec<(Cow<'a, str>, Any<'a>)>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Any<'a> {
    #[default]
    Empty,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Cow<'a, [u8]>),
    List(Vec<Any<'a>>),
    Map(Attributes<'a>),
}

impl<'a> Any<'a> {
    /// Texts as they are, bytes as base64, lists and maps as JSON.
    pub(super) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Empty => Cow::Borrowed(""),
            Self::Text(text) => text,
            Self::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Double(value) => Cow::Owned(double(value)),
            Self::Bytes(bytes) => Cow::Owned(BASE64_STANDARD.encode(bytes)),
            Self::List(_) | Self::Map(_) => {
                let mut out = String::new();
                self.write_json(&mut out);
                Cow::Owned(out)
            }
        }
    }

    /// Keys are sorted, as Go's encoder does it.
    fn write_json(&self, out: &mut String) {
        match self {
            Self::Empty => out.push_str("null"),
            Self::Text(text) => write_string(text, out),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Double(value) if value.is_finite() => out.push_str(&double(*value)),
            Self::Double(_) => out.push_str("null"),
            Self::Bytes(bytes) => write_string(&BASE64_STANDARD.encode(bytes), out),
            Self::List(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    value.write_json(out);
                }
                out.push(']');
            }
            Self::Map(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(name, _)| name);
                out.push('{');
                for (at, (name, value)) in members.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_string(name, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a string can be written as JSON"));
}

/// Like Go's JSON: an exponent below 1e-6 and from 1e21 on.
fn double(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) && value.is_finite() {
        let text = format!("{value:e}");
        return if size >= 1e21 { text.replace('e', "e+") } else { text };
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_text() {
        let check = |value: Any, expect: &str| assert_eq!(value.into_text(), expect);
        let text = |text: &'static str| Any::Text(Cow::Borrowed(text));
        check(Any::Empty, "");
        check(text("a\"b"), "a\"b");
        check(Any::Double(1.5), "1.5");
        check(Any::Double(1e21), "1e+21");
        check(Any::Double(1e-7), "1e-7");
        check(Any::Double(3.0), "3");
        check(Any::Bytes(Cow::Borrowed(b"hi")), "aGk=");
        let list = Any::List(vec![Any::Int(1), text("x\"y"), Any::Empty]);
        check(Any::Map(vec![(Cow::Borrowed("b"), list), (Cow::Borrowed("a"), Any::Bool(true))]), r#"{"a":true,"b":[1,"x\"y",null]}"#);
    }
}
