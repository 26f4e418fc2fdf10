//! Removing what is too old or too much, whole packs at a time, the oldest first; setting damaged packs aside.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use model::StreamHash;

use crate::{
    pack::{Block, PackWriter, file_name},
    store::{LivePack, Store},
    stream::Stream,
};

/// What retention took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub lines: u64,
    /// Of text.
    pub bytes: u64,
    pub files: u64,
}

impl Removed {
    fn add(&mut self, live: &LivePack) {
        self.files += 1;
        self.lines += live.blocks.iter().map(|(_, block)| u64::from(block.header.rows)).sum::<u64>();
        self.bytes += live.blocks.iter().map(|(_, block)| u64::from(block.header.raw)).sum::<u64>();
    }
}

impl Store {
    /// Removes packs of which every line is older than the retention, then the oldest while all files take too much.
    ///
    /// # Errors
    /// Where the log cannot take a note or files cannot be removed.
    pub fn retain(&self, now_ns: i64) -> io::Result<Removed> {
        let _tidying = self.tidying.lock().unwrap_or_else(PoisonError::into_inner);
        let mut removed = Removed::default();
        let cutoff = self.config.retain_ns.map_or(i64::MIN, |retain| now_ns.saturating_sub(retain));
        let mut going: Vec<LivePack> = self.packs().live.values().filter(|live| live.max < cutoff).cloned().collect();
        if let Some(limit) = self.config.retain_bytes {
            let wal = self.committer().wal.bytes();
            let mut staying: Vec<LivePack> = self.packs().live.values().filter(|live| live.max >= cutoff).cloned().collect();
            staying.sort_by_key(|live| live.max);
            let mut bytes = wal + staying.iter().map(|live| live.pack.bytes).sum::<u64>();
            for live in staying {
                if bytes <= limit {
                    break;
                }
                bytes -= live.pack.bytes;
                going.push(live);
            }
        }
        if going.is_empty() {
            return Ok(removed);
        }
        // Not being able to must not keep a full disk full: at worst lines come back after a restart and go again.
        let noted = self.remember_sealed(&self.marks(&going));
        for live in &going {
            self.forget(live);
            removed.add(live);
        }
        self.bury();
        self.counters.removed(&removed);
        self.forget_empty_streams();
        noted.map(|()| removed)
    }

    /// For each stream of these packs the record up to which it is sealed, if the log still has records of that age.
    fn marks(&self, packs: &[LivePack]) -> Vec<(StreamHash, u64)> {
        let oldest = self.committer().wal.segments().front().map_or(u64::MAX, |segment| segment.first_seq);
        let mut marks = BTreeMap::new();
        for (stream, block) in packs.iter().flat_map(|live| &live.blocks) {
            if block.header.through >= oldest {
                let mark = marks.entry(stream.hash()).or_insert(0);
                *mark = block.header.through.max(*mark);
            }
        }
        marks.into_iter().collect()
    }

    /// Takes a pack's blocks from their streams. Its file goes with the next [`Store::bury`].
    fn forget(&self, live: &LivePack) {
        let mut packs = self.packs();
        packs.live.remove(&live.pack.id);
        packs.dead.push(live.pack.id);
        drop(packs);
        self.take_blocks(&live.blocks);
    }

    fn take_blocks(&self, blocks: &[(Arc<Stream>, Arc<Block>)]) {
        // One pass a stream, however many of its blocks go.
        let mut streams: Vec<&Arc<Stream>> = blocks.iter().map(|(stream, _)| stream).collect();
        streams.sort_by_key(|stream| stream.hash());
        streams.dedup_by_key(|stream| stream.hash());
        let ids: HashSet<*const Block> = blocks.iter().map(|(_, block)| Arc::as_ptr(block)).collect();
        for stream in streams {
            let mut state = stream.state();
            state.blocks.retain(|block| !ids.contains(&Arc::as_ptr(block)));
            state.refresh();
        }
    }

    fn forget_empty_streams(&self) {
        // No commit may be about to put lines into a stream that is being forgotten.
        let mut committer = self.committer();
        committer.recent.forget();
        let mut catalog = self.catalog_mut();
        let empty: Vec<StreamHash> = catalog.all().filter(|stream| stream.state().is_empty()).map(|stream| stream.hash()).collect();
        empty.into_iter().for_each(|hash| catalog.remove(hash));
    }

