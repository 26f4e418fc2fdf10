//! A live view of a LogQL query: its newest lines, then what the engine's tail brings, in at most ten frames a second. Where
//! the tail loses lines, or the viewer comes back from a pause, a search fills in and what is too much becomes a gap.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use logql::{
    ast::LogExpr,
    engine::{LogParams, LogRow},
};
use model::{Code, Direction, Entry, EntryId, ServerMsg, StreamState, Timestamp};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::tail::{CATCH_UP, OVERLAP_FRAMES, json};
use crate::{
    Ops,
    error::Error,
    logs::{LogQuery, entry_of},
    source::engine::{How, TailItem, Tailed},
};

/// Between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Lines of one frame at most; more wait where they come from.
const FRAME_LINES: usize = 2_000;
/// Lines counted at most to say how large a gap is.
const COUNTED: usize = 100_000;
/// Before a tail that ended is opened again.
const AGAIN: Duration = Duration::from_secs(2);

pub struct QueryTail {
    ops: Arc<Ops>,
    log: Arc<LogExpr>,
    /// When the view was opened.
    opened: Timestamp,
    tailed: Option<Tailed>,
    /// It broke off just now.
    is_lost: bool,
    first: VecDeque<Bytes>,
    pending: Vec<Entry>,
    frame: Interval,
    /// Lines that were sent out of a search and may still come by the tail.
    sent: HashSet<EntryId>,
    overlap: u32,
    last: Option<EntryId>,
    /// A search has to fill in from here before the tail goes on; so many lines of it are sent, the others are a gap.
    behind: Option<(EntryId, usize)>,
    paused: bool,
}

/// What lies behind a line.
struct Missed {
    entries: Vec<Entry>,
    ids: Vec<EntryId>,
    /// Lines that were counted and not sent: how many, the first and the last.
    gap: Option<(u64, EntryId, EntryId)>,
}

impl QueryTail {
    pub(super) async fn open(
        ops: Arc<Ops>,
        log: Arc<LogExpr>,
        now: Timestamp,
        newest: usize,
        after: Option<EntryId>,
    ) -> Result<Self, Error> {
        let mut frame = interval(FRAME);
        frame.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tail = Self {
            ops,
            log,
            opened: now,
            tailed: None,
            is_lost: false,
            first: VecDeque::from([json(&ServerMsg::State { state: StreamState::Live })]),
            pending: Vec::new(),
            frame,
            sent: HashSet::new(),
            overlap: 0,
            last: after,
            behind: after.map(|after| (after, CATCH_UP)),
            paused: false,
        };
        tail.tailed = Some(tail.listen().await?);
        if after.is_none() && newest > 0 {
            let mut rows = tail.search(Direction::Backward, None, newest.min(LogQuery::MAX_LIMIT)).await?;
            rows.reverse();
            tail.take_in(rows.iter().map(entry_of).collect());
        }
        Ok(tail)
    }

    fn how(&self) -> How {
        How { now: self.opened, partial_series: false }
    }

    /// What comes from now on.
    async fn listen(&self) -> Result<Tailed, Error> {
        let how = self.how();
        Ok(self.ops.engine()?.tail(&self.log, how.now.0, 0, how).await?)
    }

    async fn search(&self, direction: Direction, after: Option<EntryId>, limit: usize) -> Result<Vec<LogRow>, Error> {
        let params = LogParams { start: 0, end: i64::MAX, limit: Some(limit), direction, after, interval_ns: 0 };
        Ok(self.ops.engine()?.logs(&self.log, params, self.how()).await?.value)
    }

    /// Reads on behind a line: so many lines to send, the others counted.
    async fn missed(&self, after: EntryId, send: usize) -> Result<Missed, Error> {
        let rows = self.search(Direction::Forward, Some(after), COUNTED).await?;
        let id = |row: &LogRow| EntryId { at: Timestamp(row.at), stream: row.stream.hash, ordinal: row.ordinal };
        let gap = rows.get(send).map(|first| (rows.len() - send, id(first), rows.last().map_or(after, id)));
        Ok(Missed {
            entries: rows.iter().take(send).map(entry_of).collect(),
            ids: rows.iter().map(id).collect(),
            gap: gap.map(|(lines, from, to)| (lines as u64, from, to)),
        })
    }

