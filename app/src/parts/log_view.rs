//! What the viewer shows, as its URL says it.

use model::{EntryId, LogAsk};

use crate::paths;

/// The state of the viewer that a pasted link carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogView {
    /// LogQL, in place of all that follows but the range, `highlight` and `at`; empty for what was clicked together.
    pub query: String,
    /// Where the range begins: RFC 3339, or relative as `-1h`; empty for the first line there is.
    pub from: String,
    /// Where the range ends: as `from`; empty or `now` for a range that goes on.
    pub to: String,
    pub service: Vec<String>,
    pub level: Vec<String>,
    /// Empty for no search.
    pub search: String,
    pub regex: bool,
    pub invert: bool,
    /// Shows every line and marks what matches, instead of only the lines that match.
    pub highlight: bool,
    /// `name=value` or `name!=value`.
    pub field: Vec<String>,
    /// The line of a permalink.
    pub at: Option<EntryId>,
}

impl LogView {
    /// Reads the query; `all` gives a parameter's values. What is no line's id is no `at`.
    pub fn read(all: &dyn Fn(&str) -> Vec<String>) -> Self {
        let filled = |name| all(name).into_iter().filter(|value| !value.is_empty()).collect();
        let on = |name| all(name).iter().any(|value| value == "true");
        let last = |name| all(name).pop().unwrap_or_default();
        let query = last("query");
        let (from, to, at) = (last("from"), last("to"), all("at").first().and_then(|text| text.parse().ok()));
        if !query.trim().is_empty() {
            return Self { query, from, to, at, ..Self::default() };
        }
        Self {
            query: String::new(),
            from,
            to,
            service: filled("service"),
            level: filled("level"),
            search: all("search").pop().unwrap_or_default(),
            regex: on("regex"),
            invert: on("invert"),
            highlight: on("highlight"),
            field: filled("field"),
            at,
        }
    }

    /// The address that [`LogView::read`] reads back.
    pub fn url(&self) -> String {
        let ask = LogAsk { start_time: None, end_time: None, ..self.ask() };
        let ask = match &ask.query {
            Some(_) => ask,
            None => LogAsk { search: Some(self.search.clone()), regex: self.regex, invert: self.invert, ..ask },
        };
        let mut url = paths::logs(&ask, self.at.map(|id| id.to_string()).as_deref());
        for (name, value) in [("from", &*self.from), ("to", &*self.to), ("highlight", if self.highlight { "true" } else { "" })] {
            if !value.is_empty() {
                let sign = if url.contains('?') { "&" } else { "?" };
                url = [&url, sign, name, "=", &paths::encode(value)].concat();
            }
        }
        url
    }

    /// What the server is asked: a highlighted text does not filter.
    pub fn ask(&self) -> LogAsk {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let range = LogAsk { start_time: filled(&self.from), end_time: filled(&self.to).filter(|_| self.is_past()), ..LogAsk::default() };
        if !self.query.is_empty() {
            return LogAsk { query: Some(self.query.clone()), ..range };
        }
        let filters = !self.highlight && !self.search.is_empty();
        LogAsk {
            service: self.service.clone(),
            level: self.level.clone(),
            search: filters.then(|| self.search.clone()),
            regex: filters && self.regex,
            invert: filters && self.invert,
            field: self.field.clone(),
            ..range
        }
    }

    /// Whether the range has an end: nothing new can come into it.
    pub fn is_past(&self) -> bool {
        !self.to.is_empty() && self.to != "now"
    }

    /// Whether there is a range at all.
    pub fn is_ranged(&self) -> bool {
        !self.from.is_empty() || self.is_past()
    }

    /// Whether the query answers with numbers. Told from its first sign, as a query of lines begins with its selector; whether it is a
    /// query at all, the console knows.
    pub fn is_metric(&self) -> bool {
        let mut rest = &*self.query;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
            match rest.strip_prefix('#') {
                Some(comment) => rest = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => return !rest.is_empty() && !rest.starts_with('{'),
            }
        }
    }

    /// Whether anything keeps lines back.
    pub fn is_filtered(&self) -> bool {
        !self.query.is_empty() || !self.level.is_empty() || !self.field.is_empty() || (!self.search.is_empty() && !self.highlight)
    }

    /// How many things are asked of a line, for a bar that is folded: the query or search, each level, each field.
    pub fn filters(&self) -> usize {
        usize::from(!self.query.is_empty()) + usize::from(!self.search.is_empty()) + self.level.len() + self.field.len()
    }

    /// The same services and range without filters.
    pub fn cleared(&self) -> Self {
        Self { service: self.service.clone(), from: self.from.clone(), to: self.to.clone(), ..Self::default() }
    }

    /// The same search over another range.
    pub fn ranged(&self, from: &str, to: &str) -> Self {
        Self { from: from.to_owned(), to: to.to_owned(), at: None, ..self.clone() }
    }

    /// With a value put in, or taken out if it was there.
    pub fn toggled(list: &[String], value: &str) -> Vec<String> {
        let mut rest: Vec<String> = list.iter().filter(|one| *one != value).cloned().collect();
        if rest.len() == list.len() {
            rest.push(value.to_owned());
        }
        rest
    }
}

/// How a person likes to see lines: kept in the browser, in no link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStyle {
    pub wrap: bool,
    pub compact: bool,
    pub relative: bool,
    /// Structured lines as they were written.
    pub raw: bool,
    /// Without the histogram.
    pub no_bars: bool,
    /// A name of the time zone database; empty for the browser's own.
    pub zone: String,
}

