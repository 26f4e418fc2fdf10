//! Followed files as a [`LogSource`]. A file is known as a row of blocks, each of whole lines, with what its lines' times
//! depend on: the state before it and when it arrived. So any block can be read alone, forwards or backwards, and gives
//! the ids that its lines had live. The collector makes the blocks; only what it has taken in can be found.

pub mod index;

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

use async_trait::async_trait;
use loglines::{decode::LineDecoder, group::Grouper};
use model::{
    Direction, EntryId, ScanStats, ServiceKind, ServiceStatus, StreamHash,
    status::{Part, PartState},
};
use ops::source::{Batch, Frontier, Line, LogPlan, LogSource, Member, ServiceKey, SourceError, SourceService, Stream};

use self::index::{Block, Stamper};

/// What one file may cost one search before it answers with what it has.
const BUDGET_BYTES: u64 = 256 << 20;

/// A file as the console knows it.
#[derive(Clone, Debug)]
pub struct Followed {
    pub path: PathBuf,
    pub stream: Arc<Stream>,
    pub kind: ServiceKind,
    pub status: ServiceStatus,
    /// Why it cannot be read; `None` while it can.
    pub trouble: Option<String>,
    /// Stays open while anything of it may be read: a rotated file too.
    pub file: Option<Arc<File>>,
    pub blocks: Arc<Mutex<Vec<Block>>>,
}

/// All followed files.
pub struct FileLogs {
    folder: PathBuf,
    table: Mutex<BTreeMap<PathBuf, Followed>>,
    /// Why the folder cannot be listed; empty while it can.
    trouble: Mutex<String>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic while held")
}

impl FileLogs {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, table: Mutex::default(), trouble: Mutex::default() }
    }

    pub fn put(&self, followed: Followed) {
        lock(&self.table).insert(followed.path.clone(), followed);
    }

    pub fn set_trouble(&self, trouble: String) {
        *lock(&self.trouble) = trouble;
    }
}

#[async_trait]
impl LogSource for FileLogs {
    fn name(&self) -> String {
        "files".to_owned()
    }

    fn services(&self) -> Vec<SourceService> {
        let table = lock(&self.table);
        SourceService::gather(table.values().map(|one| {
            let name = Some(one.path.display().to_string());
            (one.stream.key.clone(), one.kind, Member { name, labels: one.stream.labels.clone(), status: one.status })
        }))
    }

    fn part(&self) -> Part {
        let mut detail = lock(&self.trouble).clone();
        let mut state = PartState::Ok;
        if !detail.is_empty() {
            state = PartState::Absent;
        }
        for (path, trouble) in lock(&self.table).values().filter_map(|one| Some((&one.path, one.trouble.as_ref()?))) {
            state = PartState::Degraded;
            detail = format!("{} cannot be read: {trouble}", path.display());
        }
        Part { name: format!("files in {}", self.folder.display()), state, detail, since: None }
    }

    async fn search(&self, plan: &LogPlan) -> Result<Batch, SourceError> {
        let wanted: Vec<Followed> = lock(&self.table)
            .values()
            .filter(|one| plan.selector.matches(&one.stream.key) && plan.stream.is_none_or(|stream| stream == one.stream.hash))
            .cloned()
            .collect();
        if let [Followed { path, trouble: Some(trouble), file: None, .. }] = &wanted[..] {
            return Err(SourceError::Failed(format!("{} cannot be read: {trouble}", path.display())));
        }
        let plan = plan.clone();
        let read = tokio::task::spawn_blocking(move || search_all(&wanted, &plan)).await;
        read.map_err(|_| SourceError::Failed("the reader stopped".to_owned()))?.map_err(|error| SourceError::Failed(error.to_string()))
    }
}

fn search_all(wanted: &[Followed], plan: &LogPlan) -> io::Result<Batch> {
    let began = Instant::now();
    let mut stats = ScanStats::default();
    let mut lines: Vec<Line> = Vec::new();
    let mut frontier: Option<EntryId> = None;
    let nearer = |a: EntryId, b: EntryId| if (plan.direction == Direction::Forward) == (a < b) { a } else { b };
    for followed in wanted {
        let Some(file) = &followed.file else { continue };
        let (found, upto) = search_one(followed, file, plan, &mut stats)?;
        lines.extend(found);
        frontier = match (frontier, upto) {
            (Some(a), Some(b)) => Some(nearer(a, b)),
            (a, b) => a.or(b),
        };
        lines.sort_by_key(|line| line.id);
        if plan.direction == Direction::Backward {
            lines.reverse();
        }
        if lines.len() > plan.limit {
            lines.truncate(plan.limit);
            let last = lines[plan.limit - 1].id;
            frontier = Some(frontier.map_or(last, |old| nearer(old, last)));
        }
    }
    if let Some(frontier) = frontier {
        lines.retain(|line| nearer(line.id, frontier) == line.id);
    }
    stats.elapsed_ms = began.elapsed().as_millis() as u64;
    Ok(Batch { lines, frontier: frontier.map_or(Frontier::Exhausted, Frontier::Upto), stats })
}

