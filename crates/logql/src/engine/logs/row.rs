//! A line of an answer, and labels shared between lines.

use std::sync::{Arc, Weak};

use super::super::pipe::{Category, Line, LineLabels};
use crate::read::{RowRef, StreamRef};

/// A line of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Nanoseconds.
    pub at: i64,
    pub ordinal: u16,
    pub stream: Arc<StreamRef>,
    /// As the pipeline left it.
    pub line: String,
    /// Shared with the line before it where they are the same.
    pub labels: Arc<Labelled>,
}

impl LogRow {
    pub(super) fn rank(&self) -> super::order::Rank {
        (self.at, self.stream.hash.0, self.ordinal)
    }

    /// Bytes it holds apart from its labels, about.
    pub(super) fn own_weight(&self) -> usize {
        self.line.capacity() + size_of::<Self>() + 32
    }

    /// Bytes that are free when it is dropped: those of its labels only if no other row has them.
    pub(super) fn weight(&self) -> usize {
        let alone = Arc::strong_count(&self.labels) == 1;
        self.own_weight() + if alone { self.labels.weight() } else { 0 }
    }
}

/// The labels of a line by where they come from, each list sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labelled {
    pub stream: Vec<(String, String)>,
    pub metadata: Vec<(String, String)>,
    /// With `__error__` and `__error_details__`.
    pub parsed: Vec<(String, String)>,
}

impl Labelled {
    pub fn get(&self, name: &str) -> Option<&str> {
        [&self.stream, &self.metadata, &self.parsed].into_iter().find_map(|list| {
            let index = list.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
            Some(list[index].1.as_str())
        })
    }

    /// All of them, sorted by name.
    pub fn merged(&self) -> Vec<(&str, &str)> {
        let lists = [&self.stream, &self.metadata, &self.parsed];
        let mut all: Vec<(&str, &str)> = lists.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.sort_unstable();
        all
    }

    /// Bytes they hold, about.
    pub(super) fn weight(&self) -> usize {
        let lists = [&self.stream, &self.metadata, &self.parsed];
        let pair = |(name, value): &(String, String)| name.len() + value.len() + size_of::<(String, String)>();
        size_of::<Self>() + lists.into_iter().flatten().map(pair).sum::<usize>()
    }

    fn list(&mut self, category: Category) -> &mut Vec<(String, String)> {
        match category {
            Category::Stream => &mut self.stream,
            Category::Metadata => &mut self.metadata,
            Category::Parsed => &mut self.parsed,
        }
    }
}

/// Makes rows; the labels of a line that are those of the line before it are the same allocation.
#[derive(Default)]
pub(super) struct Rows {
    /// The labels of the last row as bytes.
    last: Vec<u8>,
    now: Vec<u8>,
    /// Not held here, so that rows know whether they are the last to hold them.
    labels: Weak<Labelled>,
}

/// A row's buffer may be used for another whose text fills at least half of it, or if it is not bigger than this.
const SMALL_BUFFER: usize = 4 << 10;

const CATEGORIES: [Category; 3] = [Category::Stream, Category::Metadata, Category::Parsed];

impl Rows {
    /// A row, and the bytes that are held now and were not before. `buffer` becomes the row's text; what it held is lost.
    pub fn row(&mut self, row: &RowRef<'_>, line: &Line<'_>, stream: &Arc<StreamRef>, mut buffer: String) -> (LogRow, usize) {
        if buffer.capacity() > SMALL_BUFFER.max(line.text.len().saturating_mul(2)) {
            buffer = String::new();
        }
        buffer.clear();
        buffer.push_str(line.text);
        let labels = self.labels(line.labels);
        let row = LogRow { at: row.at, ordinal: row.ordinal, stream: stream.clone(), line: buffer, labels };
        let weight = row.weight();
        (row, weight)
    }

    fn labels(&mut self, labels: &dyn LineLabels) -> Arc<Labelled> {
        self.now.clear();
        for category in CATEGORIES {
            labels.category(category, &mut |name, value| {
                self.now.extend_from_slice(name.as_bytes());
                self.now.push(0xff);
                self.now.extend_from_slice(value.as_bytes());
                self.now.push(0xfe);
            });
            self.now.push(0xfd);
        }
        if self.now == self.last
            && let Some(labels) = self.labels.upgrade()
        {
            return labels;
        }
        std::mem::swap(&mut self.now, &mut self.last);
        let mut labelled = Labelled::default();
        for category in CATEGORIES {
            let list = labelled.list(category);
            labels.category(category, &mut |name, value| list.push((name.to_owned(), value.to_owned())));
        }
        let labelled = Arc::new(labelled);
        self.labels = Arc::downgrade(&labelled);
        labelled
    }
}
