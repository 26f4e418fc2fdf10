//! Range aggregations: every part is folded into series by whoever reads it, and the folds are merged. A part that lies
//! within one bucket is not even read where only its number of lines or bytes is asked for.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use super::{
    MetricLabels,
    eval::{Eval, Row},
    fold::{Avg, Buckets, Count, Finish, First, Kept, Last, Max, Min, Sample, Samples, Sum},
    group::{Direct, Group, labels},
    samples::SampleFn,
    windows::{Cursor, Windows},
};
use crate::{
    ast::{LabelFilter, LogExpr, MatchOp, MetricExpr, RangeAggregation, RangeOp, Stage, StageKind, VectorAggregation},
    engine::{
        EngineError, Stats, logs,
        pipe::{LineLabels, Pipe},
        scan::{Purse, Scan, row_work},
    },
    read::{Ask, Need, Part, RowRef, Source},
    syntax::quote,
};

/// Evaluates a range aggregation at all steps, where `outer` is given with its groups. `whole` is the expression that
/// looks at the result's labels.
pub(super) fn run<S: Source>(
    eval: &Eval<'_, S>,
    range: &RangeAggregation,
    outer: Option<&VectorAggregation>,
    whole: &MetricExpr,
) -> Result<Vec<Row>, EngineError> {
    let query = Query::new(eval, range, outer, whole)?;
    let func = match range.op {
        RangeOp::Quantile => SampleFn::Quantile(range.param.unwrap_or(f64::NAN)),
        RangeOp::Stddev => SampleFn::Stddev,
        RangeOp::Stdvar => SampleFn::Stdvar,
        _ => SampleFn::RateCounter,
    };
    #[expect(clippy::cast_precision_loss, reason = "a duration in seconds")]
    let divisor = match range.op {
        RangeOp::Rate | RangeOp::BytesRate => range.range_ns as f64 / 1e9,
        _ => 1.0,
    };
    let done = Finish { divisor, func };
    match range.op {
        RangeOp::Rate if range.unwrap.is_some() => query.fold::<Buckets<Sum>>(eval, &done),
        RangeOp::Count | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Rate => query.fold::<Buckets<Count>>(eval, &done),
        RangeOp::Absent => Ok(absent(range, &query.fold::<Buckets<Count>>(eval, &done)?, query.windows.count)),
        RangeOp::Sum => query.fold::<Buckets<Sum>>(eval, &done),
        RangeOp::Avg => query.fold::<Buckets<Avg>>(eval, &done),
        RangeOp::Min => query.fold::<Buckets<Min>>(eval, &done),
        RangeOp::Max => query.fold::<Buckets<Max>>(eval, &done),
        RangeOp::First => query.fold::<Buckets<First>>(eval, &done),
        RangeOp::Last => query.fold::<Buckets<Last>>(eval, &done),
        RangeOp::Quantile | RangeOp::Stddev | RangeOp::Stdvar | RangeOp::RateCounter => query.fold::<Samples>(eval, &done),
    }
}

/// What a line counts for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Take {
    One,
    Length,
    Unwrapped,
}

struct Query {
    pipe: Box<dyn Pipe>,
    ask: Ask,
    windows: Windows,
    group: Group,
    take: Take,
    /// No stage and no `unwrap`.
    bare: bool,
    /// No stage looks at labels or changes them.
    labels_untouched: bool,
    needs_text: bool,
    /// Somebody asks for `__error__`, so that a line may carry it.
    keeps_errors: bool,
    /// Of a row.
    work: usize,
}

