//! What a person does in the list: scrolling, clicks, the text selection, keys.

use std::rc::Rc;

use leptos::prelude::*;
use model::{Entry, Level};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{ClipboardEvent, Element, Event, EventTarget, HtmlElement, HtmlTextAreaElement, KeyboardEvent, PointerEvent, WheelEvent};

use super::{
    buffer::Key,
    viewer::{Viewer, key_of},
};
use crate::{
    parts::{log_row::last_written, log_view::LogView, query_text},
    ui::{KeyGroup, keys::is_typing},
};

/// For the sheet of keys.
pub const KEYS: KeyGroup = KeyGroup {
    title: "Logs",
    keys: &[
        ("Space", "Pause or resume"),
        ("/", "Search"),
        ("n / N", "Next or previous match"),
        ("e / E", "Next or previous error"),
        ("w / W", "Next or previous warning"),
        ("j / k", "Next or previous line"),
        ("Enter", "Show or hide the fields"),
        ("f", "Fold or unfold a message of several lines"),
        ("g / G", "To the oldest or newest line"),
        ("PgUp / PgDn", "A screen up or down"),
        ("c", "Copy the line"),
        ("p", "Copy a link to the line"),
        ("x", "Show the line among all lines of its service"),
        ("l", "Wrap long lines"),
        ("t", "Relative times"),
        ("r", "Structured lines as written"),
        ("d", "Density"),
        ("Esc", "Let go of the line"),
    ],
};

impl Viewer {
    pub(super) fn listen_all(&self) {
        let list: &EventTarget = &self.list;
        let document = document();
        let listen = |target: &EventTarget, name, act: fn(&Self, Event)| {
            let me = self.me.clone();
            let closure = Closure::<dyn FnMut(Event)>::new(move |event| {
                if let Some(viewer) = me.upgrade() {
                    act(&viewer, event);
                }
            });
            let _ = target.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
            self.listeners.borrow_mut().push((target.clone(), name, closure));
        };
        listen(list, "scroll", |viewer, _| viewer.scrolled());
        listen(list, "wheel", |viewer, event| {
            if event.unchecked_ref::<WheelEvent>().delta_y() < 0.0 {
                viewer.looked_up();
            }
        });
        listen(list, "pointerdown", Self::pressed);
        listen(list, "click", Self::clicked);
        listen(list, "copy", Self::copied);
        listen(&document, "selectionchange", |viewer, _| viewer.selection_changed());
        listen(&document, "visibilitychange", |viewer, _| viewer.sight_changed());
        listen(&document, "keydown", |viewer, event| viewer.key(event.unchecked_ref()));
    }

