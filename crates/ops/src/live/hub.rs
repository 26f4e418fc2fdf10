//! One upstream however many watch: the collector publishes each line once; all viewers of one selection and filter
//! share a topic, whose task packs at most ten frames a second and serialises each frame once. Memory is bounded at
//! both ends: a topic holds one frame's worth of lines, a viewer holds [`QUEUE`] shared frames. What does not fit is
//! counted and told as a gap.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use model::{Entry, EntryId, Level, ServerMsg, StreamState, Timestamp};
use tokio::sync::Notify;

use super::tally::{Counters, Tally};
use crate::{
    access::{Scope, ScopeLabels},
    logs::{Filter, Selector, entry},
    source::{Line, ServiceKey},
};

/// Ten frames a second at most.
pub const FRAME_INTERVAL: Duration = Duration::from_millis(100);
/// What one frame carries at most; a flood beyond it becomes a gap. 10,000 lines a second get through.
const FRAME_LINES: usize = 1_000;
const FRAME_BYTES: usize = 1 << 20;
/// Frames a viewer may be behind: 1.6 s.
const QUEUE: usize = 16;

/// Lines packed for sending, shared by all viewers of a topic.
pub struct Frame {
    /// The serialised [`ServerMsg::Logs`].
    pub json: Bytes,
    pub lines: Vec<Arc<Line>>,
}

/// What a viewer receives.
#[derive(Clone)]
pub enum LiveItem {
    Frame(Arc<Frame>),
    Gap { dropped: u64, from: EntryId, to: EntryId },
    State(StreamState),
}

/// Dropped lines: how many, and the smallest and largest id among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hole {
    dropped: u64,
    from: EntryId,
    to: EntryId,
}

impl Hole {
    fn grow(hole: &mut Option<Self>, more: Self) {
        *hole = Some(match *hole {
            None => more,
            Some(old) => Self { dropped: old.dropped + more.dropped, from: old.from.min(more.from), to: old.to.max(more.to) },
        });
    }

    fn of(id: EntryId) -> Self {
        Self { dropped: 1, from: id, to: id }
    }

    fn item(self) -> LiveItem {
        LiveItem::Gap { dropped: self.dropped, from: self.from, to: self.to }
    }
}

#[derive(Default)]
struct Viewer {
    queue: VecDeque<LiveItem>,
    /// What did not fit into the queue since it was last full.
    hole: Option<Hole>,
    state: Option<StreamState>,
    wake: Arc<Notify>,
}

impl Viewer {
    /// Queues an item; where there is no room, its lines join the hole. The hole is told before anything newer.
    fn offer(&mut self, item: LiveItem, skipped: &AtomicU64) {
        let room = self.queue.len() < QUEUE;
        if room && let Some(hole) = self.hole.take() {
            self.queue.push_back(hole.item());
        }
        match item {
            _ if room => self.queue.push_back(item),
            LiveItem::Frame(frame) => {
                skipped.fetch_add(frame.lines.len() as u64, Ordering::Relaxed);
                for line in &frame.lines {
                    Hole::grow(&mut self.hole, Hole::of(line.id));
                }
            }
            LiveItem::Gap { dropped, from, to } => Hole::grow(&mut self.hole, Hole { dropped, from, to }),
            LiveItem::State(_) => unreachable!("states do not queue"),
        }
        self.wake.notify_one();
    }
}

/// The newest lines not yet sent. What does not fit is dropped from the old end, so that a view always ends with the last line.
#[derive(Default)]
struct Pending {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
    hole: Option<Hole>,
}

type TopicKey = (Selector, Arc<Filter>, Option<Arc<Scope>>);

struct Topic {
    key: TopicKey,
    pending: Mutex<Pending>,
    arrived: Notify,
    viewers: Mutex<HashMap<u64, Viewer>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic while held")
}

impl Topic {
    fn accept(&self, line: &Arc<Line>) {
        let cost = |line: &Line| line.text.len().min(Entry::MAX_MESSAGE_BYTES) + 200;
        let mut pending = lock(&self.pending);
        let first = pending.lines.is_empty();
        pending.bytes += cost(line);
        pending.lines.push_back(line.clone());
        while pending.lines.len() > FRAME_LINES || pending.bytes > FRAME_BYTES {
            let oldest = pending.lines.pop_front().expect("a line was just pushed");
            pending.bytes -= cost(&oldest);
            Hole::grow(&mut pending.hole, Hole::of(oldest.id));
        }
        if first {
            self.arrived.notify_one();
        }
    }

