//! A line of the viewer, made by hand in the DOM: at thousands of lines a second a component each would be too slow.
//! Text only ever becomes a text node. What a click on a part does is in its `data-do`.

use loglines::ansi;
use model::{Entry, Level};
use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement};

use super::{
    log_marks::{Marker, segments},
    log_time::Shown,
};
use crate::ui::text;

/// All that a row shows.
pub struct LineLook<'a> {
    pub entry: &'a Entry,
    /// Its group's.
    pub level: Level,
    /// Whether it follows another line of its group.
    pub follows: bool,
    /// How many lines follow, and how many of them are folded away.
    pub followers: Option<(u32, u32)>,
    pub open: bool,
    pub selected: bool,
    pub with_service: bool,
    /// Whether the labels of an open row become matchers of a query.
    pub with_labels: bool,
    pub raw: bool,
    pub time: Shown,
    pub marker: &'a Marker,
    /// The whole message of a line that came cut.
    pub whole: Option<&'a str>,
}

/// Makes rows.
pub struct RowMaker {
    document: Document,
    line: Element,
}

/// Elements are made by names of our own; a browser that refuses those has no page either.
const MADE: &str = "the browser makes an element";

impl RowMaker {
    pub fn new(document: Document) -> Self {
        let maker = |tag: &str, class: &str| {
            let made = document.create_element(tag).expect(MADE);
            made.set_class_name(class);
            made
        };
        let row = maker("div", "log-row");
        let line = maker("div", "log-line");
        let caret = maker("button", "log-caret");
        for (name, value) in
            [("type", "button"), ("tabindex", "-1"), ("data-do", "open"), ("aria-label", "Show fields"), ("aria-expanded", "false")]
        {
            set(&caret, name, value);
        }
        for part in [caret, maker("time", "log-time"), maker("span", "log-level"), maker("span", "log-service"), maker("span", "log-text")]
        {
            put(&line, &part);
            // Not drawn between the parts of a flexible box: for copying alone.
            put(&line, &document.create_text_node(" "));
        }
        put(&row, &line);
        Self { document, line: row }
    }

    fn make(&self, tag: &str, class: &str) -> Element {
        let made = self.document.create_element(tag).expect(MADE);
        made.set_class_name(class);
        made
    }

    fn text(&self, parent: &Element, tag: &str, class: &str, text: &str) -> Element {
        let made = self.make(tag, class);
        made.set_text_content(Some(text));
        put(parent, &made);
        made
    }

    fn button(&self, parent: &Element, class: &str, does: &str, text: &str) -> Element {
        let made = self.text(parent, "button", class, text);
        for (name, value) in [("type", "button"), ("tabindex", "-1"), ("data-do", does)] {
            set(&made, name, value);
        }
        made
    }

    /// The row of skipped lines.
    pub fn gap(&self, id: &str, says: &str, busy: bool) -> HtmlElement {
        let row = self.make("div", "log-row");
        set(&row, "data-gap", id);
        let button = self.button(&row, "log-gap", "gap", says);
        if busy {
            set(&button, "aria-busy", "true");
        }
        row.unchecked_into()
    }

