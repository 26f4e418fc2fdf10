//! One container's log, followed: no line lost or doubled across breaks, restarts and steps of the clock.
//!
//! Docker can resume by time only, and hides lines that are stamped before it, as after a clock stepped back. So a
//! follower resumes by place: it remembers the last line it took, reads the last N messages, passes over everything up
//! to that line and takes what follows. First by a read that ends (it can grow N until the line is in it), then by one
//! that follows, whose short beginning must hold the line again. A line is the same if time, output, ordinal and text
//! are.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use model::Timestamp;
use ops::source::Line;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

use super::{Backoff, Kept, LOOK_BACK_NS, Shared, Show};
use crate::source::docker::{
    client::{ByteStream, DockerError, LogRequest},
    frames::{FrameError, LogDecoder, Output, RawLine},
    logs::{Container, LineMaker},
};

/// Messages read back at first sight, and in the first try to find the place.
const FIRST_TAIL: u64 = 2_000;
/// Messages that a following read begins with, beyond what the last line needs.
const OVERLAP: u64 = 1_000;
const MESSAGE_BYTES: u64 = 16 * 1024;
/// A line that has begun and not ended is given out after this long. What its process adds later is a line of its own,
/// where a later search finds one line: Docker itself holds shorter lines until they end, so it takes a line of more
/// than 16 KiB with a pause in it.
const PARTIAL: Duration = Duration::from_secs(2);
/// The place must be found within this time of a following read's beginning.
const FIND: Duration = Duration::from_secs(5);
/// One output's time going back this far is a step of the clock.
const STEP_NS: i64 = 200_000_000;

/// The supervisor's end of a follower.
pub(super) struct Follower {
    wake: Arc<Notify>,
    relabel: Arc<Notify>,
    /// The start of the run it was last told to follow.
    pub asked_for: Timestamp,
    _task: JoinHandle<()>,
}

impl Follower {
    pub fn spawn(shared: Arc<Shared>, id: String) -> Self {
        let (wake, relabel) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (place, max_at) = match shared.places.get(&id) {
            Some(kept) => kept_place(kept),
            None => (None, Timestamp::MIN),
        };
        let resumed = place.is_some();
        let past = Arc::new(Past { settled: AtomicBool::new(resumed), latest: Mutex::new(None) });
        let task = Task { shared, id, wake: wake.clone(), relabel: relabel.clone(), place, max_at, overlap: OVERLAP, past };
        Self { wake, relabel, asked_for: Timestamp::MIN, _task: tokio::spawn(task.run()) }
    }

    /// Follow the run that began then, if it is not followed yet.
    pub fn follow(&mut self, started_at: Timestamp) {
        if started_at > self.asked_for {
            self.asked_for = started_at;
            self.wake.notify_one();
        }
    }

    /// The container has new labels.
    pub fn relabel(&self) {
        self.relabel.notify_one();
    }
}

impl Drop for Follower {
    /// Wakes the task, so that it finds its container gone.
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// The last line that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    at: Timestamp,
    output: Output,
    ordinal: u16,
    text: u64,
    /// Messages the line took.
    messages: u64,
}

/// How one reading came to its end.
enum Pass {
    /// The log ended: the container stopped.
    Ended,
    /// Again at once: new labels, or the place was not found.
    Again,
    Broken,
    /// There is nothing (more) to follow.
    Over,
}

struct Task {
    shared: Arc<Shared>,
    id: String,
    wake: Arc<Notify>,
    relabel: Arc<Notify>,
    place: Option<Place>,
    /// The latest time of any line taken.
    max_at: Timestamp,
    overlap: u64,
    past: Arc<Past>,
}

/// What was written before the container was first seen is read beside what it writes now. Until all of it is kept, no
/// place is remembered: a restart begins anew, and what is there by then is recognised.
struct Past {
    settled: AtomicBool,
    /// Where reading of the present stands.
    latest: Mutex<Option<Kept>>,
}

fn kept_place(kept: Kept) -> (Option<Place>, Timestamp) {
    match kept {
        Kept::Container { at, output, ordinal, text, messages, max_at } => {
            let output = if output == 0 { Output::Out } else { Output::Err };
            (Some(Place { at: Timestamp(at), output, ordinal, text, messages }), Timestamp(max_at))
        }
        Kept::File { .. } => (None, Timestamp::MIN),
    }
}

