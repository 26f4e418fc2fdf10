//! What the viewer shows, as its URL says it.

use model::{EntryId, LogAsk};

use crate::paths;

/// The state of the viewer that a pasted link carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogView {
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
        Self {
            service: filled("service"),
            level: filled("level"),
            search: all("search").pop().unwrap_or_default(),
            regex: on("regex"),
            invert: on("invert"),
            highlight: on("highlight"),
            field: filled("field"),
            at: all("at").first().and_then(|text| text.parse().ok()),
        }
    }

    /// The address that [`LogView::read`] reads back.
    pub fn url(&self) -> String {
        let ask = LogAsk { search: Some(self.search.clone()), regex: self.regex, invert: self.invert, ..self.ask() };
        let url = paths::logs(&ask, self.at.map(|id| id.to_string()).as_deref());
        if !self.highlight {
            return url;
        }
        let sign = if url.contains('?') { "&" } else { "?" };
        [&url, sign, "highlight=true"].concat()
    }

    /// What the server is asked: a highlighted text does not filter.
    pub fn ask(&self) -> LogAsk {
        let filters = !self.highlight && !self.search.is_empty();
        LogAsk {
            service: self.service.clone(),
            level: self.level.clone(),
            search: filters.then(|| self.search.clone()),
            regex: filters && self.regex,
            invert: filters && self.invert,
            field: self.field.clone(),
            ..LogAsk::default()
        }
    }

    /// Whether anything keeps lines back.
    pub fn is_filtered(&self) -> bool {
        !self.level.is_empty() || !self.field.is_empty() || (!self.search.is_empty() && !self.highlight)
    }

    /// How many things are asked of a line, for a bar that is folded: the search, each level, each field.
    pub fn filters(&self) -> usize {
        usize::from(!self.search.is_empty()) + self.level.len() + self.field.len()
    }

    /// The same services without filters.
    pub fn cleared(&self) -> Self {
        Self { service: self.service.clone(), ..Self::default() }
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
            let decode = |value: &str| value.replace("%20", " ").replace("%3D", "=").replace("%2F", "/").replace("%21", "!");
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| decode(value)).collect()
        })
    }

    #[test]
    fn a_link_says_all_of_what_is_shown() {
        let id = "18ea0000000000000000000000000007".to_owned() + "0001";
        let full = LogView {
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
    fn a_value_is_put_in_and_taken_out() {
        let list = ["a".to_owned(), "b".to_owned()];
        assert_eq!(LogView::toggled(&list, "a"), ["b"]);
        assert_eq!(LogView::toggled(&list, "c"), ["a", "b", "c"]);
    }

    #[test]
    fn the_style_survives_its_text() {
        for text in ["", "wrap", "compact relative raw", "wrap zone=Europe/Berlin"] {
            assert_eq!(LogStyle::parse(text).print(), text);
        }
        assert_eq!(LogStyle::parse("nonsense  wrap"), LogStyle { wrap: true, ..LogStyle::default() });
    }
}
