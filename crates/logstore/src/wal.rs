//! The write-ahead log: records in segments. A record is there whole or not at all. Each segment says how far the one before
//! it is valid, so that what was written but never acknowledged (the disk ran full, an fsync failed) does not come back.

mod reader;
mod writer;

use crate::bytes::number_in;

pub use reader::{Record, Report, read_bytes};
pub(crate) use reader::{SegmentHeader, segment_header};
pub(crate) use writer::{Segment, Wal};

pub(crate) const SEGMENT_MAGIC: &[u8; 8] = b"DLWALv1\n";
pub(crate) const VERSION: u32 = 1;
pub(crate) const SEGMENT_HEADER_LEN: usize = 48;
pub(crate) const RECORD_MAGIC: [u8; 4] = *b"DLR1";
pub(crate) const RECORD_HEADER_LEN: usize = 32;
/// Of a record.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;

pub(crate) fn file_name(first_seq: u64) -> String {
    format!("{first_seq:016x}.wal")
}

pub(crate) fn first_seq_of(name: &str) -> Option<u64> {
    number_in(name, ".wal")
}
