//! The labels of one row: those of its stream, its structured metadata and what parsers found. One set is reused for all
//! rows of a worker: names and values lie in one buffer that is cut back for each row. Knows nothing of queries.

use std::{
    hash::{BuildHasher, RandomState},
    ops::Range,
};

use crate::read::StreamRef;

/// `__error__`: which stage stumbled over the row.
pub const ERROR: &str = "__error__";
/// `__error_details__`: over what.
pub const ERROR_DETAILS: &str = "__error_details__";
/// What a parsed label is called where its name is taken.
pub const EXTRACTED: &str = "_extracted";

/// Names and values of one row may fill this much; templates could otherwise double them without end. What does not fit is
/// stored as an empty value.
const MAX_TEXT: usize = 32 << 20;
/// What the buffer may keep from one row to the next.
const KEEP_TEXT: usize = 1 << 20;

/// Labels of a row up to which looking at each is as fast as an index.
const MANY: usize = 64;

/// Where a label comes from. In a clash a stream's label keeps its name before metadata, and metadata before a parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Stream,
    Metadata,
    Parsed,
}

#[derive(Clone, Debug)]
struct Item {
    tag: u64,
    name: Range<u32>,
    value: Range<u32>,
    category: Category,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct LabelSet {
    /// The stream's names and values, then the row's.
    text: String,
    stream_text: usize,
    stream: Vec<Item>,
    /// Per label of the stream: whether this row lost it.
    hidden: Vec<bool>,
    any_hidden: bool,
    row: Vec<Item>,
    index: Index,
    error: Option<&'static str>,
    details: String,
    /// What the templates of this row cost so far; they share one bound.
    pub(crate) template_steps: usize,
}

/// Finds the labels of a row that has many: chains of places in it. Names come from the lines, so the hash has a secret key.
#[derive(Clone, Debug, Default)]
struct Index {
    key: RandomState,
    /// Of each chain its first place. Empty where the row has few labels, or where there is no index yet.
    heads: Vec<u32>,
    /// Of each place the next in its chain.
    next: Vec<u32>,
}

/// The end of a chain.
const NOWHERE: u32 = u32::MAX;

impl Index {
    fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    fn clear(&mut self) {
        self.heads.clear();
        self.next.clear();
    }

    fn chain(&self, name: &str) -> usize {
        // The number of chains is a power of two.
        self.key.hash_one(name) as usize & (self.heads.len() - 1)
    }

    /// Places with the hash of this name, in no order.
    fn places(&self, name: &str) -> impl Iterator<Item = usize> {
        let mut at = self.heads[self.chain(name)];
        std::iter::from_fn(move || {
            let place = at as usize;
            at = *self.next.get(place)?;
            Some(place)
        })
    }

    /// The next place of the row has this name.
    fn push(&mut self, name: &str) {
        let chain = self.chain(name);
        let place = u32::try_from(self.next.len()).unwrap_or(NOWHERE);
        self.next.push(std::mem::replace(&mut self.heads[chain], place));
    }

    /// As `swap_remove` at this place, of a label of this name; `last` is the name at the last place.
    fn swap_remove(&mut self, at: usize, name: &str, last: &str) {
        let behind = self.next[at];
        *self.link(at, name) = behind;
        let last_at = self.next.len() - 1;
        if at != last_at {
            *self.link(last_at, last) = u32::try_from(at).unwrap_or(NOWHERE);
        }
        self.next.swap_remove(at);
    }

    /// What leads to this place.
    fn link(&mut self, at: usize, name: &str) -> &mut u32 {
        let chain = self.chain(name);
        let mut before = None;
        let mut place = self.heads[chain] as usize;
        while place != at && place < self.next.len() {
            before = Some(place);
            place = self.next[place] as usize;
        }
        match before {
            Some(before) => &mut self.next[before],
            None => &mut self.heads[chain],
        }
    }
}

impl LabelSet {
    /// Turns to another stream; the row is reset.
    pub fn switch(&mut self, stream: &StreamRef) {
        self.text.clear();
        self.stream.clear();
        self.stream_text = 0;
        for (name, value) in &stream.labels.0 {
            if let Some(item) = self.store(name, value, Category::Stream) {
                self.stream.push(item);
            }
        }
        self.stream_text = self.text.len();
        self.hidden.clear();
        self.hidden.resize(self.stream.len(), false);
        self.begin(&[]);
    }

