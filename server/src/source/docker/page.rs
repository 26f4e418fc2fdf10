//! One container's share of a page, read from Docker. Docker can read forwards from a time and give the last N messages;
//! it cannot give "the N lines before a time". A page backwards therefore reads windows that grow towards the past. The
//! json-file driver reads its file from the beginning for each, so few and larger windows are better than many.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use model::{Direction, EntryId, ScanStats, StreamHash, Timestamp};
use ops::source::{Frontier, Line, LogPlan, SourceError};

use super::{
    client::{DockerError, DockerHost, LogRequest},
    frames::{FrameError, LogDecoder},
    logs::{Container, LineMaker, sort},
};

/// What one read may cost before the page answers with what it has.
const BUDGET: Duration = Duration::from_secs(5);
const BUDGET_LINES: u64 = 2_000_000;
/// A search that has found no place to stop by then is given up.
const DEADLINE: Duration = Duration::from_secs(20);
/// stdout and stderr are stamped by two tasks of the Engine and may be written down in the other order, this far apart
/// at most.
const MARGIN_NS: i64 = 250_000_000;
/// Read before the page, so that a stack trace that reaches into it finds its head.
const PREROLL_NS: i64 = 100_000_000;
/// The smallest window read backwards, and what a tail has beyond the page.
const WINDOW_NS: i64 = 1_000_000_000;
const TAIL: u64 = 500;

/// One container's share of a search.
pub struct PageReader<'a> {
    host: &'a DockerHost,
    container: &'a Container,
    plan: &'a LogPlan,
    now: Timestamp,
    began: Instant,
    pub stats: ScanStats,
}

/// How a read came to its end.
struct ReadEnd {
    /// The time of the first message, where earlier ones were cut off by `tail`.
    cut: Option<Timestamp>,
    out_of_budget: bool,
    lines: u64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
}

impl<'a> PageReader<'a> {
    /// `now`: what lies ahead of it needs no window, it is read from the log's end.
    pub fn new(host: &'a DockerHost, container: &'a Container, plan: &'a LogPlan, now: Timestamp) -> Self {
        Self { host, container, plan, now, began: Instant::now(), stats: ScanStats::default() }
    }

