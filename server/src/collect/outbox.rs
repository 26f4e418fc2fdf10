//! Collected lines on their way to a Loki: on disk from when they are taken until it has them, in the order in which they
//! came. What is kept here is bounded; when a Loki is away for longer than that, the oldest go, and are counted.
//!
//! `outbox/<number>.queue` holds records one after the other: length of the body (u32, little endian), lines in it (u32),
//! XXH3 of both and the body (u64), and the body, a push as Loki takes it (`logproto.PushRequest` in a snappy block).
//! `outbox/sent.json` says behind which record sending stands. It is written without fsync: after a power cut some records
//! are sent again, and Loki knows their lines. Where a file is damaged, what is whole behind the damage is sent all the same.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use logpush::{Push, PushEntry, PushStream, body, proto};
use model::StreamHash;
use ops::source::Line;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use xxhash_rust::xxh3::Xxh3;

/// A file is closed when it has this size; a whole one is dropped at a time.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Text of one record: Loki takes messages of 4 MiB.
const RECORD_BYTES: usize = 1 << 20;
const HEADER: usize = 16;
/// Beyond it a length is damage.
const MAX_BODY_BYTES: usize = 64 << 20;
/// What a line counts in a record beside its text.
const LINE_BYTES: usize = 64;
/// Between two tries to remember what was sent, when nothing more is.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// A push that waits.
#[derive(Debug)]
pub struct Waiting {
    pub body: Vec<u8>,
    pub lines: u64,
    at: Position,
    end: Position,
}

/// A disk that cannot write: the first `kept` lines are on it, the others are not.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the queue for Loki")]
pub struct Unkept {
    pub kept: usize,
    #[source]
    pub source: io::Error,
}

/// What an outbox holds and what it lost since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    pub waiting_lines: u64,
    pub waiting_bytes: u64,
    pub sent_lines: u64,
    /// The queue was full, or a file of it damaged.
    pub dropped_lines: u64,
    /// Loki would not have them.
    pub rejected_lines: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    segment: u64,
    offset: u64,
}

pub struct Outbox {
    dir: PathBuf,
    max_bytes: u64,
    /// Not held while anything is sent.
    state: Mutex<State>,
    arrived: Notify,
}

struct State {
    /// Never empty; the last is written to.
    segments: VecDeque<Segment>,
    sent: Position,
    /// The disk did not take `sent` yet.
    is_unsaved: bool,
    counts: OutboxCounts,
}

struct Segment {
    number: u64,
    file: File,
    bytes: u64,
    /// Lines in it that are not sent.
    lines: u64,
    /// Nothing more is written to it: what comes behind damage is found less surely.
    is_damaged: bool,
}