    /// Starts the next row of the stream with its structured metadata.
    pub fn begin(&mut self, metadata: &[(&str, &str)]) {
        self.text.truncate(self.stream_text);
        if self.text.capacity() > KEEP_TEXT.max(2 * self.stream_text) {
            self.text.shrink_to(KEEP_TEXT);
        }
        self.row.clear();
        self.index.clear();
        self.template_steps = 0;
        if self.any_hidden {
            self.hidden.fill(false);
            self.any_hidden = false;
        }
        self.error = None;
        self.details.clear();
        for (name, value) in metadata {
            if self.stream_has(name) {
                let name = format!("{name}{EXTRACTED}");
                self.push(&name, value, Category::Metadata);
            } else {
                self.push(name, value, Category::Metadata);
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let tag = tag(name);
        if let Some(at) = self.row_at(name, tag) {
            return Some(self.value(&self.row[at]));
        }
        if let Some(at) = self.stream_at(name, tag) {
            return (!self.hidden[at]).then(|| self.value(&self.stream[at]));
        }
        match name {
            ERROR => self.error,
            ERROR_DETAILS => self.error.is_some().then_some(self.details.as_str()).filter(|details| !details.is_empty()),
            _ => None,
        }
    }

    /// The error of the row, `JSONParserErr` for instance.
    pub fn error(&self) -> Option<&str> {
        self.error
    }

    /// What the error is about; empty where there is none.
    pub fn error_details(&self) -> &str {
        &self.details
    }

    /// A stage stumbled. A later error takes the place of an earlier one.
    pub fn set_error(&mut self, error: &'static str, details: &str) {
        self.error = Some(error);
        self.details.clear();
        self.details.push_str(details);
    }

    /// Forgets the error and its details.
    pub fn clear_error(&mut self) {
        self.error = None;
        self.details.clear();
    }

    /// Forgets only the details.
    pub fn clear_error_details(&mut self) {
        self.details.clear();
    }

    /// Whether the row has just the labels of its stream, all of them.
    pub fn is_unchanged_stream(&self) -> bool {
        self.row.is_empty() && !self.any_hidden && self.error.is_none()
    }

    /// The labels of the stream as the stages left them, sorted by name.
    pub fn stream(&self) -> Vec<(&str, &str)> {
        sorted(self.visible().filter(|item| item.category == Category::Stream).map(|item| self.pair(item)).collect())
    }

    /// Structured metadata, sorted by name.
    pub fn metadata(&self) -> Vec<(&str, &str)> {
        sorted(self.row.iter().filter(|item| item.category == Category::Metadata).map(|item| self.pair(item)).collect())
    }

    /// What parsers and formats added, sorted by name; the error and its details count among it.
    pub fn parsed(&self) -> Vec<(&str, &str)> {
        let own = self.row.iter().filter(|item| item.category == Category::Parsed).map(|item| self.pair(item));
        sorted(own.chain(self.error_pairs()).collect())
    }

    /// All labels, sorted by name, the error among them.
    pub fn merged(&self) -> Vec<(&str, &str)> {
        sorted(self.visible().map(|item| self.pair(item)).chain(self.error_pairs()).collect())
    }

    /// All labels in no order, the error among them; does not allocate.
    pub fn each(&self) -> impl Iterator<Item = (&str, &str)> {
        self.visible().map(|item| self.pair(item)).chain(self.error_pairs())
    }

    /// Of `by (names)`: equal for equal values, absent and empty ones alike (an aggregation leaves both out). Not proof
    /// against values made to collide: compare the values as well.
    pub fn hash_by(&self, names: &[String]) -> u64 {
        names
            .iter()
            .fold(0x9e37_79b9_7f4a_7c15, |hash, name| mix(hash ^ hash_text(self.get(name).unwrap_or_default()), 0xa076_1d64_78bd_642f))
    }

    /// Of `without (names)`, and with none of the whole set. As [`Self::hash_by`].
    pub fn hash_without(&self, names: &[String]) -> u64 {
        // A sum, so that the labels need no order.
        self.each()
            .filter(|(name, value)| !value.is_empty() && !names.iter().any(|other| other == name))
            .fold(0, |sum: u64, pair| sum.wrapping_add(mix(hash_text(pair.0) ^ 0xe703_7ed1_a0b4_28db, hash_text(pair.1) | 1)))
    }

    /// A parser found a label. The first to find a name keeps it; a name that the stream or the metadata has gets a suffix.
    /// Says whether the row has one more now.
    pub fn extract(&mut self, name: &str, value: &str) -> bool {
        if self.is_taken(name) {
            let name = format!("{name}{EXTRACTED}");
            self.extract_free(&name, value)
        } else {
            self.extract_free(name, value)
        }
    }

    /// Whether a parsed label of this name would need a suffix.
    pub fn is_taken(&self, name: &str) -> bool {
        let is_metadata = |at: usize| self.row[at].category == Category::Metadata;
        self.stream_has(name) || name == ERROR || name == ERROR_DETAILS || self.find(name, tag(name), is_metadata).is_some()
    }

    fn extract_free(&mut self, name: &str, value: &str) -> bool {
        let new = self.row_at(name, tag(name)).is_none();
        if new {
            self.push(name, value, Category::Parsed);
        }
        new
    }

    /// Sets a label whatever had the name before.
    pub fn set(&mut self, name: &str, value: &str, category: Category) {
        self.remove(name);
        self.push(name, value, category);
    }

    /// Gives a label another name and leaves its category; does nothing where it is absent.
    pub fn rename(&mut self, from: &str, to: &str) {
        let from_tag = tag(from);
        let found = self.row_at(from, from_tag).map(|at| self.row[at].clone()).or_else(|| {
            let at = self.stream_at(from, from_tag)?;
            (!self.hidden[at]).then(|| self.stream[at].clone())
        });
        let Some(mut item) = found else { return };
        if from == to {
            return;
        }
        self.remove(from);
        self.remove(to);
        if let Some(name) = self.add(to) {
            item.name = name;
            item.tag = tag(to);
            self.append(item);
        }
    }

    pub fn remove(&mut self, name: &str) {
        let tag = tag(name);
        if let Some(at) = self.row_at(name, tag) {
            if !self.index.is_empty() {
                let last = self.row.last().map_or("", |item| slice(&self.text, &item.name));
                self.index.swap_remove(at, name, last);
            }
            self.row.swap_remove(at);
        }
        if let Some(at) = self.stream_at(name, tag) {
            self.hidden[at] = true;
            self.any_hidden = true;
        }
    }

    /// Keeps the labels that `keep` takes, by name and value. The error is no label here.
    pub fn retain(&mut self, keep: impl Fn(&str, &str) -> bool) {
        let Self { text, stream, hidden, any_hidden, row, .. } = self;
        for (item, hidden) in stream.iter().zip(hidden) {
            if !*hidden && !keep(slice(text, &item.name), slice(text, &item.value)) {
                *hidden = true;
                *any_hidden = true;
            }
        }
        row.retain(|item| keep(slice(text, &item.name), slice(text, &item.value)));
        self.reindex();
    }

    /// Forgets what was parsed since [`Self::begin`] (as long as nothing but parsers touched the row), and the error.
    pub(crate) fn forget_parsed(&mut self) {
        self.row.retain(|item| item.category == Category::Metadata);
        self.reindex();
        self.clear_error();
    }

    fn visible(&self) -> impl Iterator<Item = &Item> {
        self.stream.iter().zip(&self.hidden).filter(|(_, hidden)| !**hidden).map(|(item, _)| item).chain(&self.row)
    }

    fn error_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let error = self.error.map(|error| (ERROR, error));
        let details = (!self.details.is_empty()).then_some((ERROR_DETAILS, self.details.as_str()));
        error.into_iter().chain(details)
    }

    fn stream_has(&self, name: &str) -> bool {
        self.stream_at(name, tag(name)).is_some()
    }

    fn stream_at(&self, name: &str, tag: u64) -> Option<usize> {
        self.stream.iter().position(|item| item.tag == tag && self.name(item) == name)
    }

    /// The first label of the row with this name.
    fn row_at(&self, name: &str, tag: u64) -> Option<usize> {
        self.find(name, tag, |_| true)
    }

    fn find(&self, name: &str, tag: u64, is_wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let is_it = |at: usize| {
            let item = &self.row[at];
            item.tag == tag && self.name(item) == name && is_wanted(at)
        };
        if self.index.is_empty() {
            (0..self.row.len()).find(|&at| is_it(at))
        } else {
            self.index.places(name).filter(|&at| is_it(at)).min()
        }
    }

    fn append(&mut self, item: Item) {
        self.row.push(item);
        if self.row.len() > self.index.heads.len().max(MANY) {
            self.reindex();
        } else if !self.index.is_empty()
            && let Some(item) = self.row.last()
        {
            self.index.push(slice(&self.text, &item.name));
        }
    }

    /// With room for as many labels again.
    fn reindex(&mut self) {
        let Self { text, row, index, .. } = self;
        index.clear();
        if row.len() > MANY {
            index.heads.resize(2 * row.len().next_power_of_two(), NOWHERE);
            row.iter().for_each(|item| index.push(slice(text, &item.name)));
        }
    }

    fn pair(&self, item: &Item) -> (&str, &str) {
        (self.name(item), self.value(item))
    }

    fn name(&self, item: &Item) -> &str {
        slice(&self.text, &item.name)
    }

    fn value(&self, item: &Item) -> &str {
        slice(&self.text, &item.value)
    }

    fn push(&mut self, name: &str, value: &str, category: Category) {
        if let Some(item) = self.store(name, value, category) {
            self.append(item);
        }
    }

    fn store(&mut self, name: &str, value: &str, category: Category) -> Option<Item> {
        let name_at = self.add(name)?;
        let value_at = self.add(value).or_else(|| self.add(""))?;
        Some(Item { tag: tag(name), name: name_at, value: value_at, category })
    }

    fn add(&mut self, text: &str) -> Option<Range<u32>> {
        let start = self.text.len();
        if !text.is_empty() && text.len() > MAX_TEXT.saturating_sub(start) {
            return None;
        }
        self.text.push_str(text);
        Some(u32::try_from(start).ok()?..u32::try_from(self.text.len()).ok()?)
    }
}

fn slice<'a>(text: &'a str, range: &Range<u32>) -> &'a str {
    text.get(range.start as usize..range.end as usize).unwrap_or_default()
}

