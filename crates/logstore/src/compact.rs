//! Merging small packs: many files become one, and small blocks of a stream become one block. Blocks that are large enough
//! are copied as they are.

use std::{
    io,
    ops::Range,
    sync::{Arc, PoisonError},
};

use logql::read::ReadStats;

use crate::{
    block::{BlockHeader, BlockWriter, Damaged, Row, SectionKind, Want},
    bytes::sum64,
    pack::{Block, PackWriter},
    part::{LoadError, Reader, load},
    seal::MAX_META_BYTES,
    store::{LivePack, Store},
    stream::Stream,
};

/// Files within a factor of this of each other are merged with each other, so that a byte is written anew a few times
/// only.
const TIER: u64 = 8;
const TIERS: u32 = 4;
/// Fewer than this are left alone.
const MERGE_AT: usize = 8;
/// Packs whose lines are further apart than this do not share a file: retention removes whole files.
const APART_NS: i64 = 24 * 3_600_000_000_000;
const BLOCK_ROWS: u32 = 1 << 16;

impl Store {
    /// Merges the small packs of one tier, at most `budget` bytes of them. Gives how many files became one.
    ///
    /// # Errors
    /// Where files cannot be read or written; nothing has changed then.
    pub fn compact(&self, _now_ns: i64, budget: u64) -> io::Result<u64> {
        let _tidying = self.tidying.lock().unwrap_or_else(PoisonError::into_inner);
        let packs: Vec<LivePack> = self.packs().live.values().cloned().collect();
        let mut merged = 0;
        for tier in 0..TIERS {
            // The top tier ends below half of a full pack.
            let top = self.config.pack_bytes / 2 / TIER.pow(TIERS - 1 - tier);
            let bottom = if tier == 0 { 0 } else { top / TIER };
            let mut members: Vec<&LivePack> = packs.iter().filter(|live| (bottom..top).contains(&live.pack.bytes)).collect();
            members.sort_by_key(|live| live.max);
            let mut rest = members.as_slice();
            while let Some(first) = rest.first() {
                let mut bytes = 0;
                let count = rest
                    .iter()
                    .take_while(|live| {
                        bytes += live.pack.bytes;
                        bytes <= self.config.pack_bytes.min(budget) && live.max.saturating_sub(first.max) < APART_NS
                    })
                    .count()
                    .max(1);
                let (these, others) = rest.split_at(count);
                // A run that cannot grow any more is as good as a long one.
                if these.len() >= MERGE_AT || (these.len() > 1 && bytes > self.config.pack_bytes) {
                    self.merge(these)?;
                    merged += these.len() as u64;
                    return Ok(merged);
                }
                rest = others;
            }
        }
        Ok(merged)
    }

    fn merge(&self, sources: &[&LivePack]) -> io::Result<()> {
        let mut blocks: Vec<&(Arc<Stream>, Arc<Block>)> =
            sources.iter().flat_map(|live| &live.blocks).filter(|(_, block)| !block.is_bad()).collect();
        blocks.sort_by_key(|(stream, block)| (stream.hash(), block.header.min, block.header.max));
        let id = self.packs().take_id();
        let outcome = self.write_merged(id, &blocks, sources);
        let written = match outcome {
            Ok(Some(written)) => written,
            // Something is damaged: the repair comes first, and later this again.
            Ok(None) => {
                self.packs().dead.push(id);
                return Ok(());
            }
            Err(error) => {
                self.packs().dead.push(id);
                return Err(error);
            }
        };
        self.exchange(sources, id, written);
        self.bury();
        Ok(())
    }

    fn write_merged(
        &self,
        id: u64,
        blocks: &[&(Arc<Stream>, Arc<Block>)],
        sources: &[&LivePack],
    ) -> io::Result<Option<crate::retain::Written>> {
        let mut pack = PackWriter::create(&*self.fs, &self.packs_dir(), id)?;
        let mut encoder = BlockWriter::new(self.config.level)?;
        let mut streams = Vec::new();
        for run in runs(blocks, self.config.block_bytes) {
            let stream = &blocks[run.start].0;
            match self.put_run(&mut pack, &mut encoder, stream, &blocks[run]) {
                Ok(()) => streams.push(Arc::clone(stream)),
                Err(error) => {
                    pack.discard();
                    return match error {
                        LoadError::Io(error) => Err(error),
                        LoadError::Damaged(_) => Ok(None),
                    };
                }
            }
        }
        self.finish_copy(pack, streams, sources).map(Some)
    }

