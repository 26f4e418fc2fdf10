//! Lines in memory that are not yet in a block: chunks, each an arena to which lines are only added. A chunk that is full
//! is frozen and shared with readers; of the one that grows they get a copy.

use std::{collections::HashMap, ops::Range, sync::Arc};

use crate::bytes::sum64;

const CHUNK_BYTES: usize = 128 << 10;
const CHUNK_ROWS: usize = 8 << 10;
/// What a row takes beside its text.
pub const ROW_BYTES: usize = 24;

#[derive(Clone, Default)]
pub struct Chunk {
    pub times: Vec<i64>,
    pub ordinals: Vec<u16>,
    pub ends: Vec<u32>,
    metas: Vec<u32>,
    pub text: Vec<u8>,
    set_bytes: Vec<u8>,
    set_ends: Vec<u32>,
    /// Sets by their hash.
    set_numbers: HashMap<u64, u32>,
    /// Rows in order of `(at, ordinal)`, once frozen and only where that is not their order already.
    order: Vec<u32>,
    pub min: i64,
    pub max: i64,
    sorted: bool,
    /// The record that brought the first line.
    pub first_seq: u64,
}

impl Chunk {
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    pub fn bytes(&self) -> usize {
        self.text.len() + self.set_bytes.len() + self.rows() * ROW_BYTES
    }

    pub fn is_full(&self) -> bool {
        self.text.len() + self.set_bytes.len() >= CHUNK_BYTES || self.rows() >= CHUNK_ROWS
    }

    pub fn is_sorted(&self) -> bool {
        self.sorted
    }

    pub fn span(&self, row: usize) -> Range<usize> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        start as usize..self.ends[row] as usize
    }

    pub fn line(&self, row: usize) -> &[u8] {
        &self.text[self.span(row)]
    }

    /// Encoded.
    pub fn meta(&self, row: usize) -> &[u8] {
        self.set(self.metas[row])
    }

    fn set(&self, number: u32) -> &[u8] {
        match number.checked_sub(1) {
            None => &[],
            Some(index) => {
                let start = if index == 0 { 0 } else { self.set_ends[index as usize - 1] };
                &self.set_bytes[start as usize..self.set_ends[index as usize] as usize]
            }
        }
    }

    pub fn push(&mut self, at: i64, ordinal: u16, line: &[u8], meta: &[u8]) {
        if self.times.is_empty() {
            (self.min, self.max, self.sorted) = (at, at, true);
        } else {
            self.sorted &= at >= self.max;
            (self.min, self.max) = (self.min.min(at), self.max.max(at));
        }
        let number = self.intern(meta);
        self.times.push(at);
        self.ordinals.push(ordinal);
        self.text.extend_from_slice(line);
        self.ends.push(self.text.len() as u32);
        self.metas.push(number);
    }

    fn intern(&mut self, meta: &[u8]) -> u32 {
        if meta.is_empty() {
            return 0;
        }
        if let Some(last) = self.metas.last().copied()
            && self.set(last) == meta
        {
            return last;
        }
        let hash = sum64(meta);
        if let Some(number) = self.set_numbers.get(&hash).copied()
            && self.set(number) == meta
        {
            return number;
        }
        self.set_bytes.extend_from_slice(meta);
        self.set_ends.push(self.set_bytes.len() as u32);
        let number = self.set_ends.len() as u32;
        self.set_numbers.insert(hash, number);
        number
    }

    /// Forgets all rows but the first `rows`.
    fn truncate(&mut self, rows: usize) {
        self.times.truncate(rows);
        self.ordinals.truncate(rows);
        self.metas.truncate(rows);
        self.ends.truncate(rows);
        self.text.truncate(self.ends.last().map_or(0, |end| *end as usize));
        self.order.clear();
        self.sorted = self.times.is_sorted();
        self.min = self.times.iter().copied().min().unwrap_or(0);
        self.max = self.times.iter().copied().max().unwrap_or(0);
    }

    fn prefix(&self, rows: usize) -> Self {
        let end = if rows == 0 { 0 } else { self.ends[rows - 1] as usize };
        let mut chunk = Self {
            times: self.times[..rows].to_vec(),
            ordinals: self.ordinals[..rows].to_vec(),
            ends: self.ends[..rows].to_vec(),
            metas: self.metas[..rows].to_vec(),
            text: self.text[..end].to_vec(),
            set_bytes: self.set_bytes.clone(),
            set_ends: self.set_ends.clone(),
            first_seq: self.first_seq,
            ..Self::default()
        };
        chunk.truncate(rows);
        chunk
    }

    /// Makes room for as much as `last` took: vectors that grow step by step leave holes which the allocator keeps.
    fn reserve(&mut self, last: &Self) {
        let rows = last.rows() + last.rows() / 8;
        self.times.reserve_exact(rows);
        self.ordinals.reserve_exact(rows);
        self.ends.reserve_exact(rows);
        self.metas.reserve_exact(rows);
        self.text.reserve_exact(last.text.len() + last.text.len() / 8);
    }

    fn freeze(&mut self) {
        self.set_numbers = HashMap::new();
        if !self.sorted {
            self.order = (0..self.rows() as u32).collect();
            self.order.sort_by_key(|row| (self.times[*row as usize], self.ordinals[*row as usize]));
        }
    }

    /// Rows with this nanosecond.
    fn at(&self, at: i64) -> impl Iterator<Item = usize> + '_ {
        let outside = self.times.is_empty() || at < self.min || at > self.max;
        let (range, by_order) = if outside {
            (0..0, false)
        } else if self.sorted {
            (self.times.partition_point(|time| *time < at)..self.times.partition_point(|time| *time <= at), false)
        } else if self.order.is_empty() {
            (0..self.rows(), false)
        } else {
            let time = |row: &u32| self.times[*row as usize];
            (self.order.partition_point(|row| time(row) < at)..self.order.partition_point(|row| time(row) <= at), true)
        };
        range.map(move |index| if by_order { self.order[index] as usize } else { index }).filter(move |row| self.times[*row] == at)
    }
}

