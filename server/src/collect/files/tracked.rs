//! One file being followed: where reading stands, and the blocks made so far.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    sync::{Arc, Mutex},
};

use loglines::{decode::MAX_LINE_BYTES, group::Grouper};
use model::{EntryId, Timestamp};
use ops::source::{Line, Stream};

use crate::collect::places::Place;
use crate::source::files::{
    index::{Block, Identity, Known, Sidecar, Stamper},
    lock, texts,
};

/// What is read at once, and the size at which a block is closed.
const BLOCK_BYTES: usize = 64 * 1024;
/// What one turn takes of one file, so that a large file does not hold up the others.
const TURN_BYTES: usize = 8 << 20;

pub struct Tracked {
    identity: Identity,
    pub file: Arc<File>,
    pub blocks: Arc<Mutex<Vec<Block>>>,
    /// Where the file that was there before ended, until the first line says whether this one goes on with it.
    behind: Timestamp,
    /// `None` once the file has left its path.
    pub sidecar: Option<Sidecar>,
    /// Of its lines. Not 0 once another file has its path: both may have lines of the same times then.
    ordinal: u16,
    /// The last block is not in the sidecar yet: it grows.
    open: bool,
    grouper: Grouper,
    /// When the lines arrived that were there already; `None` once they are taken.
    arrived: Option<Timestamp>,
}

