//! Words to tree, by hand. Where it gives up it says what Loki's generated parser says: the word that was not expected
//! and, where at most four others could stand there, these.

mod labels;
mod log;
mod metric;

use super::{
    MAX_QUERY_BYTES, SyntaxError, lexer,
    print::span_of,
    token::{self, Kind, Token},
};
use crate::ast::{Expr, LabelFilter, LogExpr, MetricExpr, Span, Stage, StageKind};

/// Levels of the tree: a long chain of operators counts like as many brackets, since it is printed with them.
const MAX_DEPTH: usize = 100;
/// Brackets and functions within each other; brackets that mean nothing count here. A tree that fits is printed with fewer, and
/// the parser's stack must hold it.
const MAX_CALLS: usize = 256;
/// Operators between metrics and between label filters, together: they make a tree as deep as there are of them.
const MAX_OPERATORS: usize = 1_000;
/// Patterns of selectors, filters, parsers and `label_replace`, together: each becomes an automaton of up to megabytes.
const MAX_REGEXES: usize = 128;
/// Of one selector: every stream is held against each.
const MAX_MATCHERS: usize = 128;

type Result<T> = std::result::Result<T, SyntaxError>;

pub struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    operators: usize,
    regexes: usize,
}

/// The whole text as one expression.
///
/// # Errors
/// Where it is none.
pub fn expr(text: &str) -> Result<Expr> {
    if text.len() > MAX_QUERY_BYTES {
        let message = format!("input size too long ({} > {MAX_QUERY_BYTES})", text.len());
        return Err(SyntaxError::meaning(Span::default(), message));
    }
    let mut tokens = lexer::lex(text);
    tokens.retain(|token| token.kind != Kind::Comment);
    let mut parser = Parser { text, tokens, at: 0, depth: 0, operators: 0, regexes: 0 };
    if text.trim().is_empty() {
        // Loki does not even start on it, and so has no place to give.
        let mut error = parser.unexpected(&[]);
        (error.line, error.col) = (0, 0);
        return Err(error);
    }
    let expr = parser.expr()?;
    if parser.kind() != &Kind::End {
        return Err(parser.unexpected(&[]));
    }
    let levels = match &expr {
        Expr::Log(log) => log_levels(log),
        Expr::Metric(metric) => metric_levels(metric),
    };
    if levels > MAX_DEPTH { Err(too_deep(span_of(&expr))) } else { Ok(expr) }
}

fn too_deep(span: Span) -> SyntaxError {
    SyntaxError::meaning(span, format!("query nests deeper than {MAX_DEPTH} levels"))
}

fn metric_levels(metric: &MetricExpr) -> usize {
    1 + match metric {
        MetricExpr::Binary(binary) => metric_levels(&binary.left).max(metric_levels(&binary.right)),
        MetricExpr::Vector(vector) => metric_levels(&vector.inner),
        MetricExpr::LabelReplace(replace) => metric_levels(&replace.inner),
        MetricExpr::Range(range) => {
            let filters = range.unwrap.iter().flat_map(|unwrap| &unwrap.filters).map(filter_levels);
            filters.max().unwrap_or(0).max(log_levels(&range.log))
        }
        MetricExpr::Literal { .. } | MetricExpr::VectorOf { .. } => 0,
    }
}

fn log_levels(log: &LogExpr) -> usize {
    let of = |stage: &Stage| match &stage.kind {
        StageKind::Label(filter) => filter_levels(filter),
        _ => 0,
    };
    1 + log.stages.iter().map(of).max().unwrap_or(0)
}

fn filter_levels(filter: &LabelFilter) -> usize {
    match filter {
        LabelFilter::And(left, right) | LabelFilter::Or(left, right) => 1 + filter_levels(left).max(filter_levels(right)),
        _ => 1,
    }
}

