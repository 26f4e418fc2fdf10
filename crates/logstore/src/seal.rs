//! From memory into blocks. A seal takes whole heads, in one pack; when that is durable the lines change over, stream by
//! stream, and the log forgets what nobody needs any more.

use std::{
    io,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use crate::{
    block::{BlockWriter, Row},
    head::Chunk,
    pack::{Block, PackWriter},
    store::{LivePack, Store},
    stream::Stream,
};

/// More rows than this go into the next block.
const BLOCK_ROWS: usize = 1 << 16;
/// Nor more metadata: a reader refuses a section of 32 MiB.
pub(crate) const MAX_META_BYTES: usize = 16 << 20;

struct Job {
    stream: Arc<Stream>,
    chunks: Vec<Arc<Chunk>>,
    through: u64,
    bytes: usize,
    /// How many blocks it became.
    blocks: usize,
}

impl Store {
    /// Seals what is due: heads that are old, the largest when memory fills, those that keep the log from shrinking. Gives
    /// the bytes of lines sealed.
    ///
    /// # Errors
    /// Where blocks cannot be written; nothing is lost and the next call tries again.
    pub fn flush(&self, now_ns: i64) -> io::Result<u64> {
        self.flush_if(now_ns, 0)
    }

    /// Like [`Store::flush`], but nothing where another thread has made memory fall below `bytes` meanwhile.
    pub(crate) fn flush_if(&self, now: i64, bytes: usize) -> io::Result<u64> {
        let _sealing = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.head_bytes() < bytes {
            return Ok(0);
        }
        let due = self.due(now);
        let bytes = self.seal(due, now)?;
        if bytes > 0 {
            self.trim_wal()?;
        }
        Ok(bytes)
    }

    /// Like [`Store::flush`] while the log is being replayed: all of it stays, also what is still to be read.
    pub(crate) fn flush_replayed(&self) -> io::Result<u64> {
        let due = self.due(0);
        self.seal(due, 0)
    }

    /// Seals everything, as before a planned stop.
    ///
    /// # Errors
    /// As [`Store::flush`].
    pub fn seal_all(&self, now_ns: i64) -> io::Result<u64> {
        let _sealing = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        // What is lost later is perhaps of lines that come later.
        let losses = self.committer().wal.losses();
        let all = self.catalog().all().filter(|stream| !stream.state().head.is_empty()).cloned().collect();
        let bytes = self.seal(all, now_ns)?;
        self.trim_wal()?;
        self.committer().wal.forgive(losses);
        Ok(bytes)
    }

    fn due(&self, now: i64) -> Vec<Arc<Stream>> {
        let pinned_seq = self.pinned_seq();
        let mut due = Vec::new();
        let mut others = Vec::new();
        for stream in self.catalog().all() {
            let state = stream.state();
            let Some(first_seq) = state.head.first_seq() else { continue };
            if now.saturating_sub(state.head.since) >= self.config.head_age_ns || first_seq < pinned_seq {
                due.push(Arc::clone(stream));
            } else {
                others.push((state.head.bytes(), Arc::clone(stream)));
            }
        }
        let mut left: usize = others.iter().map(|(bytes, _)| *bytes).sum();
        if self.head_bytes() >= self.config.head_bytes / 2 {
            others.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
            for (bytes, stream) in others {
                if left < self.config.head_bytes / 8 {
                    break;
                }
                left -= bytes;
                due.push(stream);
            }
        }
        due
    }

    /// Lines of records before this one keep too much of the log.
    fn pinned_seq(&self) -> u64 {
        let committer = self.committer();
        let mut bytes = committer.wal.bytes();
        if bytes <= self.config.wal_bytes {
            return 0;
        }
        for segment in committer.wal.segments() {
            bytes -= segment.good_len;
            if bytes <= self.config.wal_bytes / 2 {
                return segment.last_seq.saturating_add(1);
            }
        }
        u64::MAX
    }

    fn seal(&self, streams: Vec<Arc<Stream>>, now: i64) -> io::Result<u64> {
        let mut jobs = Vec::with_capacity(streams.len());
        {
            // No commit is under way while this is held: nothing is pending.
            let _committer = self.committer();
            for stream in streams {
                let mut state = stream.state();
                let bytes = state.head.bytes();
                let (chunks, through) = (state.head.freeze_all(), state.last_seq);
                drop(state);
                if !chunks.is_empty() {
                    jobs.push(Job { stream, chunks, through, bytes, blocks: 0 });
                }
            }
        }
        if jobs.is_empty() {
            return Ok(0);
        }
        let (id, dead) = {
            let mut packs = self.packs();
            (packs.take_id(), packs.dead.clone())
        };
        let outcome = self.write_pack(id, &mut jobs, &dead);
        let (pack, blocks) = match outcome {
            Ok(written) => written,
            Err(error) => {
                self.packs().dead.push(id);
                return Err(error);
            }
        };
        let mut blocks = blocks.into_iter();
        let mut live = Vec::new();
        let mut sealed = 0;
        for job in &jobs {
            let mut state = job.stream.state();
            for mut block in blocks.by_ref().take(job.blocks) {
                block.header.labels = Default::default();
                let block = Arc::new(block);
                live.push((Arc::clone(&job.stream), Arc::clone(&block)));
                state.add_block(block);
            }
            let before = state.head.bytes();
            state.head.sealed(job.chunks.len(), now);
            self.head_bytes.fetch_sub(before - state.head.bytes(), Ordering::Relaxed);
            sealed += job.bytes as u64;
        }
        let mut packs = self.packs();
        packs.live.insert(id, LivePack::new(pack, live));
        drop(packs);
        self.bury();
        Ok(sealed)
    }

    fn write_pack(&self, id: u64, jobs: &mut [Job], dead: &[u64]) -> io::Result<(Arc<crate::pack::Pack>, Vec<Block>)> {
        let mut writer = BlockWriter::new(self.config.level)?;
        let mut pack = PackWriter::create(&*self.fs, &self.packs_dir(), id)?;
        for job in jobs {
            if let Err(error) = write_job(&mut writer, &mut pack, job, self.config.block_bytes) {
                pack.discard();
                return Err(error);
            }
        }
        pack.finish(dead)
    }

    /// The log's segments whose lines are all in blocks go.
    pub(crate) fn trim_wal(&self) -> io::Result<()> {
        let mut committer = self.committer();
        let heads = self.catalog().all().filter_map(|stream| stream.state().head.first_seq()).min();
        let next = committer.wal.next_seq();
        committer.wal.trim(heads.unwrap_or(next))
    }

    /// Removes the files of packs that do not count any more.
    pub(crate) fn bury(&self) {
        let dead = self.packs().dead.clone();
        if dead.is_empty() {
            return;
        }
        let dir = self.packs_dir();
        // One that cannot be removed keeps no other.
        let remove = |id: &u64| match self.fs.remove(&dir.join(crate::pack::file_name(*id))) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        let gone: Vec<u64> = dead.into_iter().filter(remove).collect();
        if !gone.is_empty() && self.fs.sync_dir(&dir).is_ok() {
            self.packs().dead.retain(|id| !gone.contains(id));
        }
    }
}

fn write_job(writer: &mut BlockWriter, pack: &mut PackWriter<'_>, job: &mut Job, block_bytes: usize) -> io::Result<()> {
    let mut rows: Vec<(i64, u16, u32, u32)> = Vec::with_capacity(job.chunks.iter().map(|chunk| chunk.rows()).sum());
    for (index, chunk) in job.chunks.iter().enumerate() {
        rows.extend((0..chunk.rows()).map(|row| (chunk.times[row], chunk.ordinals[row], index as u32, row as u32)));
    }
    if !rows.is_sorted_by_key(|(at, ordinal, ..)| (*at, *ordinal)) {
        rows.sort_unstable();
    }
    let text: usize = job.chunks.iter().map(|chunk| chunk.text.len()).sum();
    // Equal shares, so that no small block is left at the end.
    let share = text.div_ceil(text.div_ceil(block_bytes).max(1));
    let row = |(at, ordinal, index, row): &(i64, u16, u32, u32)| {
        let chunk = &job.chunks[*index as usize];
        Row { at: *at, ordinal: *ordinal, line: chunk.line(*row as usize), meta: chunk.meta(*row as usize) }
    };
    let mut rest = rows.as_slice();
    while !rest.is_empty() {
        let (mut text, mut meta) = (0, 0);
        let fits = |key: &&(i64, u16, u32, u32)| {
            let fits = text < share && meta < MAX_META_BYTES;
            let row = row(key);
            text += row.line.len();
            meta += row.meta.len();
            fits
        };
        let count = rest.iter().take(BLOCK_ROWS).take_while(fits).count().max(1);
        let (these, others) = rest.split_at(count);
        pack.push(writer.encode(&job.stream.reference.labels, job.through, these.iter().map(row))?)?;
        job.blocks += 1;
        rest = others;
    }
    Ok(())
}