impl LogStyle {
    /// `wrap compact zone=Europe/Berlin`: words in any order, unknown ones passed over.
    pub fn parse(text: &str) -> Self {
        let mut style = Self::default();
        for word in text.split(' ') {
            match word {
                "wrap" => style.wrap = true,
                "compact" => style.compact = true,
                "relative" => style.relative = true,
                "raw" => style.raw = true,
                "nobars" => style.no_bars = true,
                _ => {
                    if let Some(zone) = word.strip_prefix("zone=") {
                        zone.clone_into(&mut style.zone);
                    }
                }
            }
        }
        style
    }

    pub fn print(&self) -> String {
        let zone = ["zone=", &self.zone].concat();
        let words = [
            (self.wrap, "wrap"),
            (self.compact, "compact"),
            (self.relative, "relative"),
            (self.raw, "raw"),
            (self.no_bars, "nobars"),
            (!self.zone.is_empty(), &*zone),
        ];
        let words: Vec<&str> = words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a query that needs no decoding but of `%20`, `%3D` and `%2F`.
    fn read(url: &str) -> LogView {
        let query = url.split_once('?').map_or("", |(_, query)| query).to_owned();
        LogView::read(&|name| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let decode = |value: &str| {
                value
                    .replace("%20", " ")
                    .replace("%3D", "=")
                    .replace("%2F", "/")
                    .replace("%21", "!")
                    .replace("%3A", ":")
                    .replace("%7B", "{")
                    .replace("%7D", "}")
                    .replace("%22", "\"")
            };
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| decode(value)).collect()
        })
    }

    #[test]
    fn a_link_says_all_of_what_is_shown() {
        let id = "18ea0000000000000000000000000007".to_owned() + "0001";
        let full = LogView {
            query: String::new(),
            from: "-1h".into(),
            to: "2026-11-22T16:36:00Z".into(),
            service: vec!["shop/web".into(), "db".into()],
            level: vec!["error".into(), "fatal".into()],
            search: "two words".into(),
            regex: true,
            invert: true,
            highlight: true,
            field: vec!["user=ada".into(), "n!=2".into()],
            at: id.parse().ok(),
        };
        assert!(full.at.is_some());
        for view in [
            full.clone(),
            LogView::default(),
            LogView { highlight: true, ..LogView::default() },
            LogView { at: None, highlight: false, ..full },
            LogView { query: "{a=\"b\"}".into(), to: "now".into(), ..LogView::default() },
        ] {
            assert_eq!(read(&view.url()), view, "{}", view.url());
        }
        assert_eq!(read("/logs?at=nonsense&level=&service=&regex=yes"), LogView::default());
    }

    #[test]
    fn a_highlighted_text_does_not_filter() {
        let view = LogView { search: "x".into(), invert: true, ..LogView::default() };
        assert_eq!(view.ask(), LogAsk { search: Some("x".into()), invert: true, ..LogAsk::default() });
        assert!(view.is_filtered());
        let marked = LogView { highlight: true, ..view };
        assert_eq!(marked.ask(), LogAsk::default());
        assert!(!marked.is_filtered());
        assert_eq!((marked.filters(), LogView::default().filters()), (1, 0));
    }

    #[test]
    fn a_query_stands_in_place_of_what_was_clicked_together() {
        let view = read("/logs?query=%7Ba%3D%22b%22%7D&service=web&level=error&from=-1h");
        assert_eq!(view, LogView { query: "{a=\"b\"}".into(), from: "-1h".into(), ..LogView::default() });
        let ask = LogAsk { query: Some("{a=\"b\"}".into()), start_time: Some("-1h".into()), ..LogAsk::default() };
        assert_eq!(view.ask(), ask);
        assert!(view.is_filtered() && view.is_ranged() && !view.is_past());
    }

    #[test]
    fn only_a_range_with_an_end_is_past() {
        for (to, past) in [("", false), ("now", false), ("-5m", true), ("2026-11-22T16:36:00Z", true)] {
            let view = LogView { from: "-1h".into(), to: to.into(), ..LogView::default() };
            assert_eq!(view.is_past(), past, "{to}");
            assert_eq!(view.ask().end_time.as_deref(), past.then_some(to));
        }
    }

    #[test]
    fn a_metric_query_is_told_from_its_first_sign() {
        for (query, metric) in [
            ("", false),
            (" {a=\"b\"}", false),
            ("# rate\n({a=\"b\"} |= \"x\")", false),
            ("# {\nrate({a=\"b\"}[5m])", true),
            ("(sum(rate({a=\"b\"}[5m])))", true),
            ("1+1", true),
        ] {
            assert_eq!(LogView { query: query.into(), ..LogView::default() }.is_metric(), metric, "{query}");
        }
    }

    #[test]
    fn a_value_is_put_in_and_taken_out() {
        let list = ["a".to_owned(), "b".to_owned()];
        assert_eq!(LogView::toggled(&list, "a"), ["b"]);
        assert_eq!(LogView::toggled(&list, "c"), ["a", "b", "c"]);
    }

    #[test]
    fn the_style_survives_its_text() {
        for text in ["", "wrap", "compact relative raw nobars", "wrap zone=Europe/Berlin"] {
            assert_eq!(LogStyle::parse(text).print(), text);
        }
        assert_eq!(LogStyle::parse("nonsense  wrap"), LogStyle { wrap: true, ..LogStyle::default() });
    }
}
