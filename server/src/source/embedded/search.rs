//! A page out of stored parts: those that can hold wanted lines, in the page's direction, a few at a time on all cores,
//! until the page is full and nothing unread could still come before its last line.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use loglines::group::Grouper;
use logql::{
    ast::{MatchOp, Matcher, Span},
    matcher::LabelMatcher,
    read::{Ask, Literal, Need, Part, Pool, Prefilter, ReadError, ReadStats, RowRef, Source, StreamRef},
};
use model::{Direction, EntryId, Level, ScanStats, StreamHash, Timestamp};
use ops::{
    logs::{Filter, Selector},
    source::{Batch, Frontier, Line, LogPlan, ServiceKey, Stream},
};

/// Parts read side by side before the page is looked at again.
const AT_ONCE: usize = 8;

/// Why a search ends before it has all it could have.
pub trait Stop: Sync {
    /// Whether to stop now: the person is gone, or has waited long enough.
    fn now(&self) -> bool;
}

impl<F: Fn() -> bool + Sync> Stop for F {
    fn now(&self) -> bool {
        self()
    }
}

/// Whose lines a stream's are (contract §6): pushed lines may lack some of the labels.
pub fn key_of(labels: &model::Labels) -> ServiceKey {
    let get = |name| labels.get(name).filter(|value| !value.is_empty());
    ServiceKey {
        host: get("host").unwrap_or_default().to_owned(),
        project: get("compose_project").map(str::to_owned),
        name: get("service").or_else(|| get("service_name")).unwrap_or("unknown_service").to_owned(),
        kind_file: matches!(get("job"), Some("files" | "console")),
    }
}

/// The level that was found when the line came in, in our words.
pub fn level_of(metadata: &[(&str, &str)], line: &str) -> Level {
    match metadata.iter().find(|(name, _)| *name == "detected_level").map(|(_, level)| *level) {
        Some("critical") => Level::Fatal,
        Some(level) => level.parse().unwrap_or_default(),
        None => loglines::level::detect(line),
    }
}

/// What a plan asks of a store. The selector's names become one matcher; host and project are looked at per stream.
fn ask_of(plan: &LogPlan) -> Ask {
    let mut matchers = Vec::new();
    if let Selector::Refs(refs) = &plan.selector {
        let names: Vec<String> = refs.iter().map(|one| logql::matcher::escape(&one.name)).collect();
        let value = names.join("|");
        let matcher = Matcher { span: Span::default(), name: "service_name".to_owned(), op: MatchOp::Regex, value };
        matchers.extend(LabelMatcher::new(&matcher));
    }
    if let Some(scope) = &plan.scope {
        matchers.extend(scope.ready().iter().cloned());
    }
    let (mut start, mut end) = (plan.range.start.0, plan.range.end.0);
    match (plan.cursor, plan.direction) {
        (Some(cursor), Direction::Forward) => start = start.max(cursor.at.0),
        (Some(cursor), Direction::Backward) => end = end.min(cursor.at.0.saturating_add(1)),
        (None, _) => {}
    }
    Ask { matchers, start, end, stream: plan.stream, prefilter: prefilter_of(&plan.filter) }
}

/// The text a wanted line must hold. ANSI codes may stand between its letters, where no search on the bytes would find it,
/// so lines with an escape character are let through as well.
fn prefilter_of(filter: &Filter) -> Prefilter {
    let literal = |text: &str, any_case| Literal { text: text.to_owned(), any_case };
    match &filter.text {
        Some(text) if !text.regex && text.wanted && !text.pattern.is_empty() && text.pattern.is_ascii() => {
            let any_case = !text.pattern.bytes().any(|byte| byte.is_ascii_uppercase());
            Prefilter { all: vec![vec![literal(&text.pattern, any_case), literal("\u{1b}", false)]] }
        }
        _ => Prefilter::default(),
    }
}

