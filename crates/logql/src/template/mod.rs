//! The templates of `line_format` and `label_format`: Go's text/template with the functions that Loki documents. Output
//! and work are bounded; the time of day comes in as a value.

use std::{
    borrow::Cow,
    cell::{Cell, OnceCell},
    collections::BTreeSet,
};

mod exec;
mod format;
mod funcs;
mod lex;
mod parse;
mod strings;
mod time;
mod value;

use exec::Exec;
use parse::Node;

/// Bytes that one rendering may give.
pub const MAX_OUTPUT_BYTES: usize = 1 << 20;

/// What is wrong with a template, or with running it; prints as Go prints it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {place}: {message}")]
pub struct TemplateError {
    /// `line:1`, or `line:1:3` from a rendering.
    pub place: String,
    pub message: String,
}

/// What a template sees.
pub struct Context<'a> {
    pub line: &'a str,
    /// Nanoseconds.
    pub at_ns: i64,
    /// Nanoseconds: what `now` gives.
    pub now_ns: i64,
    /// A label's value.
    pub get: &'a dyn Fn(&str) -> Option<Cow<'a, str>>,
    /// All labels, sorted by name.
    pub all: &'a dyn Fn() -> Vec<(&'a str, &'a str)>,
    /// What `all` gave, once it was asked.
    pub map: OnceCell<Vec<(&'a str, &'a str)>>,
    /// Work done so far, by the templates before it as well where they share a bound.
    pub steps: Cell<usize>,
}

#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    nodes: Vec<Node>,
    labels: Option<BTreeSet<String>>,
    uses_line: bool,
    regexes: usize,
}

impl Template {
    /// `name` stands in errors: `line` for `line_format`.
    ///
    /// # Errors
    /// Go's, like `template: line:1: unclosed action`.
    pub fn parse(text: &str, name: &str) -> Result<Self, TemplateError> {
        let parsed = parse::parse(text).map_err(|(line, message)| TemplateError { place: format!("{name}:{line}"), message })?;
        Ok(Self { name: name.to_owned(), nodes: parsed.nodes, labels: parsed.labels, uses_line: parsed.uses_line, regexes: parsed.regexes })
    }

    /// Appends to `out`. A label that is missing is the empty text.
    ///
    /// # Errors
    /// Go's, like `template: line:1:3: executing "line" at <…>: …`; `out` then holds what came before.
    pub fn render<'a>(&'a self, cx: &'a Context<'a>, out: &mut String) -> Result<(), TemplateError> {
        Exec::new(cx, out).run(&self.nodes).map_err(|failure| TemplateError {
            place: format!("{}:{}:{}", self.name, failure.line, failure.col),
            message: format!("executing {} at <{}>: {}", crate::syntax::quote(&self.name), failure.part, failure.message),
        })
    }

    /// The labels it may look at; `None` if that cannot be told (`{{ . }}`, `{{ index . $x }}`).
    pub fn labels(&self) -> Option<&BTreeSet<String>> {
        self.labels.as_ref()
    }

    /// How many patterns were compiled for it.
    pub fn regexes(&self) -> usize {
        self.regexes
    }

    /// Whether it looks at the line.
    pub fn uses_line(&self) -> bool {
        self.uses_line
    }
}

#[cfg(test)]
mod tests;
