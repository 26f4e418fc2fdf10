//! Where lines come from: the socket for what is written now, pages for what was before, for holes and permalinks.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::{Rc, Weak},
    time::Duration,
};

use leptos::{prelude::*, task::spawn_local};
use model::{ClientMsg, Code, Direction, EntryId, LogAsk, LogPage, Problem, Timestamp};

use super::{
    buffer::{Gap, GapState, HELD_LINES, Key, before},
    outlets::{Older, Status, put},
    viewer::Viewer,
};
use crate::{
    live::socket::{FORBIDDEN, NOT_FOUND, SESSION_ENDED, Socket, SocketEvent, backoff},
    parts::{
        log_view::LogView,
        trouble::{plain_detail, sign_in_again},
    },
    paths,
    rpc::{
        Failure,
        logs::{log_context, log_search},
    },
};

/// Lines that come first on a live view.
const TAIL: usize = 500;
/// Lines a page of scrollback has, of the surroundings of a permalink, and of a hole.
const PAGE: usize = 2_000;
const AROUND: usize = 300;
const HOLE_PAGE: usize = 5_000;

impl Viewer {
    // The socket.

    pub(super) fn connect(&self) {
        let mut state = self.state.borrow_mut();
        let after = state.buffer.last_seen().map(|id| id.to_string());
        // The range of a live view is what scrolling back keeps to.
        let ask = LogAsk { start_time: None, end_time: None, ..state.ask.clone() };
        let path = paths::logs_socket(&ask, TAIL, after.as_deref());
        let generation = state.generation;
        let me = self.me.clone();
        let tell = move |event| {
            if let Some(viewer) = me.upgrade() {
                viewer.socket_event(generation, event);
            }
        };
        state.told_pause = false;
        match Socket::open(&path, Rc::new(tell)) {
            Some(socket) => state.socket = Some(socket),
            None => put(self.out.status, Status::Failed("The browser does not open a connection to the console.".to_owned())),
        }
    }

    fn socket_event(&self, generation: u32, event: SocketEvent) {
        if self.state.borrow().generation != generation {
            return;
        }
        match event {
            SocketEvent::Open => {}
            SocketEvent::Frame(frame) => self.receive(frame),
            SocketEvent::Closed { code, opened } => self.closed(code, opened),
        }
    }

    fn closed(&self, code: u16, opened: bool) {
        match code {
            SESSION_ENDED => sign_in_again(),
            FORBIDDEN => put(self.out.status, Status::Refused),
            NOT_FOUND => put(self.out.status, Status::Failed("There is no such service (any more).".to_owned())),
            _ if matches!(self.out.status.get_untracked(), Status::Failed(_) | Status::Refused | Status::BadSearch) => {}
            // The server had nothing more to send and said so.
            1000 if self.out.status.get_untracked() == Status::Ended => {}
            _ if opened => self.retry_later(),
            _ => self.diagnose(),
        }
    }

    /// A refused handshake tells a script nothing: the same question as a page has an answer that does.
    fn diagnose(&self) {
        let (ask, generation) = {
            let state = self.state.borrow();
            (LogAsk { limit: Some(1), ..state.ask.clone() }, state.generation)
        };
        self.answered(generation, log_search(ask), |viewer, answer| {
            // A console that has just started may not know yet what it showed before.
            let known = viewer.state.borrow().buffer.last_seen().is_some();
            match answer {
                Err(Failure(problem)) if !(may_pass(problem.code) || known && problem.code == Code::NotFound) => viewer.refused(&problem),
                _ => viewer.retry_later(),
            }
        });
    }

    /// Asks about a regular expression, by a range that holds nothing. One that is none leaves what is shown as it is.
    pub(super) fn try_search(&self, view: LogView) {
        let nothing = Some("1".to_owned());
        let ask = LogAsk { start_time: nothing.clone(), end_time: nothing, ..view.ask() };
        let generation = self.state.borrow().generation;
        self.answered(generation, log_search(ask), move |viewer, answer| {
            // The person may be further by now.
            if viewer.state.borrow().wanted != view {
                return;
            }
            match answer {
                Err(Failure(problem)) if problem.field.as_deref() == Some("search") => {
                    put(viewer.out.search_error, Some(plain_detail(&problem) + " \u{2014} the lines are those of the search before"));
                }
                // Anything else is told where the lines are asked for.
                _ => viewer.take(view),
            }
        });
    }

