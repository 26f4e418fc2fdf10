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
    index::{Block, Identity, Sidecar, Stamper},
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
    sidecar: Sidecar,
    /// The last block is not in the sidecar yet: it grows.
    open: bool,
    grouper: Grouper,
    /// When the lines arrived that were there already; `None` once they are taken.
    arrived: Option<Timestamp>,
}

impl Tracked {
    /// Opens a file and what is known of it; with `fresh`, nothing is.
    ///
    /// # Errors
    /// What opening it or its sidecar gives.
    pub fn open(path: &Path, sidecar: &Path, fresh: bool) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let identity = identity(&metadata);
        if let Some(folder) = sidecar.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let (sidecar, blocks) =
            if fresh { (Sidecar::create(sidecar, identity)?, Vec::new()) } else { Sidecar::open(sidecar, identity, metadata.len())? };
        let arrived = Timestamp(metadata.mtime().saturating_mul(model::time::NANOS_PER_SEC).saturating_add(metadata.mtime_nsec()).max(0));
        Ok(Self {
            identity,
            file: Arc::new(file),
            blocks: Arc::new(Mutex::new(blocks)),
            sidecar,
            open: false,
            grouper: Grouper::default(),
            arrived: Some(arrived),
        })
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
    /// What reading the file or writing the sidecar gives.
    pub fn take(&mut self, stream: &Arc<Stream>, now: Timestamp, last: bool, out: &mut Vec<Arc<Line>>) -> io::Result<bool> {
        let arrival = self.arrived.unwrap_or(now);
        let mut taken = 0;
        while taken < TURN_BYTES {
            let (start, before) = lock(&self.blocks).last().map_or((0, Stamper::default()), |block| (block.end, block.after));
            let (bytes, piece) = self.read_lines(start, last)?;
            if bytes.is_empty() {
                self.arrived = None;
                return Ok(false);
            }
            taken += bytes.len();
            let mut stamper = Stamper { used_arrival: false, ..before };
            for text in texts(&bytes) {
                let id = EntryId { at: stamper.stamp(&text, arrival), stream: stream.hash, ordinal: 0 };
                let level = loglines::level::detect(&text);
                let group = self.grouper.push(id, &text, level);
                out.push(Arc::new(Line { id, stream: stream.clone(), text: text.into(), level, group }));
            }
            let block = Block { start, end: start + bytes.len() as u64, arrival, before, after: stamper };
            self.add(block, piece)?;
        }
        Ok(true)
    }

    /// Puts a block at the end. Small ones whose lines carry their own times grow together; one whose lines have the time
    /// of their arrival is kept at once, since nothing else knows it.
    fn add(&mut self, block: Block, piece: bool) -> io::Result<()> {
        let mut blocks = lock(&self.blocks);
        let keep = block.after.used_arrival || piece;
        if self.open
            && let Some(open) = blocks.last_mut()
        {
            if !keep && open.end - open.start < BLOCK_BYTES as u64 {
                (open.end, open.after, open.arrival) = (block.end, block.after, block.arrival);
            } else {
                self.sidecar.append(open)?;
                self.open = false;
                blocks.push(block);
            }
        } else {
            blocks.push(block);
        }
        let newest = blocks.last().expect("pushed or grown above");
        self.open = !keep && newest.end - newest.start < BLOCK_BYTES as u64;
        if !self.open {
            self.sidecar.append(newest)?;
        }
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