impl Outbox {
    /// Opens what was left; the directory is made where it is not there.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    pub fn open(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut numbers: Vec<u64> =
            fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".queue")?.parse().ok()).collect();
        numbers.sort_unstable();
        let sent: Option<Position> = fs::read(dir.join("sent.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (mut segments, mut counts) = (VecDeque::new(), OutboxCounts::default());
        for number in &numbers {
            if sent.is_some_and(|sent| *number < sent.segment) {
                remove(dir, *number);
                continue;
            }
            let from = sent.filter(|sent| sent.segment == *number).map_or(0, |sent| sent.offset);
            let (segment, lost_lines) = Segment::open(dir, *number, from, Some(number) == numbers.last())?;
            counts.dropped_lines += lost_lines;
            segments.push_back(segment);
        }
        if segments.is_empty() {
            segments.push_back(Segment::create(dir, sent.map_or(0, |sent| sent.segment + 1))?);
        }
        // After a crash it may name a file that is gone: the one behind it was not begun.
        let first = Position { segment: segments[0].number, offset: 0 };
        let sent = sent
            .filter(|sent| sent.segment == first.segment)
            .map_or(first, |sent| Position { offset: sent.offset.min(segments[0].bytes), ..sent });
        let state = State { segments, sent, is_unsaved: false, counts };
        Ok(Self { dir: dir.to_owned(), max_bytes, state: Mutex::new(state), arrived: Notify::new() })
    }

    /// Blocks until the lines are on disk.
    ///
    /// # Errors
    /// What the disk says, and how many of the lines are kept all the same.
    pub fn append(&self, lines: &[&Line]) -> Result<(), Unkept> {
        let mut kept = 0;
        while kept < lines.len() {
            let mut bytes = 0;
            let fits = lines[kept..].iter().take_while(|line| {
                bytes += line.text.len() + LINE_BYTES;
                bytes <= RECORD_BYTES
            });
            let count = fits.count().max(1);
            self.write(&record_of(&lines[kept..kept + count])).map_err(|source| Unkept { kept, source })?;
            kept += count;
            // At once: it is sent also where the next cannot be written.
            self.arrived.notify_one();
        }
        Ok(())
    }

    fn write(&self, (record, lines): &(Vec<u8>, u64)) -> io::Result<()> {
        let mut state = self.state();
        if state.segments.back().is_some_and(|segment| segment.bytes >= SEGMENT_BYTES || segment.is_damaged) {
            let next = state.segments.back().map_or(0, |segment| segment.number + 1);
            state.segments.push_back(Segment::create(&self.dir, next)?);
        }
        let segment = state.segments.back_mut().expect("never empty");
        let written = segment.file.write_all(record).and_then(|()| segment.file.sync_data());
        if let Err(error) = written {
            // Half a record must not stand before the next one.
            segment.is_damaged = segment.file.set_len(segment.bytes).is_err();
            return Err(error);
        }
        segment.bytes += record.len() as u64;
        segment.lines += lines;
        self.make_room(&mut state);
        Ok(())
    }

    /// Drops whole files from the old end, never the one that is written to.
    fn make_room(&self, state: &mut State) {
        while state.segments.len() > 1 && state.segments.iter().map(|segment| segment.bytes).sum::<u64>() > self.max_bytes {
            let lines = self.drop_first(state).lines;
            state.counts.dropped_lines += lines;
            tracing::error!(kind = "external_service", peer = "loki", lines, "the queue for Loki is full: its oldest lines were dropped");
        }
    }

    /// Goes on with the second file. The first is removed before that is remembered: on a full disk there may be room only then.
    fn drop_first(&self, state: &mut State) -> Segment {
        let first = state.segments.pop_front().expect("more than one");
        state.sent = Position { segment: state.segments[0].number, offset: 0 };
        remove(&self.dir, first.number);
        state.is_unsaved = true;
        first
    }

    /// The oldest push that waits; waits for one.
    pub async fn next(&self) -> Waiting {
        loop {
            match self.read() {
                Ok(Some(waiting)) => return waiting,
                // Elapses where nothing comes; then it is saved and looked again.
                Ok(None) if self.state().is_unsaved => drop(tokio::time::timeout(SAVE_AGAIN, self.arrived.notified()).await),
                Ok(None) => self.arrived.notified().await,
                Err(error) => {
                    tracing::error!(kind = "database", operation = "outbox_read", %error, "the queue for Loki cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn read(&self) -> io::Result<Option<Waiting>> {
        let mut state = self.state();
        loop {
            let at = state.sent;
            let segment = &state.segments[0];
            if at.offset >= segment.bytes {
                if state.segments.len() == 1 {
                    // It was told when it failed; a file that is gone, too, says that it was sent.
                    let _ = self.save(&mut state);
                    return Ok(None);
                }
                self.drop_first(&mut state);
                continue;
            }
            if let Some((body, lines)) = read_record(&segment.file, at.offset, segment.bytes)? {
                let end = Position { offset: at.offset + (HEADER + body.len()) as u64, ..at };
                return Ok(Some(Waiting { body, lines, at, end }));
            }
            skip_damage(&mut state)?;
        }
    }

    /// Loki has the lines but for `rejected` of them, and none of them will be sent again.
    ///
    /// # Errors
    /// Where that cannot be remembered: after a restart they are sent again.
    pub fn done(&self, waiting: &Waiting, rejected: u64) -> io::Result<()> {
        let mut state = self.state();
        let rejected = rejected.min(waiting.lines);
        state.counts.sent_lines += waiting.lines - rejected;
        state.counts.rejected_lines += rejected;
        // Dropped meanwhile: it counted there, and does not stand first any more.
        if state.sent != waiting.at {
            state.counts.dropped_lines = state.counts.dropped_lines.saturating_sub(waiting.lines);
            return Ok(());
        }
        state.sent = waiting.end;
        state.segments[0].lines = state.segments[0].lines.saturating_sub(waiting.lines);
        state.is_unsaved = true;
        self.save(&mut state)
    }

    fn save(&self, state: &mut State) -> io::Result<()> {
        if !state.is_unsaved {
            return Ok(());
        }
        let next = self.dir.join("sent.json.next");
        fs::write(&next, serde_json::to_vec(&state.sent).expect("two numbers serialise"))?;
        fs::rename(&next, self.dir.join("sent.json"))?;
        state.is_unsaved = false;
        Ok(())
    }

    pub fn counts(&self) -> OutboxCounts {
        let state = self.state();
        OutboxCounts {
            waiting_lines: state.segments.iter().map(|segment| segment.lines).sum(),
            waiting_bytes: state.segments.iter().map(|segment| segment.bytes).sum::<u64>().saturating_sub(state.sent.offset),
            ..state.counts
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

/// Goes on at the next whole record of the first file, and counts what is lost before it.
fn skip_damage(state: &mut State) -> io::Result<()> {
    let segment = &mut state.segments[0];
    let found = scan(&segment.read(state.sent.offset)?);
    // What was found when it was opened has been counted.
    let lines = segment.lines.saturating_sub(found.lines);
    if lines > 0 {
        tracing::error!(
            kind = "database",
            operation = "outbox_read",
            lines,
            "a file of the queue for Loki is damaged: lines in it are lost"
        );
    }
    (segment.lines, segment.is_damaged) = (found.lines, true);
    state.counts.dropped_lines += lines;
    state.sent.offset += found.first as u64;
    state.is_unsaved = true;
    Ok(())
}

impl Segment {
    fn create(dir: &Path, number: u64) -> io::Result<Self> {
        let path = path(dir, number);
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(&path)?;
        // The name, too, must survive a power cut.
        if let Err(error) = File::open(dir).and_then(|dir| dir.sync_all()) {
            // It is made anew at the next try.
            fs::remove_file(&path)?;
            return Err(error);
        }
        Ok(Self { number, file, bytes: 0, lines: 0, is_damaged: false })
    }

    /// What was sent ends at `from`. And how many lines behind it are lost.
    fn open(dir: &Path, number: u64, from: u64, is_last: bool) -> io::Result<(Self, u64)> {
        let file = OpenOptions::new().read(true).append(true).open(path(dir, number))?;
        let bytes = file.metadata()?.len();
        // Shorter than what was sent of it: lines behind its end would be taken for sent at the next start.
        let mut segment = Self { number, file, bytes, lines: 0, is_damaged: bytes < from };
        let mut found = scan(&segment.read(from)?);
        if let Some(tail) = found.tail.take() {
            if is_last && tail.is_torn {
                // It was never acknowledged.
                segment.bytes = from + tail.at as u64;
                segment.file.set_len(segment.bytes)?;
            } else {
                found.lost_lines += tail.lines;
            }
        }
        if found.lost_lines > 0 {
            segment.is_damaged = true;
            tracing::error!(
                kind = "database",
                operation = "outbox_open",
                file = number,
                lines = found.lost_lines,
                "a file of the queue for Loki is damaged: these lines or more are lost"
            );
        }
        segment.lines = found.lines;
        Ok((segment, found.lost_lines))
    }

    /// All from `from` on.
    fn read(&self, from: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.file).seek(SeekFrom::Start(from))?;
        (&self.file).take(self.bytes.saturating_sub(from)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A file that stays is not sent again before a restart, and takes room.
fn remove(dir: &Path, number: u64) {
    match fs::remove_file(path(dir, number)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!(kind = "database", operation = "outbox_remove", file = number, %error, "a file of the queue for Loki cannot be removed");
        }
        _ => {}
    }
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.queue"))
}

fn hash(head: &[u8], body: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(head);
    hash.update(body);
    hash.digest()
}

fn record_of(lines: &[&Line]) -> (Vec<u8>, u64) {
    let mut order: Vec<PushStream<'_>> = Vec::new();
    let mut places: HashMap<StreamHash, usize> = HashMap::new();
    for line in lines {
        let place = *places.entry(line.stream.hash).or_insert_with(|| {
            order.push(PushStream { labels: (*line.stream.labels).clone(), duplicate: None, entries: Vec::new() });
            order.len() - 1
        });
        let metadata = vec![(Cow::Borrowed("detected_level"), Cow::Borrowed(line.level.as_str()))];
        order[place].entries.push(PushEntry { at: line.id.at.0, line: Cow::Borrowed(&line.text), metadata });
    }
    let body = body::snap(&proto::encode(&Push { streams: order }));
    let mut record = Vec::with_capacity(HEADER + body.len());
    record.extend_from_slice(&u32::try_from(body.len()).expect("a record is some megabytes").to_le_bytes());
    record.extend_from_slice(&u32::try_from(lines.len()).expect("a record has some thousand lines").to_le_bytes());
    let hash = hash(&record, &body);
    record.extend_from_slice(&hash.to_le_bytes());
    record.extend_from_slice(&body);
    (record, lines.len() as u64)
}

struct Head {
    body_bytes: usize,
    lines: u64,
    hash: u64,
}

impl Head {
    /// `None` where there is none. A length beyond all bounds stands as it is.
    fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEADER)?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let hash = u64::from(word(8)) | u64::from(word(12)) << 32;
        Some(Self { body_bytes: word(0) as usize, lines: word(4).into(), hash })
    }

    /// What a record may be, as far as numbers say.
    fn is_likely(&self) -> bool {
        (1..=MAX_BODY_BYTES).contains(&self.body_bytes) && (1..=(RECORD_BYTES / LINE_BYTES) as u64).contains(&self.lines)
    }
}

/// `None` where the bytes are no whole record.
fn read_record(file: &File, offset: u64, end: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut head_bytes = [0; HEADER];
    if end.saturating_sub(offset) < HEADER as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut head_bytes, offset)?;
    let head = Head::read(&head_bytes).expect("as long as a head");
    if head.body_bytes > MAX_BODY_BYTES || offset + (HEADER + head.body_bytes) as u64 > end {
        return Ok(None);
    }
    let mut body = vec![0; head.body_bytes];
    file.read_exact_at(&mut body, offset + HEADER as u64)?;
    Ok((hash(&head_bytes[..8], &body) == head.hash).then_some((body, head.lines)))
}

/// The head of the whole record at the beginning.
fn whole(bytes: &[u8]) -> Option<Head> {
    let head = Head::read(bytes).filter(Head::is_likely)?;
    let body = bytes.get(HEADER..HEADER + head.body_bytes)?;
    (hash(&bytes[..8], body) == head.hash).then_some(head)
}

/// What the rest of a file holds.
#[derive(Default)]
struct Found {
    /// Where the first whole record begins, or the end.
    first: usize,
    /// Lines in whole records.
    lines: u64,
    /// At least so many were in what is damaged before a whole record.
    lost_lines: u64,
    tail: Option<Tail>,
}

/// What is behind the last whole record.
struct Tail {
    at: usize,
    /// At least so many lines.
    lines: u64,
    /// It was not written to its end, or nothing of it was.
    is_torn: bool,
}

fn scan(bytes: &[u8]) -> Found {
    let mut found = Found { first: bytes.len(), ..Found::default() };
    let mut at = 0;
    while at < bytes.len() {
        if let Some(head) = whole(&bytes[at..]) {
            found.first = found.first.min(at);
            found.lines += head.lines;
            at += HEADER + head.body_bytes;
            continue;
        }
        let head = Head::read(&bytes[at..]).filter(Head::is_likely);
        let lines = head.as_ref().map_or(1, |head| head.lines);
        match next_whole(&bytes[at..]) {
            Some(next) => {
                found.lost_lines += lines;
                at += next;
            }
            None => {
                let is_torn = head.is_none_or(|head| bytes.len() - at < HEADER + head.body_bytes);
                found.tail = Some(Tail { at, lines, is_torn });
                break;
            }
        }
    }
    found
}

/// Where the next whole record begins behind one that is not.
fn next_whole(bytes: &[u8]) -> Option<usize> {
    // Most damage is in a body: its length holds then, and nothing that somebody logs is taken for a record.
    let told = Head::read(bytes).map(|head| HEADER + head.body_bytes);
    told.filter(|at| bytes.get(*at..).is_some_and(|rest| whole(rest).is_some()))
        .or_else(|| (1..bytes.len()).find(|at| whole(&bytes[*at..]).is_some()))
}

#[cfg(test)]
mod tests;