    fn scrolled(&self) {
        let resumes = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let scroll = self.list.scroll_top().max(0 as _) as u32;
            let up = scroll < state.scroll;
            let same = scroll == state.scroll;
            state.set_real_scroll(scroll);
            if same {
                return;
            }
            let at_end = scroll + state.height + 2 >= state.buffer.total();
            state.scroll = scroll;
            if up && !at_end && state.follow {
                state.follow = false;
                state.buffer.look_away();
            }
            !up && at_end && !state.follow && !state.is_still() && state.held.is_none()
        };
        if resumes {
            self.resume();
        } else {
            self.draw();
            self.load_near_edges();
        }
    }

    /// Wants to see what is above, though there may be nothing to scroll yet.
    fn looked_up(&self) {
        self.pause_if_scrollable();
        self.load_near_edges();
    }

    fn pause_if_scrollable(&self) {
        let scrollable = {
            let mut state = self.state.borrow_mut();
            let total = state.buffer.total();
            total > state.height
        };
        if scrollable {
            self.pause();
        }
    }

    /// What is pressed on must not move away before it is let go.
    fn pressed(&self, event: Event) {
        let event: &PointerEvent = event.unchecked_ref();
        if event.pointer_type() == "mouse" && event.button() == 0 && row_of(event.target()).is_some() {
            self.pause();
        }
    }

    fn clicked(&self, event: Event) {
        let Some(row) = row_of(event.target()) else { return };
        let Some(key) = key_of(&row) else { return };
        let element = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let button = element.and_then(|element| element.closest("[data-do]").ok().flatten());
        let Some(button) = button else {
            if self.state.borrow().held.is_none() {
                self.choose(key);
            }
            return;
        };
        let entry = || {
            let state = self.state.borrow();
            let at = state.buffer.find(key).ok()?;
            state.buffer.row(at).entry().cloned()
        };
        let named = |name: &str| button.closest(&["[", name, "]"].concat()).ok().flatten()?.get_attribute(name);
        let field = || entry()?.fields.0.get(named("data-field")?.parse::<usize>().ok()?).cloned();
        let label = || {
            let (name, entry) = (named("data-label")?, entry()?);
            let value = entry.labels.get(&name)?.to_owned();
            Some((name, value))
        };
        match button.get_attribute("data-do").unwrap_or_default().as_str() {
            "open" => self.toggle_open(key),
            "fold" => self.toggle_fold(key),
            "gap" => self.load_gap(key),
            "whole" => self.load_whole(key),
            "copy" => self.copy_line(key),
            "link" => self.copy_link(key),
            "context" => self.show_context(key),
            "only" => field().into_iter().for_each(|(name, value)| self.add_field(&name, "=", &value, entry())),
            "without" => field().into_iter().for_each(|(name, value)| self.add_field(&name, "!=", &value, entry())),
            "label-only" => label().into_iter().for_each(|(name, value)| self.add_label(&name, "=", &value)),
            "label-without" => label().into_iter().for_each(|(name, value)| self.add_label(&name, "!=", &value)),
            "value" => field().into_iter().for_each(|(_, value)| self.copy(&value, "Value copied")),
            _ => return,
        }
        // The keys of the list go on working, and Space is not this button's.
        let _ = self.list.focus();
    }

    fn choose(&self, key: Key) {
        let found = self.state.borrow().buffer.find(key);
        if let Ok(at) = found {
            self.select(at, false);
        }
    }

    fn toggle_open(&self, key: Key) {
        self.pause();
        {
            let mut state = self.state.borrow_mut();
            let anchor = state.hold();
            state.buffer.toggle_open(key);
            state.spoil(key);
            state.restore(anchor);
        }
        self.draw();
        self.reveal(key);
    }

    /// What opened below the lower edge is scrolled into view, or nothing would seem to happen.
    fn reveal(&self, key: Key) {
        let rows = self.rows.children();
        let row = (0..rows.length()).filter_map(|at| rows.item(at)).find(|row| key_of(row) == Some(key));
        if let Some(row) = row {
            let below = row.get_bounding_client_rect().bottom() - self.list.get_bounding_client_rect().bottom();
            if below > 0.0 {
                self.list.set_scroll_top(self.list.scroll_top() + below as i32 + 1);
            }
        }
    }

    fn toggle_fold(&self, key: Key) {
        self.pause();
        {
            let mut state = self.state.borrow_mut();
            let anchor = state.hold();
            state.buffer.toggle_fold(key);
            state.spoil_all();
            state.restore(anchor);
        }
        self.draw();
    }

    /// Asks for a field's value, or with `!=` for any other: as a chip, or behind the query.
    fn add_field(&self, name: &str, op: &str, value: &str, entry: Option<Rc<Entry>>) {
        let mut view = LogView { at: None, ..self.state.borrow().view.clone() };
        if view.query.is_empty() {
            let field = [name, op, value].concat();
            if !view.field.contains(&field) {
                view.field.push(field);
            }
        } else {
            let is_json = entry.is_some_and(|entry| entry.message.trim_start().starts_with('{'));
            view.query = query_text::with_field(&view.query, name, op, value, is_json);
        }
        self.out.go.set(Some((view, true)));
    }

    /// Asks for a label's value in the query's selector.
    fn add_label(&self, name: &str, op: &str, value: &str) {
        let view = LogView { at: None, ..self.state.borrow().view.clone() };
        let query = query_text::with_label(&view.query, name, op, value);
        self.out.go.set(Some((LogView { query, ..view }, true)));
    }

    fn copy_line(&self, key: Key) {
        let text = {
            let state = self.state.borrow();
            let Ok(at) = state.buffer.find(key) else { return };
            let whole = state.whole.get(&key.id).cloned();
            whole.or_else(|| state.buffer.row(at).entry().map(|entry| entry.message.clone()))
        };
        if let Some(text) = text {
            let text = if self.state.borrow().style.raw { &*text } else { last_written(&text) };
            self.copy(&loglines::ansi::strip(text), "Line copied");
        }
    }

    fn copy_link(&self, key: Key) {
        let path = LogView { at: Some(key.id), ..self.state.borrow().view.clone() }.url();
        let origin = window().location().origin().unwrap_or_default();
        self.copy(&(origin + &path), "Link copied");
    }

    /// Goes to the line among all lines of its service: the filters and the range stay behind, and the way back leads to them.
    fn show_context(&self, key: Key) {
        let service = {
            let state = self.state.borrow();
            let Ok(at) = state.buffer.find(key) else { return };
            state.buffer.row(at).entry().map(|entry| entry.service.clone())
        };
        if let Some(service) = service {
            self.out.go.set(Some((LogView { service: vec![service], at: Some(key.id), ..LogView::default() }, true)));
        }
    }

    fn copy(&self, text: &str, says: &'static str) {
        copy(text);
        if let Some(toasts) = self.toasts {
            toasts.say(says);
        }
    }

    /// A selection over several rows becomes a line for each: a browser would part the cells and join the rows.
    fn copied(&self, event: Event) {
        let lines = || {
            self.state.borrow().held.filter(|(one, other)| one != other)?;
            let range = window().get_selection().ok()??.get_range_at(0).ok()?;
            let rows = self.rows.children();
            let mut lines: Vec<String> = Vec::new();
            for row in (0..rows.length()).filter_map(|at| rows.item(at)).filter(|row| range.intersects_node(row).unwrap_or(false)) {
                let text = |class| row.query_selector(class).ok().flatten();
                let (Some(time), Some(text)) = (text(".log-time"), text(".log-text")) else { continue };
                let part = range.clone_range();
                let holds = |node: Result<web_sys::Node, _>| node.is_ok_and(|node| row.contains(Some(&node)));
                if !holds(range.start_container()) {
                    part.set_start_before(&time).ok()?;
                }
                if !holds(range.end_container()) {
                    part.set_end_after(&text).ok()?;
                }
                lines.push(part.to_string().into());
            }
            Some(lines.join("\n"))
        };
        if let (Some(lines), Some(data)) = (lines(), event.unchecked_ref::<ClipboardEvent>().clipboard_data())
            && data.set_data("text/plain", &lines).is_ok()
        {
            event.prevent_default();
        }
    }

    fn selection_changed(&self) {
        let ends = || {
            let selection = window().get_selection().ok().flatten().filter(|selection| !selection.is_collapsed())?;
            let row = |node: Option<web_sys::Node>| {
                let node = node?;
                let element = node.dyn_ref::<Element>().cloned().or_else(|| node.parent_element())?;
                let row = element.closest(".log-row").ok().flatten()?;
                key_of(&row).filter(|_| self.list.contains(Some(&row)))
            };
            let (one, other) = (row(selection.anchor_node()), row(selection.focus_node()));
            Some((one.or(other)?, other.or(one)?))
        };
        let held = ends();
        self.state.borrow_mut().held = held;
        if held.is_some() {
            self.pause();
        }
    }

    // Keys.

    fn key(&self, event: &KeyboardEvent) {
        if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() || is_typing(event) {
            return;
        }
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let on_control = target.is_some_and(|target| matches!(&*target.tag_name(), "BUTTON" | "A" | "SUMMARY"));
        let key = event.key();
        if on_control && matches!(&*key, " " | "Enter")
            || matches!(document().query_selector("dialog[open], [popover]:popover-open"), Ok(Some(_)))
        {
            return;
        }
        if self.act(&key) {
            event.prevent_default();
        }
    }

    /// Does what a key stands for; `false` for a key that stands for nothing.
    fn act(&self, key: &str) -> bool {
        let selected = self.state.borrow().selected;
        match key {
            " " => {
                if self.state.borrow().follow {
                    self.pause();
                } else {
                    self.resume();
                }
            }
            "/" => return focus_search(),
            "n" => self.seek(true, &|_, row| row.hit),
            "N" => self.seek(false, &|_, row| row.hit),
            "e" => self.seek_level(true, Level::Error, Level::Fatal),
            "E" => self.seek_level(false, Level::Error, Level::Fatal),
            "w" => self.seek_level(true, Level::Warn, Level::Warn),
            "W" => self.seek_level(false, Level::Warn, Level::Warn),
            "j" | "ArrowDown" => self.step(true),
            "k" | "ArrowUp" => self.step(false),
            "PageDown" | "PageUp" => self.page(key == "PageDown"),
            "g" | "Home" => self.to_top(),
            "G" | "End" => self.to_end(),
            "l" => self.out.style.update(|style| style.wrap = !style.wrap),
            "t" => self.out.style.update(|style| style.relative = !style.relative),
            "r" => self.out.style.update(|style| style.raw = !style.raw),
            "d" => self.out.style.update(|style| style.compact = !style.compact),
            "Escape" => self.let_go(),
            "Enter" | "c" | "p" | "x" | "f" => {
                let Some(selected) = selected else { return false };
                match key {
                    "Enter" if selected.gap => self.load_gap(selected),
                    "Enter" => self.toggle_open(selected),
                    "c" => self.copy_line(selected),
                    "p" => self.copy_link(selected),
                    "x" => self.show_context(selected),
                    _ => self.toggle_fold(selected),
                }
            }
            _ => return false,
        }
        true
    }

    fn seek_level(&self, down: bool, least: Level, most: Level) {
        self.seek(down, &move |buffer, row| row.place == 0 && (least..=most).contains(&buffer.level(row)));
    }

    fn step(&self, down: bool) {
        let found = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let selected = state.selected.and_then(|key| state.buffer.find(key).ok());
            match selected {
                Some(at) => state.buffer.seek(Some(at), down, &|_, _| true),
                // The first step selects what is at the lower edge, where new lines are.
                None => {
                    let end = state.buffer.visible(state.scroll, state.height).end;
                    state.buffer.seek(Some(end), false, &|_, _| true)
                }
            }
        };
        if let Some(at) = found {
            self.select(at, false);
        }
    }

    fn page(&self, down: bool) {
        if !down {
            self.pause_if_scrollable();
        }
        let ends = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let by = state.height.saturating_sub(40);
            state.scroll = if down { state.scroll + by } else { state.scroll.saturating_sub(by) };
            down && state.scroll + state.height >= state.buffer.total() && !state.is_still() && state.held.is_none()
        };
        if ends {
            self.resume();
        } else {
            self.draw();
            self.load_near_edges();
        }
    }

    fn to_top(&self) {
        self.pause();
        self.state.borrow_mut().scroll = 0;
        self.draw();
        self.load_near_edges();
    }

    fn to_end(&self) {
        if !self.state.borrow().is_still() {
            self.resume();
            return;
        }
        self.state.borrow_mut().scroll = u32::MAX / 2;
        self.draw();
        self.load_near_edges();
    }

    fn let_go(&self) {
        {
            let mut state = self.state.borrow_mut();
            if let Some(key) = state.selected.take() {
                state.spoil(key);
            }
        }
        self.draw();
    }
}