    /// The row of a line.
    pub fn line(&self, look: &LineLook<'_>) -> HtmlElement {
        let row: HtmlElement = self.line.clone_node_with_deep(true).expect("an element can be cloned").unchecked_into();
        let entry = look.entry;
        set(&row, "data-id", &entry.id.to_string());
        set(&row, "data-level", look.level.as_str());
        for (on, name) in [(look.follows, "data-follows"), (look.open, "data-open"), (look.selected, "data-selected")] {
            if on {
                set(&row, name, "");
            }
        }
        let line = row.first_element_child().expect("the template has a line");
        let caret = line.first_element_child().expect("the template has a caret");
        let time = caret.next_element_sibling().expect("the template has a time");
        let level = time.next_element_sibling().expect("the template has a level");
        let service = level.next_element_sibling().expect("the template has a service");
        let message = service.next_element_sibling().expect("the template has a text");
        if look.open {
            set(&caret, "aria-expanded", "true");
            set(&caret, "aria-label", "Hide fields");
        }
        self.time(&time, look);
        level.set_text_content(Some(short(look.level)));
        if look.with_service {
            service.set_text_content(Some(&entry.service));
            set(&service, "data-tone", tone(&entry.service));
        } else {
            if let Some(space) = service.next_sibling() {
                let _ = line.remove_child(&space);
            }
            service.remove();
        }
        self.message(&message, look);
        if let Some((all, folded)) = look.followers {
            let says = if folded > 0 {
                "+".to_owned() + &text::counted(u64::from(folded), "line", "lines")
            } else {
                "\u{2212}".to_owned() + &text::grouped(u64::from(all))
            };
            let button = self.button(&line, "log-fold", "fold", &says);
            set(&button, "aria-label", if folded > 0 { "Unfold lines" } else { "Fold lines" });
            set(&button, "aria-expanded", if folded > 0 { "false" } else { "true" });
        }
        if let Some(bytes) = entry.cut.filter(|_| look.whole.is_none()) {
            self.button(&line, "log-cut", "whole", &["\u{2026} of ", &text::bytes(bytes), ": show all"].concat());
        }
        if look.selected && !look.open {
            self.actions(&row);
        }
        if look.open || look.whole.is_some() {
            self.detail(&row, look);
        }
        row
    }

    /// Writes a row's time anew, for relative times.
    pub fn retime(&self, row: &Element, shown: &Shown) {
        if let Ok(Some(time)) = row.query_selector(".log-time") {
            time.set_text_content(Some(&shown.time));
        }
    }

    fn time(&self, time: &Element, look: &LineLook<'_>) {
        set(time, "title", &look.entry.id.at.to_string());
        if !look.time.date.is_empty() {
            self.text(time, "span", "log-date", &[&look.time.date, " "].concat());
        }
        put(time, &self.document.create_text_node(&look.time.time));
        if !look.time.fraction.is_empty() {
            self.text(time, "span", "log-ms", &look.time.fraction);
        }
    }

    fn message(&self, message: &Element, look: &LineLook<'_>) {
        let entry = look.entry;
        let by_fields = !look.raw && !entry.fields.0.is_empty() && (!look.with_labels || reads_as_fields(entry));
        if by_fields && (look.marker.is_nothing() || !self.only_raw_matches(look)) {
            if let Some(said) = said(entry) {
                self.styled(message, said, look.marker);
            }
            for (name, value) in entry.fields.0.iter().filter(|(name, _)| !is_told_elsewhere(name)) {
                if message.has_child_nodes() {
                    // A space that copying keeps.
                    put(message, &self.document.create_text_node(" "));
                }
                let pair = self.make("span", "log-pair");
                let key = self.make("span", "log-key");
                self.styled(&key, name, look.marker);
                put(&pair, &key);
                put(&pair, &self.document.create_text_node("="));
                let shown = value.char_indices().nth(200).map_or(&**value, |(at, _)| &value[..at]);
                self.styled(&pair, shown, look.marker);
                put(message, &pair);
            }
        } else {
            let last = last_written(&entry.message);
            let is_all = look.raw || look.marker.hits(&ansi::strip(&entry.message)) && !look.marker.hits(&ansi::strip(last));
            self.styled(message, if is_all { &entry.message } else { last }, look.marker);
        }
    }

    /// Whether a match is in the line as written and in none of the pieces shown of it: then the line is shown as written.
    fn only_raw_matches(&self, look: &LineLook<'_>) -> bool {
        let entry = look.entry;
        let in_pieces = || {
            said(entry).is_some_and(|said| look.marker.hits(&ansi::strip(said)))
                || entry
                    .fields
                    .0
                    .iter()
                    .filter(|(name, _)| !is_told_elsewhere(name))
                    .any(|(name, value)| look.marker.hits(name) || look.marker.hits(value))
        };
        look.marker.hits(&ansi::strip(&entry.message)) && !in_pieces()
    }

