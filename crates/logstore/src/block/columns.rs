//! A block's columns, as far as somebody wanted them. Buffers are kept from block to block.

use super::{
    Damaged,
    header::{BlockHeader, SectionKind},
};
use crate::{
    bits,
    bytes::{Cursor, sum64},
};

/// Which sections to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    pub rows: bool,
    pub meta: bool,
    pub text: bool,
}

/// What unpacking needs beside the columns themselves.
#[derive(Default)]
pub struct Scratch {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    /// Compressed bytes as they come from the file.
    pub read: Vec<u8>,
    /// The text in lower case, for searches that ignore case.
    pub lower: Vec<u8>,
    /// One bit a row.
    pub hits: Vec<u64>,
}

impl Scratch {
    fn unpack(&mut self, packed: &[u8], raw_len: usize, out: &mut Vec<u8>) -> Result<(), Damaged> {
        out.clear();
        if packed.len() == raw_len {
            out.extend_from_slice(packed);
            return Ok(());
        }
        out.reserve(raw_len);
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => none.insert(zstd::bulk::Decompressor::new().map_err(|_| Damaged("no memory for zstd"))?),
        };
        zstd.decompress_to_buffer(packed, out).map_err(|_| Damaged("compressed bytes"))?;
        if out.len() == raw_len { Ok(()) } else { Err(Damaged("unpacked length")) }
    }
}

#[derive(Default)]
pub struct Columns {
    pub times: Vec<i64>,
    /// Empty where all are 0.
    pub ordinals: Vec<u16>,
    /// Where each line ends in the text.
    pub ends: Vec<u32>,
    /// Empty where no line has metadata.
    pub meta_rows: Vec<u32>,
    pub sets: MetaSets,
    pub text: Vec<u8>,
}

impl Columns {
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// Where a row's text lies.
    pub fn span(&self, row: usize) -> std::ops::Range<usize> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        start as usize..self.ends[row] as usize
    }

    pub fn line(&self, row: usize) -> Result<&str, Damaged> {
        let bytes = self.text.get(self.span(row)).ok_or(Damaged("text cut short"))?;
        std::str::from_utf8(bytes).map_err(|_| Damaged("text is not UTF-8"))
    }

    pub fn ordinal(&self, row: usize) -> u16 {
        self.ordinals.get(row).copied().unwrap_or(0)
    }

    pub fn set(&self, row: usize) -> u32 {
        self.meta_rows.get(row).copied().unwrap_or(0)
    }

    /// Checks and unpacks one section. Times come before the other columns, lengths before text.
    pub fn load(&mut self, header: &BlockHeader, kind: SectionKind, body: &[u8], scratch: &mut Scratch) -> Result<(), Damaged> {
        let section = header.sections[kind as usize];
        if body.len() != section.len as usize || sum64(body) != section.sum {
            return Err(Damaged("checksum"));
        }
        let rows = header.rows as usize;
        match kind {
            SectionKind::Times => {
                bits::unpack_times(body, rows, &mut self.times).ok_or(Damaged("times"))?;
                if self.times.first() != Some(&header.min) || self.times.last() != Some(&header.max) {
                    return Err(Damaged("bounds"));
                }
                Ok(())
            }
            SectionKind::Ordinals => small(body, rows, &mut self.ordinals).ok_or(Damaged("ordinals")),
            SectionKind::Lens => {
                self.ends.clear();
                self.ends.reserve(rows);
                let (mut end, ends) = (0_u64, &mut self.ends);
                bits::unpack(body, rows, |len| {
                    end = end.saturating_add(len);
                    ends.push(end as u32);
                })
                .ok_or(Damaged("lengths"))?;
                if end == u64::from(header.raw) { Ok(()) } else { Err(Damaged("lengths")) }
            }
            SectionKind::MetaRows => small(body, rows, &mut self.meta_rows).ok_or(Damaged("metadata numbers")),
            SectionKind::MetaSets => {
                let mut bytes = std::mem::take(&mut self.sets.bytes);
                let outcome = scratch.unpack(body, section.raw_len as usize, &mut bytes);
                self.sets.bytes = bytes;
                outcome?;
                self.sets.index(rows).ok_or(Damaged("metadata"))?;
                let sets = self.sets.len() as u32;
                if self.meta_rows.iter().all(|number| *number < sets) { Ok(()) } else { Err(Damaged("metadata numbers")) }
            }
            SectionKind::Text => {
                let mut text = std::mem::take(&mut self.text);
                let outcome = scratch.unpack(body, section.raw_len as usize, &mut text);
                self.text = text;
                outcome
            }
        }
    }

    pub fn memory(&self) -> usize {
        self.times.capacity() * 8
            + self.ordinals.capacity() * 2
            + self.ends.capacity() * 4
            + self.text.capacity()
            + self.sets.bytes.capacity()
    }
}

fn small<T: TryFrom<u64>>(body: &[u8], rows: usize, out: &mut Vec<T>) -> Option<()> {
    out.clear();
    if body.is_empty() {
        return Some(());
    }
    out.reserve(rows);
    let mut fits = true;
    bits::unpack(body, rows, |value| match T::try_from(value) {
        Ok(value) => out.push(value),
        Err(_) => fits = false,
    })?;
    fits.then_some(())
}

/// Distinct sets of metadata. Encoded, a set is its pairs in order: name and value, each with its length in front. Set 0
/// is the empty one and is not stored.
#[derive(Default)]
pub struct MetaSets {
    pub bytes: Vec<u8>,
    /// Of set 1, 2, ….
    ranges: Vec<(u32, u32)>,
}

impl MetaSets {
    /// With the empty one.
    pub fn len(&self) -> usize {
        self.ranges.len() + 1
    }

    fn index(&mut self, max: usize) -> Option<()> {
        self.ranges.clear();
        let mut cursor = Cursor::new(&self.bytes);
        while !cursor.is_empty() {
            let len = cursor.count()?;
            let start = self.bytes.len() - cursor.rest().len();
            cursor.take(len)?;
            self.ranges.push((start as u32, (start + len) as u32));
            if self.ranges.len() > max {
                return None;
            }
        }
        Some(())
    }

    pub fn encoded(&self, set: u32) -> &[u8] {
        match set.checked_sub(1).and_then(|index| self.ranges.get(index as usize)) {
            Some((start, end)) => &self.bytes[*start as usize..*end as usize],
            None => &[],
        }
    }
}

/// The pairs of an encoded set.
pub fn pairs<'a>(encoded: &'a [u8], out: &mut Vec<(&'a str, &'a str)>) -> Result<(), Damaged> {
    out.clear();
    let mut cursor = Cursor::new(encoded);
    while !cursor.is_empty() {
        let pair = cursor.text().and_then(|name| Some((name, cursor.text()?)));
        out.push(pair.ok_or(Damaged("metadata"))?);
    }
    Ok(())
}
