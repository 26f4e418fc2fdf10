//! From the collectors to the store and on to those who watch: a line is shown when it is kept. One thread appends what has
//! gathered while the last append ran. A store that cannot write does not stop the live view: lines are shown as they come
//! then, wait in memory, and are kept as soon as it can. What may wait is bounded; beyond it the collectors wait, and Docker
//! and the files hold what they have.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use logql::read::StreamRef;
use logstore::{NewEntry, Outcome, StreamBatch};
use model::{Level, StreamHash};
use ops::{live::Hub, source::Line};
use tokio::sync::{mpsc, oneshot};

use super::{
    Clock,
    outbox::{self, Outbox},
    places::{Place, Places},
    renumber::Renumber,
};
use crate::source::embedded::{Embedded, Fresh};

/// Batches of up to 256 lines that wait for the disk.
const QUEUE: usize = 64;
/// Lines that are appended at once.
const AT_ONCE: usize = 4_096;
/// And bytes of them: more than one line where it fits.
const BYTES_AT_ONCE: usize = 4 << 20;
/// Between two tries of a store that cannot write.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes of lines that wait for a store that cannot write.
const WAITING: usize = 32 << 20;
/// Between two looks for new lines meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// How a batch is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// As it comes, but for what is there already: what was written while no console ran comes late, and whoever was there
    /// first gets it all the same.
    Live,
    /// It was written before anybody watched: it is only kept.
    Kept,
}

/// Lines of one source, in its order, and where reading stands behind them.
pub struct Taken {
    pub lines: Vec<Arc<Line>>,
    pub show: Show,
    /// Remembered once the lines are on disk.
    pub place: Option<(String, Place)>,
}

impl Taken {
    /// The bytes of its lines and what each takes beside them.
    fn bytes(&self) -> usize {
        self.lines.iter().map(|line| line.text.len() + size_of::<Line>()).sum()
    }
}

enum Message {
    Taken(Taken),
    /// Tells when all that was sent before is kept.
    Kept(oneshot::Sender<()>),
}

/// Where collected lines are kept.
pub enum Keeper {
    Engine(Arc<Embedded>),
    /// On disk until a Loki has them.
    Outbox(Arc<Outbox>),
    /// Somebody else brings them to the Loki that is searched.
    Nowhere,
}

impl From<Arc<Embedded>> for Keeper {
    fn from(engine: Arc<Embedded>) -> Self {
        Self::Engine(engine)
    }
}

/// The collectors' end.
#[derive(Clone)]
pub struct Intake(mpsc::Sender<Message>);

impl Intake {
    /// Starts the thread; it ends when every clone of the sender is gone and what was sent is kept.
    pub fn start(keeper: impl Into<Keeper>, hub: Arc<Hub>, places: Arc<Places>, clock: Clock) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let keeper = keeper.into();
        // A Loki has no ordinals: a line must have the id under which it will be found there.
        let renumber = match &keeper {
            Keeper::Engine(_) => None,
            other => Some(RefCell::new(Renumber::new(matches!(other, Keeper::Outbox(_))))),
        };
        let writer = Writer { keeper, renumber, hub, places, clock };
        let thread = std::thread::Builder::new().name("intake".to_owned()).spawn(move || writer.run(receiver));
        (Self(sender), thread.expect("the system starts threads at start"))
    }

    /// Waits for room.
    pub async fn take(&self, taken: Taken) {
        // Fails only while the console ends.
        drop(self.0.send(Message::Taken(taken)).await);
    }

    /// As [`Intake::take`], for a thread that may block.
    pub fn take_blocking(&self, taken: Taken) {
        drop(self.0.blocking_send(Message::Taken(taken)));
    }

    /// Waits until all that was sent before is kept and shown.
    pub async fn kept(&self) {
        let (told, kept) = oneshot::channel();
        if self.0.send(Message::Kept(told)).await.is_ok() {
            drop(kept.await);
        }
    }
}

/// The first `kept` lines of a batch are on disk, and the next one is not.
#[derive(Debug)]
struct Unkept {
    kept: usize,
    error: logstore::AppendError,
}

impl Unkept {
    /// There are so many before it, all kept.
    fn behind(self, before: usize) -> Self {
        Self { kept: before + self.kept, ..self }
    }
}

struct Writer {
    keeper: Keeper,
    renumber: Option<RefCell<Renumber>>,
    hub: Arc<Hub>,
    places: Arc<Places>,
    clock: Clock,
}

