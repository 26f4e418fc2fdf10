//! The lines a viewer holds, in the order of their ids, and how high each stands. Knows nothing of a browser.
//!
//! Heights are whole pixels; [`LogBuffer::top`] is the sum of those above, kept as prefix sums that are rebuilt from
//! the first row that changed. A row that nobody has measured has an estimate.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{ControlFlow, Range},
    rc::Rc,
    sync::Arc,
};

use model::{Entry, EntryId, Labels, Level, StreamHash, Timestamp};

/// Lines held while following; the oldest go first.
pub const FOLLOW_LINES: usize = 20_000;
/// Trimmed in steps, as each costs a pass over all rows.
const SLACK: usize = 1_000;
/// New lines taken in while the reader looks elsewhere; more become a gap.
pub const NEW_LINES: usize = 20_000;
/// Lines held at most after scrolling back.
pub const HELD_LINES: usize = 200_000;
/// Followers of a group beyond these are folded until asked for.
pub const OPEN_FOLLOWERS: u32 = 20;

/// Lines whose fields an editor may offer.
const FIELDS_FROM: usize = 300;

/// A row's name; sorts as the rows do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub id: EntryId,
    pub gap: bool,
}

impl Key {
    pub fn line(id: EntryId) -> Self {
        Self { id, gap: false }
    }
}

/// Lines that were written and are not here.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    pub dropped: u64,
    /// The smallest id that may be missing.
    pub from: EntryId,
    /// The largest.
    pub to: EntryId,
    pub state: GapState,
}

#[derive(Clone, Debug, PartialEq)]
pub enum GapState {
    Idle,
    Loading,
    Failed(String),
}

#[derive(Clone, Debug)]
pub enum Content {
    Line(Rc<Entry>),
    Gap(Gap),
}

#[derive(Clone, Debug)]
pub struct Row {
    pub content: Content,
    /// Zero for the first line of its group that is here, else its number behind that one.
    pub place: u32,
    /// Whether it shows its fields.
    pub open: bool,
    /// Whether the text that is searched for is in it.
    pub hit: bool,
    height: u32,
    measured: bool,
}

impl Row {
    pub fn key(&self) -> Key {
        match &self.content {
            Content::Line(entry) => Key::line(entry.id),
            Content::Gap(gap) => Key { id: gap.from, gap: true },
        }
    }

    pub fn entry(&self) -> Option<&Rc<Entry>> {
        match &self.content {
            Content::Line(entry) => Some(entry),
            Content::Gap(_) => None,
        }
    }

    /// Whether its height is what the browser made of it.
    pub fn is_measured(&self) -> bool {
        self.measured
    }
}

/// A message of several lines.
#[derive(Clone, Copy, Debug)]
struct Group {
    followers: u32,
    level: Level,
    /// What the reader chose; unset, the first [`OPEN_FOLLOWERS`] show.
    folded: Option<bool>,
}

/// What a row's height is estimated from, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    pub line: u32,
    pub gap: u32,
    /// Characters in a row of text; unset where lines do not wrap.
    pub columns: Option<u32>,
}

/// A place in the list that stays put while rows above it come and go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    key: Key,
    /// Pixels of that row above the viewport's edge.
    offset: u32,
}

pub struct LogBuffer {
    rows: Vec<Row>,
    /// `tops[i]` is where row `i` begins, for `i` < `valid`.
    tops: Vec<u32>,
    valid: usize,
    metrics: Metrics,
    groups: BTreeMap<EntryId, Group>,
    labels: BTreeMap<StreamHash, Arc<Labels>>,
    hits: usize,
    /// Lines appended since the reader looked away.
    fresh: usize,
    /// Those and the skipped ones.
    unseen: u64,
    last_seen: Option<EntryId>,
}

impl LogBuffer {
    pub fn new(metrics: Metrics) -> Self {
        Self {
            rows: Vec::new(),
            tops: Vec::new(),
            valid: 0,
            metrics,
            groups: BTreeMap::new(),
            labels: BTreeMap::new(),
            hits: 0,
            fresh: 0,
            unseen: 0,
            last_seen: None,
        }
    }

