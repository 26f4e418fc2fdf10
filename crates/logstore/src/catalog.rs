//! All streams, found by hash, by label and by matchers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use logql::{ast::MatchOp, matcher::LabelMatcher};
use model::{Labels, StreamHash};

use crate::stream::Stream;

#[derive(Default)]
pub struct Catalog {
    streams: HashMap<StreamHash, Arc<Stream>>,
    /// Name, value → streams.
    postings: BTreeMap<String, BTreeMap<String, BTreeSet<StreamHash>>>,
}

impl Catalog {
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    pub fn get(&self, hash: StreamHash) -> Option<&Arc<Stream>> {
        self.streams.get(&hash)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.streams.values()
    }

    /// The stream of these labels, new where there was none. `None` where other labels have the same hash.
    pub fn insert(&mut self, labels: &Labels) -> Option<Arc<Stream>> {
        let hash = labels.hash64();
        if let Some(stream) = self.streams.get(&hash) {
            return (stream.reference.labels == *labels).then(|| Arc::clone(stream));
        }
        for (name, value) in &labels.0 {
            self.postings.entry(name.clone()).or_default().entry(value.clone()).or_default().insert(hash);
        }
        let stream = Arc::new(Stream::new(labels.clone()));
        self.streams.insert(hash, Arc::clone(&stream));
        Some(stream)
    }

    pub fn remove(&mut self, hash: StreamHash) {
        let Some(stream) = self.streams.remove(&hash) else { return };
        for (name, value) in &stream.reference.labels.0 {
            if let Some(values) = self.postings.get_mut(name) {
                if let Some(hashes) = values.get_mut(value) {
                    hashes.remove(&hash);
                    if hashes.is_empty() {
                        values.remove(value);
                    }
                }
                if values.is_empty() {
                    self.postings.remove(name);
                }
            }
        }
    }

    /// Streams that all matchers take.
    pub fn select(&self, matchers: &[LabelMatcher], only: Option<StreamHash>) -> Vec<Arc<Stream>> {
        let takes = |stream: &&Arc<Stream>| {
            let labels = &stream.reference.labels;
            matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.name).unwrap_or_default()))
        };
        if let Some(hash) = only {
            return self.streams.get(&hash).filter(takes).cloned().into_iter().collect();
        }
        let nothing = BTreeSet::new();
        let narrowest = matchers
            .iter()
            .filter(|matcher| matcher.op == MatchOp::Equal && !matcher.value.is_empty())
            .map(|matcher| self.postings.get(&matcher.name).and_then(|values| values.get(&matcher.value)).unwrap_or(&nothing))
            .min_by_key(|hashes| hashes.len());
        match narrowest {
            Some(hashes) => hashes.iter().filter_map(|hash| self.streams.get(hash)).filter(takes).cloned().collect(),
            None => self.streams.values().filter(takes).cloned().collect(),
        }
    }
}
