//! From the collectors to the store and on to those who watch: a line is shown when it is kept. One thread appends what has
//! gathered while the last append ran. A store that cannot write does not stop the live view: lines are shown as they come
//! then, wait in memory, and are kept as soon as it can. What may wait is bounded; beyond it the collectors wait, and Docker
//! and the files hold what they have.

use std::{
    collections::HashMap,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use logql::read::StreamRef;
use logstore::{NewEntry, StreamBatch};
use model::{Level, StreamHash};
use ops::{live::Hub, source::Line};
use tokio::sync::{mpsc, oneshot};

use super::{
    Clock,
    places::{Place, Places},
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
    /// As it comes.
    Live,
    /// It counts, and is not shown as live.
    History,
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

/// The collectors' end.
#[derive(Clone)]
pub struct Intake(mpsc::Sender<Message>);

impl Intake {
    /// Starts the thread; it ends when every clone of the sender is gone and what was sent is kept.
    pub fn start(engine: Arc<Embedded>, hub: Arc<Hub>, places: Arc<Places>, clock: Clock) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = Writer { engine, hub, places, clock };
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

struct Writer {
    engine: Arc<Embedded>,
    hub: Arc<Hub>,
    places: Arc<Places>,
    clock: Clock,
}

impl Writer {
    fn run(self, mut receiver: mpsc::Receiver<Message>) {
        while let Some(first) = receiver.blocking_recv() {
            let (batch, told) = gather(Some(first), &mut receiver);
            match self.append(&batch) {
                Ok(()) => {
                    self.show(&batch);
                    self.remember(&batch);
                    tell(told);
                }
                Err(error) => {
                    tracing::error!(kind = "database", operation = "logs_append", %error, "collected lines cannot be kept; trying again");
                    self.show(&batch);
                    self.wait_for_room(batch, told, &mut receiver);
                }
            }
        }
        self.places.save();
    }

    /// Shows what comes and keeps nothing, until the store writes again. At the console's end it gives up: the sources still
    /// hold the lines, and nobody remembers a place behind them.
    fn wait_for_room(&self, mut waiting: Vec<Taken>, mut told: Vec<oneshot::Sender<()>>, receiver: &mut mpsc::Receiver<Message>) {
        let mut bytes: usize = waiting.iter().map(Taken::bytes).sum();
        let mut tried = Instant::now();
        loop {
            std::thread::sleep(LOOK);
            if bytes < WAITING {
                let (batch, more_told) = gather(None, receiver);
                self.show(&batch);
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
                Ok(()) => {
                    tracing::info!(kind = "database", operation = "logs_append", bytes, "collected lines are kept again");
                    self.remember(&waiting);
                    return tell(told);
                }
                Err(_) if closing => return,
                Err(_) => {}
            }
        }
    }

    fn remember(&self, batch: &[Taken]) {
        for (name, place) in batch.iter().filter_map(|taken| taken.place.as_ref()) {
            self.places.set(name, *place);
        }
        self.places.save_now_and_then();
    }

    /// In pieces that the store takes, however long lines are. A piece that was kept before is recognised.
    fn append(&self, batch: &[Taken]) -> Result<(), logstore::AppendError> {
        let mut piece: Vec<&Line> = Vec::new();
        let mut bytes = 0;
        for line in batch.iter().flat_map(|taken| &taken.lines) {
            if bytes + line.text.len() > BYTES_AT_ONCE && !piece.is_empty() {
                self.append_piece(&std::mem::take(&mut piece))?;
                bytes = 0;
            }
            bytes += line.text.len();
            piece.push(line);
        }
        self.append_piece(&piece)
    }

    fn append_piece(&self, lines: &[&Line]) -> Result<(), logstore::AppendError> {
        let mut order: Vec<StreamHash> = Vec::new();
        let mut streams: HashMap<StreamHash, Vec<&Line>> = HashMap::new();
        for line in lines {
            let lines = streams.entry(line.stream.hash).or_insert_with(|| {
                order.push(line.stream.hash);
                Vec::new()
            });
            lines.push(line);
        }
        let levels: Vec<[(&str, &str); 1]> = Level::ALL.iter().map(|level| [("detected_level", level.as_str())]).collect();
        let of = |level: Level| &levels[Level::ALL.iter().position(|one| *one == level).expect("it lists all")][..];
        let entries: Vec<Vec<NewEntry<'_>>> = order
            .iter()
            .map(|hash| {
                let lines = &streams[hash];
                lines
                    .iter()
                    .map(|line| NewEntry { at: line.id.at.0, ordinal: Some(line.id.ordinal), line: &line.text, metadata: of(line.level) })
                    .collect()
            })
            .collect();
        let batch: Vec<StreamBatch<'_>> =
            order.iter().zip(&entries).map(|(hash, entries)| StreamBatch { labels: &streams[hash][0].stream.labels, entries }).collect();
        if batch.is_empty() {
            return Ok(());
        }
        self.engine.store.append(&batch, (self.clock)().0).map(|_| ())
    }

    fn show(&self, batch: &[Taken]) {
        let now = (self.clock)();
        for taken in batch {
            match taken.show {
                Show::Live => self.hub.publish(&taken.lines, now),
                Show::History => self.hub.count(&taken.lines, now),
                Show::Kept => {}
            }
            if taken.show == Show::Live && self.engine.feed.is_heard() {
                self.engine.feed.send(taken.lines.iter().map(|line| fresh(line)).collect());
            }
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
