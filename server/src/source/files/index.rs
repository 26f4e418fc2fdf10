//! How a file's lines get times that stay the same: the stamper, and the sidecar file that keeps what it depends on.
//!
//! A sidecar is 32-byte records, little-endian. The first names the file: `docaidx1`, device, inode, birth (u32), checksum. Each other
//! one closes a block: its end in the file (u64), when it arrived (i64 ns), the time of its last line (i64 ns),
//! 0 (u16; once an ordinal), whether the file's lines carry times (u16, 0 or 1), checksum (u32). It is only appended to; what
//! does not match its checksum, and everything behind it, is ignored.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

use model::Timestamp;

const RECORD_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"docaidx1";

/// Gives each line of a file a time of its own, which only grows: a line that is stamped like the line ahead of it, or before
/// it, comes a nanosecond behind it. So lines keep their order where nothing but times is known of them, as in a Loki.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamper {
    pub last: Timestamp,
    /// A line had a time of its own: those without one belong to the line ahead of them.
    pub stamped: bool,
    /// Whether some line's time was its arrival. Not kept: the collector looks at it after each block.
    pub used_arrival: bool,
}

impl Stamper {
    /// `arrival`: for a line without a time in a file without times.
    pub fn stamp(&mut self, text: &str, arrival: Timestamp) -> Timestamp {
        let own = loglines::stamp::leading(text, arrival);
        self.stamped |= own.is_some();
        let at = match own {
            Some(at) => at,
            None if self.stamped => self.last,
            None => {
                self.used_arrival = true;
                arrival
            }
        };
        self.last = at.max(self.last.saturating_add_nanos(1));
        self.last
    }
}

/// Whole lines of a file, from `start` to `end`, that arrived together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub start: u64,
    pub end: u64,
    pub arrival: Timestamp,
    pub before: Stamper,
    pub after: Stamper,
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
    /// Of the time it was made, the lowest 32 bits of its nanoseconds: inodes are used again. 0 where the file system does
    /// not say.
    pub born: u32,
}

/// An open sidecar.
pub struct Sidecar(File);

impl Sidecar {
    /// Opens the sidecar of a file: the blocks it knows, as long as it is this file's and not longer than the file. One of
    /// another file is begun anew.
    ///
    /// # Errors
    /// What opening, reading or writing it gives.
    pub fn open(path: &Path, identity: Identity, size: u64) -> io::Result<(Self, Vec<Block>)> {
        let mut bytes = Vec::new();
        if let Ok(mut old) = File::open(path) {
            old.read_to_end(&mut bytes)?;
        }
        let header = header(identity);
        let blocks = match bytes.split_at_checked(RECORD_BYTES) {
            Some((first, rest)) if first == header => read(rest),
            _ => Vec::new(),
        };
        if blocks.is_empty() || blocks.last().is_some_and(|block| block.end > size) {
            return Ok((Self::create(path, identity)?, Vec::new()));
        }
        let file = OpenOptions::new().append(true).open(path)?;
        // A torn tail goes, so that what is appended is in step.
        file.set_len(((1 + blocks.len()) * RECORD_BYTES) as u64)?;
        Ok((Self(file), blocks))
    }

    /// An empty sidecar.
    ///
    /// # Errors
    /// What creating or writing it gives.
    pub fn create(path: &Path, identity: Identity) -> io::Result<Self> {
        File::create(path)?.write_all(&header(identity))?;
        Ok(Self(OpenOptions::new().append(true).open(path)?))
    }

    /// # Errors
    /// What writing gives.
    pub fn append(&mut self, block: &Block) -> io::Result<()> {
        self.0.write_all(&record(block))
    }
}

fn header(identity: Identity) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&identity.device.to_le_bytes());
    bytes[16..24].copy_from_slice(&identity.inode.to_le_bytes());
    bytes[24..28].copy_from_slice(&identity.born.to_le_bytes());
    seal(&mut bytes);
    bytes
}

