//! Opening a store: the format, the packs, then the log. Never needs to write, so a full or read-only disk can be opened.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock, atomic::AtomicUsize},
};

use model::StreamHash;

use crate::{
    batch,
    bytes::sum64,
    commit::Committer,
    config::Config,
    damage::DamageLog,
    error::OpenError,
    fs::Fs,
    pack::{self, slurp},
    recent::Recent,
    store::{LivePack, Packs, Store, packs_dir, wal_dir},
    wal::{self, SegmentHeader, Wal},
};

const FORMAT: u32 = 2;
const MAX_SEGMENT_BYTES: u64 = 1 << 30;

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records of the log read.
    pub records: u64,
    /// Lines that were in the log and in no block.
    pub replayed_lines: u64,
    /// Bytes at the log's end of a record that was never whole, and so never acknowledged.
    pub torn_bytes: u64,
    /// Bytes in the log's middle that are damaged.
    pub damaged_log_bytes: u64,
    /// What else was damaged, in words; each has been set aside.
    pub damaged: Vec<String>,
}

impl Store {
    /// Opens the store in `dir`, which is made where it is missing. What is damaged is set aside and reported, never fatal.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(dir: &Path, mut config: Config, fs: Arc<dyn Fs>) -> Result<(Self, Recovery), OpenError> {
        // Blocks must stay readable ([`crate::block::BlockHeader`]).
        config.block_bytes = config.block_bytes.clamp(1, 8 << 20);
        let at = |path: &Path| {
            let path = path.display().to_string();
            move |source| OpenError::Io { path, source }
        };
        for made in [dir.to_owned(), wal_dir(dir), packs_dir(dir)] {
            fs.make_dir(&made).map_err(at(&made))?;
        }
        let lock = match fs.lock(&dir.join("LOCK")) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(OpenError::InUse { dir: dir.display().to_string() }),
            // On a read-only disk nobody can do harm.
            Err(_) => None,
        };
        let damage = Arc::new(DamageLog::default());
        check_format(&*fs, dir, &damage)?;
        let mut catalog = crate::catalog::Catalog::default();
        let packs = open_packs(&*fs, &packs_dir(dir), &mut catalog, &damage).map_err(at(&packs_dir(dir)))?;
        let log = Log::find(&*fs, &wal_dir(dir)).map_err(at(&wal_dir(dir)))?;
        let mut through: u64 = 0;
        for (hash, mark) in &log.sealed {
            if let Some(stream) = catalog.get(*hash) {
                let mut state = stream.state();
                state.through = state.through.max(*mark);
            }
        }
        for stream in catalog.all() {
            through = through.max(stream.state().through);
        }
        let next_seq = log.next_seq.max(through + 1);
        let wal = Wal::new(Arc::clone(&fs), &wal_dir(dir), &config, log.segments, next_seq);
        let store = Self {
            fs,
            dir: dir.to_owned(),
            config,
            catalog: RwLock::new(catalog),
            queue: Mutex::default(),
            committer: Mutex::new(Committer { wal, recent: Recent::default(), last_sync: 0, quiet: (0, 0) }),
            sealing: Mutex::default(),
            tidying: Mutex::default(),
            packs: Mutex::new(packs),
            head_bytes: AtomicUsize::new(0),
            counters: Default::default(),
            damage,
            buffers: Arc::default(),
            _lock: lock,
        };
        let mut recovery = Recovery { torn_bytes: log.torn_bytes, damaged_log_bytes: log.damaged_bytes, ..Recovery::default() };
        if log.damaged_bytes > 0 {
            store.damage.note(format!("{} bytes of the write-ahead log are damaged", log.damaged_bytes), 0);
        }
        for (path, limit) in &log.files {
            let bytes = slurp(&*store.fs, path, (*limit).min(MAX_SEGMENT_BYTES)).map_err(at(path))?;
            for record in wal::read_bytes(&bytes).records {
                recovery.records += 1;
                // The lines of a stream that was removed with its last pack are known by the mark alone.
                recovery.replayed_lines += store.replay_record(record, &log.sealed);
            }
            if store.head_bytes() >= store.config.head_bytes {
                // On a full disk they stay in memory.
                let _ = store.flush_replayed();
            }
        }
        store.committer().recent.forget();
        recovery.damaged = store.damage.all().found;
        Ok((store, recovery))
    }

    fn replay_record(&self, record: wal::Record<'_>, sealed: &HashMap<StreamHash, u64>) -> u64 {
        let mut committer = self.committer();
        let lines = batch::unpack(record.payload).and_then(|payload| match payload.first() {
            Some(&batch::KIND_LINES) => self.replay(&mut committer, 0, record.seq, &payload, sealed),
            Some(&batch::KIND_SEALED) => Some(0),
            _ => None,
        });
        lines.unwrap_or_else(|| {
            self.damage.note(format!("record {} of the write-ahead log makes no sense", record.seq), 0);
            0
        })
    }
}

