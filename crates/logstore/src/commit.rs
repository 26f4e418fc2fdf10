//! Appending: batches queue up, and whoever holds the committer writes all that wait as one group with one fsync. Nobody
//! waits for company; while one group is being synced the next one gathers by itself.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use model::{Labels, StreamHash};

use crate::{
    batch::{self, Appended, Line, Outcome, Payload, StreamBatch, Written},
    block,
    bytes::Cursor,
    config::Sync,
    error::{AppendError, Refused},
    head::Visit,
    recent::{CROWD, Crowd, Recent, line_key},
    store::Store,
    stream::{State, Stream},
    wal::{MAX_PAYLOAD_BYTES, Wal},
};

pub(crate) struct Committer {
    pub wal: Wal,
    pub recent: Recent,
    pub last_sync: i64,
    /// The log's next number, and since when it is that.
    pub quiet: (u64, i64),
}

impl Committer {
    /// Nanoseconds since it was first seen that nothing comes.
    pub fn quiet_ns(&mut self, now: i64) -> i64 {
        let next_seq = self.wal.next_seq();
        if self.quiet.0 != next_seq {
            self.quiet = (next_seq, now);
        }
        now.saturating_sub(self.quiet.1)
    }
}

/// What is there of a nanosecond.
#[derive(Default)]
struct Known {
    /// The same text and metadata.
    same: bool,
    /// The highest ordinal.
    ordinal: Option<u16>,
    /// There is a [`Crowd`] for it.
    crowded: bool,
}

/// A batch that waits for its group.
pub(crate) struct Ticket {
    now: i64,
    state: Mutex<TicketState>,
}

enum TicketState {
    // Waiting → Done, by whoever commits
    Waiting(Written),
    Done(Result<Appended, AppendError>),
}

impl Ticket {
    fn take_written(&self) -> Option<Written> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, TicketState::Done(Err(AppendError::Io("the writer stopped half-way".into())))) {
            TicketState::Waiting(written) => Some(written),
            TicketState::Done(_) => None,
        }
    }

    fn finish(&self, outcome: Result<Appended, AppendError>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = TicketState::Done(outcome);
    }

    fn outcome(&self) -> Option<Result<Appended, AppendError>> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            TicketState::Waiting(_) => None,
            TicketState::Done(outcome) => Some(outcome.clone()),
        }
    }
}

