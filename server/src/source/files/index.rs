//! How a file's lines get times that stay the same: the stamper, and the sidecar file that keeps what it depends on.
//!
//! A sidecar is 32-byte records, little-endian. The first names the file: `docaidx1`, device, inode, birth (u32), checksum. Each other
//! one closes a block: its end in the file (u64), when it arrived (i64 ns), the time of its last line (i64 ns),
//! 0 (u16; once an ordinal), whether the file's lines carry times (u16, 0 or 1), checksum (u32). One with the end 0 comes ahead of
//! all blocks and has the time of the last line of the file that was there before; of several the last counts. A sidecar is
//! only appended to; what does not match its checksum, and everything behind it, is ignored.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

use model::{Timestamp, time::NANOS_PER_SEC};

const RECORD_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"docaidx1";
/// A line with a time further ahead of its arrival has none: it would push all that follow it as far ahead.
const AHEAD_NS: i64 = 24 * 3_600 * NANOS_PER_SEC;
/// A new file that begins further before the last line of the old one does not go on with it. Several processes may write, and
/// some leave out the fraction of the second.
const BACK_NS: i64 = 2 * NANOS_PER_SEC;

/// Gives each line of a file a time of its own, which only grows: a line that is stamped like the line ahead of it, or before
/// it, comes a nanosecond behind it. So lines keep their order where nothing but times is known of them, as in a Loki.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamper {
    pub last: Timestamp,
    /// A line had a time of its own: those without one belong to the line ahead of them.
    pub stamped: bool,
    /// Whether some line's time depended on its arrival. Not kept: the collector looks at it after each block.
    pub used_arrival: bool,
}

impl Stamper {
    /// For a file that begins with `text`, at the path of one whose last line had the time `last`. Lines of one second that stand
    /// in both must not have the same times; but a file that begins earlier was put there as a whole, and its lines are
    /// recognised by the times that they had before.
    pub fn behind(last: Timestamp, text: &str, arrival: Timestamp) -> Self {
        let mut first = Self::default();
        let goes_on = first.stamp(text, arrival).saturating_add_nanos(BACK_NS) >= last;
        Self { last: if goes_on { last } else { Timestamp::default() }, ..Self::default() }
    }

    /// `arrival`: for a line without a time in a file without times.
    pub fn stamp(&mut self, text: &str, arrival: Timestamp) -> Timestamp {
        let own = loglines::stamp::leading(text, arrival);
        let is_ahead = own.is_some_and(|own| own > arrival.saturating_add_nanos(AHEAD_NS));
        self.used_arrival |= is_ahead;
        let own = own.filter(|_| !is_ahead);
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
pub struct Sidecar {
    file: File,
    /// Of whole records: what a failed write left behind them goes before the next one.
    bytes: u64,
    torn: bool,
}

/// What a sidecar knows of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The time of the last line of the file that was there before; 0 where nothing is known of one.
    pub behind: Timestamp,
    pub blocks: Vec<Block>,
}

impl Sidecar {
    /// Opens the sidecar of a file: the blocks it knows, as long as it is this file's and not longer than the file. One of
    /// another file, or none, is begun anew, behind its last line or `behind`.
    ///
    /// # Errors
    /// What reading or creating it gives.
    pub fn open(path: &Path, identity: Identity, size: u64, behind: Timestamp) -> io::Result<(Self, Known)> {
        let mut bytes = Vec::new();
        if let Ok(mut old) = File::open(path) {
            old.read_to_end(&mut bytes)?;
        }
        let (is_own, known, whole) = match bytes.split_at_checked(RECORD_BYTES) {
            Some((first, rest)) if first.starts_with(MAGIC) => {
                let (known, records) = read(rest);
                (first == header(identity), known, (1 + records) * RECORD_BYTES)
            }
            _ => (false, Known::default(), 0),
        };
        let last = known.blocks.last();
        if !is_own || last.is_some_and(|block| block.end > size) {
            let behind = last.map_or(known.behind, |block| block.after.last).max(behind);
            return Ok((Self::create(path, identity, behind)?, Known { behind, blocks: Vec::new() }));
        }
        let file = OpenOptions::new().append(true).open(path)?;
        // A torn tail goes, so that what is appended is in step.
        file.set_len(whole as u64)?;
        Ok((Self { file, bytes: whole as u64, torn: false }, known))
    }

