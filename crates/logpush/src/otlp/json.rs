//! `ExportLogsServiceRequest` in protobuf's JSON as OTLP bends it: camelCase names, 64-bit numbers as text or number, ids in
//! hexadecimal. Unknown names are stepped over. Nesting is bounded by serde_json's own limit of 128.

use std::{borrow::Cow, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use super::{Any, Mapping, Record, Scope};
use crate::PushError;

pub(super) fn decode<'a>(body: &'a [u8], mapping: &mut Mapping<'a, '_>) -> Result<(), PushError> {
    // `{}` makes a record of 350 bytes.
    let objects = memchr::memchr2_iter(b'{', b'[', body).count();
    if objects > mapping.bounds.max_entries.saturating_mul(2) {
        return Err(PushError::TooMany("objects"));
    }
    let export: Export = serde_json::from_slice(body).map_err(|error| PushError::Otlp(format!("cannot read the export: {error}")))?;
    for resource_logs in export.resource_logs.0 {
        let resource = mapping.resource(attributes(resource_logs.resource.attributes))?;
        for scope_logs in resource_logs.scope_logs.0 {
            let scope = Scope {
                name: scope_logs.scope.name.0,
                version: scope_logs.scope.version.0,
                attributes: attributes(scope_logs.scope.attributes),
                dropped: scope_logs.scope.dropped_attributes_count.unsigned(),
            };
            let shared = mapping.scope(&resource, scope)?;
            for record in scope_logs.log_records.0 {
                let record = Record {
                    time: record.time_unix_nano.unsigned(),
                    observed: record.observed_time_unix_nano.unsigned(),
                    severity_number: record.severity_number.0,
                    severity_text: record.severity_text.0,
                    body: record.body,
                    attributes: attributes(record.attributes),
                    dropped: record.dropped_attributes_count.unsigned(),
                    flags: record.flags.unsigned(),
                    trace_id: id(record.trace_id.0, "trace")?,
                    span_id: id(record.span_id.0, "span")?,
                };
                mapping.record(resource.stream, &shared, record)?;
            }
        }
    }
    Ok(())
}

fn attributes<'a>(list: List<KeyValue<'a>>) -> super::Attributes<'a> {
    list.0.into_iter().map(|pair| (pair.key.0, pair.value)).collect()
}

fn id<'a>(text: Cow<'a, str>, what: &str) -> Result<Cow<'a, str>, PushError> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) || text.len() > 32 {
        return Err(PushError::Otlp(format!("cannot read the export: a {what} id must be hexadecimal")));
    }
    if text.bytes().all(|byte| byte == b'0') {
        return Ok(Cow::Borrowed(""));
    }
    Ok(if text.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(text.to_ascii_lowercase()) } else { text })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
#[derive(Default)]
struct Export<'a> {
    resource_logs: List<ResourceLogs<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct ResourceLogs<'a> {
    resource: Attributed<'a>,
    scope_logs: List<ScopeLogs<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct Attributed<'a> {
    name: Text<'a>,
    version: Text<'a>,
    attributes: List<KeyValue<'a>>,
    dropped_attributes_count: Number,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct ScopeLogs<'a> {
    scope: Attributed<'a>,
    log_records: List<LogRecord<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct LogRecord<'a> {
    time_unix_nano: Number,
    observed_time_unix_nano: Number,
    severity_number: Severity,
    severity_text: Text<'a>,
    body: Any<'a>,
    attributes: List<KeyValue<'a>>,
    dropped_attributes_count: Number,
    flags: Number,
    trace_id: Text<'a>,
    span_id: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct KeyValue<'a> {
    key: Text<'a>,
    value: Any<'a>,
}

/// A list; `null` is an empty one.
struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(deserializer)?.unwrap_or_default()))
    }
}

/// A string, borrowed where it has no escapes; `null` is an empty one.
#[derive(Default)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Str;
        impl<'de> Visitor<'de> for Str {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Str)
    }
}

/// A whole number, or one as text.
#[derive(Clone, Copy, Default)]
struct Number(i128);

impl Number {
    fn unsigned(self) -> u64 {
        u64::try_from(self.0.max(0)).unwrap_or(u64::MAX)
    }
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a whole number, or one as a string")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
        // JavaScript's numbers: 1.7e18. `as` saturates.
        if number.fract() == 0.0 { Ok(Number(number as i128)) } else { Err(E::custom("a number with a fraction")) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        text.parse().map(Number).map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_unit<E>(self) -> Result<Number, E> {
        Ok(Number(0))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// A number, or a name such as `SEVERITY_NUMBER_WARN2`.
#[derive(Default)]
struct Severity(i64);

impl<'de> Deserialize<'de> for Severity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Severity;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a severity number")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Severity, E> {
                Ok(Severity(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Severity, E> {
                Ok(Severity(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Severity, E> {
                let known = text.parse().ok().or_else(|| severity_named(text.strip_prefix("SEVERITY_NUMBER_")?));
                known.map(Severity).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }

            fn visit_unit<E>(self) -> Result<Severity, E> {
                Ok(Severity(0))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn severity_named(name: &str) -> Option<i64> {
    if name == "UNSPECIFIED" {
        return Some(0);
    }
    let bands = [("TRACE", 1), ("DEBUG", 5), ("INFO", 9), ("WARN", 13), ("ERROR", 17), ("FATAL", 21)];
    bands.iter().find_map(|(band, first)| match name.strip_prefix(band)? {
        "" => Some(*first),
        "2" => Some(first + 1),
        "3" => Some(first + 2),
        "4" => Some(first + 3),
        _ => None,
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for Any<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Any<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object such as {\"stringValue\": …}")
            }

            fn visit_unit<E>(self) -> Result<Any<'de>, E> {
                Ok(Any::Empty)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any<'de>, A::Error> {
                let mut any = Any::Empty;
                while let Some(Text(kind)) = map.next_key()? {
                    any = match kind.as_ref() {
                        "stringValue" => Any::Text(map.next_value::<Text>()?.0),
                        "boolValue" => Any::Bool(map.next_value()?),
                        "intValue" => {
                            let Number(number) = map.next_value()?;
                            Any::Int(number.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
                        }
                        "doubleValue" => Any::Double(map.next_value::<Double>()?.0),
                        "bytesValue" => {
                            let Text(text) = map.next_value()?;
                            Any::Bytes(Cow::Owned(BASE64_STANDARD.decode(text.as_bytes()).map_err(A::Error::custom)?))
                        }
                        "arrayValue" => Any::List(map.next_value::<Values<Any>>()?.values.0),
                        "kvlistValue" => Any::Map(super::json::attributes(map.next_value::<Values<KeyValue>>()?.values)),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                }
                Ok(any)
            }
        }
        deserializer.deserialize_any(Object)
    }
}

#[derive(Deserialize)]
struct Values<T> {
    #[serde(default = "List::default", bound(deserialize = "T: Deserialize<'de>"))]
    values: List<T>,
}

/// JSON has no `NaN`: protobuf writes it as text.
struct Double(f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Double;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Double, E> {
                Ok(Double(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Double, E> {
                Ok(Double(number as f64))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Double, E> {
                Ok(Double(number as f64))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Double, E> {
                text.parse().map(Double).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