    /// Puts found lines ahead of what is live.
    fn take_in(&mut self, entries: Vec<Entry>) {
        self.sent = entries.iter().map(|entry| entry.id).collect();
        self.overlap = OVERLAP_FRAMES;
        self.last = self.last.max(entries.iter().map(|entry| entry.id).max());
        let mut entries = entries.into_iter().map(Entry::cut).peekable();
        while entries.peek().is_some() {
            self.first.push_back(json(&ServerMsg::Logs { entries: entries.by_ref().take(1_000).collect() }));
        }
    }

    /// The next text frame. Cancel-safe: what a step changes it changes behind its last wait.
    pub(super) async fn next(&mut self) -> Bytes {
        loop {
            if let Some(message) = self.first.pop_front() {
                return message;
            }
            if self.paused {
                std::future::pending::<()>().await;
            }
            if self.tailed.is_none() {
                if self.is_lost {
                    sleep(AGAIN).await;
                }
                match self.listen().await {
                    Ok(tailed) => {
                        self.tailed = Some(tailed);
                        self.is_lost = false;
                        self.behind = self.behind.or(self.last.map(|last| (last, CATCH_UP)));
                        self.first.push_back(json(&ServerMsg::State { state: StreamState::Live }));
                    }
                    Err(error) => self.lost(&error),
                }
                continue;
            }
            if let Some((after, send)) = self.behind {
                match self.missed(after, send).await {
                    Ok(missed) => {
                        self.behind = None;
                        self.take_in(missed.entries);
                        self.sent.extend(missed.ids);
                        if let Some((dropped, from, to)) = missed.gap {
                            self.last = self.last.max(Some(to));
                            self.first.push_back(json(&ServerMsg::Gap { dropped, from: Some(from), to: Some(to) }));
                        }
                    }
                    Err(error) => self.lost(&error),
                }
                continue;
            }
            let tailed = self.tailed.as_mut().expect("opened above");
            let item = tokio::select! {
                item = tailed.recv(), if self.pending.len() < FRAME_LINES => item,
                _ = self.frame.tick(), if !self.pending.is_empty() => {
                    self.overlap = self.overlap.saturating_sub(1);
                    if self.overlap == 0 {
                        self.sent = HashSet::new();
                    }
                    return json(&ServerMsg::Logs { entries: std::mem::take(&mut self.pending) });
                }
            };
            match item {
                Some(TailItem::Rows(rows)) => {
                    let sent = &self.sent;
                    let new = rows.iter().map(entry_of).filter(|entry| !sent.contains(&entry.id)).map(Entry::cut);
                    self.pending.extend(new);
                    self.last = self.last.max(self.pending.iter().map(|entry| entry.id).max());
                }
                Some(TailItem::Dropped { .. }) => {
                    let last = self.last.unwrap_or(EntryId { at: self.opened, stream: model::StreamHash(0), ordinal: 0 });
                    self.behind = Some((last, CATCH_UP));
                }
                Some(TailItem::Failed(error)) => self.lost(&error.into()),
                None => self.lost(&Error::Unavailable("the live view ended".to_owned())),
            }
        }
    }

    /// Says that it does not go on now, and tries again later.
    fn lost(&mut self, error: &Error) {
        self.tailed = None;
        self.is_lost = true;
        self.first.push_back(json(&ServerMsg::State { state: StreamState::Reconnecting }));
        self.first.push_back(json(&ServerMsg::Error { code: Code::Upstream, detail: error.problem().detail }));
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
        self.tailed = None;
        self.is_lost = false;
    }

    /// Sends what came behind `after`. Without `after` the pause becomes a gap.
    pub(super) fn resume(&mut self, after: Option<EntryId>) {
        if !std::mem::take(&mut self.paused) {
            return;
        }
        self.pending.clear();
        self.behind = match after {
            Some(after) => Some((after, CATCH_UP)),
            None => self.last.map(|last| (last, 0)),
        };
    }
}
