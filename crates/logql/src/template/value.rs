//! What templates compute with.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use super::{Context, time};

#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// Nanoseconds since 1970; wide enough for Go's zero time, the year 1.
    Time(i128),
    List(Vec<Value<'a>>),
    Map(BTreeMap<String, Value<'a>>),
    /// What `.` is outside `with` and `range`.
    Labels(Labels<'a>),
}

/// All labels. Most templates name those they want, so the map is made when it is asked for.
#[derive(Clone, Copy)]
pub struct Labels<'a>(pub &'a Context<'a>);

impl<'a> Labels<'a> {
    pub fn get(self, name: &str) -> Value<'a> {
        Value::Text((self.0.get)(name).unwrap_or_default())
    }

    /// Sorted by name.
    pub fn all(self) -> &'a [(&'a str, &'a str)] {
        self.0.map.get_or_init(self.0.all)
    }
}

impl PartialEq for Labels<'_> {
    /// One rendering has one set of labels.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Labels")
    }
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Go's name of the type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Time(_) => "time.Time",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Labels(_) => "map[string]string",
        }
    }

    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Time(_) => true,
            Self::Labels(labels) => !labels.all().is_empty(),
        }
    }

    /// As `fmt.Print` does.
    pub fn print(&self, out: &mut String) {
        match self {
            Self::Nil => out.push_str("<no value>"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Float(value) => out.push_str(&print_float(*value)),
            Self::Text(text) => out.push_str(text),
            Self::Time(nanos) => out.push_str(&time::print(*nanos)),
            Self::List(list) => {
                out.push('[');
                for (at, value) in list.iter().enumerate() {
                    out.push_str(if at > 0 { " " } else { "" });
                    value.print_nested(out);
                }
                out.push(']');
            }
            Self::Map(map) => {
                out.push_str("map[");
                for (at, (key, value)) in map.iter().enumerate() {
                    out.push_str(if at > 0 { " " } else { "" });
                    out.push_str(key);
                    out.push(':');
                    value.print_nested(out);
                }
                out.push(']');
            }
            Self::Labels(labels) => {
                out.push_str("map[");
                for (at, (name, value)) in labels.all().iter().enumerate() {
                    out.push_str(if at > 0 { " " } else { "" });
                    out.push_str(name);
                    out.push(':');
                    out.push_str(value);
                }
                out.push(']');
            }
        }
    }

    /// Bytes that copying or reading it moves, roughly.
    pub fn weight(&self) -> usize {
        const NODE: usize = size_of::<Value<'_>>();
        match self {
            Self::Text(text) => text.len(),
            Self::List(list) => list.iter().map(|value| NODE + value.weight()).sum(),
            // A key of its own, and room in the tree.
            Self::Map(map) => map.iter().map(|(key, value)| 6 * NODE + key.len() + value.weight()).sum(),
            Self::Labels(labels) => NODE * labels.0.map.get().map_or(0, Vec::len),
            // Many arguments make a call dear, and floats take long to print.
            Self::Float(_) => 2 * NODE,
            Self::Nil | Self::Bool(_) | Self::Int(_) | Self::Time(_) => NODE / 2,
        }
    }

    fn print_nested(&self, out: &mut String) {
        if matches!(self, Self::Nil) { out.push_str("<nil>") } else { self.print(out) }
    }

    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }

    /// Whole number of anything, 0 where it is none.
    pub fn to_int(&self) -> i64 {
        match self {
            Self::Int(value) => *value,
            Self::Float(value) => *value as i64,
            Self::Bool(value) => i64::from(*value),
            Self::Text(text) => {
                let text =
                    text.split_once('.').filter(|(_, zeros)| zeros.bytes().all(|byte| byte == b'0')).map_or(&**text, |(whole, _)| whole);
                text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| i64::from_str_radix(digits, 16)).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Float of anything, 0 where it is none.
    pub fn to_float(&self) -> f64 {
        match self {
            Self::Int(value) => *value as f64,
            Self::Float(value) => *value,
            Self::Bool(value) => f64::from(u8::from(*value)),
            Self::Text(text) => text.parse().unwrap_or(0.0),
            _ => 0.0,
        }
    }

    pub fn from_json(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Float(number.as_f64().unwrap_or(0.0)),
            serde_json::Value::String(text) => Self::Text(text.into()),
            serde_json::Value::Array(list) => Self::List(list.into_iter().map(Self::from_json).collect()),
            serde_json::Value::Object(map) => Self::Map(map.into_iter().map(|(key, value)| (key, Self::from_json(value))).collect()),
        }
    }
}

/// Go's `%v`: shortest digits, an exponent below 1e-4 and from 1e21 on.
pub fn print_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        return format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    format!("{value}")
}