/// The lines of `plan` that `source` holds, as [`ops::source::LogSource::search`] promises them.
///
/// # Errors
/// What kept the parts from being listed. A part that cannot be read is named in the second answer.
pub fn page<S: Source>(source: &S, pool: &dyn Pool, plan: &LogPlan, stop: &dyn Stop) -> Result<(Batch, Vec<String>), ReadError> {
    let ask = ask_of(plan);
    let mut streams = Streams::default();
    let mut parts: Vec<(S::Part, Arc<Stream>)> = Vec::new();
    for part in source.parts(&ask)? {
        let stream = streams.of(part.stream());
        if plan.selector.matches(&stream.key) {
            parts.push((part, stream));
        }
    }
    match plan.direction {
        Direction::Forward => parts.sort_by_key(|(part, _)| part.bounds().0),
        Direction::Backward => parts.sort_by_key(|(part, _)| std::cmp::Reverse(part.bounds().1)),
    }
    let mut search = Search { plan, ask: &ask, lines: Vec::new(), stats: ScanStats::default(), warnings: Vec::new() };
    let mut unread = None;
    let mut next = 0;
    while next < parts.len() {
        let edge = search.edge();
        let reaches = |part: &S::Part| edge.is_none_or(|edge| plan.direction.reaches(part.bounds(), edge));
        if !reaches(&parts[next].0) {
            // Sorted by this bound: nothing behind reaches the page either.
            unread = Some(None);
            break;
        }
        if stop.now() {
            unread = Some(Some(parts[next].0.bounds()));
            break;
        }
        let upto = (next + AT_ONCE).min(parts.len());
        search.read(pool, &parts[next..upto]);
        next = upto;
    }
    Ok(search.finish(unread))
}

trait Reach {
    /// Whether a part with these bounds can hold a line that comes before `edge`.
    fn reaches(self, bounds: (i64, i64), edge: EntryId) -> bool;
}

impl Reach for Direction {
    fn reaches(self, (first, last): (i64, i64), edge: EntryId) -> bool {
        match self {
            Self::Forward => first <= edge.at.0,
            Self::Backward => last >= edge.at.0,
        }
    }
}

/// One `Stream` for each that the store knows, so that lines share it.
#[derive(Default)]
pub struct Streams(HashMap<StreamHash, Arc<Stream>>);

impl Streams {
    pub fn of(&mut self, stream: &Arc<StreamRef>) -> Arc<Stream> {
        let make = || Arc::new(Stream { key: key_of(&stream.labels), labels: Arc::new(stream.labels.clone()), hash: stream.hash });
        self.0.entry(stream.hash).or_insert_with(make).clone()
    }
}

/// Lines of one part, and how reading it went.
type ReadPart = (Vec<Line>, Result<ReadStats, ReadError>);

struct Search<'a> {
    plan: &'a LogPlan,
    ask: &'a Ask,
    /// Sorted in the plan's direction, at most the limit and one more.
    lines: Vec<Line>,
    stats: ScanStats,
    warnings: Vec<String>,
}

