//! The editor of LogQL: a text area over a mirror of its text, which has the colours; what is wrong, at its place; what may be written next.
//! It also turns words into a query and back.

mod options;
mod paint;
mod words;

use std::{collections::BTreeMap, time::Duration};

use leptos::{html, prelude::*, task::spawn_local};
use model::{LogAsk, log::QueryCheck};
use wasm_bindgen::JsCast;
use web_sys::KeyboardEvent;

use self::{
    options::{Choice, Known, Offer, offer},
    paint::{Wrong, pieces},
};
use super::{
    desk::Desk,
    outlets::{Command, put},
};
use crate::{
    parts::{log_view::LogView, query_text, trouble::plain_detail},
    rpc::{
        Failure,
        logs::{log_as_query, log_check, log_labels},
    },
    ui::{Toasts, act, effect},
};

/// Every line of every service.
const EVERYTHING: &str = r#"{service_name=~".+"}"#;
/// A pause in typing that long, and it is said what is wrong.
const TYPING: Duration = Duration::from_millis(600);

/// What the editor holds. All of it is signals, so that it can be handed about.
#[derive(Clone, Copy)]
struct Editor {
    desk: Desk,
    text: RwSignal<String>,
    /// What the console, or the grammar, has against the text.
    wrong: RwSignal<Option<Wrong>>,
    /// What else is to be said.
    note: RwSignal<Option<String>>,
    offer: RwSignal<Offer>,
    /// Whether the choices are shown, and which of them the arrow keys are at.
    open: RwSignal<bool>,
    at: RwSignal<Option<usize>>,
    names: RwSignal<Vec<String>>,
    values: RwSignal<BTreeMap<String, Vec<String>>>,
    /// What was run last: it comes back by the address.
    sent: StoredValue<String>,
    keystrokes: StoredValue<u32>,
    area: NodeRef<html::Textarea>,
}

#[component]
pub fn QueryEditor() -> impl IntoView {
    let desk = Desk::here();
    let editor = Editor {
        desk,
        text: RwSignal::new(desk.view.with_untracked(|view| view.query.clone())),
        wrong: RwSignal::new(None),
        note: RwSignal::new(None),
        offer: RwSignal::new(Offer::default()),
        open: RwSignal::new(false),
        at: RwSignal::new(None),
        names: RwSignal::new(Vec::new()),
        values: RwSignal::new(BTreeMap::new()),
        sent: StoredValue::new(String::new()),
        keystrokes: StoredValue::new(0),
        area: NodeRef::new(),
    };
    editor.follow_address();
    editor.translate(use_context::<Toasts>());
    let (root, here, list) = (NodeRef::<html::Div>::new(), NodeRef::<html::Span>::new(), NodeRef::<html::Ul>::new());
    place_choices(editor, root, here, list);
    let message = move || editor.note.get().or_else(|| editor.wrong.get().map(|wrong| wrong.message));
    let is_open = move || editor.open.get() && editor.offer.with(|offer| !offer.choices.is_empty());
    let option = move |(index, choice): (usize, Choice)| {
        view! {
            <li
                id=option_id(index)
                class="query-option"
                role="option"
                aria-selected=move || (editor.at.get() == Some(index)).to_string()
                // The focus stays where one writes.
                on:pointerdown=move |event| event.prevent_default()
                on:click=act(move |_| editor.accept(index))
            >
                <span class="query-choice">{choice.shown}</span>
                <span class="query-kind">{choice.kind}</span>
            </li>
        }
        .into_any()
    };
    view! {
        <div class="query-editor" node_ref=root>
            <div class="editor-box" data-invalid=move || message().is_some().to_string()>
                <div class="editor-mirror" aria-hidden="true">
                    {move || mirror(editor, here)}
                </div>
                <textarea
                    id="query-text"
                    class="editor-text"
                    rows="1"
                    role="combobox"
                    aria-label="LogQL query"
                    aria-multiline="true"
                    aria-haspopup="listbox"
                    aria-autocomplete="list"
                    aria-expanded=move || is_open().to_string()
                    aria-controls="query-options"
                    aria-activedescendant=move || editor.at.get().filter(|_| is_open()).map(option_id)
                    aria-invalid=move || message().is_some().to_string()
                    aria-describedby="query-wrong"
                    placeholder=r#"{service="web"} |= "error""#
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    node_ref=editor.area
                    prop:value=editor.text
                    on:input=move |event| editor.typed(event_target_value(&event))
                    on:keydown=move |event| editor.key(&event)
                    on:focus=move |_| editor.learn()
                    on:blur=move |_| editor.close()
                    on:click=move |_| editor.close()
                ></textarea>
            </div>
            <button type="button" class="button query-run" data-kind="primary" on:click=act(move |_| editor.run())>
                "Run"
            </button>
            <ul
                id="query-options"
                class="query-options"
                role="listbox"
                aria-label="What may stand here"
                node_ref=list
                hidden=move || !is_open()
            >
                {move || editor.offer.get().choices.into_iter().enumerate().map(option).collect_view()}
            </ul>
            <p id="query-wrong" class="editor-wrong" role="alert" data-under=move || is_open().to_string()>
                {move || message()}
            </p>
        </div>
    }
    .into_any()
}