    /// One without blocks.
    ///
    /// # Errors
    /// What creating or writing it gives.
    pub fn create(path: &Path, identity: Identity, behind: Timestamp) -> io::Result<Self> {
        File::create(path)?.write_all(&header(identity))?;
        let file = OpenOptions::new().append(true).open(path)?;
        let mut sidecar = Self { file, bytes: RECORD_BYTES as u64, torn: false };
        if behind > Timestamp::default() {
            sidecar.begin(behind)?;
        }
        Ok(sidecar)
    }

    /// Says behind which time the first block begins. To be called before there is one.
    ///
    /// # Errors
    /// As for [`Sidecar::append`].
    pub fn begin(&mut self, behind: Timestamp) -> io::Result<()> {
        let before = Stamper { last: behind, ..Stamper::default() };
        self.append(&Block { start: 0, end: 0, arrival: Timestamp::default(), before, after: before })
    }

    /// # Errors
    /// What writing gives; the block is not in the sidecar then.
    pub fn append(&mut self, block: &Block) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.bytes)?;
            self.torn = false;
        }
        self.torn = true;
        self.file.write_all(&record(block))?;
        self.torn = false;
        self.bytes += RECORD_BYTES as u64;
        Ok(())
    }

    /// Makes what was appended outlast a power cut.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
