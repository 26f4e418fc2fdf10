//! What stands in front of a block and, once more, in its pack's footer.

use model::{Labels, StreamHash};

use super::Damaged;
use crate::bytes::{Cursor, MAX_NUMBER, put_text, put_varint, sum64};

pub const MAGIC: u32 = u32::from_le_bytes(*b"DLB1");
/// A reader refuses more, so that a forged header cannot ask for memory.
pub const MAX_ROWS: u32 = 1 << 17;
pub const MAX_RAW_BYTES: u32 = 32 << 20;
const MAX_HEADER_BYTES: usize = 1 << 20;

/// In this order in the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// Ascending nanoseconds (bits.rs).
    Times,
    /// Packed ordinals; empty where all are 0.
    Ordinals,
    /// Packed lengths of the lines in bytes.
    Lens,
    /// Packed numbers of metadata sets.
    MetaRows,
    /// Metadata sets, zstd.
    MetaSets,
    /// The lines, one behind the other, zstd; as they are where that is not smaller.
    Text,
}

impl SectionKind {
    pub const ALL: [Self; 6] = [Self::Times, Self::Ordinals, Self::Lens, Self::MetaRows, Self::MetaSets, Self::Text];
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// In the file.
    pub len: u32,
    /// Unpacked; equal to `len` where it is stored as it is.
    pub raw_len: u32,
    pub sum: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Of the header itself, in bytes.
    pub len: u32,
    pub labels: Labels,
    pub hash: StreamHash,
    pub min: i64,
    pub max: i64,
    pub rows: u32,
    /// Bytes of text.
    pub raw: u32,
    /// Every line of this stream up to this record of the write-ahead log is in a block.
    pub through: u64,
    pub sections: [Section; 6],
    /// The filter, which lies behind the pack's blocks.
    pub filter: Section,
}

impl BlockHeader {
    pub fn write(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(384);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.min.to_le_bytes());
        out.extend_from_slice(&self.max.to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&self.raw.to_le_bytes());
        out.extend_from_slice(&self.through.to_le_bytes());
        for section in self.sections.iter().chain([&self.filter]) {
            out.extend_from_slice(&section.len.to_le_bytes());
            out.extend_from_slice(&section.raw_len.to_le_bytes());
            out.extend_from_slice(&section.sum.to_le_bytes());
        }
        put_labels(&mut out, &self.labels);
        self.len = out.len() as u32 + 8;
        out[4..8].copy_from_slice(&self.len.to_le_bytes());
        let sum = sum64(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// # Errors
    /// [`Damaged`].
    pub fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        Self::parse(bytes).ok_or(Damaged("header"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        if cursor.u32()? != MAGIC {
            return None;
        }
        let len = cursor.u32()?;
        let body_len = (len as usize).checked_sub(8).filter(|len| (16..MAX_HEADER_BYTES).contains(len))?;
        let body = bytes.get(..body_len)?;
        let sum = Cursor::new(bytes.get(body_len..)?).u64()?;
        if sum64(body) != sum {
            return None;
        }
        let mut cursor = Cursor::new(&body[8..]);
        let (min, max, rows, raw, through) = (cursor.i64()?, cursor.i64()?, cursor.u32()?, cursor.u32()?, cursor.u64()?);
        let mut sections = [Section::default(); 7];
        for section in &mut sections {
            *section = Section { len: cursor.u32()?, raw_len: cursor.u32()?, sum: cursor.u64()? };
        }
        let labels = labels(&mut cursor)?;
        let [times, ordinals, lens, meta_rows, meta_sets, text, filter] = sections;
        let sane = rows > 0 && rows <= MAX_ROWS && raw <= MAX_RAW_BYTES && min <= max && text.raw_len == raw && through <= MAX_NUMBER;
        let bounded = sections.iter().all(|section| section.len <= MAX_RAW_BYTES && section.raw_len <= MAX_RAW_BYTES);
        (sane && bounded && cursor.is_empty()).then(|| Self {
            len,
            hash: labels.hash64(),
            labels,
            min,
            max,
            rows,
            raw,
            through,
            sections: [times, ordinals, lens, meta_rows, meta_sets, text],
            filter,
        })
    }

    /// From the block's beginning.
    pub fn section_offset(&self, kind: SectionKind) -> u64 {
        u64::from(self.len) + self.sections[..kind as usize].iter().map(|section| u64::from(section.len)).sum::<u64>()
    }

    /// The whole block in bytes, without its filter.
    pub fn block_len(&self) -> u64 {
        u64::from(self.len) + self.sections.iter().map(|section| u64::from(section.len)).sum::<u64>()
    }
}

pub(crate) fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_varint(out, labels.0.len() as u64);
    for (name, value) in &labels.0 {
        put_text(out, name);
        put_text(out, value);
    }
}

pub(crate) fn labels(cursor: &mut Cursor<'_>) -> Option<Labels> {
    let count = cursor.count()?;
    let mut labels = Labels::default();
    for _ in 0..count {
        labels.0.insert(cursor.text()?.to_owned(), cursor.text()?.to_owned());
    }
    Some(labels)
}

/// [`Labels::hash64`] of labels as [`put_labels`] writes them, without making them.
pub(crate) fn hash_of(encoded: &[u8]) -> Option<StreamHash> {
    let mut cursor = Cursor::new(encoded);
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for _ in 0..cursor.count()? {
        for end in [0xff, 0xfe] {
            for byte in cursor.text()?.bytes().chain([end]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    }
    Some(StreamHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn encoded_labels_have_the_hash_of_the_labels(pairs in proptest::collection::btree_map("\\PC{0,5}", "\\PC{0,5}", 0..5)) {
            let labels = Labels(pairs);
            let mut encoded = Vec::new();
            put_labels(&mut encoded, &labels);
            proptest::prop_assert_eq!(hash_of(&encoded), Some(labels.hash64()));
            proptest::prop_assert_eq!(super::labels(&mut Cursor::new(&encoded)), Some(labels));
        }
    }
}
