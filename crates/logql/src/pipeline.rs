//! The stages of a query, compiled once and run over rows. Knows no store: rows come in one by one, and what is left of a row
//! goes out. `distinct` is not run here, as it depends on the order of the answer.

use crate::{
    ast::{FormatValue, LabelPick, LineFilter as AstLineFilter, LineOp, Needle, Stage, StageKind},
    labelset::{ERROR, LabelSet},
    read::{RowRef, StreamRef},
    stages::{
        decolorize::decolorize,
        format::{self, LabelFormat, LineFormat},
        json::Json,
        json_path::JsonPath,
        label_filter::{self, LabelFilter},
        line::LineFilter,
        logfmt::{Logfmt, LogfmtFields},
        names::Wanted,
        patterns::Pattern,
        pick::Picks,
        regexp::Regexp,
        unpack::Unpack,
    },
};

pub use crate::stages::{CompileError, distinct::Distinct, unwrap::Unwrapper};

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Labels that the caller wants of a row (those it groups by, the one it unwraps, `__error__` if it looks at errors): parsers
    /// take only these and what the stages themselves read, and may end a line early. `None`: all of them.
    pub needed: Option<Vec<String>>,
    /// The query's time for templates, in nanoseconds.
    pub now_ns: i64,
}

/// A compiled pipeline. Shared by all threads; each works with a [`Worker`].
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Line filters that can run before anything else, the cheap ones first.
    lead: Vec<LineFilter>,
    steps: Vec<Step>,
    distinct: Vec<Vec<String>>,
    reads_line: bool,
}

/// What one thread needs to run a pipeline over the rows of a stream.
#[derive(Clone, Debug)]
pub struct Worker {
    lead: Vec<LineFilter>,
    steps: Vec<Step>,
    labels: LabelSet,
    line: String,
    spare: String,
}

/// What is left of a row.
#[derive(Debug)]
pub struct Out<'a> {
    /// Nanoseconds.
    pub at: i64,
    pub ordinal: u16,
    pub line: &'a str,
    /// Mutable for [`Unwrapper::value`].
    pub labels: &'a mut LabelSet,
}

#[derive(Clone, Debug)]
enum Step {
    Line(LineFilter),
    Json(Json),
    JsonPath(JsonPath),
    Logfmt(Logfmt),
    LogfmtFields(LogfmtFields),
    Pattern(Pattern),
    Regexp(Regexp),
    Unpack(Unpack),
    Decolorize,
    Label(LabelFilter),
    LineFormat(LineFormat),
    LabelFormat(LabelFormat),
    Drop(Picks),
    Keep(Picks),
    /// A parser for what the filters right behind the real one look at: most rows end here, before all their fields are taken.
    Probe(Box<Probe>),
}

#[derive(Clone, Debug)]
struct Probe {
    parser: Step,
    filters: Vec<LabelFilter>,
}

enum Flow {
    Keep,
    Drop,
    /// The line is in the buffer now.
    Rewritten,
}

impl Pipeline {
    /// # Errors
    /// [`CompileError`] where a stage is wrong.
    pub fn compile(stages: &[Stage], options: Options) -> Result<Self, CompileError> {
        let wanted = match options.needed {
            None => Wanted::All,
            Some(needed) => labels_read(stages).map_or(Wanted::All, |read| Wanted::only(union(needed, read))),
        };
        let rewrite = stages.iter().position(|stage| rewrites(&stage.kind)).unwrap_or(stages.len());
        let (mut lead, mut steps, mut distinct) = (Vec::new(), Vec::new(), Vec::new());
        for (at, stage) in stages.iter().enumerate() {
            match &stage.kind {
                StageKind::Distinct(names) => distinct.push(names.clone()),
                // Whether a line has a text does not depend on labels.
                StageKind::Line(filter) if at < rewrite => lead.push((cost(filter), line_filter(filter, stage)?)),
                _ => steps.push(step(stage, &wanted, options.now_ns)?),
            }
        }
        lead.sort_by_key(|(cost, _)| *cost);
        if matches!(wanted, Wanted::All)
            && let Some(probe) = probe(stages, options.now_ns)?
        {
            steps.insert(0, Step::Probe(Box::new(probe)));
        }
        let reads_line = stages.iter().any(|stage| reads_line(&stage.kind));
        Ok(Self { lead: lead.into_iter().map(|(_, filter)| filter).collect(), steps, distinct, reads_line })
    }