fn option_id(index: usize) -> String {
    "query-option-".to_owned() + &index.to_string()
}

/// The text in its colours, with a mark where the choices belong.
fn mirror(editor: Editor, here: NodeRef<html::Span>) -> impl IntoView {
    let text = editor.text.get();
    let start = editor.offer.with(|offer| offer.start);
    let wrong = editor.wrong.get();
    let mut at = 0;
    let mut parts = Vec::new();
    let mut mark = Some(view! { <span class="q-here" node_ref=here></span> });
    let span = |text: &str, class: &str, wrong: bool| {
        let class = if wrong { [class, " q-wrong"].concat() } else { class.to_owned() };
        view! { <span class=class>{text.to_owned()}</span> }.into_any()
    };
    for piece in pieces(&text, wrong.as_ref()) {
        let end = at + piece.text.len();
        if mark.is_some() && start < end {
            let (before, behind) = piece.text.split_at_checked(start.saturating_sub(at)).unwrap_or(("", &piece.text));
            if !before.is_empty() {
                parts.push(span(before, piece.class, piece.wrong));
            }
            parts.push(mark.take().into_any());
            parts.push(span(behind, piece.class, piece.wrong));
        } else {
            parts.push(span(&piece.text, piece.class, piece.wrong));
        }
        at = end;
    }
    parts.push(mark.into_any());
    // A last line that is empty has a height too.
    parts.push("\u{200b}".into_any());
    parts
}

/// Puts the choices below the word that they stand for.
fn place_choices(editor: Editor, root: NodeRef<html::Div>, here: NodeRef<html::Span>, list: NodeRef<html::Ul>) {
    effect(move || {
        editor.offer.track();
        if !editor.open.get() {
            return;
        }
        request_animation_frame(move || {
            let (Some(root), Some(here), Some(list)) = (root.get_untracked(), here.get_untracked(), list.get_untracked()) else { return };
            let (root, here) = (root.get_bounding_client_rect(), here.get_bounding_client_rect());
            let left = (here.left() - root.left()).min(root.width() - f64::from(list.offset_width())).max(0.0);
            let style = web_sys::HtmlElement::style(&list);
            let _ = style.set_property("left", &((left as i32).to_string() + "px"));
            let _ = style.set_property("top", &(((here.bottom() - root.top()) as i32 + 4).to_string() + "px"));
        });
    });
    effect(move || {
        let Some(at) = editor.at.get() else { return };
        if let Some(option) = document().get_element_by_id(&option_id(at)) {
            let how = web_sys::ScrollIntoViewOptions::new();
            how.set_block(web_sys::ScrollLogicalPosition::Nearest);
            option.scroll_into_view_with_scroll_into_view_options(&how);
        }
    });
}

impl Editor {
    /// Shows the query of the address, and what is wrong with it.
    fn follow_address(self) {
        let query = Memo::new(move |_| self.desk.view.with(|view| view.query.clone()));
        effect(move || {
            let query = query.get();
            put(self.desk.out.needles, words::needles(&query));
            // What comes back is what was run a moment ago; the person may be further by now.
            if query.is_empty() || self.sent.get_value() == query {
                return;
            }
            self.sent.set_value(query.clone());
            self.text.set(query.clone());
            self.wrong.set(None);
            self.note.set(None);
            self.check(query, |_| {});
        });
    }

