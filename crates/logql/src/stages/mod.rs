//! The stages of a log pipeline, a file each. A stage looks at a row's line and labels, may change them, or drops the row. None
//! of them knows the stages beside it.

pub mod convert;
pub mod decolorize;
pub mod distinct;
pub mod format;
pub mod ip;
pub mod json;
pub mod json_path;
pub mod label_filter;
pub mod line;
pub mod logfmt;
pub mod names;
pub mod patterns;
pub mod pick;
pub mod re2;
pub mod regexp;
pub mod scan;
pub mod unpack;
pub mod unwrap;

use crate::ast::Span;

/// What is wrong with a stage, in words for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    pub span: Span,
    pub message: String,
}
