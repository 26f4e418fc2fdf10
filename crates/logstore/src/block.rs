//! A block: lines of one stream, sorted by `(at, ordinal)`, never changed. Six sections, each with its own checksum, so
//! that counting reads no text. The layout is in LAYOUT.md.

mod columns;
mod header;
mod writer;

pub(crate) use columns::{Columns, Scratch, Want, pairs};
pub use header::{BlockHeader, Section, SectionKind};
pub(crate) use header::{MAGIC, hash_of, labels, put_labels};
pub(crate) use writer::{BlockWriter, Encoded, Row};

/// A block does not hold what its checksums promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged block: {0}")]
pub struct Damaged(pub &'static str);

/// Reads one whole block from untrusted bytes: its header and how many rows and bytes of text it holds.
///
/// # Errors
/// [`Damaged`], whatever the bytes are.
pub fn read_bytes(bytes: &[u8]) -> Result<(BlockHeader, u64, u64), Damaged> {
    let header = BlockHeader::read(bytes)?;
    let mut columns = Columns::default();
    let mut scratch = Scratch::default();
    for (kind, section) in SectionKind::ALL.into_iter().zip(header.sections) {
        let start = header.section_offset(kind) as usize;
        let body = bytes.get(start..start.saturating_add(section.len as usize)).ok_or(Damaged("cut short"))?;
        columns.load(&header, kind, body, &mut scratch)?;
    }
    let texts = (0..columns.rows()).map(|row| columns.line(row).map(|line| line.len() as u64));
    let bytes = texts.sum::<Result<u64, Damaged>>()?;
    Ok((header, columns.rows() as u64, bytes))
}