    /// Turns words into a query and back, when that is wanted.
    fn translate(self, toasts: Option<Toasts>) {
        effect(move || {
            let Some(wanted) = self.desk.out.want.get() else { return };
            let view = self.desk.view.get_untracked();
            match (wanted, view.query.is_empty()) {
                (true, true) => self.to_query(view),
                (false, false) => {
                    self.desk.out.want.set(None);
                    match words::words(&view.query) {
                        Ok((words, folds)) => {
                            if let (true, Some(toasts)) = (folds, toasts) {
                                toasts.say("Without capitals, words find upper and lower case");
                            }
                            self.desk.go(|view| LogView { from: view.from, to: view.to, ..words });
                        }
                        Err(what) => self.note.set(Some(["Words cannot say: ", &what].concat())),
                    }
                }
                _ => self.desk.out.want.set(None),
            }
        });
    }

    fn to_query(self, view: LogView) {
        // Fields are of JSON and logfmt lines alike, for which the language has no one word.
        let ask = LogAsk { start_time: None, end_time: None, field: Vec::new(), ..view.ask() };
        spawn_local(async move {
            let answer = log_as_query(ask).await;
            let Some(desk) = self.desk.view.try_get_untracked().map(|_| self.desk) else { return };
            let (query, why) = match answer {
                Ok(Some(query)) => (query, None),
                Ok(None) => (EVERYTHING.to_owned(), Some("These services cannot be named in one query: it asks for all".to_owned())),
                Err(Failure(problem)) => (EVERYTHING.to_owned(), Some(plain_detail(&problem))),
            };
            let query = view.field.iter().fold(query, |query, field| {
                let (name, op, value) = match (field.split_once("!="), field.split_once('=')) {
                    (Some((name, value)), _) if !name.contains('=') => (name, "!=", value),
                    (_, Some((name, value))) => (name, "=", value),
                    _ => return query,
                };
                query_text::with_field(&query, name, op, value, true)
            });
            desk.go(|view| LogView { query, from: view.from, to: view.to, ..LogView::default() });
            if why.is_some() {
                set_timeout(move || drop(self.note.try_set(why)), Duration::from_millis(100));
            }
        });
    }

    fn typed(self, text: String) {
        self.text.set(text);
        put(self.wrong, None);
        put(self.note, None);
        self.suggest(true);
        self.keystrokes.update_value(|count| *count += 1);
        let mine = self.keystrokes.get_value();
        set_timeout(
            move || {
                if self.keystrokes.try_get_value() == Some(mine) {
                    put(self.wrong, self.text.with_untracked(|text| paint::wrong(text)));
                }
            },
            TYPING,
        );
    }

    /// The cursor as a byte of the text.
    fn cursor(self) -> usize {
        let at = self.area.get_untracked().and_then(|area| area.selection_start().ok().flatten()).unwrap_or(0);
        self.text.with_untracked(|text| byte_of(text, at))
    }

    /// Looks for what may stand at the cursor. By itself only where there is something to go on from.
    fn suggest(self, by_itself: bool) {
        let cursor = self.cursor();
        let offer = self.text.with_untracked(|text| {
            let (names, fields, values) =
                (self.names.read_untracked(), self.desk.out.fields.read_untracked(), self.values.read_untracked());
            let values = |label: &str| values.get(label).cloned();
            offer(text, cursor, &Known { names: &names, fields: &fields, values: &values })
        });
        if let Some(label) = &offer.lacks {
            self.ask_values(label.clone());
        }
        let is_bare = self.text.with_untracked(|text| text[..cursor.min(text.len())].trim().is_empty());
        self.open.set(!by_itself || !is_bare);
        self.at.set(None);
        self.offer.set(offer);
    }

    fn close(self) {
        put(self.open, false);
        put(self.at, None);
    }

    fn accept(self, index: usize) {
        let offer = self.offer.get_untracked();
        let Some(choice) = offer.choices.get(index) else { return };
        let (text, cursor) = self.text.with_untracked(|text| {
            let before = text.get(..offer.start).unwrap_or(text);
            let behind = text.get(offer.end..).unwrap_or_default();
            ([before, &choice.insert, behind].concat(), before.len() + choice.insert.len())
        });
        let place = text[..cursor].encode_utf16().count() as u32;
        if let Some(area) = self.area.get_untracked() {
            area.set_value(&text);
            let _ = area.set_selection_range(place, place);
            let _ = area.focus();
        }
        self.typed(text);
    }

