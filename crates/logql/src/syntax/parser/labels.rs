//! Label filters: comparisons joined by `and`, `or`, a comma or nothing.

use super::{Kind, Parser, Result, SyntaxError};
use crate::ast::{CompareOp, LabelFilter, MatchOp, Matcher};

/// What stands between two filters, and how close it binds.
struct Join {
    rank: u8,
    joins: fn(Box<LabelFilter>, Box<LabelFilter>) -> LabelFilter,
}

impl Parser<'_> {
    /// `and` binds closer than `or`. A comma, or nothing, means `and` too, but takes all that follows for its right side
    /// (it has no rank in Loki's grammar).
    pub fn filter(&mut self, min_rank: u8) -> Result<LabelFilter> {
        self.descend()?;
        let mut left = self.filter_atom()?;
        while let Some(join) = self.filter_join().filter(|join| join.rank >= min_rank) {
            left = self.join_filters(left, &join)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn filter_join(&self) -> Option<Join> {
        let is_word = |word| self.kind() == &Kind::Word && self.word_text(0) == word && !self.is_comparison(1);
        let (rank, joins) = match self.kind() {
            _ if is_word("or") => (1, LabelFilter::Or as fn(_, _) -> _),
            _ if is_word("and") => (2, LabelFilter::And as fn(_, _) -> _),
            Kind::Sign(",") => (u8::MAX, LabelFilter::And as fn(_, _) -> _),
            _ if self.is_filter_start() => (u8::MAX, LabelFilter::And as fn(_, _) -> _),
            _ => return None,
        };
        Some(Join { rank, joins })
    }

    #[inline(never)]
    fn join_filters(&mut self, left: LabelFilter, join: &Join) -> Result<LabelFilter> {
        self.operator()?;
        let right = if join.rank == u8::MAX {
            self.take_sign(",");
            self.filter(0)?
        } else {
            self.advance();
            self.filter(join.rank + 1)?
        };
        Ok((join.joins)(Box::new(left), Box::new(right)))
    }

    fn filter_atom(&mut self) -> Result<LabelFilter> {
        if !self.take_sign("(") {
            return self.comparison();
        }
        let filter = self.filter(0)?;
        self.expect_sign(")", &[])?;
        Ok(filter)
    }

    #[inline(never)]
    fn comparison(&mut self) -> Result<LabelFilter> {
        let start = self.start();
        if !self.is_filter_start() {
            return Err(self.unexpected(&[]));
        }
        let name = self.expect_name(&[])?;
        let op = match self.kind() {
            Kind::Sign("=" | "==") => CompareOp::Equal,
            Kind::Sign("!=") => CompareOp::NotEqual,
            Kind::Sign(">") => CompareOp::Greater,
            Kind::Sign(">=") => CompareOp::GreaterOrEqual,
            Kind::Sign("<") => CompareOp::Less,
            Kind::Sign("<=") => CompareOp::LessOrEqual,
            Kind::Sign(sign @ ("=~" | "!~")) => {
                let op = if *sign == "=~" { MatchOp::Regex } else { MatchOp::NotRegex };
                self.advance();
                self.regex()?;
                let value = self.expect_text(&["STRING"])?;
                return Ok(LabelFilter::Match(Matcher { span: self.span_from(start), name, op, value }));
            }
            _ => return Err(self.unexpected(&[])),
        };
        let doubled = self.is_sign(0, "==");
        self.advance();
        let equality = matches!(op, CompareOp::Equal | CompareOp::NotEqual) && !doubled;
        if equality && let Kind::Text(_) = self.kind() {
            let value = self.expect_text(&[])?;
            let op = if op == CompareOp::Equal { MatchOp::Equal } else { MatchOp::NotEqual };
            return Ok(LabelFilter::Match(Matcher { span: self.span_from(start), name, op, value }));
        }
        if equality && self.kind() == &Kind::Word && self.word_text(0) == "ip" {
            self.advance();
            let pattern = self.bracketed_text()?;
            return Ok(LabelFilter::Ip { span: self.span_from(start), name, equal: op == CompareOp::Equal, pattern });
        }
        self.quantity(start, name, op)
    }

    fn quantity(&mut self, start: u32, name: String, op: CompareOp) -> Result<LabelFilter> {
        let negative = self.take_sign("-");
        if !negative {
            self.take_sign("+");
        }
        let kind = self.kind().clone();
        let unexpected: SyntaxError = self.unexpected(&[]);
        self.advance();
        let span = self.span_from(start);
        match kind {
            Kind::Number(value) => Ok(LabelFilter::Number { span, name, op, value: if negative { -value } else { value } }),
            Kind::Duration(nanos) => Ok(LabelFilter::Duration { span, name, op, nanos: if negative { -nanos } else { nanos } }),
            Kind::Bytes(bytes) if !negative => Ok(LabelFilter::Bytes { span, name, op, bytes }),
            _ => Err(unexpected),
        }
    }
}
