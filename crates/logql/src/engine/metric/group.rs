//! Which series a line belongs to: its labels, cut down by a grouping, as bytes.

use super::MetricLabels;
use crate::{ast::Grouping, engine::pipe::LineLabels, labelset::EXTRACTED, read::StreamRef};

/// What of a line's labels its series has.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Group {
    By(Vec<String>),
    Without(Vec<String>),
}

impl Group {
    /// `unwrapped` is the label that the value came from: no series has it.
    pub fn new(grouping: Option<&Grouping>, unwrapped: Option<&str>) -> Self {
        match grouping {
            Some(Grouping { without: false, labels }) => {
                let mut labels: Vec<String> = labels.clone();
                labels.sort();
                labels.dedup();
                Self::By(labels)
            }
            Some(Grouping { without: true, labels }) => {
                Self::Without(labels.iter().map(String::as_str).chain(unwrapped).map(str::to_owned).collect())
            }
            None => Self::Without(unwrapped.map(str::to_owned).into_iter().collect()),
        }
    }

    /// The series of an outer aggregation over this.
    pub fn outer(grouping: Option<&Grouping>, unwrapped: Option<&str>) -> Self {
        match grouping {
            None => Self::By(Vec::new()),
            Some(grouping) => match Self::new(Some(grouping), unwrapped) {
                Self::By(mut labels) => {
                    labels.retain(|label| Some(label.as_str()) != unwrapped);
                    Self::By(labels)
                }
                without @ Self::Without(_) => without,
            },
        }
    }

    /// Appends a line's series to `key`.
    pub fn key(&self, labels: &dyn LineLabels, key: &mut Vec<u8>) {
        match self {
            Self::By(names) => names.iter().for_each(|name| push(key, name, labels.get(name).unwrap_or_default())),
            Self::Without(names) => labels.merged(&mut |name, value| {
                if !names.iter().any(|other| other == name) {
                    push(key, name, value);
                }
            }),
        }
    }

    /// The series of another series.
    pub fn of(&self, labels: &MetricLabels) -> MetricLabels {
        let keeps = |name: &String| match self {
            Self::By(names) => names.contains(name),
            Self::Without(names) => !names.contains(name),
        };
        labels.iter().filter(|(name, _)| keeps(name)).cloned().collect()
    }
}

/// A `by` whose labels come from the stream or the structured metadata, as no stage touches labels.
pub(super) struct Direct<'a> {
    /// The value where the stream has it: it goes before metadata.
    names: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Direct<'a> {
    /// `None` where a name may be that of metadata whose own name the stream has.
    pub fn new(names: &'a [String], stream: &'a StreamRef) -> Option<Self> {
        if names.iter().any(|name| name.ends_with(EXTRACTED)) {
            return None;
        }
        Some(Self { names: names.iter().map(|name| (name.as_str(), stream.labels.get(name))).collect() })
    }

    /// Whether all lines of the stream are in one series.
    pub fn is_constant(&self) -> bool {
        self.names.iter().all(|(_, value)| value.is_some())
    }

    pub fn key(&self, metadata: &[(&str, &str)], key: &mut Vec<u8>) {
        for (name, value) in &self.names {
            let value = value.or_else(|| metadata.iter().find(|(other, _)| other == name).map(|&(_, value)| value));
            push(key, name, value.unwrap_or_default());
        }
    }
}

/// UTF-8 never holds the two bytes that end a name and a value.
fn push(key: &mut Vec<u8>, name: &str, value: &str) {
    if !value.is_empty() {
        key.extend_from_slice(name.as_bytes());
        key.push(0xff);
        key.extend_from_slice(value.as_bytes());
        key.push(0xfe);
    }
}

/// The labels of a series from its key.
pub(super) fn labels(key: &[u8]) -> MetricLabels {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs = key.split(|&byte| byte == 0xfe).filter(|pair| !pair.is_empty());
    let mut labels: Vec<(String, String)> = pairs
        .map(|pair| {
            let cut = pair.iter().position(|&byte| byte == 0xff).unwrap_or(pair.len());
            (text(&pair[..cut]), text(pair.get(cut + 1..).unwrap_or_default()))
        })
        .collect();
    labels.sort();
    labels.into()
}