fn record(block: &Block) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..8].copy_from_slice(&block.end.to_le_bytes());
    bytes[8..16].copy_from_slice(&block.arrival.0.to_le_bytes());
    bytes[16..24].copy_from_slice(&block.after.last.0.to_le_bytes());
    bytes[26..28].copy_from_slice(&u16::from(block.after.stamped).to_le_bytes());
    seal(&mut bytes);
    bytes
}

/// FNV-1a, 32 bits, over what is before it.
fn seal(bytes: &mut [u8; RECORD_BYTES]) {
    let sum = bytes[..28].iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    bytes[28..].copy_from_slice(&sum.to_le_bytes());
}

fn read(bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut start, mut before) = (0, Stamper::default());
    for chunk in bytes.chunks_exact(RECORD_BYTES) {
        let word = |at: usize| u64::from_le_bytes(chunk[at..at + 8].try_into().expect("eight bytes"));
        let half = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
        let after = Stamper { last: Timestamp(word(16) as i64), stamped: half(26) == 1, used_arrival: false };
        let block = Block { start, end: word(0), arrival: Timestamp(word(8) as i64), before, after };
        let mut expect = record(&block);
        // Sidecars of earlier consoles have an ordinal there.
        expect[24..26].copy_from_slice(&chunk[24..26]);
        seal(&mut expect);
        if expect != chunk || block.end <= start {
            break;
        }
        (start, before) = (block.end, after);
        blocks.push(block);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_only_grow_along_a_file() {
        let mut stamper = Stamper::default();
        let stamps = ["no time", "none", "2026-11-22T10:00:00Z a", "  at b", "2026-11-22T09:59:59Z back", "2026-11-22T10:00:01Z on"]
            .map(|text| stamper.stamp(text, Timestamp(7)).to_string());
        let expect = [
            "1970-01-01T00:00:00.000000007Z",
            "1970-01-01T00:00:00.000000008Z",
            "2026-11-22T10:00:00Z",
            "2026-11-22T10:00:00.000000001Z",
            "2026-11-22T10:00:00.000000002Z",
            "2026-11-22T10:00:01Z",
        ];
        assert_eq!(stamps, expect);
    }

    #[test]
    fn a_torn_sidecar_is_read_up_to_the_tear_and_goes_on_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.idx");
        let identity = Identity { device: 1, inode: 2, born: 3 };
        let mut before = Stamper::default();
        let blocks: Vec<Block> = (0..3)
            .map(|n| {
                let after = Stamper { last: Timestamp(n + 10), stamped: n > 1, used_arrival: false };
                let block = Block { start: n as u64 * 100, end: n as u64 * 100 + 100, arrival: Timestamp(n), before, after };
                before = after;
                block
            })
            .collect();
        let (mut sidecar, known) = Sidecar::open(&path, identity, 300).unwrap();
        assert_eq!(known, []);
        blocks.iter().for_each(|block| sidecar.append(block).unwrap());
        assert_eq!(Sidecar::open(&path, identity, 300).unwrap().1, blocks);
        let mut earlier = std::fs::read(&path).unwrap();
        let last: &mut [u8; RECORD_BYTES] = earlier.last_chunk_mut().unwrap();
        last[24] = 7;
        seal(last);
        std::fs::write(&path, &earlier).unwrap();
        assert_eq!(Sidecar::open(&path, identity, 300).unwrap().1, blocks, "with an ordinal");
        let torn = std::fs::read(&path).unwrap();
        std::fs::write(&path, &torn[..torn.len() - 5]).unwrap();
        let (mut sidecar, known) = Sidecar::open(&path, identity, 300).unwrap();
        assert_eq!(known, blocks[..2]);
        sidecar.append(&blocks[2]).unwrap();
        assert_eq!(Sidecar::open(&path, identity, 300).unwrap().1, blocks);
        assert_eq!(Sidecar::open(&path, identity, 250).unwrap().1, [], "the file is shorter than what was known of it");
        assert_eq!(Sidecar::open(&path, Identity { device: 1, inode: 2, born: 4 }, 300).unwrap().1, [], "another file");
    }
}
