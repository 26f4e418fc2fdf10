//! For an editor: every word of a text that may be half written, and what is wrong with it.

use super::{
    parser,
    token::{self, Kind},
};
use crate::ast::Span;

/// How to colour a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    Label,
    Text,
    Number,
    /// `5m`, `20KB`, `[5m]`
    Unit,
    Function,
    /// The name of a stage.
    Stage,
    /// `by`, `and`, `--strict`
    Keyword,
    Operator,
    Bracket,
    Comment,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokenized {
    pub span: Span,
    pub kind: TokenKind,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub span: Span,
    /// As Loki says it, its place included.
    pub message: String,
}

/// The words in order, without the spaces between them, and the first thing that does not follow the grammar.
pub fn tolerant(text: &str) -> (Vec<Tokenized>, Vec<Diagnostic>) {
    let diagnostics = match parser::expr(text) {
        Err(error) if !text.trim().is_empty() => vec![Diagnostic { span: error.span, message: error.to_string() }],
        _ => Vec::new(),
    };
    if text.len() > super::MAX_QUERY_BYTES {
        return (Vec::new(), diagnostics);
    }
    let tokens = super::lexer::lex(text);
    let word = |at: usize| tokens.get(at).map_or("", |token| &text[token.span.start as usize..token.span.end as usize]);
    let mut in_braces = false;
    let mut out = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        let kind = match &token.kind {
            Kind::Text(_) => TokenKind::Text,
            Kind::Number(_) => TokenKind::Number,
            Kind::Duration(_) | Kind::Bytes(_) | Kind::Range(_) => TokenKind::Unit,
            Kind::Flag => TokenKind::Keyword,
            Kind::Comment => TokenKind::Comment,
            Kind::Bad(_) => TokenKind::Error,
            Kind::End => continue,
            Kind::Sign(sign) => {
                in_braces = *sign == "{" || in_braces && *sign != "}";
                if matches!(*sign, "{" | "}" | "(" | ")") { TokenKind::Bracket } else { TokenKind::Operator }
            }
            Kind::Word if in_braces || !token::is_reserved(word(at), word(at + 1)) => TokenKind::Label,
            Kind::Word if token::KEYWORDS.contains(&word(at)) => TokenKind::Keyword,
            Kind::Word if token::STAGES.contains(&word(at)) => {
                if at > 0 && word(at - 1) == "|" {
                    TokenKind::Stage
                } else {
                    TokenKind::Label
                }
            }
            Kind::Word => TokenKind::Function,
        };
        out.push(Tokenized { span: token.span, kind });
    }
    (out, diagnostics)
}
