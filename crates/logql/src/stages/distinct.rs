//! `| distinct host, code`: the first row of each combination of values, in the order the rows are answered.

use std::collections::HashSet;

use crate::labelset::LabelSet;

/// What was seen so far. Rows must come in the order of the answer, so this runs behind the sorting, not within a worker. It
/// holds a key for each row it took.
#[derive(Clone, Debug)]
pub struct Distinct {
    names: Vec<String>,
    seen: HashSet<Vec<u8>>,
    key: Vec<u8>,
}

impl Distinct {
    pub fn new(names: Vec<String>) -> Self {
        Self { names, seen: HashSet::new(), key: Vec::new() }
    }

    /// Whether the row is the first with its values; an absent label counts as an empty one.
    pub fn takes(&mut self, labels: &LabelSet) -> bool {
        self.key.clear();
        for name in &self.names {
            self.key.extend_from_slice(labels.get(name).unwrap_or_default().as_bytes());
            // A byte that UTF-8 never holds.
            self.key.push(0xff);
        }
        let new = !self.seen.contains(&self.key);
        if new {
            self.seen.insert(self.key.clone());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_combination_stays() {
        let mut distinct = Distinct::new(vec!["a".into(), "b".into()]);
        let rows = [("1", "2"), ("1", "2"), ("12", ""), ("", "12"), ("1", "2")];
        let taken = rows.map(|(a, b)| {
            let mut labels = LabelSet::default();
            labels.extract("a", a);
            labels.extract("b", b);
            distinct.takes(&labels)
        });
        assert_eq!(taken, [true, false, true, true, false]);
    }
}
