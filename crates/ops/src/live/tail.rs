//! One viewer's live view: the newest lines first, then what arrives, with nothing lost or doubled in between.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use model::{Code, Direction, EntryId, LogAsk, ServerMsg, TimeRange};

use super::{
    hub::{LiveItem, Subscription, frame_json},
    query_tail::QueryTail,
};
use crate::{
    Ops,
    access::{Action, Scope},
    cx::OpCtx,
    error::Error,
    logs::{LogQuery, within_log},
    source::{Line, LogPlan},
};

/// Lines sent at most when a viewer comes back; what is more becomes a gap.
pub(super) const CATCH_UP: usize = 2_000;
/// Frames during which a line may still arrive live that the search had already found: five seconds' worth.
pub(super) const OVERLAP_FRAMES: u32 = 50;

/// Where a live view begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailFrom {
    /// With the newest lines, this many.
    Newest(usize),
    /// Behind a line the viewer has.
    After(EntryId),
}

pub struct Tail(Kind);

enum Kind {
    /// Of services, from the hub that all their viewers share.
    Services(ServiceTail),
    /// Of a LogQL query, from the log engine.
    Query(QueryTail),
}

impl Tail {
    /// The next text frame. Cancel-safe.
    pub async fn next(&mut self) -> Bytes {
        match &mut self.0 {
            Kind::Services(tail) => tail.next().await,
            Kind::Query(tail) => tail.next().await,
        }
    }

    pub fn pause(&mut self) {
        match &mut self.0 {
            Kind::Services(tail) => tail.paused = true,
            Kind::Query(tail) => tail.pause(),
        }
    }

    /// Sends what came behind `after` while paused, then live lines again. Without `after` the pause becomes a gap.
    pub async fn resume(&mut self, after: Option<EntryId>) {
        match &mut self.0 {
            Kind::Services(tail) => tail.resume(after).await,
            Kind::Query(tail) => tail.resume(after),
        }
    }
}

struct ServiceTail {
    ops: Arc<Ops>,
    query: LogQuery,
    scope: Option<Arc<Scope>>,
    subscription: Subscription,
    /// Messages to send before anything live.
    first: std::collections::VecDeque<Bytes>,
    sent: HashSet<EntryId>,
    overlap: u32,
    paused: bool,
}

pub(super) fn json(message: &ServerMsg) -> Bytes {
    Bytes::from(serde_json::to_vec(message).expect("messages serialise"))
}

impl Ops {
    /// Opens a live view. Range, direction and limit of `ask` are not used.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`], [`Error::BadInput`], [`Error::NotFound`] for an unknown service.
    /// A source that fails does not: the view says so and goes on.
    pub async fn log_tail(self: &Arc<Self>, cx: &OpCtx, ask: &LogAsk, from: TailFrom) -> Result<Tail, Error> {
        cx.require(Action::LogsTail)?;
        let query = LogQuery { range: TimeRange::ALL, cursor: None, ..LogQuery::parse(ask, cx.now)? };
        if let Some(log) = &query.logql {
            let (newest, after) = match from {
                TailFrom::Newest(lines) => (lines, None),
                TailFrom::After(id) => (0, Some(id)),
            };
            return Ok(Tail(Kind::Query(QueryTail::open(self.clone(), Arc::new(within_log(cx, log)), cx.now, newest, after).await?)));
        }
        self.selector_known(cx, &query.selector)?;
        // Subscribed before searching: a line written in between is in one of the two, or in both and sent once.
        let subscription = self.hub.subscribe_within(query.selector.clone(), query.filter.clone(), cx.scope().cloned());
        let mut tail = ServiceTail {
            ops: self.clone(),
            query,
            scope: cx.scope().cloned(),
            subscription,
            first: std::collections::VecDeque::new(),
            sent: HashSet::new(),
            overlap: 0,
            paused: false,
        };
        match from {
            TailFrom::Newest(0) => {}
            TailFrom::Newest(lines) => tail.newest(lines.min(LogQuery::MAX_LIMIT)).await,
            TailFrom::After(id) => tail.catch_up(id, None).await,
        }
        Ok(Tail(Kind::Services(tail)))
    }

