//! The list in the browser: applies what arrives, draws the rows in view, keeps the reader's place.
//!
//! Frames wait in an inbox for the next animation frame and are applied and drawn together. The rows stand in a box of
//! no height that sticks to the viewport's upper edge inside a spacer as high as all rows: the script alone moves them,
//! so that a scrollbar drawn far ahead of a busy script shows rows of before and never an empty screen.

mod state;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::Range,
    rc::{Rc, Weak},
    time::Duration,
};

use leptos::prelude::*;
use model::{EntryId, LogAsk, ServerMsg, Timestamp};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Element, Event, EventTarget, HtmlElement, ResizeObserver};

use super::{
    buffer::{Content, Gap, GapState, Key, LogBuffer, Metrics},
    outlets::{Command, Older, Outlets, Status, put},
};
use crate::{
    live::socket::Socket,
    parts::{
        log_marks::Marker,
        log_row::{LineLook, RowMaker},
        log_time::LogClock,
        log_view::{LogStyle, LogView},
    },
    ui::{Toasts, text},
};

/// Rows drawn beyond the viewport on either side: while scrolling, and while following.
const SPARE: usize = 20;
const SPARE_LIVE: usize = 6;
/// Rows kept for a selection that reaches out of the viewport.
const HELD_ROWS: usize = 2_000;

struct Drawn {
    key: Key,
    row: HtmlElement,
    /// To be made anew.
    stale: bool,
}

pub(super) struct State {
    pub view: LogView,
    /// What the address says; `view` is behind while the console looks at a regular expression, or has refused it.
    pub wanted: LogView,
    pub ask: LogAsk,
    pub style: LogStyle,
    clock: LogClock,
    marker: Rc<Marker>,
    pub buffer: LogBuffer,
    drawn: Vec<Drawn>,
    /// Stuck to the newest line.
    pub follow: bool,
    /// Pixels above the viewport, and its height and width.
    pub scroll: u32,
    pub height: u32,
    width: u32,
    /// What the browser has of these.
    real_scroll: u32,
    real_total: u32,
    real_shift: Option<i64>,
    pub selected: Option<Key>,
    /// The ends of the text selection.
    pub held: Option<(Key, Key)>,
    /// Whether there may be lines older than the oldest held, and newer ones where nothing is live.
    pub has_older: bool,
    pub has_newer: bool,
    pub older_busy: bool,
    pub newer_busy: bool,
    pub socket: Option<Socket>,
    pub tries: u32,
    /// Answers to an earlier generation's questions are of no use.
    pub generation: u32,
    /// Whether what is shown is all there is: the first state frame came.
    pub settled: bool,
    pub told_pause: bool,
    inbox: Vec<ServerMsg>,
    scheduled: bool,
    pub whole: BTreeMap<EntryId, String>,
    /// The beginning of a live range: the socket's first lines may be older.
    since: Option<Timestamp>,
    several: bool,
    arrived: u64,
    seconds: u32,
}