    fn refused(&self, problem: &Problem) {
        match problem.code {
            Code::NoSession => sign_in_again(),
            Code::Forbidden => put(self.out.status, Status::Refused),
            code => self.failed(code, problem.detail.clone()),
        }
    }

    /// Says what is wrong; at the search, where it is the search (`search: …`).
    pub(super) fn failed(&self, code: Code, detail: String) {
        if may_pass(code) {
            put(self.out.warning, Some(detail));
        } else if let Some(wrong) = detail.strip_prefix("search: ").or_else(|| detail.strip_prefix("query: ")) {
            put(self.out.search_error, Some(wrong.to_owned()));
            put(self.out.status, Status::BadSearch);
        } else {
            put(self.out.status, Status::Failed(detail));
        }
    }

    fn retry_later(&self) {
        let (generation, wait) = {
            let mut state = self.state.borrow_mut();
            state.socket = None;
            let wait = backoff(state.tries, js_sys::Math::random());
            state.tries += 1;
            (state.generation, wait)
        };
        self.count_down(generation, js_sys::Date::now() + f64::from(wait));
    }

    fn count_down(&self, generation: u32, until: f64) {
        if self.state.borrow().generation != generation {
            return;
        }
        let left = until - js_sys::Date::now();
        if left <= 0.0 {
            self.connect();
            return;
        }
        put(self.out.status, Status::Lost((left / 1_000.0).ceil() as u32));
        let me = self.me.clone();
        let next = move || {
            if let Some(viewer) = me.upgrade() {
                viewer.count_down(generation, until);
            }
        };
        set_timeout(next, Duration::from_millis(left.min(1_000.0) as u64 + 1));
    }

    /// After half a minute out of sight nothing is sent until somebody looks again.
    pub(super) fn sight_changed(&self) {
        if !document().hidden() {
            let mut state = self.state.borrow_mut();
            if std::mem::take(&mut state.told_pause)
                && let Some(socket) = &state.socket
            {
                socket.send(&ClientMsg::Resume { after: state.buffer.last_seen() });
            }
            drop(state);
            self.draw();
            return;
        }
        let me = self.me.clone();
        let still_hidden = move || {
            let Some(viewer) = me.upgrade().filter(|_| document().hidden()) else { return };
            let mut state = viewer.state.borrow_mut();
            if let (false, Some(socket)) = (state.told_pause, &state.socket) {
                socket.send(&ClientMsg::Pause);
                state.told_pause = true;
            }
        };
        set_timeout(still_hidden, Duration::from_secs(30));
    }

    // Pages.

    /// Asks for lines; `then` gets the answer unless the view is another by then. Behind one type: each future of its own would be compiled anew.
    fn answered(
        &self,
        generation: u32,
        request: impl Future<Output = Result<LogPage, Failure>> + 'static,
        then: impl FnOnce(&Viewer, Result<LogPage, Failure>) + 'static,
    ) {
        type Request = Pin<Box<dyn Future<Output = Result<LogPage, Failure>>>>;
        type Then = Box<dyn FnOnce(&Viewer, Result<LogPage, Failure>)>;
        fn spawn(me: Weak<Viewer>, generation: u32, request: Request, then: Then) {
            spawn_local(async move {
                let answer = request.await;
                if let Some(viewer) = me.upgrade().filter(|viewer| viewer.state.borrow().generation == generation) {
                    then(&viewer, answer);
                }
            });
        }
        spawn(self.me.clone(), generation, Box::pin(request), Box::new(then));
    }