fn sorted<'a>(mut pairs: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    pairs.sort_unstable();
    pairs
}

/// Tells most names apart by one comparison: length and first bytes.
fn tag(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut tag = [0; 8];
    let head = bytes.len().min(7);
    tag[..head].copy_from_slice(&bytes[..head]);
    tag[7] = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    u64::from_le_bytes(tag)
}

/// The two halves of the product, folded.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let bytes = product.to_le_bytes();
    let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    half(0) ^ half(8)
}

fn hash_text(text: &str) -> u64 {
    let mut hash = mix(0x2d35_8dcc_aa6c_78a5 ^ text.len() as u64, 0x8bb8_4b93_962e_acc9);
    let mut chunks = text.as_bytes().chunks_exact(8);
    for chunk in &mut chunks {
        hash = mix(hash ^ u64::from_le_bytes(chunk.try_into().expect("chunks of eight")), 0x4b33_a62e_d433_d4a3);
    }
    let rest = chunks.remainder();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash ^ u64::from_le_bytes(last), 0x4d5a_2da5_1de1_aa47)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Labels, StreamHash};

    fn set(metadata: &[(&str, &str)]) -> LabelSet {
        let mut labels = LabelSet::default();
        labels.switch(&StreamRef { labels: Labels::from([("app", "a"), ("host", "h")]), hash: StreamHash(1) });
        labels.begin(metadata);
        labels
    }

    #[test]
    fn a_clash_goes_to_the_suffix_and_the_first_parser_wins() {
        let mut labels = set(&[("app", "m"), ("trace", "t")]);
        for (name, value) in [("app", "p"), ("trace", "p"), ("x", "1"), ("x", "2"), ("__error__", "me")] {
            labels.extract(name, value);
        }
        assert_eq!(labels.stream(), [("app", "a"), ("host", "h")]);
        assert_eq!(labels.metadata(), [("app_extracted", "m"), ("trace", "t")]);
        assert_eq!(labels.parsed(), [("__error___extracted", "me"), ("trace_extracted", "p"), ("x", "1")]);
        assert_eq!(labels.error(), None);
        assert!(!labels.is_unchanged_stream());
    }

    #[test]
    fn edits_last_for_one_row() {
        let mut labels = set(&[]);
        assert!(labels.is_unchanged_stream());
        labels.set("app", "b", Category::Parsed);
        labels.rename("host", "node");
        labels.rename("nosuch", "y");
        labels.set_error("JSONParserErr", "why");
        assert_eq!(labels.merged(), [("__error__", "JSONParserErr"), ("__error_details__", "why"), ("app", "b"), ("node", "h")]);
        assert_eq!(labels.stream(), [("node", "h")]);
        labels.remove("node");
        labels.retain(|name, _| name == "nosuch");
        labels.clear_error();
        assert_eq!(labels.merged(), []);
        labels.begin(&[]);
        assert_eq!(labels.merged(), [("app", "a"), ("host", "h")]);
        assert_eq!((labels.get("app"), labels.get("__error__")), (Some("a"), None));
    }

    #[test]
    fn hashes_depend_on_the_chosen_labels_only() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (mut a, mut b) = (set(&[]), set(&[]));
        a.extract("x", "1");
        a.extract("y", "2");
        b.extract("y", "2");
        b.extract("x", "other");
        assert_eq!(a.hash_by(&names(&["app", "y", "absent"])), b.hash_by(&names(&["app", "y", "absent"])));
        assert_ne!(a.hash_by(&names(&["x"])), b.hash_by(&names(&["x"])));
        assert_eq!(a.hash_without(&names(&["x"])), b.hash_without(&names(&["x"])));
        assert_ne!(a.hash_without(&[]), b.hash_without(&[]));
        b.remove("x");
        b.extract("x", "1");
        assert_eq!(a.hash_without(&[]), b.hash_without(&[]), "in any order");
    }

    proptest::proptest! {
        #[test]
        fn the_index_changes_no_result(
            edits in proptest::collection::vec((0_u8..12, 0_usize..150, 0_usize..150), 0..400),
            metadata in proptest::collection::vec(0_usize..150, 0..90),
        ) {
            let names: Vec<String> = (0..150).map(|n| if n % 3 == 0 { format!("label_{n}") } else { format!("l{n}") }).collect();
            let metadata: Vec<(&str, &str)> = metadata.iter().map(|&n| (names[n].as_str(), "m")).collect();
            let (mut labels, mut linear) = (set(&metadata), set(&metadata));
            for (step, (edit, one, other)) in edits.into_iter().enumerate() {
                let (one, other, value) = (names[one].as_str(), names[other].as_str(), step.to_string());
                // Without its index a set looks at each label.
                linear.index.clear();
                for set in [&mut labels, &mut linear] {
                    match edit {
                        0 => set.remove(one),
                        1 => set.rename(one, other),
                        2 => set.set(one, &value, Category::Parsed),
                        3 if step % 16 == 0 => set.retain(|name, _| !name.ends_with(&one[one.len() - 1..])),
                        4 if step % 64 == 0 => set.forget_parsed(),
                        _ => {
                            set.extract(one, &value);
                        }
                    }
                }
                linear.index.clear();
                proptest::prop_assert_eq!((labels.get(one), labels.get(other)), (linear.get(one), linear.get(other)));
                proptest::prop_assert_eq!((labels.is_taken(one), labels.is_taken(other)), (linear.is_taken(one), linear.is_taken(other)));
                proptest::prop_assert!(labels.each().eq(linear.each()), "after {edit} {one} {other}");
            }
        }
    }

    #[test]
    fn a_row_of_many_labels_finds_each_without_looking_at_all() {
        let mut labels = set(&[]);
        for _ in 0..2 {
            for n in 0..26_000 {
                labels.extract(&format!("f{n}"), "v");
            }
        }
        assert_eq!((labels.each().count(), labels.get("f25999"), labels.get("f26000")), (26_002, Some("v"), None));
        let longest = (0..26_000).map(|n| labels.index.places(&format!("f{n}")).count()).max();
        assert!(longest.is_some_and(|longest| longest < 20), "{longest:?}");
        labels.begin(&[]);
        assert!(labels.index.is_empty(), "a row of few labels needs none");
    }
}