    pub fn clear(&mut self) {
        *self = Self::new(self.metrics);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn row(&self, index: usize) -> &Row {
        &self.rows[index]
    }

    /// Rows that hold what is searched for.
    pub fn hits(&self) -> usize {
        self.hits
    }

    /// Lines that came, or were skipped, since [`Self::look_away`].
    pub fn unseen(&self) -> u64 {
        self.unseen
    }

    /// The largest id that was ever told, here or in a gap: what to resume after.
    pub fn last_seen(&self) -> Option<EntryId> {
        self.last_seen
    }

    pub fn oldest(&self) -> Option<EntryId> {
        self.rows.iter().find_map(|row| row.entry().map(|entry| entry.id))
    }

    pub fn newest(&self) -> Option<EntryId> {
        self.rows.iter().rev().find_map(|row| row.entry().map(|entry| entry.id))
    }

    /// Starts to count what the reader does not see.
    pub fn look_away(&mut self) {
        (self.fresh, self.unseen) = (0, 0);
    }

    /// Takes live lines. While the reader looks elsewhere what exceeds [`NEW_LINES`] becomes a gap at the end.
    pub fn push_live(&mut self, entries: Vec<Entry>, following: bool, hit: &dyn Fn(&Entry) -> bool) {
        if following {
            self.merge(entries, hit);
            return;
        }
        if self.fresh >= NEW_LINES {
            let ids = || entries.iter().map(|entry| entry.id);
            self.push_gap(entries.len() as u64, ids().min(), ids().max());
            return;
        }
        let added = self.merge(entries, hit);
        self.fresh += added;
        self.unseen += added as u64;
    }

    /// Notes that lines were skipped. An end that the server does not know lies at what was last seen.
    pub fn push_gap(&mut self, dropped: u64, from: Option<EntryId>, to: Option<EntryId>) {
        let zero = EntryId { at: Timestamp(0), stream: StreamHash(0), ordinal: 0 };
        let from = from.or_else(|| self.last_seen.map(after)).or(to).unwrap_or(zero);
        let to = to.unwrap_or(from).max(from);
        self.unseen += dropped;
        self.last_seen = self.last_seen.max(Some(to));
        // Where history came faster than what is live, a gap belongs before lines that are here.
        let at = self.rows.partition_point(|row| row.key() <= Key { id: from, gap: true });
        if let Some(Row { content: Content::Gap(last), .. }) = at.checked_sub(1).and_then(|before| self.rows.get_mut(before))
            && last.state == GapState::Idle
        {
            last.dropped += dropped;
            last.to = last.to.max(to);
            return;
        }
        self.insert_gap(Gap { dropped, from, to, state: GapState::Idle });
    }

    fn insert_gap(&mut self, gap: Gap) {
        let row = Row { content: Content::Gap(gap), place: 0, open: false, hit: false, height: self.metrics.gap, measured: true };
        match self.find(row.key()) {
            Ok(at) => self.rows[at] = row,
            Err(at) => {
                self.rows.insert(at, row);
                self.stale_from(at);
            }
        }
    }

    /// The gap of that name.
    pub fn gap_mut(&mut self, key: Key) -> Option<&mut Gap> {
        let at = self.find(key).ok()?;
        match &mut self.rows[at].content {
            Content::Gap(gap) => Some(gap),
            Content::Line(_) => None,
        }
    }

    /// Puts a page of the missing lines in their place. With `rest`, what is still missing begins there: the gap's new
    /// name is returned.
    pub fn fill_gap(&mut self, key: Key, entries: Vec<Entry>, rest: Option<EntryId>, hit: &dyn Fn(&Entry) -> bool) -> Option<Key> {
        let at = self.find(key).ok()?;
        let Content::Gap(gap) = self.rows.remove(at).content else { return None };
        self.stale_from(at);
        let entries: Vec<Entry> = entries.into_iter().filter(|entry| gap.from <= entry.id && entry.id <= gap.to).collect();
        let found = self.merge(entries, hit) as u64;
        let rest = rest.map(after).filter(|rest| *rest <= gap.to)?;
        let gap = Gap { dropped: gap.dropped.saturating_sub(found), from: rest, ..gap };
        let key = Key { id: rest, gap: true };
        self.insert_gap(gap);
        Some(key)
    }

    /// Puts lines where their ids belong; those already here are left out. Returns how many are new.
    pub fn merge(&mut self, mut entries: Vec<Entry>, hit: &dyn Fn(&Entry) -> bool) -> usize {
        sort(&mut entries);
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return 0 };
        self.last_seen = self.last_seen.max(Some(last.id));
        let at = self.rows.partition_point(|row| row.key() < Key::line(first.id));
        let tail = self.rows.split_off(at);
        let appends = tail.is_empty();
        let before = self.rows.len() + tail.len();
        self.rows.reserve(tail.len() + entries.len());
        let mut tail = tail.into_iter().peekable();
        for mut entry in entries {
            let key = Key::line(entry.id);
            while let Some(row) = tail.next_if(|row| row.key() < key) {
                self.rows.push(row);
            }
            if tail.peek().is_some_and(|row| row.key() == key) || self.rows.last().is_some_and(|row| row.key() == key) {
                continue;
            }
            // Each line of a stream came with its own copy.
            entry.labels = self.labels.entry(entry.id.stream).or_insert_with(|| entry.labels.clone()).clone();
            let hit = hit(&entry);
            self.hits += usize::from(hit);
            let place = if appends { self.place(&entry) } else { 0 };
            let mut row = Row { content: Content::Line(Rc::new(entry)), place, open: false, hit, height: 0, measured: false };
            row.height = self.estimate(&row);
            self.rows.push(row);
        }
        self.rows.extend(tail);
        self.stale_from(at);
        let added = self.rows.len() - before;
        if !appends && added > 0 {
            self.renumber();
        }
        added
    }

