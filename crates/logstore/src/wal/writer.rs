//! Writing segments. After any error the segment is left behind for good: an fsync that failed once may succeed the next
//! time without having written anything.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{RECORD_HEADER_LEN, RECORD_MAGIC, SEGMENT_HEADER_LEN, SEGMENT_MAGIC, VERSION, file_name};
use crate::{
    batch,
    bytes::{sum64, sum64_seeded},
    config::{Config, Sync},
    fs::{Append, Fs},
};

/// Shorter payloads are written as they are.
const PACK_AT: usize = 1 << 10;
/// Of a buffer, between two groups.
const KEEP_BYTES: usize = 4 << 20;

pub(crate) struct Segment {
    pub first_seq: u64,
    pub last_seq: u64,
    pub good_len: u64,
}

pub(crate) struct Wal {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    segment_bytes: u64,
    /// Oldest first. The last one is `file`'s, where that is open.
    segments: VecDeque<Segment>,
    file: Option<Box<dyn Append>>,
    policy: Sync,
    /// Written and acknowledged, not synced.
    dirty: bool,
    /// Some of what was dirty may not be on the disk and never will by this file.
    /// How often un-synced records were given up, and how many of these cases have been mended.
    losses: u64,
    mended: u64,
    next_seq: u64,
    buffer: Vec<u8>,
    buffered: Option<(u64, u64)>,
    /// Unset where there is no memory for it: then nothing is packed.
    zstd: Option<zstd::bulk::Compressor<'static>>,
    packed: Vec<u8>,
}

impl Wal {
    pub fn new(fs: Arc<dyn Fs>, dir: &Path, config: &Config, segments: VecDeque<Segment>, next_seq: u64) -> Self {
        Self {
            fs,
            dir: dir.to_owned(),
            segment_bytes: config.wal_segment_bytes,
            segments,
            file: None,
            policy: config.sync,
            dirty: false,
            losses: 0,
            mended: 0,
            next_seq,
            buffer: Vec::new(),
            buffered: None,
            zstd: zstd::bulk::Compressor::new(config.level).ok(),
            packed: Vec::new(),
        }
    }

    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.good_len).sum()
    }

    pub fn segments(&self) -> &VecDeque<Segment> {
        &self.segments
    }

    /// Adds a record to the group that [`Wal::write`] will write. Gives its number.
    pub fn push(&mut self, payload: &[u8]) -> u64 {
        let mut packed = std::mem::take(&mut self.packed);
        let worth_it = payload.len() >= PACK_AT && payload[0] == batch::KIND_LINES;
        let is_packed = worth_it && self.zstd.as_mut().is_some_and(|zstd| batch::pack(zstd, payload, &mut packed));
        let seq = self.push_as_is(if is_packed { &packed } else { payload });
        packed.clear();
        packed.shrink_to(KEEP_BYTES);
        self.packed = packed;
        seq
    }

    fn push_as_is(&mut self, payload: &[u8]) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        let start = self.buffer.len();
        self.buffer.reserve(RECORD_HEADER_LEN + payload.len());
        self.buffer.extend_from_slice(&RECORD_MAGIC);
        self.buffer.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(&seq.to_le_bytes());
        self.buffer.extend_from_slice(&sum64_seeded(payload, seq).to_le_bytes());
        let sum = sum64(&self.buffer[start..]);
        self.buffer.extend_from_slice(&sum.to_le_bytes());
        self.buffer.extend_from_slice(payload);
        self.buffered = Some((self.buffered.map_or(seq, |(first, _)| first), seq));
        seq
    }

    /// Writes the group, durably where that is the policy. After an error nothing of it counts, also after a restart that follows the
    /// next successful write.
    pub fn write(&mut self) -> io::Result<()> {
        let Some((first, last)) = self.buffered.take() else { return Ok(()) };
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = self.write_group(&buffer, first, last, self.policy == Sync::Group);
        buffer.clear();
        // A rare large batch must not be remembered by the memory.
        buffer.shrink_to(KEEP_BYTES);
        self.buffer = buffer;
        outcome
    }

    fn write_group(&mut self, group: &[u8], first: u64, last: u64, sync: bool) -> io::Result<()> {
        if self.file.is_some() && self.segments.back().is_some_and(|segment| segment.good_len >= self.segment_bytes) {
            if self.policy != Sync::Off {
                self.sync()?;
            }
            self.file = None;
        }
        if let Some(file) = &mut self.file {
            let outcome = file.write_all(group).and_then(|()| if sync { file.sync() } else { Ok(()) });
            if let Err(error) = outcome {
                self.file = None;
                self.losses += u64::from(self.dirty);
                return Err(error);
            }
            let segment = self.segments.back_mut().expect("an open file has its segment");
            segment.good_len += group.len() as u64;
            segment.last_seq = last;
        } else {
            let path = self.dir.join(file_name(first));
            match self.start_segment(&path, group, first, sync) {
                Ok(file) => self.file = Some(file),
                Err(error) => {
                    // Should it stay or come back: the next segment does not name it as the one before.
                    let _ = self.fs.remove(&path);
                    return Err(error);
                }
            }
            let good_len = (SEGMENT_HEADER_LEN + group.len()) as u64;
            self.segments.push_back(Segment { first_seq: first, last_seq: last, good_len });
        }
        self.dirty |= !sync;
        Ok(())
    }

    fn start_segment(&self, path: &Path, group: &[u8], first: u64, sync: bool) -> io::Result<Box<dyn Append>> {
        let (prev_first_seq, prev_len) = self.segments.back().map_or((0, 0), |segment| (segment.first_seq, segment.good_len));
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_LEN + group.len());
        bytes.extend_from_slice(SEGMENT_MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&prev_first_seq.to_le_bytes());
        bytes.extend_from_slice(&prev_len.to_le_bytes());
        let sum = sum64(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes.extend_from_slice(group);
        let mut file = self.fs.create(path)?;
        file.write_all(&bytes)?;
        if sync {
            file.sync()?;
            self.fs.sync_dir(&self.dir)?;
        }
        Ok(file)
    }

    /// Makes everything written durable. After an error the caller must make it durable elsewhere and say so with
    /// [`Wal::forgive`]: the file is given up.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.is_lossy() {
            return Err(io::Error::other("un-synced records were given up"));
        }
        if !std::mem::take(&mut self.dirty) {
            return Ok(());
        }
        let outcome = match &mut self.file {
            Some(file) => file.sync().and_then(|()| self.fs.sync_dir(&self.dir)),
            None => Ok(()),
        };
        if outcome.is_err() {
            self.file = None;
            self.losses += 1;
        }
        outcome
    }

    pub fn is_dirty(&self) -> bool {
        self.dirty || self.is_lossy()
    }

    fn is_lossy(&self) -> bool {
        self.losses > self.mended
    }

    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// What the first so many losses gave up is in blocks.
    pub fn forgive(&mut self, losses: u64) {
        self.mended = self.mended.max(losses);
        self.dirty |= self.file.is_some();
    }

    /// Removes segments that hold only records before `seq`; the last one always stays: its name keeps the numbers going.
    pub fn trim(&mut self, seq: u64) -> io::Result<()> {
        let mut removed = false;
        while self.segments.len() > 1 && self.segments[0].last_seq < seq {
            match self.fs.remove(&self.dir.join(file_name(self.segments[0].first_seq))) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            self.segments.pop_front();
            removed = true;
        }
        if removed { self.fs.sync_dir(&self.dir) } else { Ok(()) }
    }
}