impl<'a> Parser<'a> {
    fn token(&self, ahead: usize) -> &Token {
        // The last is `End`, and it stands for all behind it.
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn kind(&self) -> &Kind {
        &self.token(0).kind
    }

    fn word_text(&self, ahead: usize) -> &'a str {
        let span = self.token(ahead).span;
        &self.text[span.start as usize..span.end as usize]
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn is_sign(&self, ahead: usize, sign: &str) -> bool {
        matches!(&self.token(ahead).kind, Kind::Sign(found) if *found == sign)
    }

    /// The word here, if it is one of the language's.
    fn keyword(&self) -> Option<&'a str> {
        (self.kind() == &Kind::Word).then(|| self.word_text(0)).filter(|word| token::is_reserved(word, self.word_text(1)))
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let taken = self.is_sign(0, sign);
        if taken {
            self.advance();
        }
        taken
    }

    fn take_word(&mut self, word: &str) -> bool {
        let taken = self.kind() == &Kind::Word && self.word_text(0) == word;
        if taken {
            self.advance();
        }
        taken
    }

    fn expect_sign(&mut self, sign: &str, expected: &[&str]) -> Result<()> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn expect_text(&mut self, expected: &[&str]) -> Result<String> {
        let Kind::Text(text) = self.kind() else { return Err(self.unexpected(expected)) };
        let text = text.clone();
        self.advance();
        Ok(text)
    }

    /// A name where only a name can stand: the language's own words are names too.
    fn expect_name(&mut self, expected: &[&str]) -> Result<String> {
        if self.kind() != &Kind::Word {
            return Err(self.unexpected(expected));
        }
        let name = self.word_text(0).to_owned();
        self.advance();
        Ok(name)
    }

    fn start(&self) -> u32 {
        self.token(0).span.start
    }

    /// From `start` to the end of the last word taken.
    fn span_from(&self, start: u32) -> Span {
        let end = self.tokens[..self.at].last().map_or(start, |token| token.span.end);
        Span { start, end }
    }

    fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_CALLS { Err(too_deep(self.token(0).span)) } else { Ok(()) }
    }

    fn operator(&mut self) -> Result<()> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            return Err(SyntaxError::meaning(self.token(0).span, format!("query has more than {MAX_OPERATORS} operators")));
        }
        Ok(())
    }

    /// Counts the regular expression here.
    fn regex(&mut self) -> Result<()> {
        self.regexes += 1;
        if self.regexes > MAX_REGEXES {
            return Err(SyntaxError::meaning(self.token(0).span, format!("query has more than {MAX_REGEXES} regular expressions")));
        }
        Ok(())
    }

    /// The word here cannot stand here; `expected` could.
    fn unexpected(&self, expected: &[&str]) -> SyntaxError {
        let Token { span, kind } = self.token(0);
        let (mut line, col) = place(self.text, span.start as usize);
        let message = match kind {
            Kind::Bad(message) if !message.is_empty() => {
                if self.text[span.start as usize..].starts_with('[') {
                    line = 0; // Loki has lost the line here.
                }
                message.clone()
            }
            kind => {
                let name = match kind {
                    Kind::Word => self.keyword().unwrap_or("IDENTIFIER"),
                    Kind::Text(_) => "STRING",
                    Kind::Number(_) => "NUMBER",
                    Kind::Duration(_) => "DURATION",
                    Kind::Bytes(_) => "BYTES",
                    Kind::Range(_) => "RANGE",
                    Kind::Flag => "PARSER_FLAG",
                    Kind::Sign(sign) => sign,
                    Kind::Bad(_) | Kind::Comment => "IDENTIFIER",
                    Kind::End => "$end",
                };
                let expecting = if expected.is_empty() { String::new() } else { format!(", expecting {}", expected.join(" or ")) };
                format!("syntax error: unexpected {name}{expecting}")
            }
        };
        SyntaxError { message, line, col, span: *span, bare: false }
    }
}

/// Line and column of a byte, from 1, the column in characters.
fn place(text: &str, at: usize) -> (u32, u32) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let col = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(col).unwrap_or(u32::MAX))
}