    /// A worker for the rows of this stream. One for each thread: its regular expressions have caches of their own.
    pub fn worker(&self, stream: &StreamRef) -> Worker {
        let mut labels = LabelSet::default();
        labels.switch(stream);
        Worker { lead: self.lead.clone(), steps: self.steps.clone(), labels, line: String::new(), spare: String::new() }
    }

    /// The labels of each `distinct`, in order; see [`Distinct`].
    pub fn distinct_labels(&self) -> &[Vec<String>] {
        &self.distinct
    }

    /// Whether a stage looks at the line.
    pub fn reads_line(&self) -> bool {
        self.reads_line
    }

    /// Whether there is nothing to do for a row.
    pub fn is_empty(&self) -> bool {
        self.lead.is_empty() && self.steps.is_empty()
    }
}

impl Worker {
    /// Turns to the rows of another stream; keeps its buffers.
    pub fn switch(&mut self, stream: &StreamRef) {
        self.labels.switch(stream);
    }

    /// Runs the stages over a row; `None` where one drops it.
    pub fn process<'a>(&'a mut self, row: &RowRef<'a>) -> Option<Out<'a>> {
        if !self.lead.iter().all(|filter| filter.takes(row.line)) {
            return None;
        }
        self.labels.begin(row.metadata);
        let Self { steps, labels, line, spare, .. } = self;
        let mut rewritten = false;
        for step in steps {
            let text = if rewritten { line.as_str() } else { row.line };
            match step.run(text, row.at, labels, spare) {
                Flow::Keep => {}
                Flow::Drop => return None,
                Flow::Rewritten => {
                    std::mem::swap(line, spare);
                    rewritten = true;
                }
            }
        }
        Some(Out { at: row.at, ordinal: row.ordinal, line: if rewritten { line } else { row.line }, labels })
    }
}

impl Step {
    fn run(&mut self, line: &str, at: i64, labels: &mut LabelSet, out: &mut String) -> Flow {
        let keep = |keep| if keep { Flow::Keep } else { Flow::Drop };
        let rewritten = |rewritten| if rewritten { Flow::Rewritten } else { Flow::Keep };
        match self {
            Self::Line(filter) => return keep(filter.takes(line)),
            Self::Label(filter) => return keep(filter.takes(labels)),
            Self::Probe(probe) => {
                probe.parser.run(line, at, labels, out);
                let takes = probe.filters.iter().all(|filter| filter.takes(labels));
                labels.forget_parsed();
                return keep(takes);
            }
            Self::Unpack(unpack) => return rewritten(unpack.run(line, labels, out)),
            Self::Decolorize => return rewritten(decolorize(line, out)),
            Self::LineFormat(format) => return rewritten(format.run(line, at, labels, out)),
            Self::Json(json) => json.run(line, labels),
            Self::JsonPath(paths) => paths.run(line, labels),
            Self::Logfmt(logfmt) => logfmt.run(line, labels),
            Self::LogfmtFields(fields) => fields.run(line, labels),
            Self::Pattern(pattern) => pattern.run(line, labels),
            Self::Regexp(regexp) => regexp.run(line, labels),
            Self::LabelFormat(format) => format.run(line, at, labels),
            Self::Drop(picks) => picks.drop(labels),
            Self::Keep(picks) => picks.keep(labels),
        }
        Flow::Keep
    }
}

fn step(stage: &Stage, wanted: &Wanted, now_ns: i64) -> Result<Step, CompileError> {
    let span = stage.span;
    let here = |message| CompileError { span, message };
    Ok(match &stage.kind {
        StageKind::Line(filter) => Step::Line(line_filter(filter, stage)?),
        StageKind::Json(fields) if fields.is_empty() => Step::Json(Json::new(wanted.clone())),
        StageKind::Json(fields) => {
            let paths = JsonPath::compile(fields, wanted).map_err(|(field, message)| CompileError { span: field.span, message })?;
            Step::JsonPath(paths)
        }
        StageKind::Logfmt { strict, keep_empty, extractions } if extractions.is_empty() => {
            // Without `--strict` there is no error to miss.
            let wanted = match wanted {
                Wanted::Only { names, .. } if !strict => {
                    Wanted::only(names.iter().filter(|name| !name.starts_with(ERROR)).cloned().collect())
                }
                wanted => wanted.clone(),
            };
            Step::Logfmt(Logfmt::new(*strict, *keep_empty, wanted))
        }
        StageKind::Logfmt { strict, extractions, .. } => Step::LogfmtFields(LogfmtFields::new(*strict, extractions, wanted)),
        StageKind::Pattern(text) => Step::Pattern(Pattern::compile(text, wanted.clone()).map_err(here)?),
        StageKind::Regexp(text) => Step::Regexp(Regexp::compile(text, wanted.clone()).map_err(here)?),
        StageKind::Unpack => Step::Unpack(Unpack::new(wanted.clone())),
        StageKind::Decolorize => Step::Decolorize,
        StageKind::Label(filter) => Step::Label(LabelFilter::compile(filter)?),
        StageKind::LineFormat(text) => Step::LineFormat(LineFormat::compile(text, span, now_ns)?),
        StageKind::LabelFormat(formats) => Step::LabelFormat(LabelFormat::compile(formats, now_ns)?),
        StageKind::Drop(picks) => Step::Drop(Picks::compile(picks)?),
        StageKind::Keep(picks) => Step::Keep(Picks::compile(picks)?),
        StageKind::Distinct(_) => return Err(here("distinct is no stage of a row".into())),
    })
}