impl Writer {
    fn run(self, mut receiver: mpsc::Receiver<Message>) {
        while let Some(first) = receiver.blocking_recv() {
            let (mut batch, told) = self.gather(Some(first), &mut receiver);
            match self.append(&batch) {
                Ok(is_new) => {
                    self.show(&batch, &is_new);
                    self.remember(&batch);
                    tell(told);
                }
                Err(Unkept { kept, error }) => {
                    tracing::error!(kind = "database", operation = "logs_append", %error, "collected lines cannot be kept; trying again");
                    self.show(&batch, &[]);
                    self.let_go(&mut batch, kept);
                    if !self.wait_for_room(batch, told, &mut receiver) {
                        // What is queued lies behind: keeping it or its places would hide the lines given up for ever.
                        break;
                    }
                }
            }
        }
        self.places.save();
    }

    /// Shows what comes and keeps nothing, until the store writes again. At the console's end it gives up and says `false`: the
    /// sources still hold the lines, and nobody remembers a place behind them.
    fn wait_for_room(&self, mut waiting: Vec<Taken>, mut told: Vec<oneshot::Sender<()>>, receiver: &mut mpsc::Receiver<Message>) -> bool {
        let mut bytes: usize = waiting.iter().map(Taken::bytes).sum();
        let mut tried = Instant::now();
        loop {
            std::thread::park_timeout(LOOK);
            if bytes < WAITING {
                let (batch, more_told) = self.gather(None, receiver);
                self.show(&batch, &[]);
                bytes += batch.iter().map(Taken::bytes).sum::<usize>();
                waiting.extend(batch);
                told.extend(more_told);
            }
            let closing = receiver.is_closed();
            if tried.elapsed() < RETRY && !closing {
                continue;
            }
            tried = Instant::now();
            match self.append(&waiting) {
                Ok(_) => {
                    tracing::info!(kind = "database", operation = "logs_append", bytes, "collected lines are kept again");
                    self.remember(&waiting);
                    tell(told);
                    return true;
                }
                Err(Unkept { kept, .. }) => {
                    self.let_go(&mut waiting, kept);
                    if closing {
                        return false;
                    }
                    bytes = waiting.iter().map(Taken::bytes).sum();
                }
            }
        }
    }

    /// So many lines need not wait.
    fn let_go(&self, waiting: &mut Vec<Taken>, mut kept: usize) {
        let whole = waiting.iter().take_while(|taken| match kept.checked_sub(taken.lines.len()) {
            Some(rest) => {
                kept = rest;
                true
            }
            None => false,
        });
        let whole: Vec<Taken> = waiting.drain(..whole.count()).collect();
        self.remember(&whole);
        if let Some(first) = waiting.first_mut() {
            first.lines.drain(..kept);
        }
    }

    fn gather(&self, first: Option<Message>, receiver: &mut mpsc::Receiver<Message>) -> (Vec<Taken>, Vec<oneshot::Sender<()>>) {
        let (mut batch, told) = gather(first, receiver);
        if let Some(renumber) = &self.renumber {
            let mut renumber = renumber.borrow_mut();
            batch.iter_mut().flat_map(|taken| &mut taken.lines).for_each(|line| *line = renumber.line(line));
        }
        (batch, told)
    }

    fn remember(&self, batch: &[Taken]) {
        for (name, place) in batch.iter().filter_map(|taken| taken.place.as_ref()) {
            self.places.set(name, *place);
        }
        self.places.save_now_and_then();
    }

    /// In pieces that the store takes, however long lines are. Says of each line whether it is new: a line that was kept
    /// before, in a piece that came through or by an earlier console, is recognised.
    fn append(&self, batch: &[Taken]) -> Result<Vec<bool>, Unkept> {
        let lines: Vec<&Line> = batch.iter().flat_map(|taken| &taken.lines).map(|line| &**line).collect();
        let mut is_new = Vec::with_capacity(lines.len());
        let mut bytes = 0;
        let mut start = 0;
        for (at, line) in lines.iter().enumerate() {
            if bytes + line.text.len() > BYTES_AT_ONCE && at > start {
                is_new.extend(self.append_piece(&lines[start..at]).map_err(|unkept| unkept.behind(start))?);
                (start, bytes) = (at, 0);
            }
            bytes += line.text.len();
        }
        is_new.extend(self.append_piece(&lines[start..]).map_err(|unkept| unkept.behind(start))?);
        Ok(is_new)
    }