    /// Appends a text in its colours, with its matches marked.
    fn styled(&self, parent: &Element, text: &str, marker: &Marker) {
        let spans = ansi::spans(text);
        let marks = if marker.is_nothing() { Vec::new() } else { marker.marks(&spans.iter().map(|span| &*span.text).collect::<String>()) };
        let lengths: Vec<usize> = spans.iter().map(|span| span.text.len()).collect();
        for segment in segments(&lengths, &marks) {
            let span = &spans[segment.span];
            let Some(piece) = span.text.get(segment.range) else { continue };
            let classes = span.style.classes();
            let inline = span.style.inline();
            if classes.is_empty() && inline.is_none() && !segment.marked {
                put(parent, &self.document.create_text_node(piece));
                continue;
            }
            let made = self.text(parent, if segment.marked { "mark" } else { "span" }, &classes, piece);
            if let Some(inline) = inline {
                made.unchecked_ref::<HtmlElement>().style().set_css_text(&inline);
            }
        }
    }

    fn actions(&self, parent: &Element) {
        let actions = self.make("div", "log-actions");
        for (does, says) in [("context", "Show in context"), ("copy", "Copy line"), ("link", "Copy link")] {
            set(&self.button(&actions, "button", does, says), "title", says);
        }
        put(parent, &actions);
    }

    fn detail(&self, row: &Element, look: &LineLook<'_>) {
        let entry = look.entry;
        let detail = self.make("div", "log-detail");
        let overwritten = || look.open && last_written(&entry.message).len() < entry.message.trim_end_matches('\r').len();
        if let Some(whole) = look.whole.or_else(|| overwritten().then_some(&*entry.message)) {
            // What was written over stands on a line of its own.
            self.text(&detail, "pre", "log-whole", &whole.split('\r').map(ansi::strip).collect::<Vec<_>>().join("\n"));
        }
        if look.open {
            let facts = self.make("div", "log-facts");
            self.text(&facts, "span", "log-fact", &entry.id.at.to_string());
            self.text(&facts, "span", "log-fact", look.level.as_str());
            self.text(&facts, "span", "log-fact", &entry.service);
            for name in ["container_name", "stream", "host"] {
                if let Some(value) = entry.labels.get(name).filter(|value| *value != entry.service) {
                    self.text(&facts, "span", "log-fact", value);
                }
            }
            put(&detail, &facts);
            if look.with_labels {
                put(&detail, &self.labels(entry));
            }
            if !entry.fields.0.is_empty() {
                put(&detail, &self.fields(entry));
            }
            self.actions(&detail);
        }
        put(row, &detail);
    }

    fn labels(&self, entry: &Entry) -> Element {
        let table = self.make("table", "log-fields");
        let body = self.make("tbody", "");
        for (name, value) in &entry.labels.0 {
            let row = self.make("tr", "");
            set(&row, "data-label", name);
            set(&self.text(&row, "th", "log-label", name), "scope", "row");
            self.text(&row, "td", "log-value", value);
            let does = self.make("td", "log-does");
            for (does_what, sign, word) in [("label-only", "=", "Only "), ("label-without", "\u{2260}", "Without ")] {
                let button = self.button(&does, "button", does_what, sign);
                let label = [word, name, "=", value].concat();
                set(&button, "aria-label", &label);
                set(&button, "title", &label);
            }
            put(&row, &does);
            put(&body, &row);
        }
        put(&table, &body);
        table
    }

    fn fields(&self, entry: &Entry) -> Element {
        let table = self.make("table", "log-fields");
        let body = self.make("tbody", "");
        for (index, (name, value)) in entry.fields.0.iter().enumerate() {
            let row = self.make("tr", "");
            set(&row, "data-field", &index.to_string());
            set(&self.text(&row, "th", "", name), "scope", "row");
            self.text(&row, "td", "log-value", value);
            let does = self.make("td", "log-does");
            let short = value.char_indices().nth(80).map_or(&**value, |(at, _)| &value[..at]);
            for (does_what, sign, words) in [
                ("only", "=", ["Only ", name, "=", short]),
                ("without", "\u{2260}", ["Without ", name, "=", short]),
                ("value", "copy", ["Copy ", name, "", ""]),
            ] {
                let button = self.button(&does, "button", does_what, sign);
                let label = words.concat();
                set(&button, "aria-label", &label);
                set(&button, "title", &label);
            }
            put(&row, &does);
            put(&body, &row);
        }
        put(&table, &body);
        table
    }
}