impl Query {
    fn new<S: Source>(
        eval: &Eval<'_, S>,
        range: &RangeAggregation,
        outer: Option<&VectorAggregation>,
        whole: &MetricExpr,
    ) -> Result<Self, EngineError> {
        let pipes = eval.engine.pipes;
        let windows = Windows::new(&eval.steps, range.range_ns, range.offset_ns);
        let (start, end) = windows.bounds();
        let unwrapped = range.unwrap.as_ref().map(|unwrap| unwrap.label.as_str());
        let group = match outer {
            Some(outer) => Group::outer(outer.grouping.as_ref(), unwrapped),
            None if range.op == RangeOp::Absent => Group::By(Vec::new()),
            None => Group::new(range.grouping.as_ref(), unwrapped),
        };
        let take = match range.op {
            RangeOp::Bytes | RangeOp::BytesRate => Take::Length,
            RangeOp::Count | RangeOp::Absent => Take::One,
            RangeOp::Rate if range.unwrap.is_none() => Take::One,
            _ => Take::Unwrapped,
        };
        let keeps_errors = match &group {
            Group::By(names) => names.iter().any(|name| is_error(name)) || looks_at_errors(range),
            Group::Without(_) => false,
        };
        let labels_untouched =
            range.unwrap.is_none() && range.log.stages.iter().all(|stage| matches!(stage.kind, StageKind::Line(_) | StageKind::Decolorize));
        // The length of a line that is rewritten: one whose template fails stays as it is.
        let rewrites = |stage: &Stage| matches!(stage.kind, StageKind::LineFormat(_) | StageKind::Unpack | StageKind::Decolorize);
        let needs_text = pipes.needs_text(&range.log) || (take == Take::Length && range.log.stages.iter().any(rewrites));
        Ok(Self {
            pipe: pipes.compile(&range.log, range.unwrap.as_ref(), pipes.needs(whole), eval.engine.control.now_ns)?,
            ask: Ask { start, end, ..logs::ask(pipes, &range.log)? },
            windows,
            group,
            take,
            bare: range.log.stages.is_empty() && range.unwrap.is_none(),
            labels_untouched,
            needs_text,
            keeps_errors,
            work: row_work(&range.log),
        })
    }

