//! Selectors and the stages behind them.

use super::{Kind, MAX_MATCHERS, Parser, Result, Span, SyntaxError};
use crate::{
    ast::{
        Convert, Extraction, FormatValue, LabelFilter, LabelFormat, LabelPick, LineFilter, LineOp, LogExpr, MatchOp, Matcher, Needle,
        Selector, Stage, StageKind, Unwrap,
    },
    syntax::token::STAGES,
};

/// What may stand in front of `[5m]`, and the range itself once it came.
pub struct RangeLog {
    pub log: LogExpr,
    pub unwrap: Option<Unwrap>,
    pub range: Option<(i64, i64)>,
}

impl Parser<'_> {
    pub fn log(&mut self) -> Result<LogExpr> {
        let start = self.start();
        let selector = self.selector()?;
        let mut stages = Vec::new();
        while let Some(stage) = self.stage()? {
            stages.push(stage);
        }
        Ok(LogExpr { span: self.span_from(start), selector, stages })
    }

    /// The range may stand right behind the selector or behind all stages; brackets around any of it.
    pub fn range_log(&mut self, expected: &[&str]) -> Result<RangeLog> {
        let start = self.start();
        let mut found = if self.take_sign("(") {
            // They mean nothing and are not printed: a few will do.
            self.depth += 7;
            self.descend()?;
            let inner = self.range_log(&["{", "("])?;
            self.depth -= 8;
            self.expect_sign(")", &[])?;
            inner
        } else if self.is_sign(0, "{") {
            let selector = self.selector()?;
            RangeLog { log: LogExpr { span: self.span_from(start), selector, stages: Vec::new() }, unwrap: None, range: None }
        } else {
            return Err(self.unexpected(expected));
        };
        loop {
            if let Kind::Range(nanos) = *self.kind()
                && found.range.is_none()
            {
                self.advance();
                found.range = Some((nanos, self.offset()?));
            } else if self.is_sign(0, "|") && self.is_stage_word(1, "unwrap") && found.unwrap.is_none() {
                found.unwrap = Some(self.unwrap_stage()?);
            } else if let Some(unwrap) = &mut found.unwrap {
                if !self.take_sign("|") {
                    break;
                }
                unwrap.filters.push(self.label_filter()?);
            } else if let Some(stage) = self.stage()? {
                found.log.stages.push(stage);
                found.log.span = self.span_from(start);
            } else {
                break;
            }
        }
        Ok(found)
    }

    fn offset(&mut self) -> Result<i64> {
        if !self.take_word("offset") {
            return Ok(0);
        }
        let negative = self.take_sign("-");
        match *self.kind() {
            Kind::Duration(nanos) => {
                self.advance();
                Ok(if negative { -nanos } else { nanos })
            }
            _ => Err(self.unexpected(&["DURATION"])),
        }
    }

    fn unwrap_stage(&mut self) -> Result<Unwrap> {
        let start = self.start();
        self.advance();
        self.advance();
        let convert = match self.word_text(0) {
            "duration" => Some(Convert::Duration),
            "duration_seconds" => Some(Convert::DurationSeconds),
            "bytes" => Some(Convert::Bytes),
            _ => None,
        }
        .filter(|_| self.is_sign(1, "("));
        let label = if convert.is_some() {
            self.advance();
            self.advance();
            let label = self.expect_name(&["IDENTIFIER"])?;
            self.expect_sign(")", &[")"])?;
            label
        } else {
            self.expect_name(&["IDENTIFIER", "bytes", "duration", "duration_seconds"])?
        };
        Ok(Unwrap { span: self.span_from(start), label, convert, filters: Vec::new() })
    }

    fn selector(&mut self) -> Result<Selector> {
        let start = self.start();
        self.expect_sign("{", &["{"])?;
        let mut matchers = Vec::new();
        if !self.take_sign("}") {
            matchers.push(self.matcher(&["IDENTIFIER", "}"])?);
            while !self.take_sign("}") {
                self.expect_sign(",", &["}", ","])?;
                if matchers.len() == MAX_MATCHERS {
                    let message = format!("selector has more than {MAX_MATCHERS} matchers");
                    return Err(SyntaxError::meaning(self.token(0).span, message));
                }
                matchers.push(self.matcher(&["IDENTIFIER"])?);
            }
        }
        Ok(Selector { span: self.span_from(start), matchers })
    }

    fn matcher(&mut self, expected: &[&str]) -> Result<Matcher> {
        let start = self.start();
        let name = self.expect_name(expected)?;
        let op = match self.kind() {
            Kind::Sign("=") => MatchOp::Equal,
            Kind::Sign("!=") => MatchOp::NotEqual,
            Kind::Sign("=~") => MatchOp::Regex,
            Kind::Sign("!~") => MatchOp::NotRegex,
            _ => return Err(self.unexpected(&["=", "=~", "!~", "!="])),
        };
        self.advance();
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex) {
            self.regex()?;
        }
        let value = self.expect_text(&["STRING"])?;
        Ok(Matcher { span: self.span_from(start), name, op, value })
    }

    /// Whether the stage's name stands there, and not a label of that name in front of a comparison.
    fn is_stage_word(&self, ahead: usize, name: &str) -> bool {
        // `| json != "x"` is a parser and a line filter.
        let line_filter = matches!(name, "json" | "logfmt" | "unpack" | "decolorize")
            && matches!(self.token(ahead + 1).kind, Kind::Sign("!=" | "!~"))
            && (matches!(self.token(ahead + 2).kind, Kind::Text(_)) || self.word_text(ahead + 2) == "ip");
        self.token(ahead).kind == Kind::Word && self.word_text(ahead) == name && (line_filter || !self.is_comparison(ahead + 1))
    }

    pub fn is_comparison(&self, ahead: usize) -> bool {
        matches!(self.token(ahead).kind, Kind::Sign("=" | "==" | "!=" | "=~" | "!~" | ">" | ">=" | "<" | "<="))
    }

    /// The next stage, if one begins here.
    fn stage(&mut self) -> Result<Option<Stage>> {
        let start = self.start();
        let kind = if let Some(op) = self.line_op() {
            self.advance();
            StageKind::Line(LineFilter { op, needles: self.needles(op)? })
        } else if self.is_sign(0, "|") {
            // `unwrap` belongs to the range around it, not to the stages.
            if self.is_stage_word(1, "unwrap") {
                return Ok(None);
            }
            self.advance();
            self.piped()?
        } else {
            return Ok(None);
        };
        Ok(Some(Stage { span: self.span_from(start), kind }))
    }

    fn line_op(&self) -> Option<LineOp> {
        match self.kind() {
            Kind::Sign("|=") => Some(LineOp::Contains),
            Kind::Sign("!=") => Some(LineOp::NotContains),
            Kind::Sign("|~") => Some(LineOp::Regex),
            Kind::Sign("!~") => Some(LineOp::NotRegex),
            Kind::Sign("|>") => Some(LineOp::Pattern),
            Kind::Sign("!>") => Some(LineOp::NotPattern),
            _ => None,
        }
    }

    fn needles(&mut self, op: LineOp) -> Result<Vec<Needle>> {
        let mut needles = Vec::new();
        loop {
            if self.kind() == &Kind::Word && self.word_text(0) == "ip" && self.is_sign(1, "(") {
                self.advance();
                needles.push(Needle::Ip(self.bracketed_text()?));
            } else {
                if matches!(op, LineOp::Regex | LineOp::NotRegex) {
                    self.regex()?;
                }
                needles.push(Needle::Text(self.expect_text(&["STRING", "ip"])?));
            }
            if !self.take_word("or") {
                return Ok(needles);
            }
        }
    }

    /// `("…")`
    pub fn bracketed_text(&mut self) -> Result<String> {
        self.expect_sign("(", &["("])?;
        let text = self.expect_text(&["STRING"])?;
        self.expect_sign(")", &[")"])?;
        Ok(text)
    }

    fn piped(&mut self) -> Result<StageKind> {
        let Some(name) = STAGES.iter().find(|name| self.is_stage_word(0, name)) else {
            return Ok(StageKind::Label(self.label_filter()?));
        };
        self.advance();
        Ok(match *name {
            "json" => StageKind::Json(self.extractions()?),
            "logfmt" => {
                let (mut strict, mut keep_empty) = (false, false);
                while self.kind() == &Kind::Flag {
                    match self.word_text(0) {
                        "--strict" => strict = true,
                        "--keep-empty" => keep_empty = true,
                        _ => return Err(self.unexpected(&[])),
                    }
                    self.advance();
                }
                StageKind::Logfmt { strict, keep_empty, extractions: self.extractions()? }
            }
            "pattern" => StageKind::Pattern(self.expect_text(&["STRING"])?),
            "regexp" => {
                self.regex()?;
                StageKind::Regexp(self.expect_text(&["STRING"])?)
            }
            "unpack" => StageKind::Unpack,
            "decolorize" => StageKind::Decolorize,
            "line_format" => StageKind::LineFormat(self.expect_text(&["STRING"])?),
            "label_format" => StageKind::LabelFormat(self.list(Self::label_format)?),
            "drop" => StageKind::Drop(self.list(Self::pick)?),
            "keep" => StageKind::Keep(self.list(Self::pick)?),
            "distinct" => StageKind::Distinct(self.list(|parser| parser.expect_name(&["IDENTIFIER"]))?),
            _ => return Err(self.unexpected(&[])),
        })
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take_sign(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn extractions(&mut self) -> Result<Vec<Extraction>> {
        if self.kind() != &Kind::Word || self.keyword().is_some() && !self.is_sign(1, "=") {
            return Ok(Vec::new());
        }
        self.list(|parser| {
            let start = parser.start();
            let label = parser.expect_name(&["IDENTIFIER"])?;
            let expression = if parser.take_sign("=") { parser.expect_text(&["STRING"])? } else { label.clone() };
            Ok(Extraction { span: parser.span_from(start), label, expression })
        })
    }

    fn label_format(&mut self) -> Result<LabelFormat> {
        let start = self.start();
        let target = self.expect_name(&["IDENTIFIER"])?;
        self.expect_sign("=", &["="])?;
        let value = match self.kind() {
            Kind::Text(_) => FormatValue::Template(self.expect_text(&[])?),
            _ => FormatValue::Rename(self.expect_name(&["IDENTIFIER", "STRING"])?),
        };
        Ok(LabelFormat { span: self.span_from(start), target, value })
    }

    fn pick(&mut self) -> Result<LabelPick> {
        // `| drop a != ip("…")` is a stage and a line filter; with a text, the text belongs to `drop`.
        let compared = match self.token(1).kind {
            Kind::Sign("=" | "=~") => true,
            Kind::Sign("!=" | "!~") => self.word_text(2) != "ip",
            _ => false,
        };
        if compared {
            return Ok(LabelPick::Match(self.matcher(&["IDENTIFIER"])?));
        }
        let span: Span = self.token(0).span;
        let name = self.expect_name(&["IDENTIFIER"])?;
        Ok(LabelPick::Name { span, name })
    }

    /// For [`LabelFilter`]s behind `|`.
    pub fn is_filter_start(&self) -> bool {
        self.is_sign(0, "(") || self.kind() == &Kind::Word && (self.keyword().is_none() || self.is_comparison(1))
    }

    fn label_filter(&mut self) -> Result<LabelFilter> {
        self.filter(0)
    }
}
