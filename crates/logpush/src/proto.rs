//! `logproto.PushRequest`: what Promtail, Alloy, Vector and Docker's log driver push, after its snappy block is opened.
//! Also encoded, for what is sent on. Streams (1) of labels as text (1) and entries (2) of a timestamp (1), a line (2) and structured metadata (3).

use std::borrow::Cow;

use crate::{
    Bounds, Push, PushEntry, PushError, PushStream, labels,
    wire::{Reader, Value, WireError, put_bytes, put_varint},
};

/// Decodes an unpacked message; lines stay in `message` where they are valid UTF-8.
///
/// # Errors
/// [`PushError::Protobuf`], [`PushError::Labels`], [`PushError::TooMany`].
pub fn decode<'a>(message: &'a [u8], bounds: &Bounds) -> Result<Push<'a>, PushError> {
    let mut push = Push::default();
    let mut room = Room { entries: bounds.max_entries, pairs: bounds.max_entries.saturating_mul(4) };
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        if field == 1 {
            if push.streams.len() >= bounds.max_streams {
                return Err(PushError::TooMany("streams"));
            }
            push.streams.push(stream(value.bytes(1)?, &mut room)?);
        }
    }
    Ok(push)
}

/// The message that [`decode`] reads, not yet packed: see [`crate::body::snap`].
pub fn encode(push: &Push<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut stream, mut entry, mut small) = (Vec::new(), Vec::new(), Vec::new());
    for one in &push.streams {
        stream.clear();
        put_bytes(&mut stream, 1, labels::text(&one.labels).as_bytes());
        for line in &one.entries {
            entry.clear();
            small.clear();
            put_number(&mut small, 1, line.at.div_euclid(1_000_000_000) as u64);
            put_number(&mut small, 2, line.at.rem_euclid(1_000_000_000) as u64);
            put_bytes(&mut entry, 1, &small);
            put_bytes(&mut entry, 2, line.line.as_bytes());
            for (name, value) in &line.metadata {
                small.clear();
                put_bytes(&mut small, 1, name.as_bytes());
                put_bytes(&mut small, 2, value.as_bytes());
                put_bytes(&mut entry, 3, &small);
            }
            put_bytes(&mut stream, 2, &entry);
        }
        put_bytes(&mut out, 1, &stream);
    }
    out
}

/// Appends a varint field.
fn put_number(out: &mut Vec<u8>, field: u32, value: u64) {
    put_varint(out, u64::from(field) << 3);
    put_varint(out, value);
}

/// How much may still come.
struct Room {
    entries: usize,
    /// Of metadata.
    pairs: usize,
}

fn stream<'a>(message: &'a [u8], room: &mut Room) -> Result<PushStream<'a>, PushError> {
    let mut text = Cow::Borrowed("");
    let mut entries = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        match field {
            1 => text = value.text(1)?,
            2 => {
                room.entries = room.entries.checked_sub(1).ok_or(PushError::TooMany("entries"))?;
                entries.push(entry(value.bytes(2)?, room)?);
            }
            _ => {}
        }
    }
    // Nothing sent is no labels, as in JSON.
    let (labels, duplicate) = if text.is_empty() { Default::default() } else { labels::parse(&text)? };
    Ok(PushStream { labels, duplicate, entries })
}

fn entry<'a>(message: &'a [u8], room: &mut Room) -> Result<PushEntry<'a>, PushError> {
    let mut entry = PushEntry { at: 0, line: Cow::Borrowed(""), metadata: Vec::new() };
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        match field {
            1 => entry.at = timestamp(value.bytes(1)?)?,
            2 => entry.line = value.text(2)?,
            3 => {
                room.pairs = room.pairs.checked_sub(1).ok_or(PushError::TooMany("metadata"))?;
                entry.metadata.push(pair(value.bytes(3)?)?);
            }
            _ => {}
        }
    }
    Ok(entry)
}

/// `google.protobuf.Timestamp` as nanoseconds; what does not fit lies at the end of time, where it is refused.
fn timestamp(message: &[u8]) -> Result<i64, WireError> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.next()? {
        match (field, value) {
            (1, Value::Varint(number)) => seconds = number as i64,
            // An int32 is sent sign-extended.
            (2, Value::Varint(number)) => nanos = i64::from(number as i32),
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn pair(message: &[u8]) -> Result<(Cow<'_, str>, Cow<'_, str>), WireError> {
    let mut pair = Default::default();
    let (name, value): &mut (Cow<'_, str>, Cow<'_, str>) = &mut pair;
    let mut reader = Reader::new(message);
    while let Some((field, bytes)) = reader.next()? {
        match field {
            1 => *name = bytes.text(1)?,
            2 => *value = bytes.text(2)?,
            _ => {}
        }
    }
    Ok(pair)
}