type Listener = (EventTarget, &'static str, Closure<dyn FnMut(Event)>);

type Resize = (ResizeObserver, Closure<dyn FnMut()>);

pub struct Viewer {
    pub(super) me: Weak<Viewer>,
    pub(super) state: RefCell<State>,
    pub(super) list: HtmlElement,
    space: HtmlElement,
    pub(super) rows: HtmlElement,
    maker: RowMaker,
    pub(super) out: Outlets,
    pub(super) toasts: Option<Toasts>,
    pub(super) listeners: RefCell<Vec<Listener>>,
    resize: RefCell<Option<Resize>>,
    timer: RefCell<Option<IntervalHandle>>,
}

fn metrics(style: &LogStyle, width: u32) -> Metrics {
    let line = if style.compact { 17 } else { 20 };
    // Roughly: 7.5 pixels a character behind time, level and service. Rows are measured when they are drawn.
    let columns = style.wrap.then(|| (width.saturating_sub(250) * 2 / 15).max(20));
    Metrics { line, gap: 32, columns }
}

impl Viewer {
    /// Takes over an element: `space` and `rows` go into it.
    pub fn new(list: HtmlElement, out: Outlets, toasts: Option<Toasts>) -> Rc<Self> {
        let document = document();
        let make = |class: &str| {
            let made: HtmlElement = document.create_element("div").expect("the browser makes an element").unchecked_into();
            made.set_class_name(class);
            made
        };
        let (space, rows) = (make("virtual-space"), make("virtual-rows"));
        let _ = space.append_child(&rows);
        let _ = list.append_child(&space);
        let style = LogStyle::default();
        let state = State {
            view: LogView::default(),
            wanted: LogView::default(),
            ask: LogAsk::default(),
            clock: LogClock::new(&style),
            marker: Rc::new(Marker::Nothing),
            buffer: LogBuffer::new(metrics(&style, 1_000)),
            style,
            drawn: Vec::new(),
            follow: true,
            scroll: 0,
            height: list.client_height().max(0) as u32,
            width: list.client_width().max(0) as u32,
            real_scroll: 0,
            real_total: 0,
            real_shift: None,
            selected: None,
            held: None,
            has_older: false,
            has_newer: false,
            older_busy: false,
            newer_busy: false,
            socket: None,
            tries: 0,
            generation: 0,
            settled: false,
            told_pause: false,
            inbox: Vec::new(),
            scheduled: false,
            whole: BTreeMap::new(),
            since: None,
            several: false,
            arrived: 0,
            seconds: 0,
        };
        let viewer = Rc::new_cyclic(|me| Self {
            me: me.clone(),
            state: RefCell::new(state),
            list,
            space,
            rows,
            maker: RowMaker::new(document),
            out,
            toasts,
            listeners: RefCell::default(),
            resize: RefCell::default(),
            timer: RefCell::default(),
        });
        viewer.listen_all();
        viewer.watch_size();
        let me = Rc::downgrade(&viewer);
        let tick = move || {
            if let Some(viewer) = me.upgrade() {
                viewer.tick();
            }
        };
        *viewer.timer.borrow_mut() = set_interval_with_handle(tick, Duration::from_secs(1)).ok();
        viewer
    }

    /// Ends all that runs; the viewer is of no use afterwards.
    pub fn close(&self) {
        for (target, name, closure) in self.listeners.take() {
            let _ = target.remove_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
        }
        if let Some((observer, _)) = self.resize.take() {
            observer.disconnect();
        }
        if let Some(timer) = self.timer.take() {
            timer.clear();
        }
        let mut state = self.state.borrow_mut();
        state.socket = None;
        state.generation += 1;
    }

    fn watch_size(&self) {
        let me = self.me.clone();
        let changed = Closure::<dyn FnMut()>::new(move || {
            if let Some(viewer) = me.upgrade() {
                viewer.resized();
            }
        });
        if let Ok(observer) = ResizeObserver::new(changed.as_ref().unchecked_ref()) {
            observer.observe(&self.list);
            *self.resize.borrow_mut() = Some((observer, changed));
        }
    }

    fn resized(&self) {
        {
            let mut state = self.state.borrow_mut();
            let (width, height) = (self.list.client_width().max(0) as u32, self.list.client_height().max(0) as u32);
            let _ = self.list.style().set_property("--log-width", &(width.to_string() + "px"));
            let anchor = state.hold();
            if width != state.width && state.style.wrap {
                let metrics = metrics(&state.style, width);
                state.buffer.set_metrics(metrics);
                state.spoil_all();
            }
            (state.width, state.height) = (width, height);
            state.restore(anchor);
        }
        self.draw();
    }

    /// Shows what the URL says; a new regular expression once the console takes it for one.
    pub fn show(&self, view: LogView) {
        let is_untried = {
            let mut state = self.state.borrow_mut();
            state.wanted = view.clone();
            let ask = view.ask();
            // A LogQL query comes checked from the editor; one in a link is asked for at once.
            let is_new = ask.regex && (ask.search != state.ask.search || !state.ask.regex);
            // With nothing to keep it is asked for the lines at once.
            is_new && state.generation > 0 && self.out.status.get_untracked() != Status::BadSearch
        };
        if is_untried { self.try_search(view) } else { self.take(view) }
    }

    pub(super) fn take(&self, view: LogView) {
        let marker = Marker::new(&view);
        let restart = {
            let mut state = self.state.borrow_mut();
            let ask = view.ask();
            let moved = view.at != state.view.at && view.at.is_some();
            let restart = state.generation == 0 || ask != state.ask || moved || (view.at.is_none() && state.view.at.is_some());
            (state.ask, state.view) = (ask, view);
            put(self.out.search_error, marker.as_ref().err().filter(|_| state.view.highlight).cloned());
            // What a query looks for the editor knows.
            if state.view.query.is_empty() {
                state.marker = Rc::new(marker.unwrap_or(Marker::Nothing));
            }
            if !restart {
                let hit = state.hit();
                state.buffer.find_hits(&*hit);
                state.spoil_all();
            }
            restart
        };
        if restart {
            self.restart();
        } else {
            self.draw();
        }
    }

    /// Begins anew with what the view asks for.
    pub(super) fn restart(&self) {
        let (at, is_past, is_metric) = {
            let mut state = self.state.borrow_mut();
            state.generation += 1;
            state.socket = None;
            state.buffer.clear();
            state.whole.clear();
            state.inbox.clear();
            (state.selected, state.held) = (None, None);
            (state.older_busy, state.newer_busy, state.has_newer) = (false, false, false);
            (state.tries, state.settled, state.told_pause, state.has_older) = (0, false, false, true);
            state.spoil_all();
            state.follow = !state.is_still();
            state.since = since(&state.view.from);
            (state.view.at, state.view.is_past(), state.view.is_metric())
        };
        put(self.out.warning, None);
        put(self.out.older, Older::Idle);
        put(self.out.scanned, None);
        put(self.out.status, if is_past { Status::Searching } else { Status::Connecting });
        self.draw();
        match at {
            _ if is_metric => put(self.out.status, Status::Numbers),
            Some(id) => self.load_around(id),
            None if is_past => self.load_past(),
            None => self.connect(),
        }
    }

    /// Shows lines the way a person likes them.
    pub fn configure(&self, style: LogStyle) {
        {
            let mut state = self.state.borrow_mut();
            let anchor = state.hold();
            let list = &self.list;
            for (name, on) in [("data-wrap", style.wrap), ("data-compact", style.compact), ("data-relative", style.relative)] {
                let _ = list.set_attribute(name, if on { "true" } else { "false" });
            }
            let metrics = metrics(&style, state.width);
            let _ = list.style().set_property("--log-line", &(metrics.line.to_string() + "px"));
            let _ = list.style().set_property("--log-width", &(state.width.to_string() + "px"));
            if metrics != state.buffer.metrics() || style.raw != state.style.raw {
                state.buffer.set_metrics(metrics);
            }
            state.clock = LogClock::new(&style);
            state.style = style;
            state.spoil_all();
            state.restore(anchor);
        }
        self.draw();
    }

    /// Marks the texts that a query looks for.
    pub fn mark(&self, needles: Vec<(String, bool)>) {
        {
            let mut state = self.state.borrow_mut();
            if state.view.query.is_empty() {
                return;
            }
            state.marker = Rc::new(if needles.is_empty() { Marker::Nothing } else { Marker::Texts(needles) });
            let hit = state.hit();
            state.buffer.find_hits(&*hit);
            state.spoil_all();
        }
        self.draw();
    }

    pub fn run(&self, command: Command) {
        match command {
            Command::Pause => self.pause(),
            Command::Resume => self.resume(),
            Command::Match(down) => self.seek(down, &|_, row| row.hit),
            Command::Retry => self.restart(),
            Command::Fields => put(self.out.fields, self.state.borrow().buffer.field_names()),
        }
    }

    // What arrives.

    /// Takes a frame: for the next animation frame, or at once where nobody looks.
    pub(super) fn receive(&self, frame: ServerMsg) {
        let waits = {
            let mut state = self.state.borrow_mut();
            state.inbox.push(frame);
            std::mem::replace(&mut state.scheduled, true)
        };
        if document().hidden() {
            self.apply();
        } else if !waits {
            let me = self.me.clone();
            request_animation_frame(move || {
                if let Some(viewer) = me.upgrade() {
                    viewer.apply();
                    viewer.draw();
                }
            });
        }
    }

    fn apply(&self) {
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        state.scheduled = false;
        let hit = state.hit();
        let anchor = state.hold();
        for frame in std::mem::take(&mut state.inbox) {
            match frame {
                ServerMsg::Logs { mut entries } => {
                    state.tries = 0;
                    if let Some(since) = state.since {
                        let all = entries.len();
                        entries.retain(|entry| entry.timestamp >= since);
                        // Of the first lines; one that comes late later on says nothing of those between.
                        state.has_older &= state.settled || entries.len() == all;
                    }
                    state.arrived += entries.len() as u64;
                    state.buffer.push_live(entries, state.follow, &*hit);
                }
                ServerMsg::Gap { dropped, from, to } => state.buffer.push_gap(dropped, from, to),
                ServerMsg::State { state: now } => {
                    (state.tries, state.settled) = (0, true);
                    let status = match now {
                        model::StreamState::Live => Status::Live,
                        model::StreamState::Reconnecting => Status::DockerAway,
                        model::StreamState::Ended => Status::Ended,
                    };
                    put(self.out.status, status);
                }
                ServerMsg::Error { code, detail } => self.failed(code, detail),
            }
        }
        if state.follow && state.buffer.trim() {
            state.has_older = true;
            put(self.out.older, Older::Idle);
        }
        state.restore(anchor);
    }

    // Drawing.

    /// Makes the screen show the state.
    pub(super) fn draw(&self) {
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        let several = state.buffer.several_services();
        if several != state.several {
            state.several = several;
            state.spoil_all();
        }
        let mut window = 0..0;
        // Measuring may shrink rows, and then more of them fit.
        for _ in 0..4 {
            let total = state.buffer.total();
            let lowest = total.saturating_sub(state.height);
            state.scroll = if state.follow { lowest } else { state.scroll.min(lowest) };
            let spare = if state.follow { SPARE_LIVE } else { SPARE };
            window = state.buffer.window(state.scroll, state.height.max(1), spare);
            state.keep_selection(&mut window);
            self.sync_rows(state, window.clone());
            if !self.measure(state) {
                break;
            }
        }
        let total = state.buffer.total();
        let lowest = total.saturating_sub(state.height);
        state.scroll = if state.follow { lowest } else { state.scroll.min(lowest) };
        if total != state.real_total {
            state.real_total = total;
            let _ = self.space.style().set_property("height", &(total.to_string() + "px"));
        }
        let shift = i64::from(state.buffer.top(window.start)) - i64::from(state.scroll);
        if state.real_shift != Some(shift) {
            state.real_shift = Some(shift);
            let _ = self.rows.style().set_property("transform", &["translateY(", &shift.to_string(), "px)"].concat());
        }
        if state.scroll != state.real_scroll {
            state.real_scroll = state.scroll;
            self.list.set_scroll_top(state.scroll as _);
        }
        self.publish(state);
    }

    fn publish(&self, state: &State) {
        let out = &self.out;
        put(out.paused, !state.follow);
        put(out.unseen, if state.follow { 0 } else { state.buffer.unseen() });
        put(out.empty, state.settled && state.buffer.is_empty());
        let at = state.selected.and_then(|key| state.buffer.find(key).ok()).filter(|at| state.buffer.row(*at).hit);
        let number = if state.marker.is_nothing() { (0, 0) } else { (state.buffer.hits(), at.map_or(0, |at| state.buffer.hit_number(at))) };
        put(out.hits, number);
    }

    /// Brings the drawn rows to a window: both sort by key, so one walk does.
    fn sync_rows(&self, state: &mut State, window: Range<usize>) {
        let mut old = std::mem::take(&mut state.drawn).into_iter().peekable();
        let mut drawn = Vec::with_capacity(window.len());
        for index in window {
            if !state.buffer.is_shown(index) {
                continue;
            }
            let key = state.buffer.row(index).key();
            while let Some(gone) = old.next_if(|one| one.key < key || (one.key == key && one.stale)) {
                gone.row.remove();
            }
            if let Some(same) = old.next_if(|one| one.key == key) {
                drawn.push(same);
                continue;
            }
            let row = self.make_row(state, index);
            let next = old.peek().map(|next| -> &web_sys::Node { &next.row });
            let _ = self.rows.insert_before(&row, next);
            drawn.push(Drawn { key, row, stale: false });
        }
        for gone in old {
            gone.row.remove();
        }
        state.drawn = drawn;
    }

    fn make_row(&self, state: &State, index: usize) -> HtmlElement {
        let row = state.buffer.row(index);
        let entry = match &row.content {
            Content::Line(entry) => entry,
            Content::Gap(gap) => {
                let (says, busy) = gap_says(gap);
                return self.maker.gap(&gap.from.to_string(), &says, busy);
            }
        };
        self.maker.line(&LineLook {
            entry,
            level: state.buffer.level(row),
            follows: row.place > 0,
            followers: state.buffer.followers(row),
            open: row.open,
            selected: state.selected == Some(row.key()),
            with_service: state.several,
            with_labels: !state.view.query.is_empty(),
            raw: state.style.raw,
            time: state.clock.show(entry.id.at),
            marker: &state.marker,
            whole: state.whole.get(&entry.id).map(String::as_str),
        })
    }

    /// Tells the buffer how high rows became whose height was a guess. Returns whether a guess was wrong.
    fn measure(&self, state: &mut State) -> bool {
        let mut heights = Vec::new();
        for drawn in &state.drawn {
            let Ok(index) = state.buffer.find(drawn.key) else { continue };
            let row = state.buffer.row(index);
            let guessed = state.style.wrap || row.open || row.entry().is_some_and(|entry| state.whole.contains_key(&entry.id));
            if guessed && !row.is_measured() {
                heights.push((index, drawn.row.offset_height().max(1) as u32));
            }
        }
        if heights.is_empty() {
            return false;
        }
        let anchor = state.hold();
        let before = state.buffer.total();
        for (index, height) in heights {
            state.buffer.measured(index, height);
        }
        let changed = anchor.is_some_and(|anchor| state.buffer.scroll_to(anchor) != state.scroll) || state.buffer.total() != before;
        state.restore(anchor);
        changed
    }

    /// Once a second: relative times, and a word for screen readers.
    fn tick(&self) {
        let mut state = self.state.borrow_mut();
        if state.clock.is_relative() {
            for drawn in &state.drawn {
                if !drawn.key.gap {
                    self.maker.retime(&drawn.row, &state.clock.show(drawn.key.id.at));
                }
            }
        }
        state.seconds += 1;
        if state.seconds.is_multiple_of(5) {
            let arrived = std::mem::take(&mut state.arrived);
            let listens = state.follow && document().active_element().as_ref() == Some(self.list.as_ref());
            if listens && arrived > 0 {
                put(self.out.said, text::counted(arrived, "new line", "new lines"));
            }
        }
    }

    // Following.

    /// Stops at what is on the screen.
    pub(super) fn pause(&self) {
        {
            let mut state = self.state.borrow_mut();
            if state.is_still() || !state.follow {
                return;
            }
            state.follow = false;
            state.buffer.look_away();
        }
        self.draw();
    }

    /// Back to the newest line.
    pub(super) fn resume(&self) {
        let leave = {
            let mut state = self.state.borrow_mut();
            if let Ok(Some(selection)) = window().get_selection()
                && state.held.take().is_some()
            {
                let _ = selection.remove_all_ranges();
            }
            let leave = state.is_still().then(|| match state.view.is_past() {
                true => state.view.ranged("", ""),
                false => LogView { at: None, ..state.view.clone() },
            });
            if leave.is_none() {
                state.follow = true;
                state.buffer.look_away();
                if state.buffer.trim() {
                    state.has_older = true;
                    put(self.out.older, Older::Idle);
                }
            }
            leave
        };
        match leave {
            Some(view) => self.out.go.set(Some((view, true))),
            None => self.draw(),
        }
    }

    /// Selects a row and brings it into view, to the middle if it was not.
    pub(super) fn select(&self, index: usize, centre: bool) {
        {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let key = state.buffer.row(index).key();
            if let Some(old) = state.selected.replace(key) {
                state.spoil(old);
            }
            state.spoil(key);
            if state.follow {
                state.follow = false;
                state.buffer.look_away();
            }
            let (top, bottom) = (state.buffer.top(index), state.buffer.top(index + 1));
            if top < state.scroll || bottom > state.scroll + state.height {
                state.scroll = if centre {
                    (top + (bottom - top) / 2).saturating_sub(state.height / 2)
                } else if top < state.scroll {
                    top
                } else {
                    bottom.saturating_sub(state.height)
                };
            }
        }
        self.draw();
        self.load_near_edges();
    }

    /// Selects the next row that fits, from the selected one or what is in view.
    pub(super) fn seek(&self, down: bool, fits: &dyn Fn(&LogBuffer, &super::buffer::Row) -> bool) {
        let found = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let selected = state.selected.and_then(|key| state.buffer.find(key).ok());
            let from = selected.or_else(|| {
                let visible = state.buffer.visible(state.scroll, state.height);
                if down { visible.start.checked_sub(1) } else { Some(visible.end) }
            });
            state.buffer.seek(from, down, fits)
        };
        match found {
            Some(index) => self.select(index, true),
            None => put(self.out.said, if down { "None further down".to_owned() } else { "None further up".to_owned() }),
        }
    }
}

fn gap_says(gap: &Gap) -> (String, bool) {
    let count = text::counted(gap.dropped.max(1), "line", "lines");
    match &gap.state {
        GapState::Idle => ([&count, " skipped \u{2014} load"].concat(), false),
        GapState::Loading => (["Loading\u{2026} ", &count, " left"].concat(), true),
        GapState::Failed(why) => ([&count, " skipped \u{2014} load again (", why, ")"].concat(), false),
    }
}

/// The instant that a range begins at, by the browser's clock; none for one that the console has to refuse.
fn since(from: &str) -> Option<Timestamp> {
    let now = Timestamp((js_sys::Date::now() * 1e6) as i64);
    Timestamp::parse_param(from, now).ok()
}

/// The key that a row's element was drawn for.
pub(super) fn key_of(row: &Element) -> Option<Key> {
    let id = |name| row.get_attribute(name).and_then(|id| id.parse().ok());
    id("data-id").map(Key::line).or_else(|| id("data-gap").map(|id| Key { id, gap: true }))
}
