//! Lines in, a block out. One writer makes many blocks and keeps its buffers.

use model::Labels;

use super::header::{BlockHeader, Section};
use crate::{
    bits,
    bytes::{put_varint, sum64},
    filter::FilterBuilder,
};

/// A line on its way into a block.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub at: i64,
    pub ordinal: u16,
    pub line: &'a [u8],
    /// Encoded metadata (`MetaSets`); empty where there is none.
    pub meta: &'a [u8],
}

/// A block ready to be put into a pack.
pub struct Encoded {
    pub header: BlockHeader,
    /// The header and the sections.
    pub bytes: Vec<u8>,
    pub filter: Vec<u8>,
}

pub struct BlockWriter {
    zstd: zstd::bulk::Compressor<'static>,
    filter: FilterBuilder,
    times: Vec<i64>,
    numbers: [Vec<u64>; 3],
    text: Vec<u8>,
    sets: Vec<u8>,
    set_numbers: std::collections::HashMap<Vec<u8>, u64>,
}

impl BlockWriter {
    pub fn new(level: i32) -> std::io::Result<Self> {
        Ok(Self {
            zstd: zstd::bulk::Compressor::new(level)?,
            filter: FilterBuilder::default(),
            times: Vec::new(),
            numbers: Default::default(),
            text: Vec::new(),
            sets: Vec::new(),
            set_numbers: std::collections::HashMap::new(),
        })
    }

    /// `rows` are sorted, at least one and at most as many as a reader takes.
    pub fn encode<'a>(&mut self, labels: &Labels, through: u64, rows: impl Iterator<Item = Row<'a>>) -> std::io::Result<Encoded> {
        self.clear();
        let [ordinals, lens, meta] = &mut self.numbers;
        let mut last: (&[u8], u64) = (&[], 0);
        for row in rows {
            self.times.push(row.at);
            ordinals.push(row.ordinal.into());
            lens.push(row.line.len() as u64);
            self.text.extend_from_slice(row.line);
            self.filter.add(row.line);
            // Set 0 is the empty one. Neighbours mostly share theirs.
            if row.meta != last.0 {
                let next = self.set_numbers.len() as u64 + 1;
                let number = match self.set_numbers.get(row.meta) {
                    _ if row.meta.is_empty() => 0,
                    Some(number) => *number,
                    None => {
                        self.set_numbers.insert(row.meta.to_vec(), next);
                        put_varint(&mut self.sets, row.meta.len() as u64);
                        self.sets.extend_from_slice(row.meta);
                        next
                    }
                };
                last = (row.meta, number);
            }
            meta.push(last.1);
        }
        let mut body = Vec::with_capacity(self.text.len() / 4 + 4096);
        let mut sections = [Section::default(); 6];
        let close = |index: usize, body: &Vec<u8>, start: usize, raw_len: usize, sections: &mut [Section; 6]| {
            let len = body.len() - start;
            sections[index] = Section { len: len as u32, raw_len: raw_len as u32, sum: sum64(&body[start..]) };
        };
        let mut start = 0;
        bits::pack_times(&self.times, &mut body);
        close(0, &body, start, body.len() - start, &mut sections);
        start = body.len();
        if ordinals.iter().any(|ordinal| *ordinal > 0) {
            bits::pack(ordinals, &mut body);
        }
        close(1, &body, start, body.len() - start, &mut sections);
        start = body.len();
        bits::pack(lens, &mut body);
        close(2, &body, start, body.len() - start, &mut sections);
        start = body.len();
        if meta.iter().any(|number| *number > 0) {
            bits::pack(meta, &mut body);
        }
        close(3, &body, start, body.len() - start, &mut sections);
        for (index, raw) in [(4, &self.sets), (5, &self.text)] {
            start = body.len();
            compress(&mut self.zstd, raw, &mut body)?;
            close(index, &body, start, raw.len(), &mut sections);
        }
        let filter = self.filter.finish();
        let mut header = BlockHeader {
            len: 0,
            labels: labels.clone(),
            hash: labels.hash64(),
            min: self.times.first().copied().unwrap_or(0),
            max: self.times.last().copied().unwrap_or(0),
            rows: self.times.len() as u32,
            raw: self.text.len() as u32,
            through,
            sections,
            filter: Section { len: filter.len() as u32, raw_len: filter.len() as u32, sum: sum64(&filter) },
        };
        let mut bytes = header.write();
        bytes.append(&mut body);
        Ok(Encoded { header, bytes, filter })
    }

    fn clear(&mut self) {
        self.times.clear();
        self.numbers.iter_mut().for_each(Vec::clear);
        self.text.clear();
        self.sets.clear();
        self.set_numbers.clear();
    }
}

fn compress(zstd: &mut zstd::bulk::Compressor<'static>, raw: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    if raw.is_empty() {
        return Ok(());
    }
    let packed = zstd.compress(raw)?;
    out.extend_from_slice(if packed.len() < raw.len() { &packed } else { raw });
    Ok(())
}