    fn flush(&self, skipped: &AtomicU64) {
        let Pending { lines, hole, .. } = std::mem::take(&mut *lock(&self.pending));
        let lines = Vec::from(lines);
        let frame = (!lines.is_empty()).then(|| Arc::new(Frame { json: frame_json(lines.iter().map(|line| &**line)), lines }));
        let mut viewers = lock(&self.viewers);
        for viewer in viewers.values_mut() {
            if let Some(hole) = hole {
                skipped.fetch_add(hole.dropped, Ordering::Relaxed);
                viewer.offer(hole.item(), skipped);
            }
            if let Some(frame) = &frame {
                viewer.offer(LiveItem::Frame(frame.clone()), skipped);
            }
        }
    }
}

/// The text of a [`ServerMsg::Logs`] frame; long messages are cut to what a live view shows.
pub fn frame_json<'a>(lines: impl Iterator<Item = &'a Line>) -> Bytes {
    let entries = lines.map(cut_entry).collect();
    Bytes::from(serde_json::to_vec(&ServerMsg::Logs { entries }).expect("entries serialise"))
}

/// An entry whose message is at most [`Entry::MAX_MESSAGE_BYTES`] long.
pub fn cut_entry(line: &Line) -> Entry {
    entry(line).cut()
}

#[derive(Default)]
struct Inner {
    topics: HashMap<TopicKey, Weak<Topic>>,
    states: BTreeMap<ServiceKey, StreamState>,
}

#[derive(Default)]
pub struct Hub {
    inner: Mutex<Inner>,
    counters: Mutex<Counters>,
    scope_labels: ScopeLabels,
    next_viewer: AtomicU64,
    lines: AtomicU64,
    bytes: AtomicU64,
    skipped: Arc<AtomicU64>,
}

impl Hub {
    /// Which counts by what scopes over these labels tell apart.
    pub fn new(scope_labels: ScopeLabels) -> Self {
        Self { scope_labels, ..Self::default() }
    }

    pub fn scope_labels(&self) -> &ScopeLabels {
        &self.scope_labels
    }

