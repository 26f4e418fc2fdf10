//! What appending remembers for a moment: the blocks into which late lines fall, unpacked, since whoever sends one line
//! again mostly sends its neighbours too; and crowded nanoseconds, so that the next line of one is not compared with all
//! before it.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use logql::read::ReadStats;
use model::StreamHash;

use crate::{
    block::Want,
    bytes::{sum64, sum64_seeded},
    damage::DamageLog,
    head::Visit,
    pack::{Block, file_name},
    part::{LoadError, Reader, load},
};

/// About a block's text each, and its columns.
const KEPT: usize = 4;

const CROWDS: usize = 8;
/// Fewer lines of a nanosecond are compared one by one.
pub const CROWD: usize = 32;

#[derive(Default)]
pub struct Recent {
    kept: VecDeque<Loaded>,
    crowds: VecDeque<Crowd>,
}

/// All lines of one nanosecond of one stream.
pub struct Crowd {
    pub stream: StreamHash,
    pub at: i64,
    pub lines: HashSet<u64>,
    pub ordinals: HashSet<u16>,
    /// The highest.
    pub ordinal: u16,
}

impl Crowd {
    /// Whether the ordinal was free.
    pub fn add(&mut self, line: &[u8], meta: &[u8], ordinal: u16) -> bool {
        let is_new = self.ordinals.insert(ordinal);
        if is_new {
            self.lines.insert(line_key(line, meta));
            self.ordinal = self.ordinal.max(ordinal);
        }
        is_new
    }
}

/// Stands for a line in a [`Crowd`].
pub fn line_key(line: &[u8], meta: &[u8]) -> u64 {
    sum64_seeded(line, sum64(meta))
}

struct Loaded {
    block: Arc<Block>,
    reader: Reader,
    with_text: bool,
}

impl Recent {
    pub fn crowd(&mut self, stream: StreamHash, at: i64) -> Option<&mut Crowd> {
        self.crowds.iter_mut().find(|crowd| crowd.at == at && crowd.stream == stream)
    }

    pub fn add_crowd(&mut self, crowd: Crowd) {
        self.crowds.truncate(CROWDS - 1);
        self.crowds.push_front(crowd);
    }

    /// Gives the blocks' memory back.
    pub fn rest(&mut self) {
        self.kept = VecDeque::new();
    }

    pub fn forget_crowds(&mut self) {
        self.crowds.clear();
    }

    /// Shows the block's lines of a nanosecond. Of a block that cannot be read, none.
    pub fn visit(&mut self, block: &Arc<Block>, at: i64, damage: &DamageLog, each: &mut Visit<'_>) {
        match self.look(block, at, each) {
            Ok(()) | Err(LoadError::Io(_)) => {}
            Err(LoadError::Damaged(damaged)) => {
                if block.set_aside() {
                    let (name, lines) = (file_name(block.pack.id), block.header.rows);
                    damage.note(format!("{damaged} in {name} at {}: {lines} lines set aside", block.offset), lines.into());
                }
            }
        }
    }

    fn look(&mut self, block: &Arc<Block>, at: i64, each: &mut Visit<'_>) -> Result<(), LoadError> {
        let stats = &mut ReadStats::default();
        let mut loaded = match self.kept.iter().position(|kept| Arc::ptr_eq(&kept.block, block)) {
            Some(index) => self.kept.remove(index).expect("it was just found"),
            None => {
                let spare = if self.kept.len() >= KEPT { self.kept.pop_back() } else { None };
                let mut reader = spare.map(|loaded| loaded.reader).unwrap_or_default();
                load(block, &mut reader, Want { rows: true, ..Want::default() }, stats)?;
                Loaded { block: Arc::clone(block), reader, with_text: false }
            }
        };
        let times = &loaded.reader.columns.times;
        let rows = times.partition_point(|time| *time < at)..times.partition_point(|time| *time <= at);
        if !rows.is_empty() && !loaded.with_text {
            load(block, &mut loaded.reader, Want { meta: true, text: true, rows: false }, stats)?;
            loaded.with_text = true;
        }
        let columns = &loaded.reader.columns;
        for row in rows {
            each(columns.text.get(columns.span(row)).unwrap_or_default(), columns.sets.encoded(columns.set(row)), columns.ordinal(row));
        }
        self.kept.push_front(loaded);
        Ok(())
    }

    /// Also the crowds: what is kept of blocks holds their files open.
    pub fn forget(&mut self) {
        self.kept.clear();
        self.crowds.clear();
    }
}
