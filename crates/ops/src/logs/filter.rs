//! Which lines a person wants to see: by level, by text, by the fields of structured lines.

use std::hash::{Hash, Hasher};

use model::Level;
use regex::{Regex, RegexBuilder};

use crate::error::Error;

/// An empty filter takes every line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Sorted; empty means all.
    pub levels: Vec<Level>,
    pub text: Option<TextMatch>,
    pub fields: Vec<FieldMatch>,
}

/// A search in the line's text, ANSI codes left out. Smart case: a pattern without capitals ignores case.
#[derive(Clone, Debug)]
pub struct TextMatch {
    pub pattern: String,
    pub regex: bool,
    /// Whether lines that match are wanted, or those that do not.
    pub wanted: bool,
    compiled: Regex,
}

impl PartialEq for TextMatch {
    fn eq(&self, other: &Self) -> bool {
        (&self.pattern, self.regex, self.wanted) == (&other.pattern, other.regex, other.wanted)
    }
}

impl Eq for TextMatch {}

impl Hash for TextMatch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.pattern, self.regex, self.wanted).hash(state);
    }
}

impl TextMatch {
    pub const MAX_PATTERN_BYTES: usize = 4_096;

    /// # Errors
    /// [`Error::BadInput`] for a pattern that is too long or not a regular expression, with the place in it.
    pub fn new(pattern: &str, regex: bool, wanted: bool) -> Result<Self, Error> {
        if pattern.len() > Self::MAX_PATTERN_BYTES {
            return Err(Error::bad_input("search", format!("the pattern has {} bytes; at most 4,096 are allowed", pattern.len())));
        }
        let source = if regex { pattern.to_owned() } else { regex::escape(pattern) };
        let compiled = RegexBuilder::new(&source)
            .case_insensitive(!has_capital(pattern, regex))
            .size_limit(1 << 20)
            .dfa_size_limit(1 << 20)
            .build()
            .map_err(|error| Error::bad_input("search", format!("not a regular expression: {}", one_line(&error))))?;
        Ok(Self { pattern: pattern.to_owned(), regex, wanted, compiled })
    }

    /// Whether a capital letter made the search exact.
    pub fn is_exact_case(&self) -> bool {
        has_capital(&self.pattern, self.regex)
    }

    pub fn matches(&self, line: &str) -> bool {
        self.compiled.is_match(&loglines::ansi::strip(line)) == self.wanted
    }
}

/// A capital letter makes the search exact; `\W`, `\S`, `\D`, `\B`, `\P` and the like are no letters.
fn has_capital(pattern: &str, regex: bool) -> bool {
    let mut escaped = false;
    pattern.chars().any(|c| {
        let literal = !(regex && escaped);
        escaped = c == '\\' && !escaped;
        literal && c.is_uppercase()
    })
}

/// The last line of a regex error says what is wrong; those above draw the place.
fn one_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// `name=value` or `name!=value` on the fields of JSON and logfmt lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldMatch {
    pub name: String,
    pub value: String,
    pub wanted: bool,
}

impl FieldMatch {
    /// # Errors
    /// [`Error::BadInput`] where there is no `=` behind a name, or the text is longer than 4,096 bytes.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::bad_input("field", "use `name=value` or `name!=value`, at most 4,096 bytes");
        if text.len() > 4_096 {
            return Err(wrong());
        }
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let (name, wanted) = name.strip_suffix('!').map_or((name, true), |name| (name, false));
        if name.is_empty() {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned(), wanted })
    }

    fn matches(&self, fields: &model::log::Fields) -> bool {
        fields.0.iter().any(|(name, value)| *name == self.name && *value == self.value) == self.wanted
    }
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty() && self.text.is_none() && self.fields.is_empty()
    }

    pub fn matches(&self, level: Level, line: &str) -> bool {
        (self.levels.is_empty() || self.levels.contains(&level))
            && self.text.as_ref().is_none_or(|text| text.matches(line))
            && (self.fields.is_empty() || {
                let fields = loglines::fields::parse(line);
                self.fields.iter().all(|one| one.matches(&fields))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_matches_with_smart_case_through_colours() {
        for (pattern, regex, line, expect) in [
            ("error", false, "An ERROR here", true),
            ("Error", false, "An ERROR here", false),
            ("a.c", false, "abc", false),
            ("a.c", true, "abc", true),
            (r"\Sx", true, "AX", true),
            ("red text", false, "\u{1b}[31mred\u{1b}[0m text", true),
            ("", false, "anything", true),
        ] {
            assert_eq!(TextMatch::new(pattern, regex, true).unwrap().matches(line), expect, "{pattern} on {line}");
            assert_eq!(TextMatch::new(pattern, regex, false).unwrap().matches(line), !expect, "not {pattern} on {line}");
        }
    }

    #[test]
    fn a_bad_pattern_says_what_is_wrong() {
        for (pattern, says) in [("(", "unclosed group"), (&"x".repeat(5_000), "4,096"), ("a{1000}{1000}{1000}", "size limit")] {
            let error = TextMatch::new(pattern, true, true).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn fields_of_structured_lines_are_compared_whole() {
        let filter = |text: &str| Filter { fields: vec![FieldMatch::parse(text).unwrap()], ..Filter::default() };
        let line = r#"{"user":"ada","n":42}"#;
        for (text, expect) in
            [("user=ada", true), ("user=ad", false), ("n=42", true), ("n!=42", false), ("missing!=1", true), ("missing=1", false)]
        {
            assert_eq!(filter(text).matches(Level::Info, line), expect, "{text}");
        }
        assert!(FieldMatch::parse("=x").is_err() && FieldMatch::parse("x").is_err() && FieldMatch::parse("!=x").is_err());
    }
}