    /// Takes in lines that were there before the console was: they count, but nobody is shown them as live. A viewer that
    /// comes back after a restart finds them by searching, and must not get them twice.
    pub fn count(&self, lines: &[Arc<Line>], now: Timestamp) {
        let mut counters = lock(&self.counters);
        let mut bytes = 0;
        for line in lines {
            bytes += line.text.len() as u64;
            counters.of(&line.stream, &self.scope_labels).add(line.id.at, line.text.len(), line.level, now);
        }
        self.lines.fetch_add(lines.len() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes lines in from a collector, in the order in which they arrived. Cheap where nobody watches; never waits.
    /// `now` is the time of arrival.
    pub fn publish(&self, lines: &[Arc<Line>], now: Timestamp) {
        self.count(lines, now);
        let topics: Vec<Arc<Topic>> = lock(&self.inner).topics.values().filter_map(Weak::upgrade).collect();
        for topic in topics {
            let (selector, filter, scope) = &topic.key;
            for line in lines {
                let admits = |scope: &Arc<Scope>| scope.admits(&line.stream.labels);
                if selector.matches(&line.stream.key) && scope.as_ref().is_none_or(admits) && filter.matches(line.level, &line.text) {
                    topic.accept(line);
                }
            }
        }
    }

    /// Tells what a collector knows of a service's upstream; viewers of it are told when their whole view changes.
    pub fn set_state(&self, key: &ServiceKey, state: StreamState) {
        let mut inner = lock(&self.inner);
        if inner.states.insert(key.clone(), state) == Some(state) {
            return;
        }
        for topic in inner.topics.values().filter_map(Weak::upgrade).filter(|topic| topic.key.0.matches(key)) {
            let state = inner.state_of(&topic.key.0);
            for viewer in lock(&topic.viewers).values_mut() {
                if viewer.state != Some(state) {
                    viewer.state = Some(state);
                    viewer.wake.notify_one();
                }
            }
        }
    }

    /// Joins the topic of this selection and filter, or opens it. Must be called within a Tokio runtime.
    pub fn subscribe(self: &Arc<Self>, selector: Selector, filter: Arc<Filter>) -> Subscription {
        self.subscribe_within(selector, filter, None)
    }

    /// As [`Hub::subscribe`], of the streams within a scope.
    pub fn subscribe_within(self: &Arc<Self>, selector: Selector, filter: Arc<Filter>, scope: Option<Arc<Scope>>) -> Subscription {
        let id = self.next_viewer.fetch_add(1, Ordering::Relaxed);
        let mut inner = lock(&self.inner);
        let key = (selector, filter, scope);
        let existing = inner.topics.get(&key).and_then(Weak::upgrade);
        let topic = existing.unwrap_or_else(|| {
            let topic = Arc::new(Topic { key: key.clone(), pending: Mutex::default(), arrived: Notify::new(), viewers: Mutex::default() });
            inner.topics.insert(key, Arc::downgrade(&topic));
            tokio::spawn(run(Arc::downgrade(&topic), self.skipped.clone()));
            topic
        });
        let viewer = Viewer { state: Some(inner.state_of(&topic.key.0)), ..Viewer::default() };
        let wake = viewer.wake.clone();
        lock(&topic.viewers).insert(id, viewer);
        Subscription { id, topic, hub: self.clone(), wake, told: None }
    }

    pub fn tally(&self, key: &ServiceKey, now: Timestamp) -> Tally {
        self.tally_within(key, None, now)
    }

    /// Of those of its lines that lie within a scope.
    pub fn tally_within(&self, key: &ServiceKey, scope: Option<&Scope>, now: Timestamp) -> Tally {
        lock(&self.counters).tally(key, scope, now)
    }

    pub fn totals(&self) -> HubTotals {
        let inner = lock(&self.inner);
        let topics: Vec<_> = inner.topics.values().filter_map(Weak::upgrade).collect();
        HubTotals {
            lines: self.lines.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            topics: topics.len() as u64,
            viewers: topics.iter().map(|topic| lock(&topic.viewers).len() as u64).sum(),
        }
    }
}

/// Counters since the start, and what is open now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubTotals {
    pub lines: u64,
    pub bytes: u64,
    pub skipped: u64,
    pub topics: u64,
    pub viewers: u64,
}

impl Inner {
    /// Reconnecting if any part is; ended only if all parts are.
    fn state_of(&self, selector: &Selector) -> StreamState {
        let mut states = self.states.iter().filter(|(key, _)| selector.matches(key)).map(|(_, state)| *state).peekable();
        if *selector == Selector::All && states.peek().is_none() {
            return StreamState::Live;
        }
        let mut all_ended = states.peek().is_some();
        for state in states {
            match state {
                StreamState::Reconnecting => return StreamState::Reconnecting,
                StreamState::Live => all_ended = false,
                StreamState::Ended => {}
            }
        }
        if all_ended && *selector != Selector::All { StreamState::Ended } else { StreamState::Live }
    }
}

/// A topic's task: sends the first line after a quiet time at once, then at most one frame per interval. Ends with the
/// last viewer.
async fn run(topic: Weak<Topic>, skipped: Arc<AtomicU64>) {
    loop {
        let Some(strong) = topic.upgrade() else { return };
        let waiting = {
            let arrived = strong.arrived.notified();
            tokio::pin!(arrived);
            // Wakes now and then, so that a topic nobody holds any more is let go.
            tokio::time::timeout(Duration::from_secs(5), arrived).await
        };
        if waiting.is_ok() {
            // A moment for the rest of a burst: lines written together travel together.
            tokio::time::sleep(Duration::from_millis(10)).await;
            strong.flush(&skipped);
            drop(strong);
            tokio::time::sleep(FRAME_INTERVAL - Duration::from_millis(10)).await;
        }
    }
}

/// A viewer's end. Dropping it leaves the topic.
pub struct Subscription {
    id: u64,
    topic: Arc<Topic>,
    hub: Arc<Hub>,
    wake: Arc<Notify>,
    told: Option<StreamState>,
}

impl Subscription {
    /// The next frame, gap or change of state; waits for it. Cancel-safe.
    pub async fn next(&mut self) -> LiveItem {
        loop {
            {
                let mut viewers = lock(&self.topic.viewers);
                let viewer = viewers.get_mut(&self.id).expect("registered until dropped");
                if viewer.state != self.told
                    && let Some(state) = viewer.state
                {
                    self.told = Some(state);
                    return LiveItem::State(state);
                }
                if let Some(item) = viewer.queue.pop_front() {
                    return item;
                }
                if let Some(hole) = viewer.hole.take() {
                    return hole.item();
                }
            }
            self.wake.notified().await;
        }
    }

    /// Throws away what is queued and tells how much it was, for a viewer that paused.
    pub fn discard(&mut self) -> Option<LiveItem> {
        let mut viewers = lock(&self.topic.viewers);
        let viewer = viewers.get_mut(&self.id).expect("registered until dropped");
        for item in std::mem::take(&mut viewer.queue) {
            match item {
                LiveItem::Frame(frame) => frame.lines.iter().for_each(|line| Hole::grow(&mut viewer.hole, Hole::of(line.id))),
                LiveItem::Gap { dropped, from, to } => Hole::grow(&mut viewer.hole, Hole { dropped, from, to }),
                LiveItem::State(_) => {}
            }
        }
        viewer.hole.take().map(Hole::item)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.topic.viewers).remove(&self.id);
        let mut inner = lock(&self.hub.inner);
        if lock(&self.topic.viewers).is_empty() {
            inner.topics.remove(&self.topic.key);
        }
    }
}

/// The worst level of a frame's lines, for tests and badges.
impl Frame {
    pub fn worst(&self) -> Level {
        self.lines.iter().map(|line| line.level).max().unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