fn set(element: &Element, name: &str, value: &str) {
    element.set_attribute(name, value).expect("the attribute's name is well-formed");
}

fn put(parent: &Element, child: &web_sys::Node) {
    parent.append_child(child).expect("a new node fits anywhere");
}

/// What a terminal shows of a line in the end: carriage returns write over what was before them.
pub fn last_written(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rfind('\r').map_or(line, |at| &line[at + 1..])
}

fn short(level: Level) -> &'static str {
    match level {
        Level::Unknown => "",
        Level::Trace => "TRC",
        Level::Debug => "DBG",
        Level::Info => "INF",
        Level::Warn => "WRN",
        Level::Error => "ERR",
        Level::Fatal => "FTL",
    }
}

/// One of eight colours, the same for a name everywhere.
fn tone(name: &str) -> &'static str {
    let sum = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    ["0", "1", "2", "3", "4", "5", "6", "7"][(sum % 8) as usize]
}

/// The field that holds what a structured line has to say.
fn said(entry: &Entry) -> Option<&str> {
    let fields = &entry.fields.0;
    let named = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
    MESSAGES.iter().find_map(|name| named(name)).filter(|said| !said.is_empty())
}

/// Whether a line of a query is its fields: they may as well be what a parser took out of a text, or why it could not.
fn reads_as_fields(entry: &Entry) -> bool {
    let text = ansi::strip(&entry.message);
    let text = text.trim();
    let is_object = text.ends_with('}') && text.contains('{');
    let is_logfmt = || {
        let name = text.split_once('=').map_or("", |(name, _)| name);
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'@'))
    };
    (is_object || is_logfmt()) && entry.fields.0.iter().any(|(name, _)| !name.starts_with("__error"))
}

const MESSAGES: [&str; 4] = ["msg", "message", "fields.message", "event"];

/// Fields that the row shows by other means: its text, its time, its level.
fn is_told_elsewhere(name: &str) -> bool {
    MESSAGES[..3].contains(&name) || matches!(name, "time" | "ts" | "timestamp" | "@timestamp" | "level" | "lvl" | "severity")
}

#[cfg(test)]
mod tests {
    use model::{Entry, EntryId, Level, StreamHash, Timestamp, log::Fields};

    use super::{last_written, reads_as_fields};

    #[test]
    fn a_line_that_is_text_stays_text_whatever_a_query_finds_in_it() {
        let id = EntryId { at: Timestamp(1), stream: StreamHash(1), ordinal: 0 };
        let is_fields = |message: &str, names: &[&str]| {
            reads_as_fields(&Entry {
                id,
                timestamp: id.at,
                service: "web".into(),
                level: Level::Info,
                message: message.into(),
                fields: Fields(names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect()),
                labels: Default::default(),
                group: id,
                cut: None,
            })
        };
        assert!(is_fields(r#"2026-11-23T00:00:00Z {"a":1}"#, &["a"]));
        assert!(is_fields("\u{1b}[32mlevel\u{1b}[0m=info msg=\"a b\"", &["level", "msg"]));
        assert!(!is_fields("10.0.0.1 - - \"GET /?a=b HTTP/1.1\" 200", &["method", "status"]), "by `| pattern`");
        assert!(!is_fields("plain", &["__error__", "__error_details__"]), "by `| json`");
        assert!(!is_fields(r#"{"a":1 }"#, &["__error__"]));
    }

    #[test]
    fn a_terminal_shows_what_was_written_last() {
        for (line, expect) in [
            ("plain", "plain"),
            ("plain\r", "plain"),
            ("\r 10 %\r 20 %", " 20 %"),
            ("10 %\r20 %\r\r", "20 %"),
            ("\r\u{1b}[Kdone", "\u{1b}[Kdone"),
            ("", ""),
            ("\r", ""),
        ] {
            assert_eq!(last_written(line), expect, "{line:?}");
        }
    }
}