    async fn lines(&self, query: &LogQuery, scope: Option<Arc<Scope>>) -> (Vec<Line>, Option<EntryId>, Vec<model::Problem>) {
        let plan = LogPlan {
            selector: query.selector.clone(),
            stream: None,
            range: query.range,
            cursor: query.cursor,
            direction: query.direction,
            limit: query.limit,
            filter: query.filter.clone(),
            scope,
        };
        self.search_all(&plan).await
    }
}

impl ServiceTail {
    async fn next(&mut self) -> Bytes {
        if let Some(message) = self.first.pop_front() {
            return message;
        }
        loop {
            if self.paused {
                std::future::pending::<()>().await;
            }
            match self.subscription.next().await {
                LiveItem::Gap { dropped, from, to } => return json(&ServerMsg::Gap { dropped, from: Some(from), to: Some(to) }),
                LiveItem::State(state) => return json(&ServerMsg::State { state }),
                LiveItem::Frame(frame) if self.overlap == 0 => return frame.json.clone(),
                LiveItem::Frame(frame) => {
                    self.overlap -= 1;
                    let new: Vec<_> = frame.lines.iter().filter(|line| !self.sent.contains(&line.id)).collect();
                    let whole = new.len() == frame.lines.len();
                    let message = if whole { frame.json.clone() } else { frame_json(new.iter().map(|line| &***line)) };
                    let nothing = new.is_empty();
                    if self.overlap == 0 {
                        self.sent = HashSet::new();
                    }
                    if !nothing {
                        return message;
                    }
                }
            }
        }
    }

    async fn resume(&mut self, after: Option<EntryId>) {
        self.paused = false;
        let missed = self.subscription.discard();
        match (after, missed) {
            (_, None) => {}
            (Some(after), Some(missed)) => self.catch_up(after, Some(missed)).await,
            (None, Some(missed)) => self.tell(missed),
        }
    }

    fn tell(&mut self, item: LiveItem) {
        if let LiveItem::Gap { dropped, from, to } = item {
            self.first.push_back(json(&ServerMsg::Gap { dropped, from: Some(from), to: Some(to) }));
        }
    }

    async fn newest(&mut self, lines: usize) {
        let query = LogQuery { direction: Direction::Backward, limit: lines, ..self.query.clone() };
        let (mut lines, _, warnings) = self.ops.clone().lines(&query, self.scope.clone()).await;
        lines.reverse();
        self.send(&lines, warnings);
    }

    async fn catch_up(&mut self, after: EntryId, missed: Option<LiveItem>) {
        let query = LogQuery { direction: Direction::Forward, limit: CATCH_UP, cursor: Some(after), ..self.query.clone() };
        let ops = self.ops.clone();
        let (lines, next, warnings) = ops.lines(&query, self.scope.clone()).await;
        let caught = lines.len() as u64;
        let failed = !warnings.is_empty() && lines.is_empty();
        let last = lines.last().map(|line| line.id);
        self.send(&lines, warnings);
        match (next, missed) {
            (_, Some(missed)) if failed => self.tell(missed),
            // What the hub counted while the viewer paused, less what was just sent.
            (Some(_), Some(LiveItem::Gap { dropped, to, .. })) if dropped > caught => {
                let from = last.unwrap_or(after);
                self.tell(LiveItem::Gap { dropped: dropped - caught, from, to: to.max(from) });
            }
            (Some(mut cursor), None) => {
                // A viewer that lost its connection: nobody counted for it, so the rest is counted now.
                let (mut dropped, mut to) = (0, cursor);
                for _ in 0..20 {
                    let query = LogQuery { limit: LogQuery::MAX_LIMIT, cursor: Some(cursor), ..query.clone() };
                    let (lines, next, _) = ops.lines(&query, self.scope.clone()).await;
                    dropped += lines.len() as u64;
                    to = lines.last().map_or(to, |line| line.id);
                    self.sent.extend(lines.iter().map(|line| line.id));
                    match next {
                        Some(next) => cursor = next,
                        None => break,
                    }
                }
                if dropped > 0 {
                    self.tell(LiveItem::Gap { dropped, from: last.unwrap_or(after), to });
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, lines: &[Line], warnings: Vec<model::Problem>) {
        for warning in warnings {
            self.first.push_back(json(&ServerMsg::Error { code: Code::Upstream, detail: warning.detail }));
        }
        self.sent = lines.iter().map(|line| line.id).collect();
        self.overlap = OVERLAP_FRAMES;
        for chunk in lines.chunks(1_000) {
            self.first.push_back(frame_json(chunk.iter()));
        }
    }
}