    /// While following, drops what is too old. Returns whether it did.
    pub fn trim(&mut self) -> bool {
        if self.rows.len() <= FOLLOW_LINES + SLACK {
            return false;
        }
        let gone = self.rows.len() - FOLLOW_LINES;
        self.hits -= self.rows.drain(..gone).filter(|row| row.hit).count();
        self.stale_from(0);
        self.renumber();
        true
    }

    /// Looks at each line anew for what is searched for.
    pub fn find_hits(&mut self, hit: &dyn Fn(&Entry) -> bool) {
        self.hits = 0;
        for row in &mut self.rows {
            row.hit = matches!(&row.content, Content::Line(entry) if hit(entry));
            self.hits += usize::from(row.hit);
        }
    }

    // Groups.

    /// The number of a line behind the first of its group, where every earlier line has its number.
    fn place(&mut self, entry: &Entry) -> u32 {
        if entry.group == entry.id {
            return 0;
        }
        if let Some(group) = self.groups.get_mut(&entry.group) {
            group.followers += 1;
            return group.followers;
        }
        let head = self.find(Key::line(entry.group)).ok().and_then(|at| self.rows[at].entry().map(|head| head.level));
        let followers = u32::from(head.is_some());
        self.groups.insert(entry.group, Group { followers, level: head.unwrap_or(entry.level), folded: None });
        followers
    }

    fn renumber(&mut self) {
        let old = std::mem::take(&mut self.groups);
        for at in 0..self.rows.len() {
            let Some(entry) = self.rows[at].entry().cloned() else { continue };
            if entry.group == entry.id && self.rows[at].place == 0 {
                continue;
            }
            let is_new = !self.groups.contains_key(&entry.group);
            let place = self.place(&entry);
            if let (true, Some(group)) = (is_new, self.groups.get_mut(&entry.group)) {
                group.folded = old.get(&entry.group).and_then(|group| group.folded);
            }
            self.rows[at].place = place;
            self.settle(at);
        }
    }

    /// Gives a row zero height when it is folded away, and an estimate when it comes back.
    fn settle(&mut self, at: usize) {
        let row = &self.rows[at];
        if self.is_folded(row) != (row.height == 0) {
            let height = self.estimate(row);
            self.rows[at].height = height;
            self.rows[at].measured = false;
            self.stale_from(at);
        }
    }

    fn is_folded(&self, row: &Row) -> bool {
        let group = row.entry().filter(|_| row.place > 0).and_then(|entry| self.groups.get(&entry.group));
        group.is_some_and(|group| group.folded.unwrap_or(row.place > OPEN_FOLLOWERS))
    }

    /// The level a row shows: followers have that of the group's head.
    pub fn level(&self, row: &Row) -> Level {
        let Some(entry) = row.entry() else { return Level::Unknown };
        let group = self.groups.get(&entry.group).filter(|_| row.place > 0);
        group.map_or(entry.level, |group| group.level.max(entry.level))
    }