    fn key(self, event: &KeyboardEvent) {
        let choices = if self.open.get_untracked() { self.offer.with_untracked(|offer| offer.choices.len()) } else { 0 };
        let at = self.at.get_untracked();
        match &*event.key() {
            _ if event.is_composing() => return,
            "ArrowDown" if choices > 0 => self.at.set(Some(at.map_or(0, |at| (at + 1) % choices))),
            "ArrowUp" if choices > 0 => self.at.set(Some(at.unwrap_or(0).checked_sub(1).unwrap_or(choices - 1))),
            "Tab" if choices > 0 && !event.shift_key() => self.accept(at.unwrap_or(0)),
            "Enter" if event.shift_key() => return,
            "Enter" => match at.filter(|at| *at < choices) {
                Some(at) => self.accept(at),
                None => self.run(),
            },
            "Escape" if choices > 0 => self.close(),
            "Escape" => {
                if let Ok(Some(list)) = document().query_selector(".log-list") {
                    let _ = list.unchecked_ref::<web_sys::HtmlElement>().focus();
                }
            }
            " " if event.ctrl_key() => self.suggest(false),
            "ArrowLeft" | "ArrowRight" | "Home" | "End" => {
                self.close();
                return;
            }
            _ => return,
        }
        event.prevent_default();
    }

    /// Goes to the lines of the text, if it is a query.
    fn run(self) {
        self.close();
        let text = self.text.get_untracked();
        let text = if text.trim().is_empty() { EVERYTHING.to_owned() } else { text };
        self.text.set(text.clone());
        self.keystrokes.update_value(|count| *count += 1);
        self.check(text.clone(), move |editor| {
            editor.sent.set_value(text.clone());
            if editor.desk.view.with_untracked(|view| view.query == text && view.at.is_none()) {
                editor.desk.out.ask(Command::Retry);
                editor.desk.out.turn.update(|turn| *turn += 1);
            } else {
                editor.desk.go(|view| LogView { query: text, from: view.from, to: view.to, ..LogView::default() });
            }
        });
    }

    /// Asks the console what the text is; `then` for a query, else it is said what is wrong.
    fn check(self, text: String, then: impl FnOnce(Self) + 'static) {
        spawn_local(async move {
            let answer = log_check(text.clone()).await;
            if self.text.try_with_untracked(|now| *now != text) != Some(false) {
                return;
            }
            match answer {
                Ok(QueryCheck::Wrong { message, start, end }) => {
                    self.wrong.set(Some(Wrong { message, start: start as usize, end: end as usize }));
                }
                Ok(_) => {
                    put(self.wrong, None);
                    then(self);
                }
                Err(Failure(problem)) => self.note.set(Some(plain_detail(&problem))),
            }
        });
    }

    /// Asks for the names that a query may have, once somebody begins to write one.
    fn learn(self) {
        self.desk.out.ask(Command::Fields);
        let ask = self.range();
        self.values.update(BTreeMap::clear);
        spawn_local(async move {
            // Without them there is less to choose from, and that is all.
            if let Ok(names) = log_labels(ask, None).await {
                self.names.try_set(names);
                self.refresh();
            }
        });
    }

    fn ask_values(self, label: String) {
        let ask = self.range();
        spawn_local(async move {
            if let Ok(values) = log_labels(ask, Some(label.clone())).await {
                self.values.try_update(|known| known.insert(label, values));
                self.refresh();
            }
        });
    }

    fn range(self) -> LogAsk {
        let LogAsk { start_time, end_time, .. } = self.desk.view.with_untracked(LogView::ask);
        LogAsk { start_time, end_time, ..LogAsk::default() }
    }

    /// Looks anew where choices are shown and more are known by now.
    fn refresh(self) {
        if self.open.try_get_untracked() == Some(true) && self.at.get_untracked().is_none() {
            self.suggest(true);
        }
    }
}

/// From UTF-16 units, in which a browser counts, to bytes.
fn byte_of(text: &str, units: u32) -> usize {
    let mut left = units as usize;
    for (at, c) in text.char_indices() {
        if left == 0 {
            return at;
        }
        left = left.saturating_sub(c.len_utf16());
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browsers_place_is_a_byte() {
        for (units, expect) in [(0, 0), (1, 1), (2, 3), (4, 7), (5, 8), (99, 8)] {
            assert_eq!(byte_of("aü\u{1f600}b", units), expect, "{units}");
        }
    }
}
