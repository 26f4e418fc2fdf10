//! The store: what its parts share, and which lock guards what.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use logql::read::{Ask, ReadError, Source};

use crate::{
    commit::{Committer, Ticket},
    config::Config,
    damage::DamageLog,
    fs::Fs,
    pack::{Block, Pack},
    part::{Body, Buffers, HeadPart, StorePart},
    status::Counters,
    stream::Stream,
};

/// An open store. All methods take `&self`; any thread may call any of them.
///
/// Locks, in the order in which they may be taken together: `tidying` or `sealing`, `committer`, `catalog`, a stream's
/// state, `packs`. No lock is held while a block is read or written, but a stream's while a late line is compared with
/// what its blocks hold.
pub struct Store {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) catalog: RwLock<crate::catalog::Catalog>,
    /// Batches that wait for the next group.
    pub(crate) queue: Mutex<Vec<Arc<Ticket>>>,
    /// Who holds it writes the log; a whole group of batches at a time.
    pub(crate) committer: Mutex<Committer>,
    /// One seal at a time.
    pub(crate) sealing: Mutex<()>,
    /// One compaction, retention or repair at a time.
    pub(crate) tidying: Mutex<()>,
    pub(crate) packs: Mutex<Packs>,
    pub(crate) head_bytes: AtomicUsize,
    pub(crate) counters: Counters,
    pub(crate) damage: Arc<DamageLog>,
    pub(crate) buffers: Arc<Buffers>,
    /// Held so that no other process opens the directory.
    pub(crate) _lock: Option<Box<dyn Send + Sync>>,
}

/// When nothing came for so long, what a rush left in memory goes into blocks: less to remember, and less to read at a start.
const QUIET_NS: i64 = 10_000_000_000;

#[derive(Default)]
pub(crate) struct Packs {
    pub live: BTreeMap<u64, LivePack>,
    pub next_id: u64,
    /// Packs that do not count but may still be, or come back, on the disk: the next pack says that it replaces them.
    pub dead: Vec<u64>,
}

#[derive(Clone)]
pub(crate) struct LivePack {
    pub pack: Arc<Pack>,
    pub blocks: Vec<(Arc<Stream>, Arc<Block>)>,
    /// The latest time in it.
    pub max: i64,
}

impl LivePack {
    pub fn new(pack: Arc<Pack>, blocks: Vec<(Arc<Stream>, Arc<Block>)>) -> Self {
        let max = blocks.iter().map(|(_, block)| block.header.max).max().unwrap_or(i64::MIN);
        Self { pack, blocks, max }
    }
}

impl Packs {
    pub fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    pub fn bytes(&self) -> u64 {
        self.live.values().map(|live| live.pack.bytes).sum()
    }
}

/// What [`Store::maintain`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Bytes of lines that went from memory into blocks.
    pub sealed_bytes: u64,
    /// Files merged into fewer.
    pub merged_packs: u64,
    pub removed: crate::retain::Removed,
    /// Why something could not be done; it is tried again next time.
    pub trouble: Vec<String>,
}

impl Store {
    /// As it was opened.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Does what is due: syncs, seals, merges, removes. To be called about every second from a thread that may be busy
    /// for a while.
    pub fn maintain(&self, now_ns: i64) -> Maintained {
        let mut done = Maintained::default();
        let mut trouble = Vec::new();
        let mut check = |what: &str, error: std::io::Error| trouble.push(format!("cannot {what}: {error}"));
        let quiet_ns = self.committer().quiet_ns(now_ns);
        let flushed = if quiet_ns >= QUIET_NS && self.head_bytes() >= self.config.head_bytes / 8 {
            self.seal_all(now_ns)
        } else {
            self.flush(now_ns)
        };
        match flushed {
            Ok(bytes) => done.sealed_bytes = bytes,
            Err(error) => check("write blocks", error),
        }
        if let Err(error) = self.sync(now_ns) {
            check("sync", error);
        }
        match self.retain(now_ns) {
            Ok(removed) => done.removed = removed,
            Err(error) => check("remove old blocks", error),
        }
        match self.repair() {
            Ok(()) => {}
            Err(error) => check("set damaged blocks aside", error),
        }
        match self.compact(now_ns, 256 << 20) {
            Ok(merged) => done.merged_packs = merged,
            Err(error) => check("merge files", error),
        }
        if quiet_ns > 0 {
            self.committer().recent.rest();
        }
        self.buffers.rest();
        self.counters.set_trouble(trouble.last().cloned());
        done.trouble = trouble;
        done
    }

    pub(crate) fn packs_dir(&self) -> PathBuf {
        packs_dir(&self.dir)
    }

    pub(crate) fn catalog(&self) -> RwLockReadGuard<'_, crate::catalog::Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn catalog_mut(&self) -> RwLockWriteGuard<'_, crate::catalog::Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn committer(&self) -> MutexGuard<'_, Committer> {
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn packs(&self) -> MutexGuard<'_, Packs> {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn head_bytes(&self) -> usize {
        self.head_bytes.load(Ordering::Relaxed)
    }
}

pub(crate) fn packs_dir(dir: &Path) -> PathBuf {
    dir.join("packs")
}

pub(crate) fn wal_dir(dir: &Path) -> PathBuf {
    dir.join("wal")
}

impl Source for Store {
    type Part = StorePart;

    fn parts(&self, ask: &Ask) -> Result<Vec<StorePart>, ReadError> {
        let streams = self.catalog().select(&ask.matchers, ask.stream);
        let overlaps = |(min, max): (i64, i64)| ask.start <= max && ask.end > min;
        let mut parts = Vec::new();
        for stream in streams {
            let mut state = stream.state();
            let mut push = |body| {
                let (stream, buffers, damage) = (Arc::clone(&stream.reference), Arc::clone(&self.buffers), Arc::clone(&self.damage));
                parts.push(StorePart { stream, body, buffers, damage });
            };
            for block in &state.blocks {
                if overlaps((block.header.min, block.header.max)) && !block.is_bad() {
                    push(Body::Block(Arc::clone(block)));
                }
            }
            if !state.head.is_empty()
                && let Some(head) = HeadPart::new(state.head.view())
                && overlaps(head.bounds())
            {
                push(Body::Head(head));
            }
        }
        Ok(parts)
    }
}