    /// For a line that leads others: how many follow and how many of them are folded away.
    pub fn followers(&self, row: &Row) -> Option<(u32, u32)> {
        let group = row.entry().filter(|_| row.place == 0).and_then(|entry| self.groups.get(&entry.group))?;
        let folded = match group.folded {
            Some(true) => group.followers,
            Some(false) => 0,
            None => group.followers.saturating_sub(OPEN_FOLLOWERS),
        };
        (group.followers > 0).then_some((group.followers, folded))
    }

    /// Folds or unfolds the group that a line belongs to.
    pub fn toggle_fold(&mut self, key: Key) {
        let Some(name) = self.find(key).ok().and_then(|at| self.rows[at].entry().map(|entry| entry.group)) else { return };
        let Some(group) = self.groups.get_mut(&name) else { return };
        let some_hidden = group.folded.unwrap_or(group.followers > OPEN_FOLLOWERS);
        group.folded = Some(!some_hidden);
        for at in 0..self.rows.len() {
            if self.rows[at].entry().is_some_and(|entry| entry.group == name) {
                self.settle(at);
            }
        }
    }

    // Heights.

    fn estimate(&self, row: &Row) -> u32 {
        let Content::Line(entry) = &row.content else { return self.metrics.gap };
        if self.is_folded(row) {
            return 0;
        }
        let rows = self.metrics.columns.map_or(1, |columns| (entry.message.len() as u32).div_ceil(columns.max(1)).max(1));
        self.metrics.line * rows
    }

    fn stale_from(&mut self, at: usize) {
        self.valid = self.valid.min(at);
    }

    fn settle_tops(&mut self) {
        self.tops.resize(self.rows.len() + 1, 0);
        let start = self.valid.min(self.rows.len());
        let mut top = if start == 0 { 0 } else { self.tops[start - 1] + self.rows[start - 1].height };
        for at in start..self.rows.len() {
            self.tops[at] = top;
            top += self.rows[at].height;
        }
        self.tops[self.rows.len()] = top;
        self.valid = self.rows.len();
    }

    /// Where a row begins; one past the last gives the height of all.
    pub fn top(&mut self, index: usize) -> u32 {
        self.settle_tops();
        self.tops[index.min(self.rows.len())]
    }

    pub fn total(&mut self) -> u32 {
        self.top(self.rows.len())
    }

    /// Other metrics: every height is an estimate again.
    pub fn set_metrics(&mut self, metrics: Metrics) {
        self.metrics = metrics;
        for at in 0..self.rows.len() {
            let height = self.estimate(&self.rows[at]);
            let is_gap = matches!(self.rows[at].content, Content::Gap(_));
            (self.rows[at].height, self.rows[at].measured) = (height, is_gap);
        }
        self.stale_from(0);
    }

    pub fn metrics(&self) -> Metrics {
        self.metrics
    }

    /// What the browser made of a row.
    pub fn measured(&mut self, index: usize, height: u32) {
        let row = &mut self.rows[index];
        row.measured = true;
        if row.height != height && row.height != 0 {
            row.height = height;
            self.stale_from(index);
        }
    }

    /// Shows or hides a line's fields: its height is to be measured.
    pub fn toggle_open(&mut self, key: Key) {
        if let Ok(at) = self.find(key) {
            self.rows[at].open = !self.rows[at].open;
            self.rows[at].measured = false;
            if !self.rows[at].open {
                self.rows[at].height = self.estimate(&self.rows[at]);
                self.stale_from(at);
            }
        }
    }

    /// A line shows more than before: its height is to be measured.
    pub fn remeasure(&mut self, key: Key) {
        if let Ok(at) = self.find(key) {
            self.rows[at].measured = false;
        }
    }

    /// The rows that touch the viewport.
    pub fn visible(&mut self, scroll: u32, height: u32) -> Range<usize> {
        self.settle_tops();
        let starts = &self.tops[..self.rows.len()];
        let last = starts.partition_point(|top| *top < scroll.saturating_add(height));
        let first = self.at_pixel(scroll).min(last);
        first..last
    }

    /// The row under a pixel.
    fn at_pixel(&self, pixel: u32) -> usize {
        self.tops[1..].partition_point(|bottom| *bottom <= pixel)
    }