/// One stream's lines in memory.
#[derive(Default)]
pub struct Head {
    /// Frozen, oldest first.
    chunks: Vec<Arc<Chunk>>,
    active: Chunk,
    /// Rows at the end that are not durable yet and that nobody may see.
    pending: usize,
    bytes: usize,
    /// When the oldest line came.
    pub since: i64,
    view: Option<(usize, Arc<Chunk>)>,
}

/// Is shown a line's text, its encoded metadata and its ordinal.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8], u16) + 'a;

/// A head as it was at one moment: frozen chunks, and how many rows of the last one count.
#[derive(Clone, Default)]
pub struct View {
    pub chunks: Vec<Arc<Chunk>>,
    pub last_rows: usize,
}

impl View {
    pub fn rows_of(&self, index: usize) -> usize {
        if index + 1 == self.chunks.len() { self.last_rows } else { self.chunks[index].rows() }
    }
}

impl Head {
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.active.rows() == 0
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn first_seq(&self) -> Option<u64> {
        self.chunks.first().map(|chunk| chunk.first_seq).or_else(|| (self.active.rows() > 0).then_some(self.active.first_seq))
    }

    /// Shows the lines of a nanosecond.
    pub fn visit(&self, at: i64, each: &mut Visit<'_>) {
        for chunk in self.chunks.iter().map(|chunk| &**chunk).chain([&self.active]) {
            for row in chunk.at(at) {
                each(chunk.line(row), chunk.meta(row), chunk.ordinals[row]);
            }
        }
    }

    /// Adds a line that nobody sees until [`Head::publish`].
    pub fn push(&mut self, seq: u64, now: i64, at: i64, ordinal: u16, line: &[u8], meta: &[u8]) {
        if self.is_empty() {
            self.since = now;
        }
        if self.active.is_full() {
            self.freeze();
        }
        if self.active.rows() == 0 {
            self.active.first_seq = seq;
        }
        let before = self.active.bytes();
        self.active.push(at, ordinal, line, meta);
        self.bytes += self.active.bytes() - before;
        self.pending += 1;
    }

    pub fn has_pending(&self) -> bool {
        self.pending > 0
    }

    pub fn publish(&mut self) {
        self.pending = 0;
    }

