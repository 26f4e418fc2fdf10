//! Collected lines on their way to a Loki: on disk from when they are taken until it has them, in the order in which they
//! came. What is kept here is bounded; when a Loki is away for longer than that, the oldest go, and are counted.
//!
//! `outbox/<number>.queue` holds records one after the other: length of the body (u32, little endian), lines in it (u32),
//! XXH3 of both and the body (u64), and the body, a push as Loki takes it (`logproto.PushRequest` in a snappy block).
//! `outbox/sent.json` says behind which record sending stands. It is written without fsync: after a power cut some records
//! are sent again, and Loki knows their lines.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use logpush::{Push, PushEntry, PushStream, body, proto};
use logstore::AppendError;
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
const MAX_BODY_BYTES: u64 = 64 << 20;

/// A push that waits.
#[derive(Debug)]
pub struct Waiting {
    pub body: Vec<u8>,
    pub lines: u64,
    at: Position,
    end: Position,
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
    counts: OutboxCounts,
}

struct Segment {
    number: u64,
    file: File,
    bytes: u64,
    /// Lines in it that are not sent.
    lines: u64,
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
        let mut segments = VecDeque::new();
        for number in &numbers {
            if sent.is_some_and(|sent| *number < sent.segment) {
                fs::remove_file(path(dir, *number))?;
                continue;
            }
            let file = OpenOptions::new().read(true).append(true).open(path(dir, *number))?;
            let from = sent.filter(|sent| sent.segment == *number).map_or(0, |sent| sent.offset);
            let (bytes, lines) = scan(&file, from)?;
            // A torn record was never acknowledged.
            file.set_len(bytes)?;
            segments.push_back(Segment { number: *number, file, bytes, lines });
        }
        if segments.is_empty() {
            segments.push_back(Segment::create(dir, sent.map_or(0, |sent| sent.segment + 1))?);
        }
        let first = Position { segment: segments[0].number, offset: 0 };
        let sent = sent
            .filter(|sent| sent.segment == first.segment)
            .map_or(first, |sent| Position { offset: sent.offset.min(segments[0].bytes), ..sent });
        let state = State { segments, sent, counts: OutboxCounts::default() };
        Ok(Self { dir: dir.to_owned(), max_bytes, state: Mutex::new(state), arrived: Notify::new() })
    }

    /// Blocks until the lines are on disk.
    ///
    /// # Errors
    /// What the disk says. Some of the lines may be kept then: sent twice, they count once.
    pub fn append(&self, lines: &[&Line]) -> Result<(), AppendError> {
        let mut rest = lines;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|line| {
                bytes += line.text.len() + 64;
                bytes <= RECORD_BYTES
            });
            let (record, more) = rest.split_at(fits.count().max(1));
            self.write(&record_of(record))?;
            rest = more;
        }
        self.arrived.notify_one();
        Ok(())
    }

    fn write(&self, (record, lines): &(Vec<u8>, u64)) -> io::Result<()> {
        let mut state = self.state();
        if state.segments.back().is_some_and(|segment| segment.bytes >= SEGMENT_BYTES) {
            let next = state.segments.back().map_or(0, |segment| segment.number + 1);
            state.segments.push_back(Segment::create(&self.dir, next)?);
        }
        let segment = state.segments.back_mut().expect("never empty");
        let written = segment.file.write_all(record).and_then(|()| segment.file.sync_data());
        if let Err(error) = written {
            // Half a record must not stand before the next one.
            segment.file.set_len(segment.bytes)?;
            return Err(error);
        }
        segment.bytes += record.len() as u64;
        segment.lines += lines;
        self.make_room(&mut state)
    }

    /// Drops whole files from the old end, never the one that is written to.
    fn make_room(&self, state: &mut State) -> io::Result<()> {
        while state.segments.len() > 1 && state.segments.iter().map(|segment| segment.bytes).sum::<u64>() > self.max_bytes {
            let oldest = state.segments.pop_front().expect("more than one");
            fs::remove_file(path(&self.dir, oldest.number))?;
            state.counts.dropped_lines += oldest.lines;
            tracing::error!(
                kind = "external_service",
                peer = "loki",
                lines = oldest.lines,
                "the queue for Loki is full: its oldest lines were dropped"
            );
            state.sent = Position { segment: state.segments[0].number, offset: 0 };
        }
        Ok(())
    }

    /// The oldest push that waits; waits for one.
    pub async fn next(&self) -> Waiting {
        loop {
            match self.read() {
                Ok(Some(waiting)) => return waiting,
                Ok(None) => self.arrived.notified().await,
                Err(error) => {
                    tracing::error!(kind = "database", operation = "outbox_read", %error, "the queue for Loki cannot be read");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
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
                    return Ok(None);
                }
                self.pass(&mut state)?;
                continue;
            }
            if let Some((body, lines)) = read_record(&segment.file, at.offset, segment.bytes)? {
                let end = Position { offset: at.offset + (HEADER + body.len()) as u64, ..at };
                return Ok(Some(Waiting { body, lines, at, end }));
            }
            // Where the next record begins is not known either.
            let lost = segment.lines;
            tracing::error!(
                kind = "database",
                operation = "outbox_read",
                lines = lost,
                "a file of the queue for Loki is damaged: its lines are lost"
            );
            state.counts.dropped_lines += lost;
            state.segments[0].lines = 0;
            state.sent.offset = segment_end(&state);
        }
    }

    /// Takes the first file away, which has been sent.
    fn pass(&self, state: &mut State) -> io::Result<()> {
        let done = state.segments.pop_front().expect("more than one");
        state.sent = Position { segment: state.segments[0].number, offset: 0 };
        self.save(state.sent)?;
        fs::remove_file(path(&self.dir, done.number))
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
        self.save(state.sent)
    }

    fn save(&self, sent: Position) -> io::Result<()> {
        let next = self.dir.join("sent.json.next");
        fs::write(&next, serde_json::to_vec(&sent).expect("two numbers serialise"))?;
        fs::rename(&next, self.dir.join("sent.json"))
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

fn segment_end(state: &State) -> u64 {
    state.segments[0].bytes
}

impl Segment {
    fn create(dir: &Path, number: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(path(dir, number))?;
        // The name, too, must survive a power cut.
        File::open(dir)?.sync_all()?;
        Ok(Self { number, file, bytes: 0, lines: 0 })
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

/// `None` where the bytes are no whole record.
fn read_record(file: &File, offset: u64, end: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut head = [0; HEADER];
    if end.saturating_sub(offset) < HEADER as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut head, offset)?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (len, lines) = (u64::from(word(0)), u64::from(word(4)));
    if len > MAX_BODY_BYTES || offset + HEADER as u64 + len > end {
        return Ok(None);
    }
    let mut body = vec![0; usize::try_from(len).expect("some megabytes")];
    file.read_exact_at(&mut body, offset + HEADER as u64)?;
    let expect = u64::from(word(8)) | u64::from(word(12)) << 32;
    Ok((hash(&head[..8], &body) == expect).then_some((body, lines)))
}

/// The end of the last whole record, and lines in those from `from` on.
fn scan(file: &File, from: u64) -> io::Result<(u64, u64)> {
    let end = file.metadata()?.len();
    let (mut offset, mut lines) = (0, 0);
    while let Some((body, count)) = read_record(file, offset, end)? {
        if offset >= from {
            lines += count;
        }
        offset += (HEADER + body.len()) as u64;
    }
    Ok((offset, lines))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{EntryId, Labels, Level, Timestamp};
    use ops::source::{ServiceKey, Stream};

    use super::*;

    fn lines(range: std::ops::Range<i64>) -> Vec<Line> {
        let key = ServiceKey { host: "local".into(), project: None, name: "web".into(), kind_file: false };
        let stream = Arc::new(Stream::new(key, Labels::from([("service", "we\"b"), ("service_name", "web")])));
        let line = |at| {
            let id = EntryId { at: Timestamp(at), stream: stream.hash, ordinal: 0 };
            Line { id, stream: stream.clone(), text: format!("line {at} {}", "x".repeat(1_000)).into(), level: Level::Warn, group: id }
        };
        range.map(line).collect()
    }

    fn append(outbox: &Outbox, range: std::ops::Range<i64>) {
        let lines = lines(range);
        outbox.append(&lines.iter().collect::<Vec<_>>()).unwrap();
    }

    /// The times of the lines of the next push.
    fn next(outbox: &Outbox) -> Option<(Waiting, Vec<i64>)> {
        let waiting = outbox.read().unwrap()?;
        let bytes = body::decompress(&waiting.body, "", body::Format::Protobuf, 1 << 30).unwrap();
        let push = proto::decode(&bytes, &Default::default()).unwrap();
        assert_eq!(push.streams[0].labels.get("service"), Some("we\"b"));
        assert_eq!(push.streams[0].entries[0].metadata, [("detected_level".into(), "warn".into())]);
        let times = push.streams.iter().flat_map(|stream| &stream.entries).map(|entry| entry.at).collect();
        Some((waiting, times))
    }

    fn drain(outbox: &Outbox) -> Vec<i64> {
        let mut all = Vec::new();
        while let Some((waiting, times)) = next(outbox) {
            outbox.done(&waiting, 0).unwrap();
            all.extend(times);
        }
        all
    }

    #[test]
    fn what_waits_survives_and_what_was_sent_does_not_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
        append(&outbox, 0..10);
        append(&outbox, 10..5_000);
        let (first, times) = next(&outbox).unwrap();
        assert_eq!(times, (0..10).collect::<Vec<_>>());
        outbox.done(&first, 3).unwrap();
        assert_eq!(outbox.counts().rejected_lines, 3);
        drop(outbox);
        // The last record is torn.
        let newest = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "queue"))
            .max()
            .unwrap();
        OpenOptions::new().append(true).open(&newest).unwrap().write_all(&[9; 40]).unwrap();
        let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
        assert_eq!(outbox.counts().waiting_lines, 4_990);
        append(&outbox, 5_000..5_001);
        assert_eq!(drain(&outbox), (10..5_001).collect::<Vec<_>>());
        assert_eq!((outbox.counts().waiting_lines, outbox.counts().sent_lines), (0, 4_991));
        let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
        assert!(drain(&outbox).is_empty());
        append(&outbox, 1..2);
        assert_eq!(drain(&outbox), [1]);
    }

    #[test]
    fn a_full_queue_drops_its_oldest_lines_and_counts_them() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path(), 1).unwrap();
        // Random text, so that snappy does not make it small.
        let mut at = 0;
        while outbox.counts().dropped_lines == 0 {
            let mut one = lines(at..at + 1);
            one[0].text = (0..500_000).map(|_| char::from(rand::random_range(b'a'..=b'z'))).collect::<String>().into();
            outbox.append(&[&one[0]]).unwrap();
            at += 1;
            assert!(at < 100);
        }
        let dropped = outbox.counts().dropped_lines as i64;
        assert_eq!(drain(&outbox), (dropped..at).collect::<Vec<_>>());
    }

    #[test]
    fn a_flipped_byte_costs_its_file_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
        append(&outbox, 0..3);
        let file = path(dir.path(), 0);
        let mut bytes = fs::read(&file).unwrap();
        bytes[30] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert!(next(&outbox).is_none());
        assert_eq!((outbox.counts().dropped_lines, outbox.counts().waiting_lines), (3, 0));
        append(&outbox, 3..4);
        assert_eq!(drain(&outbox), [3]);
    }
}