/// Matching lines in the plan's direction, and how far they reach unless to the end.
fn search_one(followed: &Followed, file: &File, plan: &LogPlan, stats: &mut ScanStats) -> io::Result<(Vec<Line>, Option<EntryId>)> {
    let blocks = lock(&followed.blocks).clone();
    let forward = plan.direction == Direction::Forward;
    let low = plan.range.start.max(plan.cursor.filter(|_| forward).map_or(plan.range.start, |cursor| cursor.at));
    let high = plan.range.end.min(plan.cursor.filter(|_| !forward).map_or(plan.range.end, |cursor| cursor.at.saturating_add_nanos(1)));
    // Ids grow along a file, so blocks are sorted by time.
    let first = blocks.partition_point(|block| block.after.last < low);
    let past = blocks.partition_point(|block| block.before.last < high);
    let mut found = Vec::new();
    let mut bytes = 0;
    let mut range: Vec<usize> = (first..past).collect();
    if !forward {
        range.reverse();
    }
    for at in range {
        let block = &blocks[at];
        bytes += block.end - block.start;
        let mut lines = read_block(&followed.stream, file, &blocks, at)?;
        stats.lines_scanned += lines.len() as u64;
        stats.bytes_scanned += block.end - block.start;
        if !forward {
            lines.reverse();
        }
        found.extend(lines.into_iter().filter(|line| plan.takes(line)));
        if found.len() > plan.limit {
            found.truncate(plan.limit);
            let last = found[plan.limit - 1].id;
            return Ok((found, Some(last)));
        }
        if bytes > BUDGET_BYTES {
            let (at, stream, ordinal) = if forward {
                (block.after.last, followed.stream.hash, 0)
            } else {
                (block.before.last.saturating_add_nanos(1), StreamHash(0), 0)
            };
            return Ok((found, Some(EntryId { at, stream, ordinal })));
        }
    }
    Ok((found, None))
}

fn read_block(stream: &Arc<Stream>, file: &File, blocks: &[Block], at: usize) -> io::Result<Vec<Line>> {
    let texts = block_texts(file, &blocks[at])?;
    let mut grouper = Grouper::default();
    if at > 0 && texts.first().is_some_and(|text| loglines::group::is_continuation(text)) {
        // Its head is in the block before.
        let mut stamper = blocks[at - 1].before;
        for text in block_texts(file, &blocks[at - 1])? {
            make(stream, &mut stamper, &mut grouper, text, blocks[at - 1].arrival);
        }
    }
    let mut stamper = blocks[at].before;
    Ok(texts.into_iter().map(|text| make(stream, &mut stamper, &mut grouper, text, blocks[at].arrival)).collect())
}

fn block_texts(file: &File, block: &Block) -> io::Result<Vec<String>> {
    let mut bytes = vec![0; (block.end - block.start) as usize];
    match file.read_exact_at(&mut bytes, block.start) {
        Ok(()) => Ok(texts(&bytes)),
        // Truncated under us: the collector will notice.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The lines of a block's bytes.
pub fn texts(bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut decoder = LineDecoder::default();
    decoder.push(bytes, |text| texts.push(text));
    decoder.finish(|text| texts.push(text));
    texts
}

/// One line of a file, with its id, level and group.
pub fn make(stream: &Arc<Stream>, stamper: &mut Stamper, grouper: &mut Grouper, text: String, arrival: model::Timestamp) -> Line {
    let id = EntryId { at: stamper.stamp(&text, arrival), stream: stream.hash, ordinal: 0 };
    let level = loglines::level::detect(&text);
    let group = grouper.push(id, &text, level);
    Line { id, stream: stream.clone(), text: text.into(), level, group }
}

/// The key of a file's service.
pub fn key(name: &str) -> ServiceKey {
    ServiceKey { host: "local".to_owned(), project: None, name: name.to_owned(), kind_file: true }
}
