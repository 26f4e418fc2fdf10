//! What is appended, and how it is written down: the payload of a record of the write-ahead log.

use std::borrow::Cow;

use model::{Labels, StreamHash};

use crate::{
    block,
    bytes::{Cursor, MAX_NUMBER, put_text, put_varint},
    error::Refused,
    wal::MAX_PAYLOAD_BYTES,
};

/// Lines of one stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamBatch<'a> {
    pub labels: &'a Labels,
    pub entries: &'a [NewEntry<'a>],
}

#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// Nanoseconds.
    pub at: i64,
    /// Where the source itself numbers its lines of one nanosecond: a line is there already if one with this number is, and
    /// equal lines with other numbers are other lines. Unset: the store numbers, and the same text is the same line.
    pub ordinal: Option<u16>,
    pub line: &'a str,
    /// Structured metadata, in any order.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// What became of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With the ordinal of its id.
    Stored(u16),
    /// The stream has the same text and metadata at the same nanosecond already.
    Duplicate,
    Refused(Refused),
}

/// What became of a batch: one outcome a line, streams and lines in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    pub outcomes: Vec<Outcome>,
}

impl Appended {
    pub fn stored(&self) -> usize {
        self.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Stored(_))).count()
    }
}

pub(crate) const KIND_LINES: u8 = 1;
pub(crate) const KIND_SEALED: u8 = 2;
pub(crate) const KIND_PACKED: u8 = 3;

/// Kind and length in front of what is packed.
const PACKED_HEAD_BYTES: usize = 5;

/// A batch written down, its ordinals still to be filled in.
pub(crate) struct Written {
    pub payload: Vec<u8>,
    /// One a line of the caller's batch; those that are in the payload are `Stored(0)`.
    pub outcomes: Vec<Outcome>,
    /// Of each line in the payload, whether its source numbered it.
    pub numbered: Vec<bool>,
}

/// Of a line, encoded. As in Loki.
const MAX_METADATA_BYTES: usize = 64 << 10;
/// Of a stream, encoded. Every block's header holds them.
const MAX_LABELS_BYTES: usize = 64 << 10;

/// `refuse` says of a line whether it is wanted at all.
pub(crate) fn write(batch: &[StreamBatch<'_>], refuse: impl Fn(&NewEntry<'_>) -> Option<Refused>) -> Written {
    let entries: usize = batch.iter().map(|stream| stream.entries.len()).sum();
    let text: usize = batch.iter().flat_map(|stream| stream.entries).map(|entry| entry.line.len() + 24).sum();
    let mut payload = Vec::with_capacity(text + text / 8 + batch.len() * 256);
    let mut outcomes = Vec::with_capacity(entries);
    let mut numbered = Vec::with_capacity(entries);
    let mut meta = Vec::new();
    let mut encoded = Vec::with_capacity(256);
    let mut sorted = Vec::new();
    payload.push(KIND_LINES);
    for stream in batch {
        let start = outcomes.len();
        encoded.clear();
        block::put_labels(&mut encoded, stream.labels);
        let labels = (encoded.len() > MAX_LABELS_BYTES).then_some(Refused::LabelsTooLong);
        let refuse = |entry| labels.or_else(|| too_much(entry)).or_else(|| refuse(entry));
        outcomes.extend(stream.entries.iter().map(|entry| refuse(entry).map_or(Outcome::Stored(0), Outcome::Refused)));
        let taken = outcomes[start..].iter().filter(|outcome| matches!(outcome, Outcome::Stored(_))).count();
        if taken == 0 {
            continue;
        }
        put_varint(&mut payload, encoded.len() as u64);
        payload.extend_from_slice(&encoded);
        put_varint(&mut payload, taken as u64);
        for (entry, outcome) in stream.entries.iter().zip(&outcomes[start..]) {
            if matches!(outcome, Outcome::Stored(_)) {
                meta.clear();
                sorted.clear();
                sorted.extend_from_slice(entry.metadata);
                sorted.sort_by_key(|(name, _)| *name);
                for (name, value) in &sorted {
                    put_text(&mut meta, name);
                    put_text(&mut meta, value);
                }
                numbered.push(entry.ordinal.is_some());
                put_line(&mut payload, entry.at, entry.ordinal.unwrap_or(0), entry.line.as_bytes(), &meta);
            }
        }
    }
    Written { payload, outcomes, numbered }
}

fn too_much(entry: &NewEntry<'_>) -> Option<Refused> {
    let bytes: usize = entry.metadata.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    (bytes > MAX_METADATA_BYTES).then_some(Refused::MetadataTooLong)
}

fn put_line(payload: &mut Vec<u8>, at: i64, ordinal: u16, line: &[u8], meta: &[u8]) {
    payload.extend_from_slice(&at.to_le_bytes());
    payload.extend_from_slice(&ordinal.to_le_bytes());
    put_varint(payload, line.len() as u64);
    put_varint(payload, meta.len() as u64);
    payload.extend_from_slice(line);
    payload.extend_from_slice(meta);
}