    fn fold<K: Kept>(&self, eval: &Eval<'_, impl Source>, done: &Finish) -> Result<Vec<Row>, EngineError> {
        let scan = eval.scan;
        let mut parts = eval.engine.source.parts(&self.ask)?;
        parts.sort_by_key(|part| (part.bounds(), part.stream().hash));
        Stats::add(&scan.control.stats.parts, parts.len() as u64);
        let found: Mutex<HashMap<Box<[u8]>, K>> = Mutex::new(HashMap::new());
        let broken = Broken::default();
        scan.run(parts.len(), &|index| {
            let part = &parts[index];
            if part.bounds().0 > broken.at.load(Ordering::Relaxed) {
                return Ok(());
            }
            let (partial, purse) = self.part::<K>(eval, part, &broken)?;
            let mut new_bytes = 0;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, kept) in partial {
                match found.get_mut(&key) {
                    Some(into) => into.merge(kept),
                    None => {
                        new_bytes += key_bytes::<K>(&key);
                        found.insert(key, kept);
                    }
                }
            }
            purse.leave(new_bytes);
            Ok(())
        })?;
        if let Some((_, error)) = broken.first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let mut rows = Vec::new();
        let mut pace = scan.pace();
        for (key, kept) in found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            pace.spend(SERIES_WORK)?;
            let points = kept.finish(&self.windows, done, &mut pace)?;
            scan.hold(points.len() as u64)?;
            if !points.is_empty() {
                rows.push(Row { labels: labels(&key), points });
            }
        }
        scan.look()?;
        rows.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(rows)
    }

    fn part<'e, K: Kept>(
        &self,
        eval: &Eval<'e, impl Source>,
        part: &impl Part,
        broken: &Broken,
    ) -> Result<(Kepts<K>, Purse<'e>), EngineError> {
        let (scan, stream) = (eval.scan, part.stream().clone());
        let mut partial = Partial::<K>::new(scan);
        let direct = match &self.group {
            Group::By(names) if self.labels_untouched => Direct::new(names, &stream),
            _ => None,
        };
        let constant = direct.as_ref().is_some_and(Direct::is_constant);
        if self.bare
            && constant
            && let Some(direct) = &direct
            && let (first, last) = part.bounds()
            && let Some(bucket) = self.windows.one_bucket(first, last)
        {
            Stats::add(&scan.control.stats.parts_skipped, 1);
            Stats::add(&scan.control.stats.matched, part.rows());
            direct.key(&[], &mut partial.key);
            let value = if self.take == Take::Length { part.bytes() } else { part.rows() };
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2⁵³")]
            partial.kept()?.add(bucket, Sample { at: first, stream: stream.hash.0, ordinal: 0, value: value as f64 });
            return Ok((partial.list, partial.purse));
        }
        let need = Need { text: self.needs_text, metadata: !constant };
        let mut worker = if self.bare && direct.is_some() { None } else { Some(self.pipe.worker(&stream)) };
        let mut cursor = Cursor::new();
        let (mut matched, mut held) = (0, 0);
        scan.read(part, &self.ask, need, self.work, |row| {
            let Some(bucket) = cursor.bucket(row.at, &self.windows) else { return Ok(ControlFlow::Continue(())) };
            let mut value = match self.take {
                Take::Length => f64::from(row.len),
                Take::One | Take::Unwrapped => 1.0,
            };
            if let Some(worker) = &mut worker {
                let Some(line) = worker.process(&row) else { return Ok(ControlFlow::Continue(())) };
                match self.take {
                    Take::Unwrapped => value = line.value,
                    #[expect(clippy::cast_precision_loss, reason = "a line's length")]
                    Take::Length if self.needs_text => value = line.text.len() as f64,
                    Take::Length | Take::One => {}
                }
                if direct.is_none() {
                    if !self.keeps_errors && line.labels.error().is_some() {
                        broken.note(&row, stream.hash.0, line.labels);
                        return Ok(ControlFlow::Break(()));
                    }
                    partial.key.clear();
                    self.group.key(line.labels, &mut partial.key);
                }
            }
            if let Some(direct) = &direct
                && (!constant || partial.current.is_none())
            {
                partial.key.clear();
                direct.key(row.metadata, &mut partial.key);
            }
            matched += 1;
            let sample = Sample { at: row.at, stream: stream.hash.0, ordinal: row.ordinal, value };
            let kept = if constant && let Some(current) = partial.current { &mut partial.list[current].1 } else { partial.kept()? };
            if kept.add(bucket, sample) {
                held += 1;
                if held == 1024 {
                    held = 0;
                    scan.hold(1024)?;
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Stats::add(&scan.control.stats.matched, matched);
        scan.hold(held)?;
        Ok((partial.list, partial.purse))
    }
}

/// What series keep, by their keys.
type Kepts<K> = Vec<(Box<[u8]>, K)>;

/// Series of one part.
struct Partial<'s, K> {
    /// Of the keys.
    purse: Purse<'s>,
    list: Kepts<K>,
    index: HashMap<Box<[u8]>, usize>,
    /// The series of the last line.
    current: Option<usize>,
    /// The series of this line.
    key: Vec<u8>,
}

/// What a series takes at the end of a query, apart from its folds.
const SERIES_WORK: usize = 64;

/// What a series of this key takes in a map, apart from what it keeps elsewhere.
fn key_bytes<K>(key: &[u8]) -> usize {
    key.len() + size_of::<(Box<[u8]>, K)>()
}

impl<'s, K: Kept> Partial<'s, K> {
    fn new(scan: &'s Scan<'_>) -> Self {
        Self { purse: scan.purse(), list: Vec::new(), index: HashMap::new(), current: None, key: Vec::new() }
    }

    fn find(&self) -> Option<usize> {
        if self.list.len() <= 12 {
            return self.list.iter().position(|(key, _)| **key == *self.key);
        }
        self.index.get(self.key.as_slice()).copied()
    }

    /// What the series of `self.key` keeps.
    ///
    /// # Errors
    /// If it is new and the query holds too much.
    fn kept(&mut self) -> Result<&mut K, EngineError> {
        let index = match self.current {
            Some(current) if *self.list[current].0 == *self.key => current,
            // A few series are found sooner by looking at each than by a hash.
            _ => match self.find() {
                Some(index) => index,
                None => {
                    // In the list and in the index.
                    self.purse.hold(2 * key_bytes::<K>(&self.key))?;
                    let key: Box<[u8]> = self.key.as_slice().into();
                    self.list.push((key.clone(), K::default()));
                    self.index.insert(key, self.list.len() - 1);
                    self.list.len() - 1
                }
            },
        };
        self.current = Some(index);
        Ok(&mut self.list[index].1)
    }
}

/// `(at, stream hash, ordinal)`
type Rank = (i64, u64, u16);

/// The first line that still carries an error.
struct Broken {
    at: AtomicI64,
    first: Mutex<Option<(Rank, EngineError)>>,
}

impl Default for Broken {
    fn default() -> Self {
        Self { at: AtomicI64::new(i64::MAX), first: Mutex::new(None) }
    }
}

impl Broken {
    fn note(&self, row: &RowRef<'_>, stream: u64, labels: &dyn LineLabels) {
        let rank = (row.at, stream, row.ordinal);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(other, _)| rank < *other) {
            self.at.store(row.at, Ordering::Relaxed);
            let mut series = String::new();
            labels.merged(&mut |name, value| {
                if !series.is_empty() {
                    series.push_str(", ");
                }
                series.push_str(name);
                series.push('=');
                series.push_str(&quote(value));
            });
            let kind = labels.error().unwrap_or_default().to_owned();
            *first = Some((rank, EngineError::Pipeline { kind, series: format!("{{{series}}}") }));
        }
    }
}

fn is_error(name: &str) -> bool {
    name == "__error__" || name == "__error_details__"
}

/// Whether a filter asks for lines by their error.
fn looks_at_errors(range: &RangeAggregation) -> bool {
    fn names_error(filter: &LabelFilter) -> bool {
        match filter {
            LabelFilter::And(left, right) | LabelFilter::Or(left, right) => names_error(left) || names_error(right),
            LabelFilter::Match(matcher) => is_error(&matcher.name),
            LabelFilter::Number { name, .. }
            | LabelFilter::Duration { name, .. }
            | LabelFilter::Bytes { name, .. }
            | LabelFilter::Ip { name, .. } => is_error(name),
        }
    }
    let LogExpr { stages, .. } = &range.log;
    stages.iter().any(|stage| matches!(&stage.kind, StageKind::Label(filter) if names_error(filter)))
        || range.unwrap.iter().flat_map(|unwrap| &unwrap.filters).any(names_error)
}

/// 1 at each step without lines, with the labels that the selector gives a fixed value.
fn absent(range: &RangeAggregation, present: &[Row], count: usize) -> Vec<Row> {
    let matchers = &range.log.selector.matchers;
    let fixed = |name: &str| matchers.iter().filter(|matcher| matcher.name == name).count() == 1;
    let mut labels: Vec<(String, String)> = matchers
        .iter()
        .filter(|matcher| matcher.op == MatchOp::Equal && !matcher.value.is_empty() && fixed(&matcher.name))
        .map(|matcher| (matcher.name.clone(), matcher.value.clone()))
        .collect();
    labels.sort();
    let mut present = present.iter().flat_map(|row| &row.points).map(|&(step, _)| step).peekable();
    let steps = 0..u32::try_from(count).unwrap_or(u32::MAX);
    let points: Vec<(u32, f64)> = steps.filter(|step| present.next_if_eq(step).is_none()).map(|step| (step, 1.0)).collect();
    if points.is_empty() { Vec::new() } else { vec![Row { labels: MetricLabels::from(labels), points }] }
}