    /// Writes packs with damage anew without it and keeps the damaged files in `damaged/`, the newest eight of them.
    pub(crate) fn repair(&self) -> io::Result<()> {
        let _tidying = self.tidying.lock().unwrap_or_else(PoisonError::into_inner);
        let damaged: Vec<LivePack> = self.packs().live.values().filter(|live| live.pack.damaged.load(Ordering::Relaxed)).cloned().collect();
        for live in damaged {
            let good = live.blocks.iter().filter(|(_, block)| !block.is_bad()).cloned().collect::<Vec<_>>();
            self.copy_blocks(&good, &[&live])?;
            self.set_aside(live.pack.id)?;
        }
        Ok(())
    }

    pub(crate) fn set_aside(&self, id: u64) -> io::Result<()> {
        let dir = self.dir.join("damaged");
        self.fs.make_dir(&dir)?;
        let mut kept: Vec<String> = self.fs.list(&dir)?;
        kept.sort();
        for name in kept.iter().take(kept.len().saturating_sub(7)) {
            self.fs.remove(&dir.join(name))?;
        }
        match self.fs.rename(&self.packs_dir().join(file_name(id)), &dir.join(file_name(id))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.fs.sync_dir(&dir)?;
        self.bury();
        Ok(())
    }

    /// Puts blocks as they are into a new pack that replaces `sources`. Blocks that turn out damaged are left behind.
    pub(crate) fn copy_blocks(&self, blocks: &[(Arc<Stream>, Arc<Block>)], sources: &[&LivePack]) -> io::Result<()> {
        let id = self.packs().take_id();
        let outcome = self.write_copy(id, blocks, sources);
        let Ok(written) = outcome else {
            self.packs().dead.push(id);
            return outcome.map(drop);
        };
        self.exchange(sources, id, written);
        Ok(())
    }

    fn write_copy(&self, id: u64, blocks: &[(Arc<Stream>, Arc<Block>)], sources: &[&LivePack]) -> io::Result<Written> {
        let mut streams = Vec::new();
        let mut writer = PackWriter::create(&*self.fs, &self.packs_dir(), id)?;
        for (stream, block) in blocks {
            match crate::compact::raw_block(block) {
                Ok((bytes, filter)) => {
                    let mut header = block.header.clone();
                    header.labels = stream.reference.labels.clone();
                    streams.push(Arc::clone(stream));
                    if let Err(error) = writer.push_raw(header, &bytes, &filter) {
                        writer.discard();
                        return Err(error);
                    }
                }
                Err(crate::part::LoadError::Io(error)) => {
                    writer.discard();
                    return Err(error);
                }
                Err(crate::part::LoadError::Damaged(_)) => {
                    if block.set_aside() {
                        self.damage.note(
                            format!("a block in {} is damaged: {} lines", file_name(block.pack.id), block.header.rows),
                            block.header.rows.into(),
                        );
                    }
                }
            }
        }
        self.finish_copy(writer, streams, sources)
    }

    pub(crate) fn finish_copy(&self, writer: PackWriter<'_>, streams: Vec<Arc<Stream>>, sources: &[&LivePack]) -> io::Result<Written> {
        let mut replaces = self.packs().dead.clone();
        replaces.extend(sources.iter().map(|live| live.pack.id));
        let (pack, blocks) = writer.finish(&replaces)?;
        let blocks = blocks.into_iter().zip(streams).map(|(mut block, stream)| {
            block.header.labels = Default::default();
            (stream, Arc::new(block))
        });
        Ok(Written { pack, blocks: blocks.collect() })
    }

    /// Lets the new blocks stand for the old ones: stream by stream, each at once.
    pub(crate) fn exchange(&self, sources: &[&LivePack], id: u64, written: Written) {
        let old: HashSet<*const Block> = sources.iter().flat_map(|live| &live.blocks).map(|(_, block)| Arc::as_ptr(block)).collect();
        let mut streams: HashMap<StreamHash, (&Arc<Stream>, Vec<&Arc<Block>>)> = HashMap::new();
        for (stream, _) in sources.iter().flat_map(|live| &live.blocks) {
            streams.entry(stream.hash()).or_insert((stream, Vec::new()));
        }
        for (stream, block) in &written.blocks {
            streams.entry(stream.hash()).or_insert((stream, Vec::new())).1.push(block);
        }
        for (stream, new) in streams.into_values() {
            let mut state = stream.state();
            state.blocks.retain(|block| !old.contains(&Arc::as_ptr(block)));
            new.into_iter().for_each(|block| state.add_block(Arc::clone(block)));
            state.refresh();
        }
        let mut packs = self.packs();
        for live in sources {
            packs.live.remove(&live.pack.id);
            packs.dead.push(live.pack.id);
        }
        packs.live.insert(id, LivePack::new(written.pack, written.blocks));
    }
}

pub(crate) struct Written {
    pub pack: Arc<crate::pack::Pack>,
    pub blocks: Vec<(Arc<Stream>, Arc<Block>)>,
}