impl Search<'_> {
    /// The last line of a page that is full: what comes behind it is not wanted. One line more than the limit is kept, so
    /// that a full page knows whether there is more.
    fn edge(&self) -> Option<EntryId> {
        (self.lines.len() > self.plan.limit).then(|| self.lines.last().expect("longer than the limit").id)
    }

    fn read<P: Part>(&mut self, pool: &dyn Pool, parts: &[(P, Arc<Stream>)]) {
        let found: Mutex<Vec<ReadPart>> = Mutex::default();
        let edge = self.edge();
        pool.run(parts.len(), &|job| {
            let (part, stream) = &parts[job];
            let mut lines = VecDeque::new();
            let read = self.read_part(part, stream, edge, &mut lines);
            found.lock().expect("no panic while held").push((lines.into(), read));
        });
        for (lines, read) in found.into_inner().expect("no panic while held") {
            self.lines.extend(lines);
            match read {
                Ok(stats) => {
                    self.stats.lines_scanned += stats.lines;
                    self.stats.bytes_scanned += stats.bytes;
                }
                Err(error) => self.warnings.push(error.to_string()),
            }
        }
        match self.plan.direction {
            Direction::Forward => self.lines.sort_unstable_by_key(|line| line.id),
            Direction::Backward => self.lines.sort_unstable_by_key(|line| std::cmp::Reverse(line.id)),
        }
        self.lines.truncate(self.plan.limit + 1);
    }

    fn read_part<P: Part>(
        &self,
        part: &P,
        stream: &Arc<Stream>,
        edge: Option<EntryId>,
        lines: &mut VecDeque<Line>,
    ) -> Result<ReadStats, ReadError> {
        let plan = self.plan;
        part.read(self.ask, Need { text: true, metadata: true }, &mut |row: RowRef<'_>| {
            let id = EntryId { at: Timestamp(row.at), stream: stream.hash, ordinal: row.ordinal };
            if plan.direction == Direction::Forward && edge.is_some_and(|edge| id > edge) {
                return ControlFlow::Break(());
            }
            if !plan.in_bounds(id) || (plan.direction == Direction::Backward && edge.is_some_and(|edge| id < edge)) {
                return ControlFlow::Continue(());
            }
            let level = level_of(row.metadata, row.line);
            if !plan.filter.matches(level, row.line) {
                return ControlFlow::Continue(());
            }
            lines.push_back(Line { id, stream: stream.clone(), text: row.line.into(), level, group: id });
            if lines.len() > plan.limit + 1 {
                // Ascending: backwards, the newest count.
                lines.pop_front();
            }
            match plan.direction {
                Direction::Forward if lines.len() > plan.limit => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
    }

    /// `unread`: nothing is left; or parts that do not reach the page; or parts from these bounds on.
    fn finish(mut self, unread: Option<Option<(i64, i64)>>) -> (Batch, Vec<String>) {
        let mut more = self.lines.len() > self.plan.limit || matches!(unread, Some(None));
        self.lines.truncate(self.plan.limit);
        let mut frontier = self.lines.last().map(|line| line.id);
        if let Some(Some((first, last))) = unread {
            // Every unread part lies on this side of its own bound.
            more = true;
            let reached = match self.plan.direction {
                Direction::Forward => EntryId { at: Timestamp(first.saturating_sub(1)), stream: StreamHash(u64::MAX), ordinal: u16::MAX },
                Direction::Backward => EntryId { at: Timestamp(last.saturating_add(1)), stream: StreamHash(0), ordinal: 0 },
            };
            let before = |a: EntryId, b: EntryId| match self.plan.direction {
                Direction::Forward => a < b,
                Direction::Backward => a > b,
            };
            self.lines.retain(|line| !before(reached, line.id));
            let full = self.lines.len() == self.plan.limit;
            frontier = Some(frontier.filter(|last| full && before(*last, reached)).unwrap_or(reached));
        }
        group(&mut self.lines, self.plan);
        let frontier = match frontier {
            Some(id) if more => Frontier::Upto(id),
            _ => Frontier::Exhausted,
        };
        (Batch { lines: self.lines, frontier, stats: self.stats }, self.warnings)
    }
}

/// Gives each line the head of its group, as far as the page shows it. Among lines that a filter picked, neighbours are not
/// neighbours in the log, so each stands alone.
pub fn group(lines: &mut [Line], plan: &LogPlan) {
    if !plan.filter.is_empty() {
        return;
    }
    let mut groupers: HashMap<StreamHash, Grouper> = HashMap::new();
    let mut push = |line: &mut Line| line.group = groupers.entry(line.id.stream).or_default().push(line.id, &line.text, line.level);
    match plan.direction {
        Direction::Forward => lines.iter_mut().for_each(&mut push),
        Direction::Backward => lines.iter_mut().rev().for_each(&mut push),
    }
}

/// Stops when its owner is dropped, or after a while.
#[derive(Clone, Debug, Default)]
pub struct Dropped(Arc<AtomicBool>);

impl Dropped {
    pub fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Held by the future of whoever waits.
    pub fn guard(&self) -> DropGuard {
        DropGuard(self.0.clone())
    }
}

/// See [`Dropped::guard`].
#[derive(Debug)]
pub struct DropGuard(Arc<AtomicBool>);

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
