//! A stream: its labels, its lines in memory and where its blocks are. What a reader takes under its lock is consistent:
//! a line is in the head or in a block, never in both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use logql::read::StreamRef;
use model::{Labels, StreamHash};

use crate::{block, head::Head, pack::Block};

pub struct Stream {
    pub reference: Arc<StreamRef>,
    /// The labels as records write them.
    pub encoded: Box<[u8]>,
    state: Mutex<State>,
}

#[derive(Default)]
pub struct State {
    pub head: Head,
    pub blocks: Vec<Arc<Block>>,
    /// The latest time of all that is in blocks.
    pub sealed_max: Option<i64>,
    /// The latest time of all lines, those not yet durable included.
    pub max: Option<i64>,
    /// The last record with lines of this stream.
    pub last_seq: u64,
    /// All records up to this one are in blocks (or were, before they were removed).
    pub through: u64,
}

impl State {
    pub fn add_block(&mut self, block: Arc<Block>) {
        self.sealed_max = self.sealed_max.max(Some(block.header.max));
        self.max = self.max.max(Some(block.header.max));
        self.through = self.through.max(block.header.through);
        self.blocks.push(block);
    }

    /// After lines or blocks were taken away.
    pub fn refresh(&mut self) {
        self.sealed_max = self.blocks.iter().map(|block| block.header.max).max();
        self.max = self.sealed_max.max(self.head.max());
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.head.is_empty()
    }
}

impl Stream {
    pub fn new(labels: Labels) -> Self {
        let mut encoded = Vec::new();
        block::put_labels(&mut encoded, &labels);
        let hash = labels.hash64();
        Self { reference: Arc::new(StreamRef { labels, hash }), encoded: encoded.into(), state: Mutex::new(State::default()) }
    }

    pub fn hash(&self) -> StreamHash {
        self.reference.hash
    }

    /// A thread that panicked under it has at most lost its own line.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
