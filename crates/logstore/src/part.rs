//! Reading: a block or a head as one part of a snapshot.

use std::{
    ops::{ControlFlow, Range},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use logql::read::{Ask, Need, Part, ReadError, ReadStats, RowRef, StreamRef};

use crate::{
    block::{Columns, Damaged, Scratch, SectionKind, Want, pairs},
    bytes::sum64,
    damage::DamageLog,
    filter,
    head::{Chunk, View},
    pack::{Block, file_name},
    scan::{Search, Text},
};

/// Buffers that readers take and give back, so that a search does not ask the kernel for fresh pages block by block.
#[derive(Default)]
pub struct Buffers {
    free: Mutex<Vec<Reader>>,
    /// Since [`Buffers::rest`] last looked.
    used: AtomicBool,
}

const FREE_READERS: usize = 4;
const FREE_BYTES: usize = 6 << 20;

#[derive(Default)]
pub struct Reader {
    pub columns: Columns,
    pub scratch: Scratch,
}

impl Buffers {
    pub fn take(&self) -> Reader {
        self.used.store(true, Ordering::Relaxed);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub fn give(&self, reader: Reader) {
        let small = reader.columns.memory() + reader.scratch.read.capacity() + reader.scratch.lower.capacity() <= FREE_BYTES;
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if small && free.len() < FREE_READERS {
            free.push(reader);
        }
    }

    /// Gives their memory back where nobody read since the last call.
    pub fn rest(&self) {
        if !self.used.swap(false, Ordering::Relaxed) {
            *self.free.lock().unwrap_or_else(PoisonError::into_inner) = Vec::new();
        }
    }
}

/// One block or one stream's lines in memory.
pub struct StorePart {
    pub(crate) stream: Arc<StreamRef>,
    pub(crate) body: Body,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) damage: Arc<DamageLog>,
}

pub(crate) enum Body {
    Block(Arc<Block>),
    Head(HeadPart),
}

pub(crate) struct HeadPart {
    view: View,
    bounds: (i64, i64),
    rows: u64,
    bytes: u64,
}

impl HeadPart {
    pub fn bounds(&self) -> (i64, i64) {
        self.bounds
    }

    pub fn new(view: View) -> Option<Self> {
        let (mut bounds, mut rows, mut bytes) = ((i64::MAX, i64::MIN), 0, 0);
        for (index, chunk) in view.chunks.iter().enumerate() {
            let count = view.rows_of(index);
            if let Some(end) = count.checked_sub(1).and_then(|last| chunk.ends.get(last)) {
                rows += count as u64;
                bytes += u64::from(*end);
                // With rows that are not to be seen, the bounds may be a little wide.
                bounds = (bounds.0.min(chunk.min), bounds.1.max(chunk.max));
            }
        }
        (rows > 0).then_some(Self { view, bounds, rows, bytes })
    }
}

impl Part for StorePart {
    fn stream(&self) -> &Arc<StreamRef> {
        &self.stream
    }

    fn bounds(&self) -> (i64, i64) {
        match &self.body {
            Body::Block(block) => (block.header.min, block.header.max),
            Body::Head(head) => head.bounds,
        }
    }

    fn rows(&self) -> u64 {
        match &self.body {
            Body::Block(block) => block.header.rows.into(),
            Body::Head(head) => head.rows,
        }
    }

    fn bytes(&self) -> u64 {
        match &self.body {
            Body::Block(block) => block.header.raw.into(),
            Body::Head(head) => head.bytes,
        }
    }

    fn read(&self, ask: &Ask, need: Need, each: &mut dyn FnMut(RowRef<'_>) -> ControlFlow<()>) -> Result<ReadStats, ReadError> {
        let (min, max) = self.bounds();
        if ask.start > max || ask.end <= min {
            return Ok(ReadStats { skipped: true, ..ReadStats::default() });
        }
        let mut reader = self.buffers.take();
        let outcome = match &self.body {
            Body::Block(block) => self.read_block(block, ask, need, &mut reader, each),
            Body::Head(head) => read_head(head, ask, need, &mut reader.scratch, each),
        };
        self.buffers.give(reader);
        outcome
    }
}

impl StorePart {
    fn read_block(
        &self,
        block: &Block,
        ask: &Ask,
        need: Need,
        reader: &mut Reader,
        each: &mut dyn FnMut(RowRef<'_>) -> ControlFlow<()>,
    ) -> Result<ReadStats, ReadError> {
        let mut stats = ReadStats::default();
        if filter::is_worth_asking(&ask.prefilter) && !self.filter_allows(block, ask, &mut reader.scratch, &mut stats)? {
            stats.skipped = true;
            return Ok(stats);
        }
        let search = if need.text { Search::new(&ask.prefilter) } else { None };
        let whole = ask.start <= block.header.min && ask.end > block.header.max;
        reader.scratch.lower.clear();
        if need.text {
            self.load(block, reader, Want { text: true, ..Want::default() }, &mut stats)?;
            if let Some(search) = search.as_ref().filter(|_| whole) {
                let Reader { columns, scratch } = reader;
                if !search.finds_any(&columns.text, &mut scratch.lower) {
                    stats.lines = block.header.rows.into();
                    stats.bytes = block.header.raw.into();
                    return Ok(stats);
                }
            }
        }
        self.load(block, reader, Want { rows: true, meta: need.metadata, text: false }, &mut stats)?;
        let Reader { columns, scratch } = reader;
        let rows = range(&columns.times, ask);
        stats.lines = rows.len() as u64;
        if need.text && !rows.is_empty() {
            stats.bytes = (columns.span(rows.end - 1).end - columns.span(rows.start).start) as u64;
        }
        if let Some(search) = &search {
            search.mark(Text { bytes: &columns.text, ends: &columns.ends }, rows.clone(), &mut scratch.lower, &mut scratch.hits);
        }
        emit(columns, rows, need, search.as_ref().map(|_| scratch.hits.as_slice()), each)
            .map_err(|damaged| self.damaged(block, &damaged))?;
        Ok(stats)
    }

    /// Damage to a filter costs only time.
    fn filter_allows(&self, block: &Block, ask: &Ask, scratch: &mut Scratch, stats: &mut ReadStats) -> Result<bool, ReadError> {
        let section = block.header.filter;
        if section.len == 0 || block.bad_filter.load(Ordering::Relaxed) {
            return Ok(true);
        }
        scratch.read.resize(section.len as usize, 0);
        let read = block.pack.file.read_at(block.filter_offset, &mut scratch.read);
        if read.is_err() || sum64(&scratch.read) != section.sum {
            if !block.bad_filter.swap(true, Ordering::Relaxed) {
                block.pack.damaged.store(true, Ordering::Relaxed);
                self.damage.note(format!("a filter in {} is damaged; searches do without it", file_name(block.pack.id)), 0);
            }
            return Ok(true);
        }
        stats.compressed_bytes += u64::from(section.len);
        Ok(filter::may_hold(&scratch.read, &ask.prefilter))
    }

    fn load(&self, block: &Block, reader: &mut Reader, want: Want, stats: &mut ReadStats) -> Result<(), ReadError> {
        load(block, reader, want, stats).map_err(|error| match error {
            LoadError::Io(error) => ReadError::Io(error.to_string()),
            LoadError::Damaged(damaged) => self.damaged(block, &damaged),
        })
    }

    fn damaged(&self, block: &Block, damaged: &Damaged) -> ReadError {
        let header = &block.header;
        let text = format!(
            "{damaged} in {} at {}: {} lines of {:?} set aside",
            file_name(block.pack.id),
            block.offset,
            header.rows,
            self.stream.labels.0
        );
        if block.set_aside() {
            self.damage.note(text.clone(), header.rows.into());
        }
        ReadError::Damaged(text)
    }
}

#[derive(Debug)]
pub enum LoadError {
    Io(std::io::Error),
    Damaged(Damaged),
}

/// Reads and unpacks the wanted sections of a block.
pub fn load(block: &Block, reader: &mut Reader, want: Want, stats: &mut ReadStats) -> Result<(), LoadError> {
    let runs: [(bool, Range<usize>); 3] = [(want.rows, 0..3), (want.meta, 3..5), (want.text, 5..6)];
    for (wanted, kinds) in runs {
        if !wanted {
            continue;
        }
        let kinds = &SectionKind::ALL[kinds];
        let len: usize = kinds.iter().map(|kind| block.header.sections[*kind as usize].len as usize).sum();
        let mut read = std::mem::take(&mut reader.scratch.read);
        read.resize(len, 0);
        let outcome = block.pack.file.read_at(block.offset + block.header.section_offset(kinds[0]), &mut read);
        let mut rest = read.as_slice();
        let outcome = match outcome {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(LoadError::Damaged(Damaged("cut short"))),
            Err(error) => Err(LoadError::Io(error)),
            Ok(()) => kinds.iter().try_for_each(|kind| {
                let (body, tail) = rest.split_at(block.header.sections[*kind as usize].len as usize);
                rest = tail;
                reader.columns.load(&block.header, *kind, body, &mut reader.scratch).map_err(LoadError::Damaged)
            }),
        };
        reader.scratch.read = read;
        outcome?;
        stats.compressed_bytes += len as u64;
    }
    Ok(())
}

fn range(times: &[i64], ask: &Ask) -> Range<usize> {
    let start = times.partition_point(|at| *at < ask.start);
    start..times.partition_point(|at| *at < ask.end).max(start)
}

fn emit(
    columns: &Columns,
    rows: Range<usize>,
    need: Need,
    hits: Option<&[u64]>,
    each: &mut dyn FnMut(RowRef<'_>) -> ControlFlow<()>,
) -> Result<(), Damaged> {
    let mut metadata = Vec::new();
    let mut set = 0;
    let mut give = |row: usize| -> Result<ControlFlow<()>, Damaged> {
        let line = if need.text { columns.line(row)? } else { "" };
        if need.metadata && columns.set(row) != set {
            set = columns.set(row);
            pairs(columns.sets.encoded(set), &mut metadata)?;
        }
        let len = columns.span(row).len() as u32;
        Ok(each(RowRef { at: columns.times[row], ordinal: columns.ordinal(row), line, len, metadata: &metadata }))
    };
    let Some(hits) = hits else {
        for row in rows {
            if give(row)?.is_break() {
                return Ok(());
            }
        }
        return Ok(());
    };
    for (index, word) in hits.iter().enumerate() {
        let mut word = *word;
        while word != 0 {
            let row = index * 64 + word.trailing_zeros() as usize;
            word &= word - 1;
            if give(row)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn read_head(
    head: &HeadPart,
    ask: &Ask,
    need: Need,
    scratch: &mut Scratch,
    each: &mut dyn FnMut(RowRef<'_>) -> ControlFlow<()>,
) -> Result<ReadStats, ReadError> {
    let search = if need.text { Search::new(&ask.prefilter) } else { None };
    let mut stats = ReadStats::default();
    // Wanted rows by order: a head is small.
    let mut rows: Vec<(i64, u16, u32, u32)> = Vec::new();
    for (index, chunk) in head.view.chunks.iter().enumerate() {
        let count = head.view.rows_of(index);
        if count == 0 || ask.start > chunk.max || ask.end <= chunk.min {
            continue;
        }
        let inside = if chunk.is_sorted() { range(&chunk.times[..count], ask) } else { 0..count };
        if let Some(search) = &search {
            scratch.lower.clear();
            let text = Text { bytes: &chunk.text, ends: &chunk.ends[..count] };
            search.mark(text, inside.clone(), &mut scratch.lower, &mut scratch.hits);
        }
        for row in inside {
            let at = chunk.times[row];
            if at < ask.start || at >= ask.end {
                continue;
            }
            stats.lines += 1;
            if need.text {
                stats.bytes += chunk.span(row).len() as u64;
            }
            if search.is_none() || scratch.hits[row / 64] >> (row % 64) & 1 == 1 {
                rows.push((at, chunk.ordinals[row], index as u32, row as u32));
            }
        }
    }
    if !rows.is_sorted_by_key(|(at, ordinal, ..)| (*at, *ordinal)) {
        rows.sort_unstable();
    }
    let mut metadata = Vec::new();
    for (at, ordinal, index, row) in rows {
        let (chunk, row): (&Chunk, usize) = (&head.view.chunks[index as usize], row as usize);
        let not_text = |_| ReadError::Damaged("a line in memory is not UTF-8".into());
        let line = if need.text { std::str::from_utf8(chunk.line(row)).map_err(not_text)? } else { "" };
        if need.metadata {
            pairs(chunk.meta(row), &mut metadata).map_err(|damaged| ReadError::Damaged(damaged.to_string()))?;
        }
        if each(RowRef { at, ordinal, line, len: chunk.span(row).len() as u32, metadata: &metadata }).is_break() {
            break;
        }
    }
    Ok(stats)
}