/// FNV-1a, 64 bits: the same in every version, because it is kept.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl Task {
    async fn run(mut self) {
        let cancel = self.shared.cancel.clone();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.follow_runs() => {}
        }
    }

    async fn follow_runs(&mut self) {
        loop {
            self.wake.notified().await;
            let mut backoff = Backoff::default();
            loop {
                let mut epoch = self.shared.epoch.subscribe();
                if epoch.wait_for(|epoch| *epoch != 0).await.is_err() {
                    return;
                }
                let Some(container) = self.shared.logs.container(&self.id) else { return };
                if container.status == model::ServiceStatus::Removed || container.unreadable.is_some() {
                    return;
                }
                let began = Instant::now();
                // Not raced against anything: between reading a line and handing it on nothing may drop it.
                let pass = self.pass(&container).await;
                if began.elapsed() > Duration::from_secs(10) {
                    backoff.reset();
                }
                match pass {
                    Pass::Over => return,
                    Pass::Again => {}
                    Pass::Broken => backoff.wait().await,
                    Pass::Ended => match self.shared.host.inspect(&self.id).await {
                        Ok(found) => {
                            if found.state.is_none_or(|state| state.running != Some(true)) {
                                // Docker may end a following read before it has written down the last line.
                                match self.catch_up(&container, true).await {
                                    Ok(()) => break,
                                    Err(error) => match self.failed(&container, error) {
                                        Pass::Over => return,
                                        _ => continue,
                                    },
                                }
                            }
                            // It restarts, or ended while we looked.
                            tokio::select! {
                                () = backoff.wait() => {}
                                () = self.wake.notified() => {}
                            }
                        }
                        Err(error) if error.is_not_found() => {
                            self.shared.removed(&self.id);
                            return;
                        }
                        Err(_) => backoff.wait().await,
                    },
                }
            }
        }
    }

    async fn pass(&mut self, container: &Container) -> Pass {
        match self.catch_up(container, false).await {
            Ok(()) => {}
            Err(error) => return self.failed(container, error),
        }
        match self.follow(container).await {
            Ok(pass) => pass,
            Err(error) => self.failed(container, error),
        }
    }

    fn failed(&self, container: &Container, error: DockerError) -> Pass {
        match error {
            error if error.is_not_found() => {
                self.shared.removed(&self.id);
                Pass::Over
            }
            DockerError::Refused { message, .. } if message.contains("does not support reading") => {
                tracing::warn!(kind = "external_service", container = container.name, said = message, "a container's log cannot be read");
                let unreadable = Some("one that Docker cannot read".to_owned());
                self.shared.logs.put(Container { unreadable, ..container.clone() });
                Pass::Over
            }
            error => {
                tracing::debug!(kind = "external_service", container = container.name, error = %error, "a container's log broke off");
                Pass::Broken
            }
        }
    }

    /// Takes what was written since the place, up to the log's present end; where the log has `ended`, also a last line
    /// without an end of its own.
    async fn catch_up(&mut self, container: &Container, ended: bool) -> Result<(), DockerError> {
        let mut tail = Some(FIRST_TAIL);
        loop {
            let request = LogRequest { tail, ..LogRequest::default() };
            let mut reading = Reading::open(&self.shared, container, request).await?;
            if self.place.is_none() {
                self.first_sight(container, &mut reading).await?;
                self.overlap = self.overlap.max(OVERLAP + reading.pending_messages());
                return Ok(());
            }
            let mut found = false;
            let mut done = false;
            while !done {
                let lines = match reading.next().await? {
                    Some(lines) => lines,
                    None => {
                        done = true;
                        if ended { reading.finish() } else { Vec::new() }
                    }
                };
                let mut taken = Vec::new();
                for (line, place) in lines {
                    if !found && self.place.is_some_and(|own| own.is(&place)) {
                        found = true;
                        continue;
                    }
                    // The place is gone, rotated away: what is later than anything taken is new.
                    found |= tail.is_none() && line.id.at > self.max_at;
                    if found {
                        self.note(container, &line, place);
                        taken.push(Arc::new(line));
                    }
                }
                self.hand_on(taken).await;
            }
            self.overlap = self.overlap.max(OVERLAP + reading.pending_messages());
            match tail {
                None => return Ok(()),
                Some(_) if found => return Ok(()),
                Some(messages) if reading.decoder.messages < messages || messages > 1_000_000 => tail = None,
                Some(messages) => tail = Some(messages * 8),
            }
        }
    }

    /// A log seen for the first time: lines of the last five minutes are taken, older ones only remembered.
    async fn first_sight(&mut self, container: &Container, reading: &mut Reading) -> Result<(), DockerError> {
        let since = Timestamp((self.shared.clock)().0 - LOOK_BACK_NS);
        let mut lines = Vec::new();
        while let Some(more) = reading.next().await? {
            lines.extend(more);
        }
        // Where earlier messages were cut off, lines of the first nanosecond may be missing and the others misnumbered.
        let cut = reading.decoder.first_at.filter(|_| reading.decoder.messages >= FIRST_TAIL);
        let (mut older, mut recent) = (Vec::new(), Vec::new());
        for (line, place) in lines {
            self.note(container, &line, place);
            if Some(line.id.at) != cut {
                if line.id.at >= since { &mut recent } else { &mut older }.push(Arc::new(line));
            }
        }
        self.shared.take(older, Show::Kept, None).await;
        self.shared.take(recent, Show::Live, None).await;
        *self.past.latest.lock().expect("no panic while held") = self.kept();
        match cut {
            Some(_) => drop(tokio::spawn(read_past(self.shared.clone(), self.id.clone(), self.max_at, self.past.clone()))),
            None => self.settle().await,
        }
        Ok(())
    }

    /// What is remembered of the present place.
    fn kept(&self) -> Option<Kept> {
        self.place.map(|place| Kept::Container {
            at: place.at.0,
            output: place.output as u8,
            ordinal: place.ordinal,
            text: place.text,
            messages: place.messages,
            max_at: self.max_at.0,
        })
    }

    /// There is no past (any more) that is not kept.
    async fn settle(&self) {
        self.past.settled.store(true, Ordering::SeqCst);
        let place = self.kept().map(|place| (self.id.clone(), place));
        self.shared.take(Vec::new(), Show::Kept, place).await;
    }

    /// Hands on what was just read.
    async fn hand_on(&mut self, lines: Vec<Arc<Line>>) {
        if lines.is_empty() {
            return;
        }
        let place = self.kept();
        let settled = self.past.settled.load(Ordering::SeqCst);
        let remembered = place.filter(|_| settled).map(|place| (self.id.clone(), place));
        self.shared.take(lines, Show::Live, remembered).await;
        *self.past.latest.lock().expect("no panic while held") = place;
    }

    /// Follows from the place on.
    async fn follow(&mut self, container: &Container) -> Result<Pass, DockerError> {
        let shared = self.shared.clone();
        let relabel = self.relabel.clone();
        let tail = self.place.map(|place| self.overlap + place.messages);
        let mut reading = Reading::open(&shared, container, LogRequest { follow: true, tail, ..LogRequest::default() }).await?;
        let _upstream = Upstream::new(&shared);
        let began = Instant::now();
        let mut found = self.place.is_none();
        loop {
            let wait = match (found, reading.decoder.is_partial()) {
                (false, _) => FIND.saturating_sub(began.elapsed()),
                (true, true) => PARTIAL,
                (true, false) => Duration::MAX,
            };
            let lines = tokio::select! {
                lines = reading.next() => match lines? {
                    Some(lines) => lines,
                    None => {
                        let rest = reading.finish();
                        self.take(container, rest, &mut found).await;
                        return Ok(if found { Pass::Ended } else { self.not_found() });
                    }
                },
                () = relabel.notified() => return Ok(Pass::Again),
                () = sleep(wait) => if found { reading.finish() } else { return Ok(self.not_found()) },
            };
            self.take(container, lines, &mut found).await;
            if found {
                self.overlap = OVERLAP;
            } else if tail.is_some_and(|tail| reading.decoder.messages > tail) {
                return Ok(self.not_found());
            }
        }
    }

    /// More came in between the two reads than they overlap, or the log was rotated just then: read again, from farther.
    fn not_found(&mut self) -> Pass {
        self.overlap = (self.overlap * 4).min(1_000_000);
        Pass::Again
    }

    async fn take(&mut self, container: &Container, lines: Vec<(Line, Place)>, found: &mut bool) {
        let mut taken = Vec::with_capacity(lines.len());
        for (line, place) in lines {
            if *found {
                self.note(container, &line, place);
                taken.push(Arc::new(line));
            } else {
                *found = self.place.is_some_and(|own| own.is(&place));
            }
        }
        self.hand_on(taken).await;
    }

    fn note(&mut self, container: &Container, line: &Line, place: Place) {
        if self.place.is_some_and(|last| last.output == place.output && place.at.0 < last.at.0 - STEP_NS) {
            container.memory.step();
        }
        self.max_at = self.max_at.max(line.id.at);
        self.place = Some(place);
    }
}