impl Sidecar {
    /// On a disk that is full.
    pub fn full() -> Self {
        let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        Self { file, bytes: 0, torn: false }
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

/// What the records behind the first one say, and how many are whole.
fn read(bytes: &[u8]) -> (Known, usize) {
    let mut known = Known::default();
    let (mut start, mut before, mut records) = (0, Stamper::default(), 0);
    for chunk in bytes.chunks_exact(RECORD_BYTES) {
        let word = |at: usize| u64::from_le_bytes(chunk[at..at + 8].try_into().expect("eight bytes"));
        let half = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
        let after = Stamper { last: Timestamp(word(16) as i64), stamped: half(26) == 1, used_arrival: false };
        let block = Block { start, end: word(0), arrival: Timestamp(word(8) as i64), before, after };
        let mut expect = record(&block);
        // Sidecars of earlier consoles have an ordinal there.
        expect[24..26].copy_from_slice(&chunk[24..26]);
        seal(&mut expect);
        let begins = block.end == 0 && known.blocks.is_empty();
        if expect != chunk || (block.end <= start && !begins) {
            break;
        }
        if begins {
            known.behind = after.last;
        } else {
            known.blocks.push(block);
        }
        (start, before, records) = (block.end, after, records + 1);
    }
    (known, records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_only_grow_along_a_file() {
        let mut stamper = Stamper::default();
        let arrival = Timestamp::parse_rfc3339("2026-11-22T08:00:00Z").unwrap();
        let lines = ["no time", "none", "2026-11-22T10:00:00Z a", "  at b", "2026-11-22T09:59:59Z back", "2026-11-22T10:00:01Z on"];
        let stamps = lines.map(|text| stamper.stamp(text, arrival).to_string());
        let expect = [
            "2026-11-22T08:00:00Z",
            "2026-11-22T08:00:00.000000001Z",
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
        let (mut sidecar, known) = Sidecar::open(&path, identity, 300, Timestamp(0)).unwrap();
        assert_eq!(known, Known::default());
        blocks.iter().for_each(|block| sidecar.append(block).unwrap());
        assert_eq!(Sidecar::open(&path, identity, 300, Timestamp(0)).unwrap().1.blocks, blocks);
        let mut earlier = std::fs::read(&path).unwrap();
        let last: &mut [u8; RECORD_BYTES] = earlier.last_chunk_mut().unwrap();
        last[24] = 7;
        seal(last);
        std::fs::write(&path, &earlier).unwrap();
        assert_eq!(Sidecar::open(&path, identity, 300, Timestamp(0)).unwrap().1.blocks, blocks, "with an ordinal");
        let torn = std::fs::read(&path).unwrap();
        std::fs::write(&path, &torn[..torn.len() - 5]).unwrap();
        let (mut sidecar, known) = Sidecar::open(&path, identity, 300, Timestamp(0)).unwrap();
        assert_eq!(known.blocks, blocks[..2]);
        sidecar.append(&blocks[2]).unwrap();
        assert_eq!(Sidecar::open(&path, identity, 300, Timestamp(0)).unwrap().1.blocks, blocks);
        // The file is shorter than what was known of it, and then another one: both begin behind what was there.
        for (identity, size) in [(identity, 250), (Identity { device: 1, inode: 2, born: 4 }, 300)] {
            let begun = Known { behind: Timestamp(12), blocks: Vec::new() };
            assert_eq!(Sidecar::open(&path, identity, size, Timestamp(0)).unwrap().1, begun);
            assert_eq!(Sidecar::open(&path, identity, size, Timestamp(13)).unwrap().1, begun, "its own says it");
        }
        let (mut sidecar, _) = Sidecar::open(&path, identity, 300, Timestamp(13)).unwrap();
        sidecar.begin(Timestamp(14)).unwrap();
        let first = Stamper { last: Timestamp(14), ..Stamper::default() };
        let block = Block { start: 0, end: 9, arrival: Timestamp(15), before: first, after: Stamper { last: Timestamp(15), ..first } };
        sidecar.append(&block).unwrap();
        let known = Sidecar::open(&path, identity, 300, Timestamp(0)).unwrap().1;
        assert_eq!(known, Known { behind: Timestamp(14), blocks: vec![block] });
    }

    #[test]
    fn what_a_failed_write_left_goes_before_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.idx");
        let identity = Identity { device: 1, inode: 2, born: 3 };
        let mut sidecar = Sidecar::create(&path, identity, Timestamp(0)).unwrap();
        sidecar.file.write_all(b"half a record").unwrap();
        sidecar.torn = true;
        let first = Stamper::default();
        let block = Block { start: 0, end: 9, arrival: Timestamp(1), before: first, after: Stamper { last: Timestamp(1), ..first } };
        sidecar.append(&block).unwrap();
        assert_eq!(Sidecar::open(&path, identity, 9, Timestamp(0)).unwrap().1.blocks, [block]);
    }

    #[test]
    fn a_line_from_the_far_future_does_not_take_the_others_along() {
        let arrival = Timestamp::parse_rfc3339("2026-11-22T10:00:00Z").unwrap();
        let mut stamper = Stamper::default();
        let mut stamp = |text| stamper.stamp(text, arrival).to_string();
        assert_eq!(stamp("2026-11-22T09:00:00Z now"), "2026-11-22T09:00:00Z");
        assert_eq!(stamp("2099-01-01T00:00:00Z ahead"), "2026-11-22T09:00:00.000000001Z");
        assert_eq!(stamp("2026-11-22T09:00:02Z on"), "2026-11-22T09:00:02Z");
        assert_eq!(stamp("2026-11-23T10:00:00Z a day"), "2026-11-23T10:00:00Z");
        assert!(stamper.used_arrival);
    }

    #[test]
    fn a_new_file_goes_on_behind_the_old_one_unless_it_begins_earlier() {
        let at = |text| Timestamp::parse_rfc3339(text).unwrap();
        let last = at("2026-11-22T10:00:05.5Z");
        for (first, arrival, expect) in [
            ("2026-11-22T10:00:05Z a", "2026-11-22T10:00:06Z", last),
            ("2026-11-22T10:00:00Z a", "2026-11-22T10:00:06Z", Timestamp(0)),
            ("none", "2026-11-22T10:00:06Z", last),
            ("none", "2026-11-20T10:00:06Z", Timestamp(0)),
        ] {
            assert_eq!(Stamper::behind(last, first, at(arrival)), Stamper { last: expect, ..Stamper::default() }, "{first}");
        }
    }
}