fn line_filter(filter: &AstLineFilter, stage: &Stage) -> Result<LineFilter, CompileError> {
    LineFilter::compile(filter).map_err(|message| CompileError { span: stage.span, message })
}

/// The probe of `| json | status >= 500 …`, where the query starts like that (line filters aside) and wants all labels.
fn probe(stages: &[Stage], now_ns: i64) -> Result<Option<Probe>, CompileError> {
    let mut rest = stages.iter().filter(|stage| !matches!(stage.kind, StageKind::Line(_)));
    let Some(parser) = rest.next() else { return Ok(None) };
    match &parser.kind {
        StageKind::Json(fields) if fields.is_empty() => {}
        StageKind::Logfmt { extractions, .. } if extractions.is_empty() => {}
        _ => return Ok(None),
    }
    let (mut filters, mut names) = (Vec::new(), Vec::new());
    for stage in rest {
        let StageKind::Label(filter) = &stage.kind else { break };
        filters.push(LabelFilter::compile(filter)?);
        label_filter::names(filter, &mut |name| names.push(name.to_owned()));
    }
    if filters.is_empty() {
        return Ok(None);
    }
    // The filters must see an error wherever it stands in the line.
    let parser = step(parser, &Wanted::whole_lines(union(names, Vec::new())), now_ns)?;
    Ok(Some(Probe { parser, filters }))
}

/// The labels that stages read; `None` where that cannot be told.
fn labels_read(stages: &[Stage]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for stage in stages {
        match &stage.kind {
            StageKind::Label(filter) => label_filter::names(filter, &mut |name| names.push(name.to_owned())),
            StageKind::LineFormat(text) => names.extend(format::template_names(text)?),
            StageKind::LabelFormat(formats) => {
                for format in formats {
                    match &format.value {
                        FormatValue::Rename(source) => names.push(source.clone()),
                        FormatValue::Template(text) => names.extend(format::template_names(text)?),
                    }
                }
            }
            // A label that goes or stays whatever it is need not be looked for.
            StageKind::Drop(picks) | StageKind::Keep(picks) => names.extend(picks.iter().filter_map(|pick| match pick {
                LabelPick::Name { name, .. } => name.starts_with(ERROR).then(|| name.clone()),
                LabelPick::Match(matcher) => Some(matcher.name.clone()),
            })),
            StageKind::Distinct(labels) => names.extend(labels.iter().cloned()),
            _ => {}
        }
    }
    Some(names)
}

fn union(mut names: Vec<String>, more: Vec<String>) -> Vec<String> {
    names.extend(more);
    names.sort_unstable();
    names.dedup();
    names
}

fn rewrites(kind: &StageKind) -> bool {
    matches!(kind, StageKind::Unpack | StageKind::Decolorize | StageKind::LineFormat(_))
}

fn reads_line(kind: &StageKind) -> bool {
    match kind {
        StageKind::Label(_) | StageKind::Drop(_) | StageKind::Keep(_) | StageKind::Distinct(_) => false,
        // `{{ __line__ }}` is a template's to use.
        StageKind::LabelFormat(formats) => formats.iter().any(|format| matches!(format.value, FormatValue::Template(_))),
        _ => true,
    }
}

/// In which order filters run; all must take a line, so it changes only the time they need.
fn cost(filter: &AstLineFilter) -> u8 {
    let ip = filter.needles.iter().any(|needle| matches!(needle, Needle::Ip(_)));
    match filter.op {
        LineOp::Contains | LineOp::NotContains if !ip => 0,
        LineOp::Pattern | LineOp::NotPattern => 1,
        LineOp::Contains | LineOp::NotContains => 2,
        LineOp::Regex | LineOp::NotRegex => 3,
    }
}

#[cfg(test)]
mod tests;