impl Place {
    fn is(&self, other: &Self) -> bool {
        (self.at, self.output, self.ordinal, self.text) == (other.at, other.output, other.ordinal, other.text)
    }
}

/// Reads a log from its beginning up to `until`, for the store only. Tries again until it has worked or the container is
/// gone.
async fn read_past(shared: Arc<Shared>, id: String, until: Timestamp, past: Arc<Past>) {
    let mut backoff = Backoff::default();
    loop {
        let mut epoch = shared.epoch.subscribe();
        let connected = tokio::select! {
            () = shared.cancel.cancelled() => return,
            connected = epoch.wait_for(|epoch| *epoch != 0) => connected.is_ok(),
        };
        let Some(container) = shared.logs.container(&id).filter(|one| connected && one.status != model::ServiceStatus::Removed) else {
            return;
        };
        let turn = shared.backfills.acquire().await.expect("never closed");
        let read = tokio::select! {
            () = shared.cancel.cancelled() => return,
            read = read_until(&shared, &container, until) => read,
        };
        match read {
            Ok(()) => break,
            Err(error) => {
                tracing::debug!(kind = "external_service", container = container.name, error = %error, "older lines could not be read; trying again");
                drop(turn);
                backoff.wait().await;
            }
        }
    }
    past.settled.store(true, Ordering::SeqCst);
    let latest = *past.latest.lock().expect("no panic while held");
    shared.take(Vec::new(), Show::Kept, latest.map(|place| (id, place))).await;
}

