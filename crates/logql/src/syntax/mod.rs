//! The text of LogQL: words, tree, and back. Errors read as Loki's do, because its clients show them and some look into
//! them. Pure; also runs in the browser, where [`parse_unchecked`] does not bring a regular expression engine along.

use std::fmt;

mod check;
mod complete;
mod go_regex;
mod jsonpath;
mod lexer;
mod parser;
mod pattern;
mod pretty;
mod print;
mod quote;
mod token;
mod tolerant;
pub mod units;

pub use check::check;
pub use complete::{Completion, Expect, complete};
pub use go_regex::{GoRegexError, translate};
pub use jsonpath::{Step, json_path};
pub use pattern::{Piece, line_pattern_pieces, pattern_pieces};
pub use pretty::pretty;
pub use quote::{quote, unquote};
pub use tolerant::{Diagnostic, TokenKind, Tokenized, tolerant};

use crate::ast::{Expr, Selector, Span};

/// Loki's limit.
pub const MAX_QUERY_BYTES: usize = 131_072;

/// Why a text is no query. Prints as Loki prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub message: String,
    /// From 1; 0 where Loki gives no place. `span` is always right.
    pub line: u32,
    /// From 1, in characters; 0 where Loki gives no place.
    pub col: u32,
    pub span: Span,
    /// Printed without `parse error`.
    pub bare: bool,
}

impl SyntaxError {
    /// An error of meaning: Loki says no place, we know one.
    fn meaning(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), line: 0, col: 0, span, bare: false }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bare {
            write!(f, "{}", self.message)
        } else if self.line == 0 && self.col == 0 {
            write!(f, "parse error : {}", self.message)
        } else {
            write!(f, "parse error at line {}, col {}: {}", self.line, self.col, self.message)
        }
    }
}

impl std::error::Error for SyntaxError {}

/// A query, checked: it can be run.
///
/// # Errors
/// As Loki's.
pub fn parse(text: &str) -> Result<Expr, SyntaxError> {
    let expr = parser::expr(text)?;
    check::check(&expr)?;
    Ok(expr)
}

/// A query whose patterns, templates and aggregations nobody has looked at.
///
/// # Errors
/// Where the text does not follow the grammar.
pub fn parse_unchecked(text: &str) -> Result<Expr, SyntaxError> {
    parser::expr(text)
}

/// A selector alone, as the series, labels and statistics calls take it. May be `{}`; its regular expressions compile.
///
/// # Errors
/// As Loki's; `only label matchers are supported` for any other query.
pub fn parse_selector(text: &str) -> Result<Selector, SyntaxError> {
    let expr = parser::expr(text)?;
    match expr {
        Expr::Log(log) if log.stages.is_empty() => {
            log.selector.matchers.iter().try_for_each(check::matcher)?;
            Ok(log.selector)
        }
        other => {
            let span = print::span_of(&other);
            Err(SyntaxError { message: "only label matchers are supported".into(), line: 0, col: 0, span, bare: true })
        }
    }
}

#[cfg(test)]
mod tests;
