//! A [`Source`] in memory, for tests: rows of a stream cut into parts.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use model::Labels;

use crate::read::{Ask, Need, Part, ReadError, ReadStats, RowRef, Source, StreamRef};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RamRow {
    pub at: i64,
    pub ordinal: u16,
    pub line: String,
    pub metadata: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct RamPart {
    pub stream: Arc<StreamRef>,
    /// Sorted by `(at, ordinal)`, never empty.
    pub rows: Arc<Vec<RamRow>>,
    /// Reading fails behind this many rows.
    pub damaged_after: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub struct Ram {
    pub parts: Vec<RamPart>,
}

/// A line to put in: time, labels, text, structured metadata.
pub type RamLine = (i64, Labels, String, Vec<(String, String)>);

impl Ram {
    /// Sorts lines into streams and cuts these into parts of at most `rows_per_part`, which overlap where `overlap`.
    pub fn new(lines: impl IntoIterator<Item = RamLine>, rows_per_part: usize, overlap: bool) -> Self {
        let mut streams: BTreeMap<Labels, Vec<RamRow>> = BTreeMap::new();
        for (at, labels, line, mut metadata) in lines {
            metadata.sort();
            streams.entry(labels).or_default().push(RamRow { at, ordinal: 0, line, metadata });
        }
        let mut parts = Vec::new();
        for (labels, mut rows) in streams {
            rows.sort_by_key(|row| row.at);
            for index in 1..rows.len() {
                if rows[index].at == rows[index - 1].at {
                    rows[index].ordinal = rows[index - 1].ordinal + 1;
                }
            }
            let stream = Arc::new(StreamRef { hash: labels.hash64(), labels });
            let count = rows.len().div_ceil(rows_per_part.max(1));
            let mut cut: Vec<Vec<RamRow>> = vec![Vec::new(); count];
            for (index, row) in rows.into_iter().enumerate() {
                let part = if overlap { index % count } else { index / rows_per_part.max(1) };
                cut[part].push(row);
            }
            parts.extend(cut.into_iter().map(|rows| RamPart { stream: stream.clone(), rows: Arc::new(rows), damaged_after: None }));
        }
        Self { parts }
    }
}

impl Source for Ram {
    type Part = RamPart;

    fn parts(&self, ask: &Ask) -> Result<Vec<RamPart>, ReadError> {
        let wanted = |part: &&RamPart| {
            let (first, last) = part.bounds();
            last >= ask.start
                && first < ask.end
                && ask.stream.is_none_or(|stream| stream == part.stream.hash)
                && ask.matchers.iter().all(|matcher| matcher.matches(part.stream.labels.get(&matcher.name).unwrap_or_default()))
        };
        Ok(self.parts.iter().filter(wanted).cloned().collect())
    }
}

impl Part for RamPart {
    fn stream(&self) -> &Arc<StreamRef> {
        &self.stream
    }

    fn bounds(&self) -> (i64, i64) {
        (self.rows.first().map_or(0, |row| row.at), self.rows.last().map_or(0, |row| row.at))
    }

    fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.line.len() as u64).sum()
    }

    fn read(&self, ask: &Ask, need: Need, each: &mut dyn FnMut(RowRef<'_>) -> ControlFlow<()>) -> Result<ReadStats, ReadError> {
        let mut stats = ReadStats::default();
        let from = self.rows.partition_point(|row| row.at < ask.start);
        let mut metadata: Vec<(&str, &str)> = Vec::new();
        for (index, row) in self.rows.iter().enumerate().skip(from) {
            if row.at >= ask.end {
                break;
            }
            if self.damaged_after.is_some_and(|after| index >= after) {
                return Err(ReadError::Damaged("a part is damaged".to_owned()));
            }
            stats.lines += 1;
            metadata.clear();
            if need.metadata {
                metadata.extend(row.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            }
            if need.text {
                stats.bytes += row.line.len() as u64;
            }
            let line = if need.text { row.line.as_str() } else { "" };
            let len = u32::try_from(row.line.len()).unwrap_or(u32::MAX);
            if each(RowRef { at: row.at, ordinal: row.ordinal, line, len, metadata: &metadata }).is_break() {
                break;
            }
        }
        Ok(stats)
    }
}