impl Tracked {
    /// Opens a file and what is known of it; with `fresh`, nothing is. `behind`: the time of the last line that was at this path.
    ///
    /// # Errors
    /// What opening it or its sidecar gives.
    pub fn open(path: &Path, sidecar: &Path, fresh: bool, behind: Timestamp) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let identity = identity(&metadata);
        if let Some(folder) = sidecar.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let (sidecar, known) = if fresh {
            (Sidecar::create(sidecar, identity, behind)?, Known { behind, blocks: Vec::new() })
        } else {
            Sidecar::open(sidecar, identity, metadata.len(), behind)?
        };
        let arrived = Timestamp(metadata.mtime().saturating_mul(model::time::NANOS_PER_SEC).saturating_add(metadata.mtime_nsec()).max(0));
        Ok(Self {
            identity,
            file: Arc::new(file),
            blocks: Arc::new(Mutex::new(known.blocks)),
            behind: known.behind,
            sidecar: Some(sidecar),
            ordinal: 0,
            open: false,
            grouper: Grouper::default(),
            arrived: Some(arrived),
        })
    }

    /// The file has left its path: what is still written to it is taken, but not remembered.
    pub fn retire(&mut self, ordinal: u16) {
        let newest = lock(&self.blocks).last().copied();
        self.blocks = Arc::new(Mutex::new(newest.into_iter().collect()));
        (self.sidecar, self.open, self.ordinal) = (None, false, ordinal);
    }

    /// Writes down where the last block ends: who opens the sidecar of a file that has left its path cannot read that again.
    ///
    /// # Errors
    /// What writing the sidecar gives.
    pub fn close(&mut self) -> io::Result<()> {
        if self.open
            && let (Some(sidecar), Some(block)) = (&mut self.sidecar, lock(&self.blocks).last())
        {
            sidecar.append(block)?;
            self.open = false;
        }
        Ok(())
    }

    /// The time of the last line that was taken, or of the last one of the file before.
    pub fn last(&self) -> Timestamp {
        lock(&self.blocks).last().map_or(self.behind, |block| block.after.last)
    }

    /// Whether this is still the file at its path.
    pub fn is(&self, found: &Metadata) -> bool {
        self.identity == identity(found)
    }

    pub fn is_truncated(&self, found: &Metadata) -> bool {
        lock(&self.blocks).last().is_some_and(|block| found.len() < block.end)
    }

    /// Where reading stands.
    pub fn place(&self) -> Place {
        Place::File {
            device: self.identity.device,
            inode: self.identity.inode,
            end: lock(&self.blocks).last().map_or(0, |block| block.end),
        }
    }

    /// How far a remembered place reaches into this file; 0 where it was another one.
    pub fn place_in(&self, place: Place) -> u64 {
        match place {
            Place::File { device, inode, end } if (device, inode) == (self.identity.device, self.identity.inode) => end,
            _ => 0,
        }
    }

    /// Gives the lines of the blocks that reach beyond `from` once more, with the ids that they have.
    ///
    /// # Errors
    /// What reading the file gives.
    pub fn again(&self, from: u64, stream: &Arc<Stream>, out: &mut dyn FnMut(Vec<Arc<Line>>)) -> io::Result<()> {
        let blocks: Vec<Block> = lock(&self.blocks).iter().filter(|block| block.end > from).cloned().collect();
        for block in blocks {
            let mut bytes = vec![0; usize::try_from(block.end - block.start).unwrap_or(usize::MAX)];
            self.file.read_exact_at(&mut bytes, block.start)?;
            let mut stamper = block.before;
            let lines = texts(&bytes).into_iter().map(|text| {
                let id = EntryId { at: stamper.stamp(&text, block.arrival), stream: stream.hash, ordinal: 0 };
                let level = loglines::level::detect(&text);
                Arc::new(Line { id, stream: stream.clone(), text: text.into(), level, group: id })
            });
            out(lines.collect());
        }
        Ok(())
    }

    /// Takes whole lines that were appended, and with `last` also one without an end. Says whether there is more.
    ///
    /// # Errors
    /// What reading the file or writing the sidecar gives. The lines in `out` are taken all the same, the others are not.
    pub fn take(&mut self, stream: &Arc<Stream>, now: Timestamp, last: bool, out: &mut Vec<Arc<Line>>) -> io::Result<bool> {
        let mut by_arrival = false;
        let taken = self.take_blocks(stream, now, last, out, &mut by_arrival);
        if by_arrival && let Some(sidecar) = &self.sidecar {
            // Nothing else knows these times: after a power cut the lines would come again with others.
            sidecar.sync()?;
        }
        taken
    }

    fn take_blocks(
        &mut self,
        stream: &Arc<Stream>,
        now: Timestamp,
        last: bool,
        out: &mut Vec<Arc<Line>>,
        by_arrival: &mut bool,
    ) -> io::Result<bool> {
        let arrival = self.arrived.unwrap_or(now);
        let mut taken = 0;
        while taken < TURN_BYTES {
            let newest = lock(&self.blocks).last().copied();
            let start = newest.map_or(0, |block| block.end);
            let (bytes, piece) = self.read_lines(start, last)?;
            if bytes.is_empty() {
                self.arrived = None;
                return Ok(false);
            }
            taken += bytes.len();
            let texts = texts(&bytes);
            let before = match newest {
                Some(block) => block.after,
                None => self.begin(texts.first().map_or("", |text| text), arrival)?,
            };
            let mut stamper = Stamper { used_arrival: false, ..before };
            let (lines, grouper) = (out.len(), self.grouper.clone());
            for text in texts {
                let id = EntryId { at: stamper.stamp(&text, arrival), stream: stream.hash, ordinal: self.ordinal };
                let level = loglines::level::detect(&text);
                let group = self.grouper.push(id, &text, level);
                out.push(Arc::new(Line { id, stream: stream.clone(), text: text.into(), level, group }));
            }
            let block = Block { start, end: start + bytes.len() as u64, arrival, before, after: stamper };
            if let Err(error) = self.add(block, piece) {
                // They are read again, and stamped again.
                out.truncate(lines);
                self.grouper = grouper;
                return Err(error);
            }
            *by_arrival |= stamper.used_arrival;
        }
        Ok(true)
    }

    /// What the first block begins with.
    fn begin(&mut self, first: &str, arrival: Timestamp) -> io::Result<Stamper> {
        let before = Stamper::behind(self.behind, first, arrival);
        if before.last != self.behind {
            if let Some(sidecar) = &mut self.sidecar {
                sidecar.begin(before.last)?;
            }
            self.behind = before.last;
        }
        Ok(before)
    }

    /// Puts a block at the end. Small ones whose lines carry their own times grow together; one whose lines have the time
    /// of their arrival is kept at once, since nothing else knows it.
    /// Nothing has changed where that fails.
    fn add(&mut self, block: Block, piece: bool) -> io::Result<()> {
        let mut blocks = lock(&self.blocks);
        let Some(sidecar) = &mut self.sidecar else {
            // Nobody searches it: only where reading stands counts.
            *blocks = vec![block];
            return Ok(());
        };
        let keep = block.after.used_arrival || piece;
        let is_small = |block: &Block| block.end - block.start < BLOCK_BYTES as u64;
        let open = blocks.last().copied().filter(|_| self.open);
        let grown = open.filter(|open| !keep && is_small(open)).map(|open| Block { start: open.start, before: open.before, ..block });
        if let (Some(open), None) = (&open, &grown) {
            sidecar.append(open)?;
            self.open = false;
        }
        let newest = grown.unwrap_or(block);
        let is_open = !keep && is_small(&newest);
        if !is_open {
            sidecar.append(&newest)?;
        }
        if grown.is_some() {
            blocks.pop();
        }
        blocks.push(newest);
        self.open = is_open;
        Ok(())
    }

    /// Bytes from `start` up to the end of a line, as many as make a block; of a line that is too long, a piece. Empty
    /// where no line has ended.
    fn read_lines(&self, start: u64, last: bool) -> io::Result<(Vec<u8>, bool)> {
        let mut bytes = vec![0; BLOCK_BYTES];
        let mut filled = 0;
        loop {
            while filled < bytes.len() {
                match self.file.read_at(&mut bytes[filled..], start + filled as u64) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            let whole = bytes[..filled].iter().rposition(|b| *b == b'\n').map(|end| end + 1);
            let at_end = filled < bytes.len();
            match whole {
                Some(end) => {
                    bytes.truncate(end);
                    return Ok((bytes, false));
                }
                None if at_end => {
                    bytes.truncate(if last { filled } else { 0 });
                    return Ok((bytes, true));
                }
                None if filled >= MAX_LINE_BYTES => {
                    bytes.truncate(MAX_LINE_BYTES);
                    return Ok((bytes, true));
                }
                None => bytes.resize((bytes.len() * 4).min(MAX_LINE_BYTES), 0),
            }
        }
    }
}

fn identity(metadata: &Metadata) -> Identity {
    let born = metadata.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Identity { device: metadata.dev(), inode: metadata.ino(), born: born.map_or(0, |born| born.as_nanos() as u32) }
}