    /// The container's matching lines, sorted, at most the plan's limit.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn read_page(&mut self) -> Result<(Vec<Line>, Frontier), SourceError> {
        match self.plan.direction {
            Direction::Forward => self.forward().await,
            Direction::Backward => self.backward().await,
        }
    }

    fn stepped(&self) -> bool {
        self.container.memory.is_stepped()
    }

    /// Forwards: from the start on, until the page is full.
    async fn forward(&mut self) -> Result<(Vec<Line>, Frontier), SourceError> {
        let (plan, stepped) = (self.plan, self.stepped());
        let start = plan.range.start.max(plan.cursor.map_or(Timestamp::MIN, |cursor| cursor.at));
        let since = (!stepped).then_some(Timestamp((start.0 - PREROLL_NS).max(0)));
        let mut keep = Keep::new(Direction::Forward, plan.limit + 1);
        let mut wanted = 0;
        let mut full_at: Option<Timestamp> = None;
        let progress = Timestamp(start.0.saturating_add(2 * MARGIN_NS));
        let end = self
            .read(LogRequest { since, ..LogRequest::default() }, Some(progress), &mut |line| {
                let at = line.id.at;
                if plan.takes(&line) {
                    keep.push(line);
                    wanted += 1;
                    if wanted == plan.limit + 1 {
                        full_at = Some(at);
                    }
                }
                let behind = |limit: Timestamp| at.0 > limit.0.saturating_add(MARGIN_NS);
                if !stepped && (full_at.is_some_and(behind) || behind(plan.range.end)) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
            .await?;
        let mut kept = keep.into_lines();
        let mut frontier = Frontier::Exhausted;
        if let (true, Some(last)) = (end.out_of_budget, end.last_at) {
            let reached = EntryId { at: Timestamp(last.0 - MARGIN_NS), stream: StreamHash(u64::MAX), ordinal: u16::MAX };
            kept.retain(|line| line.id <= reached);
            frontier = Frontier::Upto(reached);
        }
        Ok(self.cut_to_page(kept, frontier))
    }

    fn cut_to_page(&self, mut kept: Vec<Line>, frontier: Frontier) -> (Vec<Line>, Frontier) {
        sort(self.plan.direction, &mut kept);
        if kept.len() <= self.plan.limit {
            return (kept, frontier);
        }
        kept.truncate(self.plan.limit);
        let last = kept.last().map(|line| line.id).expect("a limit is at least 1");
        (kept, Frontier::Upto(last))
    }

    /// Backwards: from the file's end where the page begins there, else by windows.
    async fn backward(&mut self) -> Result<(Vec<Line>, Frontier), SourceError> {
        let plan = self.plan;
        let high = plan.range.end.min(plan.cursor.map_or(Timestamp::MAX, |cursor| cursor.at.saturating_add_nanos(1)));
        if high > self.now || self.stepped() {
            return self.newest_first().await;
        }
        self.by_windows(high).await
    }

    async fn newest_first(&mut self) -> Result<(Vec<Line>, Frontier), SourceError> {
        let plan = self.plan;
        let mut tail = if plan.filter.is_empty() { plan.limit as u64 + TAIL } else { 4 * plan.limit as u64 + 4 * TAIL };
        tail += self.container.memory.lines_in(MARGIN_NS);
        if self.stepped() {
            tail = u64::MAX;
        }
        loop {
            let mut keep = Keep::new(Direction::Backward, plan.limit + 1);
            let request = LogRequest { tail: (tail < 4_000_000).then_some(tail), ..LogRequest::default() };
            let end = self
                .read(request, None, &mut |line| {
                    if plan.takes(&line) {
                        keep.push(line);
                    }
                    ControlFlow::Continue(())
                })
                .await?;
            if let (Some(first), Some(last)) = (end.first_at, end.last_at) {
                self.container.memory.learn(end.lines, last.0 - first.0);
            }
            // What lies before this may be missing something.
            let sure_from = end.cut.map(|cut| Timestamp(cut.0 + MARGIN_NS));
            let mut kept = keep.into_lines();
            kept.retain(|line| sure_from.is_none_or(|sure| line.id.at > sure));
            let reached_start = sure_from.is_none_or(|sure| sure < plan.range.start);
            if reached_start || kept.len() > plan.limit {
                return Ok(self.cut_to_page(kept, Frontier::Exhausted));
            }
            let spent = self.began.elapsed() > BUDGET || self.stats.lines_scanned > BUDGET_LINES;
            if let (true, Some(sure)) = (spent, sure_from) {
                let reached = EntryId { at: sure.saturating_add_nanos(1), stream: StreamHash(0), ordinal: 0 };
                return Ok(self.cut_to_page(kept, Frontier::Upto(reached)));
            }
            tail = tail.saturating_mul(4);
        }
    }

    async fn by_windows(&mut self, high: Timestamp) -> Result<(Vec<Line>, Frontier), SourceError> {
        let plan = self.plan;
        let low = plan.range.start.max(Timestamp((self.container.created.0 - WINDOW_NS).max(0)));
        let mut window = self.container.memory.span_of(3 * plan.limit).max(WINDOW_NS);
        let mut end_of_window = high;
        let mut found: Vec<Line> = Vec::new();
        while end_of_window > low {
            let start = Timestamp(end_of_window.0.saturating_sub(window).max(low.0));
            let mut keep = Keep::new(Direction::Backward, plan.limit + 1 - found.len());
            let mut lines_in_window = 0;
            let request = LogRequest { since: Some(Timestamp((start.0 - PREROLL_NS).max(0))), ..LogRequest::default() };
            let stop = Timestamp(end_of_window.0.saturating_add(MARGIN_NS));
            let end = self
                .read(request, Some(Timestamp::MIN), &mut |line| {
                    let at = line.id.at;
                    if start <= at && at < end_of_window {
                        lines_in_window += 1;
                        if plan.takes(&line) {
                            keep.push(line);
                        }
                    }
                    if at > stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .await?;
            if end.out_of_budget {
                if end_of_window < high {
                    let reached = EntryId { at: end_of_window, stream: StreamHash(0), ordinal: 0 };
                    return Ok(self.cut_to_page(found, Frontier::Upto(reached)));
                }
                if window <= WINDOW_NS || self.began.elapsed() > DEADLINE {
                    return Err(SourceError::TooSlow);
                }
                // Nothing whole yet: much denser than thought.
                window = (window / 16).max(WINDOW_NS);
                continue;
            }
            self.container.memory.learn(lines_in_window, end_of_window.0 - start.0);
            found.extend(keep.into_lines());
            if found.len() > plan.limit {
                break;
            }
            end_of_window = start;
            let grow = match lines_in_window {
                0 => 8,
                n if n < plan.limit as u64 => 4,
                _ => 2,
            };
            window = window.saturating_mul(grow);
            let spent = self.began.elapsed() > BUDGET || self.stats.lines_scanned > BUDGET_LINES;
            if spent && end_of_window > low {
                let reached = EntryId { at: end_of_window, stream: StreamHash(0), ordinal: 0 };
                return Ok(self.cut_to_page(found, Frontier::Upto(reached)));
            }
        }
        Ok(self.cut_to_page(found, Frontier::Exhausted))
    }

    /// Reads until `each` has enough, the log ends, or this read's budget is spent and a line later than `progress` was
    /// seen; `None`: no budget but the deadline.
    async fn read(
        &mut self,
        request: LogRequest,
        progress: Option<Timestamp>,
        each: &mut (dyn FnMut(Line) -> ControlFlow<()> + Send),
    ) -> Result<ReadEnd, SourceError> {
        let began = Instant::now();
        let mut end = ReadEnd { cut: None, out_of_budget: false, lines: 0, first_at: None, last_at: None };
        let mut stream = match self.host.logs(&self.container.id, request).await {
            Ok(stream) => stream,
            // Removed meanwhile.
            Err(error) if error.is_not_found() => return Ok(end),
            Err(error) => return Err(source_error(error)),
        };
        let mut decoder = LogDecoder::new(self.container.tty);
        let mut maker = LineMaker::new(self.container.streams.clone());
        let mut raw = Vec::new();
        loop {
            let bytes = match tokio::time::timeout_at((self.began + DEADLINE).into(), stream.next()).await {
                Err(_) => return Err(SourceError::TooSlow),
                Ok(Some(Err(error))) => return Err(SourceError::Unreachable(error.into())),
                Ok(Some(Ok(bytes))) => bytes,
                Ok(None) => bytes::Bytes::new(),
            };
            self.stats.bytes_scanned += bytes.len() as u64;
            let mut done = bytes.is_empty();
            match decoder.push(&bytes, &mut |line| raw.push(line)) {
                Ok(()) => {}
                Err(FrameError::Engine(said)) => {
                    tracing::warn!(
                        kind = "external_service",
                        container = self.container.name,
                        said,
                        "Docker could not read a log to its end"
                    );
                    done = true;
                }
                Err(error) => return Err(SourceError::Failed(error.to_string())),
            }
            if done {
                decoder.finish(&mut |line| raw.push(line));
            }
            self.stats.lines_scanned += raw.len() as u64;
            end.lines += raw.len() as u64;
            for line in raw.drain(..) {
                end.last_at = end.last_at.max(Some(line.at));
                if each(maker.line(line)).is_break() {
                    done = true;
                    break;
                }
            }
            if done {
                end.first_at = decoder.first_at;
                end.cut = decoder.first_at.filter(|_| request.tail.is_some_and(|tail| decoder.messages >= tail));
                return Ok(end);
            }
            let spent = end.lines > BUDGET_LINES || began.elapsed() > BUDGET;
            if spent && progress.is_some_and(|progress| end.last_at > Some(progress)) {
                end.out_of_budget = true;
                return Ok(end);
            }
        }
    }
}

/// The best lines so far, in the direction of reading. Lines may come a little out of order.
struct Keep {
    direction: Direction,
    room: usize,
    lines: Vec<Line>,
}

impl Keep {
    fn new(direction: Direction, room: usize) -> Self {
        Self { direction, room, lines: Vec::new() }
    }

    fn push(&mut self, line: Line) {
        self.lines.push(line);
        if self.lines.len() > 2 * self.room + 1_000 {
            sort(self.direction, &mut self.lines);
            self.lines.truncate(self.room);
        }
    }

    fn into_lines(mut self) -> Vec<Line> {
        sort(self.direction, &mut self.lines);
        self.lines.truncate(self.room);
        self.lines
    }
}

fn source_error(error: DockerError) -> SourceError {
    match error {
        DockerError::Timeout(_) => SourceError::TooSlow,
        error @ DockerError::Unreachable(..) => SourceError::Unreachable(error.into()),
        error => SourceError::Failed(error.to_string()),
    }
}
