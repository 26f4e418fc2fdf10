//! What lists of labels and volumes need: answered from the catalogue; only blocks that lie across an end of the range are
//! read, and of those only times and lengths.

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use logql::{
    matcher::LabelMatcher,
    read::{Ask, Need, Part, ReadError, Source, StreamRef},
};

use crate::{Store, part::StorePart};

/// How much of a stream lies in a range. Exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub stream: Arc<StreamRef>,
    pub lines: u64,
    /// Of text.
    pub bytes: u64,
    /// Blocks and heads that hold them.
    pub parts: u64,
}

/// All that is kept of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub stream: Arc<StreamRef>,
    pub lines: u64,
    /// Of text.
    pub bytes: u64,
    /// Of its blocks and their filters; lines in memory are in none.
    pub disk_bytes: u64,
    /// Of the lines, nanoseconds.
    pub oldest: i64,
    pub newest: i64,
}

impl Store {
    /// What is kept of each stream, from what is known without reading: damaged blocks are left out, as are streams without lines.
    pub fn kept(&self) -> Vec<Kept> {
        let of = |stream: &Arc<crate::stream::Stream>| {
            let state = stream.state();
            let (mut lines, mut bytes) = state.head.counts();
            let mut bounds = state.head.bounds();
            let mut disk_bytes = 0;
            for block in state.blocks.iter().filter(|block| !block.is_bad()) {
                let header = &block.header;
                lines += u64::from(header.rows);
                bytes += u64::from(header.raw);
                let sections = header.sections.iter().chain([&header.filter]);
                disk_bytes += u64::from(header.len) + sections.map(|section| u64::from(section.len)).sum::<u64>();
                bounds = Some(bounds.map_or((header.min, header.max), |(min, max)| (min.min(header.min), max.max(header.max))));
            }
            let (oldest, newest) = bounds?;
            Some(Kept { stream: Arc::clone(&stream.reference), lines, bytes, disk_bytes, oldest, newest })
        };
        self.catalog().all().filter_map(of).collect()
    }

    /// Streams that may have lines within `[start, end)` nanoseconds: by the bounds of their blocks.
    pub fn series(&self, matchers: &[LabelMatcher], start: i64, end: i64) -> Vec<Arc<StreamRef>> {
        let mut found = Vec::new();
        for stream in self.catalog().select(matchers, None) {
            let state = stream.state();
            let overlaps = |min: i64, max: i64| start <= max && end > min;
            let in_blocks = state.blocks.iter().any(|block| overlaps(block.header.min, block.header.max) && !block.is_bad());
            if in_blocks || state.head.bounds().is_some_and(|(min, max)| overlaps(min, max)) {
                found.push(Arc::clone(&stream.reference));
            }
        }
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        found
    }

    /// Names of labels of [`Store::series`].
    pub fn label_names(&self, matchers: &[LabelMatcher], start: i64, end: i64) -> BTreeSet<String> {
        self.series(matchers, start, end).iter().flat_map(|stream| stream.labels.0.keys().cloned()).collect()
    }

    /// Values of a label of [`Store::series`].
    pub fn label_values(&self, name: &str, matchers: &[LabelMatcher], start: i64, end: i64) -> BTreeSet<String> {
        self.series(matchers, start, end).iter().filter_map(|stream| stream.labels.get(name).map(str::to_owned)).collect()
    }

    /// Lines and bytes by stream within `[start, end)`; streams without are left out.
    ///
    /// # Errors
    /// [`ReadError::Io`]. What is damaged does not count.
    pub fn volumes(&self, matchers: &[LabelMatcher], start: i64, end: i64) -> Result<Vec<Volume>, ReadError> {
        let ask = Ask { matchers: matchers.to_vec(), start, end, ..Ask::default() };
        let mut volumes: std::collections::HashMap<_, Volume> = std::collections::HashMap::new();
        for part in self.parts(&ask)? {
            let (lines, bytes) = share(&part, &ask)?;
            if lines > 0 {
                let empty = || Volume { stream: Arc::clone(part.stream()), lines: 0, bytes: 0, parts: 0 };
                let volume = volumes.entry(part.stream().hash).or_insert_with(empty);
                volume.lines += lines;
                volume.bytes += bytes;
                volume.parts += 1;
            }
        }
        let mut volumes: Vec<Volume> = volumes.into_values().collect();
        volumes.sort_by(|a, b| a.stream.labels.cmp(&b.stream.labels));
        Ok(volumes)
    }

    /// The time of the oldest line that is kept.
    pub fn oldest(&self) -> Option<i64> {
        let of = |stream: &Arc<crate::stream::Stream>| {
            let state = stream.state();
            let blocks = state.blocks.iter().filter(|block| !block.is_bad()).map(|block| block.header.min).min();
            blocks.into_iter().chain(state.head.bounds().map(|(min, _)| min)).min()
        };
        self.catalog().all().filter_map(of).min()
    }
}

fn share(part: &StorePart, ask: &Ask) -> Result<(u64, u64), ReadError> {
    let (min, max) = part.bounds();
    if ask.start <= min && ask.end > max {
        return Ok((part.rows(), part.bytes()));
    }
    let (mut lines, mut bytes) = (0, 0);
    let outcome = part.read(ask, Need { text: false, metadata: false }, &mut |row| {
        lines += 1;
        bytes += u64::from(row.len);
        ControlFlow::Continue(())
    });
    match outcome {
        Err(ReadError::Damaged(_)) => Ok((0, 0)),
        outcome => outcome.map(|_| (lines, bytes)),
    }
}