    fn append_piece(&self, lines: &[&Line]) -> Result<Vec<bool>, Unkept> {
        let engine = match &self.keeper {
            Keeper::Engine(engine) => engine,
            // It does not know what it held before: lines read again after a crash go again, and Loki keeps one of each.
            Keeper::Outbox(outbox) => {
                let unkept = |outbox::Unkept { kept, source }| Unkept { kept, error: source.into() };
                return outbox.append(lines).map(|()| vec![true; lines.len()]).map_err(unkept);
            }
            Keeper::Nowhere => return Ok(vec![true; lines.len()]),
        };
        let mut order: Vec<StreamHash> = Vec::new();
        let mut streams: HashMap<StreamHash, Vec<usize>> = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            let own = streams.entry(line.stream.hash).or_insert_with(|| {
                order.push(line.stream.hash);
                Vec::new()
            });
            own.push(at);
        }
        let levels: Vec<[(&str, &str); 1]> = Level::ALL.iter().map(|level| [("detected_level", level.as_str())]).collect();
        let of = |level: Level| &levels[Level::ALL.iter().position(|one| *one == level).expect("it lists all")][..];
        let entry = |at: &usize| {
            let line = lines[*at];
            NewEntry { at: line.id.at.0, ordinal: Some(line.id.ordinal), line: &line.text, metadata: of(line.level) }
        };
        let entries: Vec<Vec<NewEntry<'_>>> = order.iter().map(|hash| streams[hash].iter().map(entry).collect()).collect();
        let labels = |hash: &StreamHash| &lines[streams[hash][0]].stream.labels;
        let batch: Vec<StreamBatch<'_>> =
            order.iter().zip(&entries).map(|(hash, entries)| StreamBatch { labels: labels(hash), entries }).collect();
        let mut is_new = vec![true; lines.len()];
        if !batch.is_empty() {
            let appended = engine.store.append(&batch, (self.clock)().0).map_err(|error| Unkept { kept: 0, error })?;
            let places = order.iter().flat_map(|hash| &streams[hash]);
            places.zip(&appended.outcomes).for_each(|(at, outcome)| is_new[*at] = *outcome != Outcome::Duplicate);
        }
        Ok(is_new)
    }

    /// `is_new` says so of each line of the batch; without it all of them are.
    fn show(&self, batch: &[Taken], is_new: &[bool]) {
        let now = (self.clock)();
        let mut at = 0;
        for taken in batch {
            let own = is_new.get(at..at + taken.lines.len()).unwrap_or_default();
            at += taken.lines.len();
            if taken.show == Show::Kept {
                continue;
            }
            if own.iter().all(|is_new| *is_new) {
                self.show_lines(&taken.lines, now);
            } else {
                let new: Vec<Arc<Line>> =
                    taken.lines.iter().zip(own).filter(|(_, is_new)| **is_new).map(|(line, _)| line.clone()).collect();
                self.show_lines(&new, now);
            }
        }
    }

    fn show_lines(&self, lines: &[Arc<Line>], now: model::Timestamp) {
        self.hub.publish(lines, now);
        if let Keeper::Engine(engine) = &self.keeper
            && engine.feed.is_heard()
        {
            engine.feed.send(lines.iter().map(|line| fresh(line)).collect());
        }
    }
}

/// What there is to take at once, and who waits for it.
fn gather(first: Option<Message>, receiver: &mut mpsc::Receiver<Message>) -> (Vec<Taken>, Vec<oneshot::Sender<()>>) {
    let (mut batch, mut told, mut lines) = (Vec::new(), Vec::new(), 0);
    let mut next = first.or_else(|| receiver.try_recv().ok());
    while let Some(message) = next {
        match message {
            Message::Taken(taken) => {
                lines += taken.lines.len();
                batch.push(taken);
            }
            Message::Kept(one) => told.push(one),
        }
        next = if lines < AT_ONCE { receiver.try_recv().ok() } else { None };
    }
    (batch, told)
}

fn tell(waiting: Vec<oneshot::Sender<()>>) {
    for told in waiting {
        // Fails where nobody waits any more.
        let _ = told.send(());
    }
}

fn fresh(line: &Line) -> Fresh {
    Fresh {
        stream: Arc::new(StreamRef { labels: (*line.stream.labels).clone(), hash: line.stream.hash }),
        at: line.id.at.0,
        ordinal: line.id.ordinal,
        line: line.text.clone(),
        metadata: vec![("detected_level".to_owned(), line.level.as_str().to_owned())],
    }
}