    /// Forgets what was not published. Chunks without such lines stay as they are: a seal may be writing them.
    pub fn roll_back(&mut self) {
        self.view = None;
        while self.pending > 0 {
            let gone = self.pending.min(self.active.rows());
            let left = self.active.rows() - gone;
            self.active.truncate(left);
            self.pending -= gone;
            if left == 0 && self.pending > 0 {
                let Some(chunk) = self.chunks.pop() else { break };
                self.active = Arc::unwrap_or_clone(chunk);
                self.active.order.clear();
            }
        }
        if self.active.rows() == 0 {
            self.active = Chunk::default();
        }
        self.pending = 0;
        self.bytes = self.chunks.iter().map(|chunk| chunk.bytes()).sum::<usize>() + self.active.bytes();
    }

    fn freeze(&mut self) {
        if self.active.rows() > 0 {
            self.view = None;
            let mut chunk = std::mem::take(&mut self.active);
            if chunk.is_full() {
                self.active.reserve(&chunk);
            }
            chunk.freeze();
            self.chunks.push(Arc::new(chunk));
        }
    }

    /// All chunks, for sealing; they stay until [`Head::sealed`]. Nothing may be pending.
    pub fn freeze_all(&mut self) -> Vec<Arc<Chunk>> {
        debug_assert_eq!(self.pending, 0, "nothing is sealed before it is durable");
        self.freeze();
        self.chunks.clone()
    }

    /// The oldest `count` chunks are in blocks.
    pub fn sealed(&mut self, count: usize, now: i64) {
        self.chunks.drain(..count.min(self.chunks.len()));
        self.bytes = self.chunks.iter().map(|chunk| chunk.bytes()).sum::<usize>() + self.active.bytes();
        self.since = now;
    }

    pub fn view(&mut self) -> View {
        let mut chunks = self.chunks.clone();
        let mut hidden = self.pending;
        let active = self.active.rows() - self.active.rows().min(hidden);
        hidden -= hidden.min(self.active.rows());
        if active > 0 {
            let chunk = match &self.view {
                Some((rows, chunk)) if *rows == active => Arc::clone(chunk),
                _ => Arc::new(self.active.prefix(active)),
            };
            self.view = Some((active, Arc::clone(&chunk)));
            chunks.push(chunk);
            return View { chunks, last_rows: active };
        }
        while let Some(last) = chunks.last() {
            let rows = last.rows();
            if hidden < rows {
                return View { last_rows: rows - hidden, chunks };
            }
            hidden -= rows;
            chunks.pop();
        }
        View::default()
    }

    /// The first and the last time in memory, lines not yet durable included.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let active = (self.active.rows() > 0).then_some((self.active.min, self.active.max));
        let bounds = self.chunks.iter().map(|chunk| (chunk.min, chunk.max)).chain(active);
        bounds.reduce(|(min, max), (other_min, other_max)| (min.min(other_min), max.max(other_max)))
    }

    /// Lines and bytes of text, lines not yet durable included.
    pub fn counts(&self) -> (u64, u64) {
        let chunks = self.chunks.iter().map(|chunk| &**chunk).chain([&self.active]);
        chunks.fold((0, 0), |(lines, bytes), chunk| (lines + chunk.rows() as u64, bytes + chunk.text.len() as u64))
    }

    /// The latest time in memory.
    pub fn max(&self) -> Option<i64> {
        let active = (self.active.rows() > 0).then_some(self.active.max);
        self.chunks.iter().map(|chunk| chunk.max).chain(active).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_seal_is_writing_stays_when_later_lines_are_rolled_back() {
        let mut head = Head::default();
        let push = |head: &mut Head, at: i64| head.push(at as u64, 0, at, 0, b"line", b"");
        (1..=3).for_each(|at| push(&mut head, at));
        head.publish();
        assert_eq!(head.freeze_all().len(), 1);
        push(&mut head, 4);
        head.roll_back();
        assert_eq!(head.bounds(), Some((1, 3)));
        push(&mut head, 5);
        head.publish();
        head.sealed(1, 0);
        assert_eq!(head.bounds(), Some((5, 5)), "sealed lines are gone, later ones are there");
    }
}