/// `FORMAT` is one line: `docaiche logs, format 2, ` and the checksum of what stands before it.
fn check_format(fs: &dyn Fs, dir: &Path, damage: &DamageLog) -> Result<(), OpenError> {
    let path = dir.join("FORMAT");
    let found = match slurp(fs, &path, 4096) {
        Ok(bytes) => {
            let found = read_format(&bytes);
            if found.is_none() {
                damage.note("the file FORMAT is damaged; written anew".into(), 0);
            }
            found
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(OpenError::Io { path: path.display().to_string(), source }),
    };
    match found {
        Some(found) if found > FORMAT => Err(OpenError::Newer { dir: dir.display().to_string(), found, known: FORMAT }),
        Some(found) if found == FORMAT => Ok(()),
        // Format 1 is format 2 without packed records, so that its files stay. An earlier console must not take such records for
        // nothing: the new number is there before the first of them.
        Some(_) => write_format(fs, dir).map_err(|source| OpenError::Io { path: dir.join("FORMAT").display().to_string(), source }),
        None => {
            // Where the disk is full or read-only, a later start does it.
            let _ = write_format(fs, dir);
            Ok(())
        }
    }
}

fn read_format(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (line, sum) = text.trim_end().rsplit_once(", ")?;
    let format = line.strip_prefix("docaiche logs, format ")?.parse().ok()?;
    (u64::from_str_radix(sum, 16).ok()? == sum64(line.as_bytes())).then_some(format)
}

fn write_format(fs: &dyn Fs, dir: &Path) -> io::Result<()> {
    let line = format!("docaiche logs, format {FORMAT}");
    let temporary = dir.join("FORMAT.tmp");
    let mut file = fs.create(&temporary)?;
    file.write_all(format!("{line}, {:016x}\n", sum64(line.as_bytes())).as_bytes())?;
    file.sync()?;
    fs.rename(&temporary, &dir.join("FORMAT"))?;
    fs.sync_dir(dir)?;
    dir.parent().map_or(Ok(()), |parent| if parent.as_os_str().is_empty() { Ok(()) } else { fs.sync_dir(parent) })
}

fn open_packs(fs: &dyn Fs, dir: &Path, catalog: &mut crate::catalog::Catalog, damage: &DamageLog) -> io::Result<Packs> {
    let mut found = BTreeMap::new();
    let mut next_id = 1;
    for name in fs.list(dir)? {
        let Some(id) = pack::id_of(&name) else {
            if name.ends_with(".tmp") {
                let _ = fs.remove(&dir.join(&name));
            }
            continue;
        };
        next_id = next_id.max(id + 1);
        match pack::open(fs, &dir.join(&name), id) {
            Ok(pack) => {
                // Also a pack that was given up may be replaced: its number must not come again.
                next_id = pack.replaces.iter().map(|id| id + 1).fold(next_id, u64::max);
                found.insert(id, pack);
            }
            Err(error) => damage.note(format!("cannot read {name}: {error}"), 0),
        }
    }
    // What an un-finished pack replaces is still there, what a finished one replaces does not count, wherever the power
    // went.
    let replaced: HashSet<u64> = found.values().flat_map(|pack| pack.replaces.iter().copied()).collect();
    let mut packs = Packs { next_id, ..Packs::default() };
    for (id, found) in found {
        if replaced.contains(&id) {
            packs.dead.push(id);
            continue;
        }
        if let Some(trouble) = found.trouble {
            damage.note(trouble, 0);
        }
        let mut blocks = Vec::new();
        for mut block in found.blocks {
            let labels = std::mem::take(&mut block.header.labels);
            let Some(stream) = catalog.insert(&labels) else {
                damage.note(format!("two streams with one hash in {}", pack::file_name(id)), block.header.rows.into());
                continue;
            };
            let block = Arc::new(block);
            stream.state().add_block(Arc::clone(&block));
            blocks.push((stream, block));
        }
        packs.live.insert(id, LivePack::new(found.pack, blocks));
    }
    let is_gone = |id: &u64| fs.remove(&dir.join(pack::file_name(*id))).is_ok();
    let (gone, left): (Vec<u64>, Vec<u64>) = packs.dead.iter().partition(|id| is_gone(id));
    if !gone.is_empty() && fs.sync_dir(dir).is_ok() {
        packs.dead = left;
    }
    Ok(packs)
}

/// The log as it lies on the disk.
struct Log {
    /// Segments that count, in order, and how much of each is valid.
    files: Vec<(PathBuf, u64)>,
    segments: VecDeque<wal::Segment>,
    sealed: HashMap<StreamHash, u64>,
    next_seq: u64,
    torn_bytes: u64,
    damaged_bytes: u64,
}

impl Log {
    fn find(fs: &dyn Fs, dir: &Path) -> io::Result<Self> {
        let mut names: Vec<(u64, PathBuf)> = Vec::new();
        for name in fs.list(dir)? {
            if let Some(first_seq) = wal::first_seq_of(&name) {
                names.push((first_seq, dir.join(name)));
            }
        }
        names.sort();
        let mut headers: Vec<Option<SegmentHeader>> = Vec::new();
        for (first_seq, path) in &names {
            let bytes = slurp(fs, path, wal::SEGMENT_HEADER_LEN as u64)?;
            headers.push(wal::segment_header(&bytes).filter(|header| header.first_seq == *first_seq));
        }
        let mut log = Self {
            files: Vec::new(),
            segments: VecDeque::new(),
            sealed: HashMap::new(),
            next_seq: names.last().map_or(1, |(first_seq, _)| first_seq.saturating_add(1)),
            torn_bytes: 0,
            damaged_bytes: 0,
        };
        // From the end backwards: a segment says which one came before and how far that is valid.
        let mut wanted: Option<(u64, u64)> = None;
        let mut chain = Vec::new();
        for ((first_seq, path), header) in names.iter().zip(&headers).rev() {
            let limit = match wanted {
                Some((prev, _)) if *first_seq > prev => {
                    let _ = fs.remove(path);
                    continue;
                }
                Some((prev, len)) if *first_seq == prev => Some(len),
                // The one before is gone, as are all before that.
                Some(_) | None => None,
            };
            chain.push((*first_seq, path.clone(), limit, header.is_none()));
            wanted = header.map(|header| (header.prev_first_seq, header.prev_len));
        }
        chain.reverse();
        let last = chain.len().saturating_sub(1);
        for (index, (first_seq, path, limit, headless)) in chain.into_iter().enumerate() {
            log.take(fs, first_seq, path, limit, headless, index == last)?;
        }
        Ok(log)
    }

    fn take(&mut self, fs: &dyn Fs, first_seq: u64, path: PathBuf, limit: Option<u64>, headless: bool, last: bool) -> io::Result<()> {
        let bytes = slurp(fs, &path, limit.unwrap_or(MAX_SEGMENT_BYTES).min(MAX_SEGMENT_BYTES))?;
        let report = wal::read_bytes(&bytes);
        self.damaged_bytes += report.damaged_bytes;
        if last && limit.is_none() {
            self.torn_bytes += report.torn_bytes;
        } else {
            self.damaged_bytes += report.torn_bytes;
        }
        if headless && !report.records.is_empty() {
            self.damaged_bytes += wal::SEGMENT_HEADER_LEN as u64;
        }
        for record in &report.records {
            if let Some(marks) = batch::read_sealed(record.payload) {
                for (hash, mark) in marks {
                    let known = self.sealed.entry(hash).or_default();
                    *known = mark.max(*known);
                }
            }
        }
        let last_seq = report.records.last().map_or(first_seq, |record| record.seq);
        self.next_seq = self.next_seq.max(last_seq.saturating_add(1));
        self.segments.push_back(wal::Segment { first_seq, last_seq, good_len: report.good_len });
        self.files.push((path, report.good_len));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fs::testing::TestFs, pack::PackWriter};

    #[test]
    fn the_number_of_a_pack_that_was_given_up_does_not_come_again() {
        let (fs, dir) = (TestFs::default(), Path::new("/packs"));
        fs.make_dir(dir).expect("a disk in memory");
        PackWriter::create(&fs, dir, 20).and_then(|pack| pack.finish(&[7, 21])).expect("a disk in memory");
        let packs = open_packs(&fs, dir, &mut crate::catalog::Catalog::default(), &DamageLog::default()).expect("a disk in memory");
        assert_eq!(packs.next_id, 22);
    }
}