async fn read_until(shared: &Shared, container: &Container, until: Timestamp) -> Result<(), DockerError> {
    let mut reading = Reading::open(shared, container, LogRequest::default()).await?;
    while let Some(lines) = reading.next().await? {
        let lines: Vec<_> = lines.into_iter().map(|(line, _)| line).filter(|line| line.id.at <= until).map(Arc::new).collect();
        shared.take(lines, Show::Kept, None).await;
    }
    Ok(())
}

async fn sleep(time: Duration) {
    match time {
        Duration::MAX => std::future::pending().await,
        time => tokio::time::sleep(time).await,
    }
}

/// Counts an open stream while it lives.
struct Upstream<'a>(&'a Shared);

impl<'a> Upstream<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.stats.upstreams.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Upstream<'_> {
    fn drop(&mut self) {
        self.0.stats.upstreams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One answer of Docker's, as lines.
struct Reading {
    stream: ByteStream,
    /// A change means that the connection is not what it was.
    epoch: watch::Receiver<u64>,
    decoder: LogDecoder,
    maker: LineMaker,
    /// Messages when the last line was complete.
    messages_then: u64,
}

impl Reading {
    async fn open(shared: &Shared, container: &Container, request: LogRequest) -> Result<Self, DockerError> {
        Ok(Self {
            epoch: shared.epoch.subscribe(),
            stream: shared.host.logs(&container.id, request).await?,
            decoder: LogDecoder::new(container.tty),
            maker: LineMaker::new(container.streams.clone()),
            messages_then: 0,
        })
    }

    /// The lines that the next bytes complete, maybe none; `None` at the end. Cancel-safe.
    async fn next(&mut self) -> Result<Option<Vec<(Line, Place)>>, DockerError> {
        let read = tokio::select! {
            read = self.stream.next() => read,
            _ = self.epoch.changed() => return Err(DockerError::Unreachable("the connection to the Docker Engine is gone".to_owned(), None)),
        };
        let bytes: Bytes = match read {
            None => return Ok(None),
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => return Err(DockerError::Unreachable("the log broke off".to_owned(), Some(error.into()))),
        };
        let mut raw = Vec::new();
        match self.decoder.push(&bytes, &mut |line| raw.push(line)) {
            Ok(()) => Ok(Some(self.made(raw))),
            // Docker ends the stream behind such a word; what came before it counts.
            Err(FrameError::Engine(said)) => {
                tracing::warn!(kind = "external_service", said, "Docker could not read a log to its end");
                Ok(Some(self.made(raw)))
            }
            Err(error) => Err(DockerError::BadAnswer(error.into())),
        }
    }

    fn finish(&mut self) -> Vec<(Line, Place)> {
        let mut raw = Vec::new();
        self.decoder.finish(&mut |line| raw.push(line));
        self.made(raw)
    }

    fn made(&mut self, raw: Vec<RawLine>) -> Vec<(Line, Place)> {
        if !raw.is_empty() {
            self.messages_then = self.decoder.messages;
        }
        raw.into_iter()
            .map(|raw| {
                let output = raw.output;
                let text = hash(&raw.text);
                let messages = 1 + raw.text.len() as u64 / MESSAGE_BYTES;
                let line = self.maker.line(raw);
                let place = Place { at: line.id.at, output, ordinal: line.id.ordinal, text, messages };
                (line, place)
            })
            .collect()
    }

    /// Messages of a line that has begun and not ended.
    fn pending_messages(&self) -> u64 {
        self.decoder.messages - self.messages_then
    }
}
