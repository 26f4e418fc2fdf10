//! The words of the language.

use crate::ast::Span;

#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub span: Span,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A name, or one of the language's words: which of both, the parser knows.
    Word,
    /// What is in the quotes.
    Text(String),
    Number(f64),
    /// Nanoseconds.
    Duration(i64),
    Bytes(u64),
    /// `[5m]`, nanoseconds.
    Range(i64),
    /// `--strict`
    Flag,
    /// An operator or a bracket.
    Sign(&'static str),
    /// Not of the language: where the message is empty an odd character, else what is wrong.
    Bad(String),
    Comment,
    End,
}

/// Words that are no names where a name could stand too.
pub const STAGES: &[&str] =
    &["json", "logfmt", "pattern", "regexp", "unpack", "decolorize", "line_format", "label_format", "drop", "keep", "distinct", "unwrap"];

pub const RANGE_FUNCTIONS: &[&str] = &[
    "count_over_time",
    "rate",
    "rate_counter",
    "bytes_over_time",
    "bytes_rate",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "stdvar_over_time",
    "stddev_over_time",
    "quantile_over_time",
    "first_over_time",
    "last_over_time",
    "absent_over_time",
];

pub const VECTOR_FUNCTIONS: &[&str] =
    &["sum", "avg", "min", "max", "count", "stddev", "stdvar", "topk", "bottomk", "approx_topk", "sort", "sort_desc"];

pub const OTHER_FUNCTIONS: &[&str] = &["label_replace", "vector"];

pub const KEYWORDS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "and", "or", "unless"];

/// Words that are functions only in front of a bracket.
pub const CALLED: &[&str] = &["ip", "duration", "duration_seconds", "bytes"];

/// Whether the word is one of the language's, if a bracket (or, for vector functions, `by`) follows where it must.
pub fn is_reserved(word: &str, next: &str) -> bool {
    if STAGES.contains(&word) || KEYWORDS.contains(&word) {
        return true;
    }
    let call = next == "(";
    call && (RANGE_FUNCTIONS.contains(&word) || OTHER_FUNCTIONS.contains(&word) || CALLED.contains(&word))
        || VECTOR_FUNCTIONS.contains(&word) && (call || matches!(next, "by" | "without"))
}