impl Store {
    /// Stores lines and returns when they are as durable as the configuration says. All of the batch or nothing of it is
    /// stored, but for lines that are refused or duplicates, each with its outcome. `now_ns` is the present time.
    ///
    /// # Errors
    /// [`AppendError`]; the batch may be sent again as it is, also after a crash.
    pub fn append(&self, batch: &[StreamBatch<'_>], now_ns: i64) -> Result<Appended, AppendError> {
        self.make_room(now_ns)?;
        let oldest = self.config.retain_ns.map_or(0, |retain| now_ns.saturating_sub(retain)).max(0);
        let max_line = self.config.line_bytes.min(8 << 20);
        let written = batch::write(batch, |entry| match entry.at {
            at if at < 0 => Some(Refused::BeforeEpoch),
            at if at < oldest => Some(Refused::TooOld),
            _ if entry.line.len() > max_line => Some(Refused::TooLong),
            _ => None,
        });
        if written.payload.len() > MAX_PAYLOAD_BYTES {
            return Err(AppendError::TooLarge { bytes: written.payload.len(), max: MAX_PAYLOAD_BYTES });
        }
        let outcome = if written.payload.len() > 1 {
            let ticket = Arc::new(Ticket { now: now_ns, state: Mutex::new(TicketState::Waiting(written)) });
            self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&ticket));
            let mut committer = self.committer();
            if ticket.outcome().is_none() {
                let group = std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner));
                self.commit(&mut committer, group);
            }
            drop(committer);
            ticket.outcome().expect("a commit finishes every ticket of its group")
        } else {
            Ok(Appended { outcomes: written.outcomes })
        };
        match &outcome {
            Ok(appended) => self.counters.count(batch, appended, now_ns),
            Err(error) => self.counters.failed(error),
        }
        outcome
    }

    /// Keeps memory bounded when nobody calls [`Store::maintain`], or not often enough.
    fn make_room(&self, now: i64) -> Result<(), AppendError> {
        if self.head_bytes() < self.config.head_bytes {
            return Ok(());
        }
        match self.flush_if(now, self.config.head_bytes) {
            Ok(_) => Ok(()),
            // Blocks cannot be written; the log and the memory take a little more.
            Err(_) if self.head_bytes() < self.config.head_bytes * 2 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn commit(&self, committer: &mut Committer, group: Vec<Arc<Ticket>>) {
        let mut touched = Vec::new();
        let mut done = Vec::with_capacity(group.len());
        for ticket in group {
            let Some(mut written) = ticket.take_written() else { continue };
            self.place(committer, ticket.now, &mut written, &mut touched);
            done.push((ticket, written.outcomes));
        }
        let outcome = committer.wal.write().map_err(AppendError::from);
        if outcome.is_err() {
            committer.recent.forget_crowds();
        }
        for stream in &touched {
            let mut state = stream.state();
            let before = state.head.bytes();
            if outcome.is_ok() {
                state.head.publish();
            } else {
                state.head.roll_back();
                state.refresh();
            }
            self.head_bytes.fetch_sub(before - state.head.bytes(), Ordering::Relaxed);
        }
        for (ticket, outcomes) in done {
            ticket.finish(outcome.clone().map(|()| Appended { outcomes }));
        }
    }

    /// Gives each line its ordinal, leaves out duplicates, puts the rest into heads and into the log's next group.
    fn place(&self, committer: &mut Committer, now: i64, written: &mut Written, touched: &mut Vec<Arc<Stream>>) {
        let seq = committer.wal.next_seq();
        let mut ordinals: Vec<(usize, u16)> = Vec::new();
        let mut keep: Vec<bool> = Vec::with_capacity(written.outcomes.len());
        let mut outcomes = written.outcomes.iter_mut().filter(|outcome| matches!(outcome, Outcome::Stored(_)));
        let mut reader = Payload::new(&written.payload).expect("written just now");
        let mut numbered = written.numbered.iter();
        while let Some(lines) = reader.stream().expect("written just now") {
            let stream = self.stream_of(lines.labels);
            let mut state = stream.as_ref().ok().map(|stream| stream.state());
            let before = state.as_ref().map_or(0, |state| state.head.bytes());
            if let (Some(state), Ok(stream)) = (&state, &stream)
                && !state.head.has_pending()
            {
                touched.push(Arc::clone(stream));
            }
            for _ in 0..lines.count {
                let line = reader.line().expect("written just now");
                let is_numbered = *numbered.next().expect("one for each line of the payload");
                let outcome = match (&mut state, &stream) {
                    (Some(state), Ok(stream)) => match self.ordinal(&mut committer.recent, stream.hash(), state, &line, is_numbered) {
                        Ok(ordinal) => {
                            state.head.push(seq, now, line.at, ordinal, line.line, line.meta);
                            state.max = state.max.max(Some(line.at));
                            Outcome::Stored(ordinal)
                        }
                        Err(outcome) => outcome,
                    },
                    (_, Err(refused)) => Outcome::Refused(*refused),
                    (None, Ok(_)) => unreachable!("a stream has its state"),
                };
                if let Outcome::Stored(ordinal) = outcome
                    && ordinal > 0
                    && !is_numbered
                {
                    ordinals.push((line.ordinal_at, ordinal));
                }
                keep.push(matches!(outcome, Outcome::Stored(_)));
                *outcomes.next().expect("one for each line of the payload") = outcome;
            }
            if let Some(state) = state.as_mut().filter(|state| state.head.bytes() > before) {
                // Only now: a batch of mere duplicates makes no record, and the next record gets the number.
                state.last_seq = seq;
                self.head_bytes.fetch_add(state.head.bytes() - before, Ordering::Relaxed);
            }
        }
        for (at, ordinal) in ordinals {
            written.payload[at..at + 2].copy_from_slice(&ordinal.to_le_bytes());
        }
        if keep.iter().all(|keep| *keep) {
            committer.wal.push(&written.payload);
        } else {
            let rest = batch::without(&written.payload, &keep).expect("written just now");
            if !rest.is_empty() {
                committer.wal.push(&rest);
            }
        }
    }

    fn ordinal(&self, recent: &mut Recent, stream: StreamHash, state: &State, line: &Line<'_>, is_numbered: bool) -> Result<u16, Outcome> {
        if is_numbered {
            return self.numbered(recent, stream, state, line);
        }
        let known = self.known(recent, stream, state, line);
        let ordinal = match known.ordinal {
            _ if known.same => return Err(Outcome::Duplicate),
            None => 0,
            Some(ordinal) => ordinal.checked_add(1).ok_or(Outcome::Refused(Refused::NanosecondFull))?,
        };
        if known.crowded
            && let Some(crowd) = recent.crowd(stream, line.at)
        {
            crowd.add(line.line, line.meta, ordinal);
        }
        Ok(ordinal)
    }

    /// A line that has its ordinal from its source, or from the log: the same one twice is the same line.
    fn numbered(&self, recent: &mut Recent, stream: StreamHash, state: &State, line: &Line<'_>) -> Result<u16, Outcome> {
        let mut taken = false;
        if Some(line.at) <= state.max {
            if recent.crowd(stream, line.at).is_none() {
                let mut rows = 0;
                self.visit(recent, state, line.at, &mut |_, _, ordinal| {
                    taken |= ordinal == line.ordinal;
                    rows += 1;
                });
                if rows >= CROWD {
                    self.gather(recent, stream, state, line.at);
                }
            }
            if let Some(crowd) = recent.crowd(stream, line.at) {
                taken = !crowd.add(line.line, line.meta, line.ordinal);
            }
        }
        if taken { Err(Outcome::Duplicate) } else { Ok(line.ordinal) }
    }

    /// What is there of the line's nanosecond.
    fn known(&self, recent: &mut Recent, stream: StreamHash, state: &State, line: &Line<'_>) -> Known {
        let mut known = Known::default();
        if Some(line.at) > state.max {
            return known;
        }
        if let Some(crowd) = recent.crowd(stream, line.at) {
            (known.ordinal, known.crowded) = (Some(crowd.ordinal), true);
            if !crowd.lines.contains(&line_key(line.line, line.meta)) {
                return known;
            }
        }
        let mut rows = 0;
        self.visit(recent, state, line.at, &mut |text, meta, ordinal| {
            known.same |= text == line.line && meta == line.meta;
            known.ordinal = known.ordinal.max(Some(ordinal));
            rows += 1;
        });
        if rows >= CROWD && !known.crowded {
            self.gather(recent, stream, state, line.at);
            known.crowded = true;
        }
        known
    }

    /// Remembers a nanosecond of many lines, so that the next one is not compared with each.
    fn gather(&self, recent: &mut Recent, stream: StreamHash, state: &State, at: i64) {
        let mut crowd = Crowd { stream, at, lines: HashSet::new(), ordinals: HashSet::new(), ordinal: 0 };
        self.visit(recent, state, at, &mut |text, meta, ordinal| {
            crowd.add(text, meta, ordinal);
        });
        recent.add_crowd(crowd);
    }

    fn visit(&self, recent: &mut Recent, state: &State, at: i64, each: &mut Visit<'_>) {
        state.head.visit(at, each);
        if Some(at) <= state.sealed_max {
            for block in &state.blocks {
                if block.header.min <= at && at <= block.header.max && !block.is_bad() {
                    recent.visit(block, at, &self.damage, each);
                }
            }
        }
    }

    fn stream_of(&self, encoded: &[u8]) -> Result<Arc<Stream>, Refused> {
        let hash = block::hash_of(encoded).ok_or(Refused::HashTaken)?;
        if let Some(stream) = self.catalog().get(hash) {
            return if *stream.encoded == *encoded { Ok(Arc::clone(stream)) } else { Err(Refused::HashTaken) };
        }
        self.new_stream(&block::labels(&mut Cursor::new(encoded)).ok_or(Refused::HashTaken)?)
    }

    fn new_stream(&self, labels: &Labels) -> Result<Arc<Stream>, Refused> {
        let mut catalog = self.catalog_mut();
        if catalog.len() >= self.config.streams {
            return Err(Refused::TooManyStreams);
        }
        catalog.insert(labels).ok_or(Refused::HashTaken)
    }

    /// Takes in a record of the log after a restart. Gives how many lines it brought back.
    pub(crate) fn replay(
        &self,
        committer: &mut Committer,
        now: i64,
        seq: u64,
        payload: &[u8],
        sealed: &HashMap<StreamHash, u64>,
    ) -> Option<u64> {
        let mut reader = Payload::new(payload)?;
        let mut replayed = 0;
        while let Some(lines) = reader.stream()? {
            let labels = block::labels(&mut Cursor::new(lines.labels))?;
            let stream = self.catalog_mut().insert(&labels);
            let mut state = stream.as_ref().map(|stream| stream.state());
            let hash = labels.hash64();
            let mark = sealed.get(&hash).copied().unwrap_or(0);
            for _ in 0..lines.count {
                let line = reader.line()?;
                let Some(state) = &mut state else { continue };
                if seq <= state.through.max(mark) || std::str::from_utf8(line.line).is_err() {
                    continue;
                }
                if let Ok(ordinal) = self.numbered(&mut committer.recent, hash, state, &line) {
                    let before = state.head.bytes();
                    state.head.push(seq, now, line.at, ordinal, line.line, line.meta);
                    state.head.publish();
                    state.max = state.max.max(Some(line.at));
                    self.head_bytes.fetch_add(state.head.bytes() - before, Ordering::Relaxed);
                    replayed += 1;
                }
            }
            if let Some(state) = &mut state {
                state.last_seq = state.last_seq.max(seq);
            }
        }
        Some(replayed)
    }

    /// Where the log is synced at intervals: does so when it is time.
    pub(crate) fn sync(&self, now: i64) -> std::io::Result<()> {
        let Sync::Interval { nanos } = self.config.sync else { return Ok(()) };
        let mut committer = self.committer();
        if !committer.wal.is_dirty() || now.saturating_sub(committer.last_sync) < nanos {
            return Ok(());
        }
        committer.last_sync = now;
        let outcome = committer.wal.sync();
        drop(committer);
        if outcome.is_err() {
            // What the log lost is still in memory.
            self.seal_all(now)?;
        }
        Ok(())
    }

    /// Streams in blocks up to some record, for the log to remember when the blocks go.
    pub(crate) fn remember_sealed(&self, marks: &[(StreamHash, u64)]) -> std::io::Result<()> {
        if marks.is_empty() {
            return Ok(());
        }
        let mut committer = self.committer();
        committer.wal.push(&batch::write_sealed(marks));
        committer.wal.write()
    }
}
