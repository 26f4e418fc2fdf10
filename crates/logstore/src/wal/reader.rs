//! Reading a segment from untrusted bytes.

use super::{MAX_PAYLOAD_BYTES, RECORD_HEADER_LEN, RECORD_MAGIC, SEGMENT_HEADER_LEN, SEGMENT_MAGIC, VERSION};
use crate::bytes::{Cursor, MAX_NUMBER, sum64, sum64_seeded};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub seq: u64,
    pub payload: &'a [u8],
}

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report<'a> {
    pub records: Vec<Record<'a>>,
    /// Bytes of records that are damaged, with good ones behind them.
    pub damaged_bytes: u64,
    /// Bytes at the end that are no whole record.
    pub torn_bytes: u64,
    /// Where the last good record ends.
    pub good_len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub first_seq: u64,
    /// The first number of the segment before this one; 0 where there was none.
    pub prev_first_seq: u64,
    /// How much of it is valid.
    pub prev_len: u64,
}

pub(crate) fn segment_header(bytes: &[u8]) -> Option<SegmentHeader> {
    let header = bytes.get(..SEGMENT_HEADER_LEN)?;
    let mut cursor = Cursor::new(header);
    let magic = cursor.take(8)?;
    let (version, _) = (cursor.u32()?, cursor.u32()?);
    let found = SegmentHeader { first_seq: cursor.u64()?, prev_first_seq: cursor.u64()?, prev_len: cursor.u64()? };
    (magic == SEGMENT_MAGIC && version == VERSION && cursor.u64()? == sum64(&header[..40])).then_some(found)
}

/// Reads a segment: its records in order, skipping what is damaged. Copies nothing.
pub fn read_bytes(bytes: &[u8]) -> Report<'_> {
    let mut report = Report { good_len: bytes.len().min(SEGMENT_HEADER_LEN) as u64, ..Report::default() };
    let mut at = SEGMENT_HEADER_LEN;
    let mut last_seq = 0;
    while at < bytes.len() {
        if let Some((record, len)) = record(&bytes[at..])
            && record.seq > last_seq
        {
            report.damaged_bytes += at as u64 - report.good_len;
            report.records.push(record);
            last_seq = record.seq;
            at += len;
            report.good_len = at as u64;
            continue;
        }
        match memchr::memmem::find(&bytes[at + 1..], &RECORD_MAGIC) {
            Some(skip) => at += skip + 1,
            None => break,
        }
    }
    report.torn_bytes = bytes.len() as u64 - report.good_len;
    report
}

fn record(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let header = bytes.get(..RECORD_HEADER_LEN)?;
    let mut cursor = Cursor::new(header);
    if cursor.take(4)? != RECORD_MAGIC {
        return None;
    }
    let (len, seq, sum, header_sum) = (cursor.u32()? as usize, cursor.u64()?, cursor.u64()?, cursor.u64()?);
    if header_sum != sum64(&header[..24]) || len > MAX_PAYLOAD_BYTES || seq > MAX_NUMBER {
        return None;
    }
    let payload = bytes.get(RECORD_HEADER_LEN..RECORD_HEADER_LEN + len)?;
    (sum64_seeded(payload, seq) == sum).then_some((Record { seq, payload }, RECORD_HEADER_LEN + len))
}