    /// Loads what the reader is about to reach.
    pub(super) fn load_near_edges(&self) {
        let (older, newer) = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let near = state.height * 3;
            let total = state.buffer.total();
            let older = !state.follow && state.has_older && !state.older_busy && state.scroll < near;
            let newer = !state.follow && state.has_newer && !state.newer_busy && state.scroll + state.height + near > total;
            (older, newer)
        };
        if older {
            self.load_older();
        }
        if newer {
            self.load_newer();
        }
    }

    fn load_older(&self) {
        let (ask, generation) = {
            let mut state = self.state.borrow_mut();
            let Some(oldest) = state.buffer.oldest() else { return };
            if state.buffer.len() >= HELD_LINES {
                put(self.out.older, Older::Full);
                return;
            }
            state.older_busy = true;
            (page(&state.ask, oldest, Direction::Backward, PAGE), state.generation)
        };
        put(self.out.older, Older::Loading);
        self.answered(generation, log_search(ask), |viewer, answer| {
            viewer.state.borrow_mut().older_busy = false;
            match answer {
                Ok(page) => {
                    viewer.state.borrow_mut().has_older = page.has_more;
                    put(viewer.out.older, if page.has_more { Older::Idle } else { Older::Beginning });
                    let nothing = page.logs.is_empty() && page.has_more;
                    viewer.take_page(page);
                    if !nothing {
                        viewer.load_near_edges();
                    }
                }
                Err(Failure(problem)) if problem.code == Code::NoSession => sign_in_again(),
                Err(Failure(problem)) => put(viewer.out.older, Older::Failed(plain_detail(&problem))),
            }
        });
    }

    /// The newest lines of a range that has ended.
    pub(super) fn load_past(&self) {
        let (ask, generation) = {
            let state = self.state.borrow();
            (LogAsk { direction: Some(Direction::Backward), limit: Some(PAGE), ..state.ask.clone() }, state.generation)
        };
        self.answered(generation, log_search(ask), |viewer, answer| match answer {
            Err(Failure(problem)) if may_pass(problem.code) => put(viewer.out.status, Status::Failed(plain_detail(&problem))),
            Err(Failure(problem)) => viewer.refused(&problem),
            Ok(page) => {
                {
                    let mut state = viewer.state.borrow_mut();
                    (state.has_older, state.settled) = (page.has_more, true);
                }
                put(viewer.out.status, Status::Past);
                put(viewer.out.older, if page.has_more { Older::Idle } else { Older::Beginning });
                viewer.take_page(page);
                // To the end, where the newest are.
                viewer.state.borrow_mut().scroll = u32::MAX / 2;
                viewer.draw();
            }
        });
    }

    fn load_newer(&self) {
        let (ask, generation) = {
            let mut state = self.state.borrow_mut();
            let Some(newest) = state.buffer.newest() else { return };
            state.newer_busy = true;
            (page(&state.ask, newest, Direction::Forward, PAGE), state.generation)
        };
        self.answered(generation, log_search(ask), |viewer, answer| {
            viewer.state.borrow_mut().newer_busy = false;
            match answer {
                Ok(page) => {
                    viewer.state.borrow_mut().has_newer = page.has_more;
                    viewer.take_page(page);
                }
                Err(Failure(problem)) => viewer.page_failed(&problem),
            }
        });
    }

    fn take_page(&self, page: LogPage) {
        put(self.out.warning, page.warnings.first().map(plain_detail));
        put(self.out.scanned, Some(page.stats));
        {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let hit = state.hit();
            let anchor = state.hold();
            state.buffer.merge(page.logs, &*hit);
            state.restore(anchor);
        }
        self.draw();
    }

    fn page_failed(&self, problem: &Problem) {
        if problem.code == Code::NoSession {
            sign_in_again();
        } else {
            put(self.out.warning, Some(plain_detail(problem)));
        }
    }

    /// The lines around the one of a permalink, itself in the middle.
    pub(super) fn load_around(&self, id: EntryId) {
        let (earlier, later, generation) = {
            let state = self.state.borrow();
            let later = LogAsk { start_time: Some(id.at.to_string()), ..page(&state.ask, before(id), Direction::Forward, AROUND) };
            (page(&state.ask, id, Direction::Backward, AROUND), later, state.generation)
        };
        // Both are asked at once; what comes first waits for the other, unless it is a refusal.
        let first = Rc::new(RefCell::new(None));
        for (is_earlier, ask) in [(true, earlier), (false, later)] {
            let first = first.clone();
            self.answered(generation, log_search(ask), move |viewer, answer| match answer {
                Err(Failure(problem)) => viewer.refused(&problem),
                Ok(page) => match (first.take(), is_earlier) {
                    (None, _) => *first.borrow_mut() = Some(page),
                    (Some(other), true) => viewer.show_around(id, page, other),
                    (Some(other), false) => viewer.show_around(id, other, page),
                },
            });
        }
    }

    fn show_around(&self, id: EntryId, earlier: LogPage, later: LogPage) {
        {
            let mut state = self.state.borrow_mut();
            (state.has_older, state.has_newer, state.settled) = (earlier.has_more, later.has_more, true);
        }
        put(self.out.status, Status::Still);
        self.take_page(earlier);
        self.take_page(later);
        let found = self.state.borrow().buffer.find(Key::line(id));
        let at = match found {
            Ok(at) => at,
            Err(at) => {
                put(self.out.warning, Some("The line of this link is not there: it is gone, or the filters leave it out.".to_owned()));
                at.saturating_sub(1)
            }
        };
        if self.state.borrow().buffer.len() > at {
            // To the middle, even if it is in view already.
            self.state.borrow_mut().scroll = u32::MAX / 2;
            self.select(at, true);
        }
    }

    /// Loads exactly the lines that a gap stands for.
    pub(super) fn load_gap(&self, key: Key) {
        self.pause();
        self.load_gap_page(key, None);
    }

    fn load_gap_page(&self, key: Key, cursor: Option<String>) {
        let (ask, generation) = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let full = state.buffer.len() >= HELD_LINES;
            let Some(gap) = state.buffer.gap_mut(key) else { return };
            if full {
                gap.state = GapState::Failed("too many lines are held; narrow the search".to_owned());
                state.spoil(key);
                drop(guard);
                self.draw();
                return;
            }
            gap.state = GapState::Loading;
            let ask = hole(gap, cursor);
            state.spoil(key);
            (fill(&state.ask, ask), state.generation)
        };
        self.draw();
        self.answered(generation, log_search(ask), move |viewer, answer| viewer.take_gap_page(key, answer));
    }

    fn take_gap_page(&self, key: Key, answer: Result<LogPage, Failure>) {
        let next = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            match answer {
                Ok(page) => {
                    let rest = page.next_cursor.as_deref().filter(|_| page.has_more).and_then(|cursor| cursor.parse().ok());
                    let hit = state.hit();
                    let anchor = state.hold();
                    let key = state.buffer.fill_gap(key, page.logs, rest, &*hit);
                    state.restore(anchor);
                    key.map(|key| (key, page.next_cursor))
                }
                Err(Failure(problem)) => {
                    if problem.code == Code::NoSession {
                        sign_in_again();
                    }
                    if let Some(gap) = state.buffer.gap_mut(key) {
                        gap.state = GapState::Failed(plain_detail(&problem));
                    }
                    state.spoil(key);
                    None
                }
            }
        };
        self.draw();
        if let Some((key, cursor)) = next {
            self.load_gap_page(key, cursor);
        }
    }

    /// Fetches all of a line that came cut.
    pub(super) fn load_whole(&self, key: Key) {
        let generation = self.state.borrow().generation;
        self.answered(generation, log_context(key.id, 0, 0), move |viewer, answer| match answer {
            Ok(page) => {
                if let Some(entry) = page.logs.into_iter().find(|entry| entry.id == key.id) {
                    let mut state = viewer.state.borrow_mut();
                    state.whole.insert(key.id, entry.message);
                    state.buffer.remeasure(key);
                    state.spoil(key);
                }
                viewer.draw();
            }
            Err(Failure(problem)) => viewer.page_failed(&problem),
        });
    }
}

/// Whether trying again later may help.
fn may_pass(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::Upstream | Code::UpstreamTimeout | Code::Internal | Code::Throttled)
}

fn page(ask: &LogAsk, cursor: EntryId, direction: Direction, limit: usize) -> LogAsk {
    LogAsk { cursor: Some(cursor.to_string()), direction: Some(direction), limit: Some(limit), ..ask.clone() }
}

/// The range of a gap: `end_time` is not part of a range, so it lies a nanosecond behind the last line.
fn hole(gap: &Gap, cursor: Option<String>) -> LogAsk {
    LogAsk {
        start_time: Some(gap.from.at.to_string()),
        end_time: Some(Timestamp(gap.to.at.0.saturating_add(1)).to_string()),
        direction: Some(Direction::Forward),
        limit: Some(HOLE_PAGE),
        cursor: cursor.or_else(|| Some(before(gap.from).to_string())),
        ..LogAsk::default()
    }
}

/// The filters of one ask with the range of another.
fn fill(filters: &LogAsk, range: LogAsk) -> LogAsk {
    LogAsk {
        start_time: range.start_time,
        end_time: range.end_time,
        direction: range.direction,
        limit: range.limit,
        cursor: range.cursor,
        ..filters.clone()
    }
}