#[cfg(test)]
mod tests {
    use model::{EntryId, Labels, Timestamp};
    use ops::source::{ServiceKey, Stream};

    use super::*;
    use crate::source::files::key;

    #[test]
    fn what_the_queue_kept_does_not_wait_for_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Arc::new(Outbox::open(dir.path(), 1 << 30).unwrap());
        let clock: Clock = Arc::new(|| Timestamp(0));
        let places = Arc::new(Places::open(dir.path(), clock.clone()));
        let keeper = Keeper::Outbox(outbox.clone());
        let writer = Writer { keeper, renumber: None, hub: Arc::default(), places: places.clone(), clock };
        let key = ServiceKey { host: "local".into(), project: None, name: "web".into(), kind_file: false };
        let stream = Arc::new(Stream::new(key, Labels::from([("service", "web")])));
        // Random, so that snappy does not make it small; a record holds one of them.
        let text: Arc<str> = (0..600_000).map(|_| char::from(rand::random_range(b' '..=b'~'))).collect::<String>().into();
        let line = |at: u64| {
            let id = EntryId { at: Timestamp(at as i64), stream: stream.hash, ordinal: 0 };
            Arc::new(Line { id, stream: stream.clone(), text: text.clone(), level: Level::Info, group: id })
        };
        let taken = |number: u64| Taken {
            lines: (number * 3..number * 3 + 3).map(line).collect(),
            show: Show::Kept,
            place: Some((number.to_string(), Place::File { device: 0, inode: 0, end: number })),
        };
        let mut waiting: Vec<Taken> = (0..10).map(taken).collect();
        // The second file of the queue cannot be made.
        std::fs::create_dir(dir.path().join("0000000001.queue")).unwrap();
        let kept = writer.append(&waiting).unwrap_err().kept;
        assert!((6..30).contains(&kept), "{kept}");
        writer.let_go(&mut waiting, kept);
        assert_eq!(waiting.iter().map(|taken| taken.lines.len()).sum::<usize>(), 30 - kept);
        let remembered = (0..10).filter(|number: &u64| places.get(&number.to_string()).is_some()).count();
        assert_eq!((remembered, waiting.len()), (kept / 3, 10 - kept / 3));
        std::fs::remove_dir(dir.path().join("0000000001.queue")).unwrap();
        assert!(writer.append(&waiting).is_ok());
        assert_eq!(outbox.counts().waiting_lines, 30, "each once");
    }

    #[test]
    fn no_place_is_remembered_behind_lines_that_were_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let queue = dir.path().join("outbox");
        let outbox = Arc::new(Outbox::open(&queue, 1 << 30).unwrap());
        let clock: Clock = Arc::new(|| Timestamp(0));
        let places = Arc::new(Places::open(dir.path(), clock.clone()));
        let stream = Arc::new(Stream::new(key("web"), Labels::from([("service", "web")])));
        let id = EntryId { at: Timestamp(1), stream: stream.hash, ordinal: 0 };
        let line = |text: String| Line { id, stream: stream.clone(), text: text.into(), level: Level::Info, group: id };
        // Its first file is full, and there can be no second one: nothing can be kept.
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b' ' + (state >> 58) as u8)
        });
        outbox.append(&[&line(noise.take(9 << 20).collect())]).unwrap();
        std::fs::remove_dir_all(&queue).unwrap();
        let (intake, thread) = Intake::start(Keeper::Outbox(outbox), Arc::default(), places.clone(), clock);
        // As much as may wait: what comes behind stays in the queue.
        let one = line("x".repeat(WAITING / AT_ONCE));
        let at = |at| EntryId { at: Timestamp(at), ..id };
        let lines = (0..AT_ONCE as i64).map(|nanos| {
            Arc::new(Line { id: at(nanos), group: at(nanos), stream: one.stream.clone(), text: one.text.clone(), level: one.level })
        });
        intake.take_blocking(Taken { lines: lines.collect(), show: Show::Kept, place: None });
        let place = Place::File { device: 1, inode: 1, end: 1 };
        intake.take_blocking(Taken { lines: Vec::new(), show: Show::Kept, place: Some(("web".to_owned(), place)) });
        drop(intake);
        thread.join().unwrap();
        assert_eq!(places.get("web"), None);
    }
}
