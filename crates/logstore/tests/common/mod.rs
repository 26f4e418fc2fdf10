//! A store that lives on a disk in memory, and its naive twin.
#![allow(dead_code, clippy::unwrap_used, clippy::type_complexity, reason = "tests, each binary uses its part")]

use std::{collections::BTreeMap, ops::ControlFlow, path::Path, sync::Arc};

use logql::read::{Ask, Literal, Need, Part, Prefilter, Source};
use logstore::{AppendError, Config, NewEntry, Outcome, Recovery, Store, StreamBatch, Sync, fs::testing::TestFs};
use model::Labels;

pub const DIR: &str = "/logs";
pub const SECOND: i64 = 1_000_000_000;

/// Everything small, so that a few lines already make blocks, packs and segments.
pub fn tiny() -> Config {
    Config {
        sync: Sync::Group,
        retain_ns: None,
        retain_bytes: None,
        block_bytes: 300,
        level: 1,
        head_bytes: 16 << 10,
        head_age_ns: 60 * SECOND,
        wal_segment_bytes: 700,
        wal_bytes: 4 << 10,
        line_bytes: 2000,
        streams: 100,
        pack_bytes: 256 << 10,
    }
}

pub fn open(fs: &TestFs, config: Config) -> (Store, Recovery) {
    Store::open(Path::new(DIR), config, Arc::new(fs.clone())).unwrap()
}

/// `(stream, at, ordinal, line, metadata)`
pub type Line = (String, i64, u16, String, Vec<(String, String)>);

pub fn labels(stream: &str) -> Labels {
    Labels::from([("app", stream), ("env", "test")])
}

pub fn read(store: &Store, ask: &Ask) -> Vec<Line> {
    let mut lines = Vec::new();
    for part in store.parts(ask).unwrap() {
        let stream = part.stream().labels.get("app").unwrap().to_owned();
        let mut last = None;
        let stats = part.read(ask, Need { text: true, metadata: true }, &mut |row| {
            assert!(last < Some((row.at, row.ordinal)), "rows of a part come in order");
            assert!((part.bounds().0..=part.bounds().1).contains(&row.at));
            assert_eq!(row.len as usize, row.line.len());
            last = Some((row.at, row.ordinal));
            let metadata = row.metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            lines.push((stream.clone(), row.at, row.ordinal, row.line.to_owned(), metadata));
            ControlFlow::Continue(())
        });
        stats.unwrap();
    }
    lines.sort();
    lines
}

pub fn everything() -> Ask {
    Ask { start: 0, end: i64::MAX, ..Ask::default() }
}

pub fn contains(text: &str, any_case: bool) -> Prefilter {
    Prefilter { all: vec![vec![Literal { text: text.into(), any_case }]] }
}

/// One line as a test writes it.
#[derive(Clone, Debug)]
pub struct Put {
    pub stream: &'static str,
    pub at: i64,
    pub line: String,
    pub meta: Option<&'static str>,
}

pub fn append(store: &Store, puts: &[Put], now: i64) -> Result<Vec<Outcome>, AppendError> {
    let owned: Vec<(Labels, Vec<(&'static str, &'static str)>)> =
        puts.iter().map(|put| (labels(put.stream), put.meta.map(|meta| ("meta", meta)).into_iter().collect())).collect();
    let entries: Vec<NewEntry<'_>> =
        puts.iter().zip(&owned).map(|(put, (_, meta))| NewEntry { at: put.at, ordinal: None, line: &put.line, metadata: meta }).collect();
    let batch: Vec<StreamBatch<'_>> =
        owned.iter().zip(entries.chunks(1)).map(|((labels, _), entries)| StreamBatch { labels, entries }).collect();
    store.append(&batch, now).map(|appended| appended.outcomes)
}

/// What the store should hold, kept without any cleverness.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    pub lines: BTreeMap<(String, i64), Vec<(String, Option<&'static str>)>>,
}

impl Twin {
    pub fn append(&mut self, puts: &[Put]) -> Vec<Outcome> {
        puts.iter()
            .map(|put| {
                let same = self.lines.entry((put.stream.to_owned(), put.at)).or_default();
                let line = (put.line.clone(), put.meta);
                if same.contains(&line) {
                    return Outcome::Duplicate;
                }
                same.push(line);
                Outcome::Stored(same.len() as u16 - 1)
            })
            .collect()
    }

    pub fn read(&self, start: i64, end: i64, wanted: impl Fn(&str) -> bool) -> Vec<Line> {
        let mut lines = Vec::new();
        for ((stream, at), same) in &self.lines {
            for (ordinal, (line, meta)) in same.iter().enumerate() {
                if (start..end).contains(at) && wanted(line) {
                    let metadata = meta.map(|meta| ("meta".to_owned(), meta.to_owned())).into_iter().collect();
                    lines.push((stream.clone(), *at, ordinal as u16, line.clone(), metadata));
                }
            }
        }
        lines.sort();
        lines
    }
}