    /// One block as it is, or several as one.
    fn put_run(
        &self,
        pack: &mut PackWriter<'_>,
        encoder: &mut BlockWriter,
        stream: &Stream,
        run: &[&(Arc<Stream>, Arc<Block>)],
    ) -> Result<(), LoadError> {
        let aside = |block: &Block, error: LoadError| {
            if let LoadError::Damaged(damaged) = &error
                && block.set_aside()
            {
                let (name, lines) = (crate::pack::file_name(block.pack.id), block.header.rows);
                self.damage.note(format!("{damaged} in {name} at {}: {lines} lines set aside", block.offset), lines.into());
            }
            error
        };
        if let [(_, block)] = run {
            let (bytes, filter) = raw_block(block).map_err(|error| aside(block, error))?;
            let header = BlockHeader { labels: stream.reference.labels.clone(), ..block.header.clone() };
            return pack.push_raw(header, &bytes, &filter).map_err(LoadError::Io);
        }
        let mut readers: Vec<Reader> = Vec::new();
        for (_, block) in run {
            let mut reader = Reader::default();
            let all = Want { rows: true, meta: true, text: true };
            load(block, &mut reader, all, &mut ReadStats::default()).map_err(|error| aside(block, error))?;
            readers.push(reader);
        }
        let mut rows: Vec<(i64, u16, u32, u32)> = Vec::new();
        for (index, reader) in readers.iter().enumerate() {
            let columns = &reader.columns;
            rows.extend((0..columns.rows()).map(|row| (columns.times[row], columns.ordinal(row), index as u32, row as u32)));
        }
        rows.sort_unstable();
        let through = run.iter().map(|(_, block)| block.header.through).max().unwrap_or(0);
        let rows = rows.iter().map(|(at, ordinal, index, row)| {
            let (columns, row) = (&readers[*index as usize].columns, *row as usize);
            let line = columns.text.get(columns.span(row)).unwrap_or_default();
            Row { at: *at, ordinal: *ordinal, line, meta: columns.sets.encoded(columns.set(row)) }
        });
        pack.push(encoder.encode(&stream.reference.labels, through, rows).map_err(LoadError::Io)?).map_err(LoadError::Io)
    }
}

/// Neighbours of one stream that fit into one block together; large blocks stay alone.
fn runs(blocks: &[&(Arc<Stream>, Arc<Block>)], block_bytes: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let (mut bytes, mut rows, mut metas) = (0, 0, 0);
    for (index, (stream, block)) in blocks.iter().enumerate() {
        let (raw, count) = (block.header.raw as usize, block.header.rows);
        let meta = block.header.sections[SectionKind::MetaSets as usize].raw_len as usize;
        let joins = runs.last().is_some_and(|run| {
            let near = block.header.min.saturating_sub(blocks[run.start].1.header.min) < APART_NS;
            blocks[run.start].0.hash() == stream.hash()
                && bytes + raw <= block_bytes + block_bytes / 4
                && rows + count <= BLOCK_ROWS
                && metas + meta <= MAX_META_BYTES
                && near
        });
        match runs.last_mut() {
            Some(run) if joins => {
                run.end = index + 1;
                bytes += raw;
                rows += count;
                metas += meta;
            }
            _ => {
                runs.push(index..index + 1);
                (bytes, rows, metas) = (raw, count, meta);
            }
        }
    }
    runs
}

/// A block's sections and its filter, checked. A damaged filter is left out.
pub(crate) fn raw_block(block: &Block) -> Result<(Vec<u8>, Vec<u8>), LoadError> {
    let read = |offset, len: u64| -> Result<Vec<u8>, LoadError> {
        let mut bytes = vec![0; len as usize];
        block.pack.file.read_at(offset, &mut bytes).map_err(LoadError::Io)?;
        Ok(bytes)
    };
    let header = &block.header;
    let sections = read(block.offset + u64::from(header.len), header.block_len() - u64::from(header.len))?;
    let mut rest = sections.as_slice();
    for section in &header.sections {
        let (body, tail) = rest.split_at(section.len as usize);
        if sum64(body) != section.sum {
            return Err(LoadError::Damaged(Damaged("checksum")));
        }
        rest = tail;
    }
    let mut filter = read(block.filter_offset, u64::from(header.filter.len)).unwrap_or_default();
    if sum64(&filter) != header.filter.sum {
        filter.clear();
    }
    Ok((sections, filter))
}