fn row_of(target: Option<EventTarget>) -> Option<Element> {
    target?.dyn_into::<Element>().ok()?.closest(".log-row").ok().flatten()
}

fn focus_search() -> bool {
    const SEARCH: &str = "[data-logql=true] #query-text, .query-bar[data-logql=false] #log-search";
    let search = document().query_selector(SEARCH).ok().flatten().and_then(|search| search.dyn_into::<HtmlElement>().ok());
    search.is_some_and(|search| {
        // Folded away on a narrow screen.
        if search.offset_height() == 0
            && let Some(filters) = search.closest(".filters").ok().flatten()
        {
            let _ = filters.unchecked_ref::<HtmlElement>().show_popover();
        }
        search.focus().is_ok()
    })
}

/// Into the clipboard; over plain HTTP, where a browser offers none, by a text area.
fn copy(text: &str) {
    let navigator = window().navigator();
    let clipboard = js_sys::Reflect::get(&navigator, &"clipboard".into()).ok().filter(|clipboard| !clipboard.is_undefined());
    if clipboard.is_some() {
        let written = navigator.clipboard().write_text(text);
        leptos::task::spawn_local(async move {
            // A person may have forbidden it; the browser says so itself.
            let _ = wasm_bindgen_futures::JsFuture::from(written).await;
        });
        return;
    }
    let document = document();
    let (Ok(area), Some(body)) = (document.create_element("textarea"), document.body()) else { return };
    let area: HtmlTextAreaElement = area.unchecked_into();
    area.set_value(text);
    area.set_class_name("visually-hidden");
    if body.append_child(&area).is_ok() {
        area.select();
        let command =
            js_sys::Reflect::get(&document, &"execCommand".into()).ok().and_then(|command| command.dyn_into::<js_sys::Function>().ok());
        if let Some(command) = command {
            let _ = command.call1(&document, &"copy".into());
        }
        area.remove();
    }
}
