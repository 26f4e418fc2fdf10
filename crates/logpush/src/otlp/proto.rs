//! `ExportLogsServiceRequest` in protobuf; numbers from opentelemetry-proto's `logs.proto`, `common.proto`, `resource.proto`.

use std::borrow::Cow;

use super::{Any, Attributes, Mapping, Record, Scope};
use crate::{
    PushError,
    wire::{Reader, Value, WireError},
};

/// Values within values.
const MAX_DEPTH: u32 = 32;

/// Values that may still come: two bytes of body make one, of 72 bytes in memory.
type Left = usize;

pub(super) fn decode<'a>(message: &'a [u8], mapping: &mut Mapping<'a, '_>) -> Result<(), PushError> {
    let mut left = mapping.bounds.max_entries.saturating_mul(4);
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        if field == 1 {
            resource_logs(value.bytes(1)?, mapping, &mut left)?;
        }
    }
    Ok(())
}

fn resource_logs<'a>(message: &'a [u8], mapping: &mut Mapping<'a, '_>, left: &mut Left) -> Result<(), PushError> {
    // The resource may stand behind its scopes.
    let mut attributes = Vec::new();
    let mut scopes = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        match field {
            1 => {
                let mut reader = Reader::new(value.bytes(1)?);
                while let Some((field, value)) = reader.next()? {
                    if field == 1 {
                        attributes.push(key_value(value.bytes(1)?, 0, left)?);
                    }
                }
            }
            2 => scopes.push(value.bytes(2)?),
            _ => {}
        }
    }
    let resource = mapping.resource(attributes)?;
    for message in scopes {
        let mut scope = Scope::default();
        let mut reader = Reader::new(message);
        while let Some((field, value)) = reader.next()? {
            if field == 1 {
                read_scope(value.bytes(1)?, &mut scope, left)?;
            }
        }
        let shared = mapping.scope(&resource, scope)?;
        let mut reader = Reader::new(message);
        while let Some((field, value)) = reader.next()? {
            if field == 2 {
                mapping.record(resource.stream, &shared, record(value.bytes(2)?, left)?)?;
            }
        }
    }
    Ok(())
}

fn read_scope<'a>(message: &'a [u8], scope: &mut Scope<'a>, left: &mut Left) -> Result<(), WireError> {
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        match field {
            1 => scope.name = value.text(1)?,
            2 => scope.version = value.text(2)?,
            3 => scope.attributes.push(key_value(value.bytes(3)?, 0, left)?),
            4 => scope.dropped = value.number(4)?,
            _ => {}
        }
    }
    Ok(())
}

fn record<'a>(message: &'a [u8], left: &mut Left) -> Result<Record<'a>, WireError> {
    let mut record = Record::default();
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        match field {
            1 => record.time = value.number(1)?,
            2 => record.severity_number = i64::from(value.number(2)? as i32),
            3 => record.severity_text = value.text(3)?,
            5 => record.body = any(value.bytes(5)?, 0, left)?,
            6 => record.attributes.push(key_value(value.bytes(6)?, 0, left)?),
            7 => record.dropped = value.number(7)?,
            8 => record.flags = value.number(8)?,
            9 => record.trace_id = id(value.bytes(9)?),
            10 => record.span_id = id(value.bytes(10)?),
            11 => record.observed = value.number(11)?,
            _ => {}
        }
    }
    Ok(record)
}

/// All zeros are no id.
fn id(bytes: &[u8]) -> Cow<'static, str> {
    if bytes.iter().all(|byte| *byte == 0) { Cow::Borrowed("") } else { Cow::Owned(hex::encode(bytes)) }
}

fn key_value<'a>(message: &'a [u8], depth: u32, left: &mut Left) -> Result<(Cow<'a, str>, Any<'a>), WireError> {
    *left = left.checked_sub(1).ok_or(WireError::Many)?;
    let (mut key, mut value) = (Cow::Borrowed(""), Any::Empty);
    let mut reader = Reader::new(message);
    while let Some((field, found)) = reader.next()? {
        match field {
            1 => key = found.text(1)?,
            2 => value = any(found.bytes(2)?, depth, left)?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn any<'a>(message: &'a [u8], depth: u32, left: &mut Left) -> Result<Any<'a>, WireError> {
    *left = left.checked_sub(1).ok_or(WireError::Many)?;
    if depth > MAX_DEPTH {
        return Err(WireError::Depth);
    }
    let mut any = Any::Empty;
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        any = match field {
            1 => Any::Text(value.text(1)?),
            2 => Any::Bool(value.number(2)? != 0),
            3 => Any::Int(value.number(3)? as i64),
            4 => match value {
                Value::Fixed64(bits) => Any::Double(f64::from_bits(bits)),
                _ => return Err(WireError::Mismatch(4)),
            },
            5 => Any::List(list(value.bytes(5)?, depth, left)?),
            6 => Any::Map(map(value.bytes(6)?, depth, left)?),
            7 => Any::Bytes(Cow::Borrowed(value.bytes(7)?)),
            _ => continue,
        };
    }
    Ok(any)
}

fn list<'a>(message: &'a [u8], depth: u32, left: &mut Left) -> Result<Vec<Any<'a>>, WireError> {
    let mut values = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        if field == 1 {
            values.push(any(value.bytes(1)?, depth + 1, left)?);
        }
    }
    Ok(values)
}

fn map<'a>(message: &'a [u8], depth: u32, left: &mut Left) -> Result<Attributes<'a>, WireError> {
    let mut members = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        if field == 1 {
            members.push(key_value(value.bytes(1)?, depth + 1, left)?);
        }
    }
    Ok(members)
}