/// The lines of one stream in a payload.
pub(crate) struct Lines<'a> {
    /// As in the payload; equal labels have equal bytes.
    pub labels: &'a [u8],
    pub count: usize,
}

pub(crate) struct Line<'a> {
    pub at: i64,
    pub ordinal: u16,
    /// Where the ordinal stands in the payload.
    pub ordinal_at: usize,
    pub line: &'a [u8],
    pub meta: &'a [u8],
}

/// Reads a payload of [`KIND_LINES`], kind byte included: a stream, its lines, the next stream.
pub(crate) struct Payload<'a> {
    len: usize,
    cursor: Cursor<'a>,
}

impl<'a> Payload<'a> {
    pub fn new(payload: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(payload);
        (cursor.u8()? == KIND_LINES).then_some(Self { len: payload.len(), cursor })
    }

    /// `Some(None)` at the end; `None` where the bytes make no sense.
    pub fn stream(&mut self) -> Option<Option<Lines<'a>>> {
        if self.cursor.is_empty() {
            return Some(None);
        }
        let len = self.cursor.count()?;
        let labels = self.cursor.take(len)?;
        Some(Some(Lines { labels, count: self.cursor.count()? }))
    }

    pub fn line(&mut self) -> Option<Line<'a>> {
        let at = self.cursor.i64()?;
        let ordinal_at = self.len - self.cursor.rest().len();
        let ordinal = self.cursor.u16()?;
        let (line, meta) = (self.cursor.varint()?, self.cursor.varint()?);
        let line = self.cursor.take(usize::try_from(line).ok()?)?;
        Some(Line { at, ordinal, ordinal_at, line, meta: self.cursor.take(usize::try_from(meta).ok()?)? })
    }
}

/// Copies a payload without the lines that `keep` (one a line) says no to. Empty where none is left.
pub(crate) fn without(payload: &[u8], keep: &[bool]) -> Option<Vec<u8>> {
    let mut out = vec![KIND_LINES];
    let mut reader = Payload::new(payload)?;
    let mut keep = keep.iter();
    while let Some(stream) = reader.stream()? {
        let lines: Vec<(Line<'_>, bool)> = (0..stream.count).map(|_| Some((reader.line()?, *keep.next()?))).collect::<Option<_>>()?;
        let count = lines.iter().filter(|(_, keep)| *keep).count();
        if count > 0 {
            put_varint(&mut out, stream.labels.len() as u64);
            out.extend_from_slice(stream.labels);
            put_varint(&mut out, count as u64);
            lines.iter().filter(|(_, keep)| *keep).for_each(|(line, _)| put_line(&mut out, line.at, line.ordinal, line.line, line.meta));
        }
    }
    if out.len() == 1 {
        out.clear();
    }
    Some(out)
}

/// Packs a payload of [`KIND_LINES`] into `out`. False where that makes it no smaller; `out` is then of no use.
pub(crate) fn pack(zstd: &mut zstd::bulk::Compressor<'_>, payload: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    out.resize(PACKED_HEAD_BYTES + zstd::zstd_safe::compress_bound(payload.len()), 0);
    out[0] = KIND_PACKED;
    out[1..PACKED_HEAD_BYTES].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    match zstd.compress_to_buffer(payload, &mut out[PACKED_HEAD_BYTES..]) {
        Ok(len) => {
            out.truncate(PACKED_HEAD_BYTES + len);
            out.len() < payload.len()
        }
        Err(_) => false,
    }
}

/// The payload of a record as it was before [`pack`]; where it was not packed, itself. `None` where the bytes make no sense.
pub(crate) fn unpack(payload: &[u8]) -> Option<Cow<'_, [u8]>> {
    if payload.first() != Some(&KIND_PACKED) {
        return Some(Cow::Borrowed(payload));
    }
    let mut cursor = Cursor::new(payload.get(1..)?);
    let len = cursor.u32()? as usize;
    if len > MAX_PAYLOAD_BYTES {
        return None;
    }
    let unpacked = zstd::bulk::decompress(cursor.rest(), len).ok()?;
    (unpacked.len() == len && unpacked.first() == Some(&KIND_LINES)).then_some(Cow::Owned(unpacked))
}

/// A record that says which streams are in blocks up to which record.
pub(crate) fn write_sealed(marks: &[(StreamHash, u64)]) -> Vec<u8> {
    let mut payload = vec![KIND_SEALED];
    for (hash, through) in marks {
        payload.extend_from_slice(&hash.0.to_le_bytes());
        payload.extend_from_slice(&through.to_le_bytes());
    }
    payload
}

pub(crate) fn read_sealed(payload: &[u8]) -> Option<Vec<(StreamHash, u64)>> {
    let mut cursor = Cursor::new(payload);
    if cursor.u8()? != KIND_SEALED {
        return None;
    }
    let mut marks = Vec::new();
    while !cursor.is_empty() {
        marks.push((StreamHash(cursor.u64()?), cursor.u64().filter(|through| *through <= MAX_NUMBER)?));
    }
    Some(marks)
}