    /// The rows to draw: those that touch the viewport and `spare` shown rows on either side.
    pub fn window(&mut self, scroll: u32, height: u32, spare: usize) -> Range<usize> {
        let Range { mut start, mut end } = self.visible(scroll, height);
        let mut left = spare;
        while left > 0 && start > 0 {
            start -= 1;
            left -= usize::from(self.rows[start].height > 0);
        }
        left = spare;
        while left > 0 && end < self.rows.len() {
            left -= usize::from(self.rows[end].height > 0);
            end += 1;
        }
        start..end
    }

    pub fn is_shown(&self, index: usize) -> bool {
        self.rows[index].height > 0
    }

    /// The place under the viewport's upper edge.
    pub fn anchor(&mut self, scroll: u32) -> Option<Anchor> {
        self.settle_tops();
        let at = self.at_pixel(scroll);
        let row = self.rows.get(at)?;
        Some(Anchor { key: row.key(), offset: scroll - self.tops[at].min(scroll) })
    }

    /// Where to scroll to have a place at the edge again.
    pub fn scroll_to(&mut self, anchor: Anchor) -> u32 {
        match self.find(anchor.key) {
            Ok(at) => self.top(at) + anchor.offset.min(self.rows[at].height.saturating_sub(1)),
            Err(at) => self.top(at),
        }
    }

    /// # Errors
    /// Where such a row would be.
    pub fn find(&self, key: Key) -> Result<usize, usize> {
        self.rows.binary_search_by_key(&key, Row::key)
    }

    /// The next shown row from `from` (not itself) that fits, upwards or downwards.
    pub fn seek(&self, from: Option<usize>, down: bool, fits: &dyn Fn(&Self, &Row) -> bool) -> Option<usize> {
        let fits = |at: &usize| self.rows[*at].height > 0 && fits(self, &self.rows[*at]);
        if down { (from.map_or(0, |at| at + 1)..self.rows.len()).find(fits) } else { (0..from.unwrap_or(self.rows.len())).rev().find(fits) }
    }

    /// The number of hits up to and with a row, for "3 of 17".
    pub fn hit_number(&self, index: usize) -> usize {
        self.rows[..=index].iter().filter(|row| row.hit).count()
    }

    /// Whether lines of several services are here.
    /// Names of fields of the newest lines here, each once, sorted.
    pub fn field_names(&self) -> Vec<String> {
        let newest = self.rows.iter().rev().filter_map(Row::entry).take(FIELDS_FROM);
        let names: BTreeSet<&String> = newest.flat_map(|entry| entry.fields.0.iter().map(|(name, _)| name)).collect();
        names.into_iter().cloned().collect()
    }

    pub fn several_services(&self) -> bool {
        let mut names = self.labels.values().filter_map(|labels| labels.get("service"));
        let first = names.next();
        let mixed = names.try_for_each(|name| if Some(name) == first { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
        mixed.is_break()
    }
}

/// Sorts what is nearly sorted, upwards or downwards: pages and frames are. A library's sort would be ten times the code.
fn sort(entries: &mut [Entry]) {
    if entries.first().map(|entry| entry.id) > entries.last().map(|entry| entry.id) {
        entries.reverse();
    }
    for at in 1..entries.len() {
        let mut to = at;
        while to > 0 && entries[to - 1].id > entries[to].id {
            entries.swap(to - 1, to);
            to -= 1;
        }
    }
}

/// The id directly behind one.
pub fn after(id: EntryId) -> EntryId {
    match (id.ordinal.checked_add(1), id.stream.0.checked_add(1)) {
        (Some(ordinal), _) => EntryId { ordinal, ..id },
        (None, Some(stream)) => EntryId { stream: StreamHash(stream), ordinal: 0, ..id },
        (None, None) => EntryId { at: Timestamp(id.at.0.saturating_add(1)), stream: StreamHash(0), ordinal: 0 },
    }
}

/// The id directly ahead of one.
pub fn before(id: EntryId) -> EntryId {
    match (id.ordinal.checked_sub(1), id.stream.0.checked_sub(1)) {
        (Some(ordinal), _) => EntryId { ordinal, ..id },
        (None, Some(stream)) => EntryId { stream: StreamHash(stream), ordinal: u16::MAX, ..id },
        (None, None) => EntryId { at: Timestamp(id.at.0.saturating_sub(1)), stream: StreamHash(u64::MAX), ordinal: u16::MAX },
    }
}

#[cfg(test)]
#[path = "buffer_tests.rs"]
mod tests;
