//! Gives collected lines the ids under which a Loki's lines are known: with a hash of their text in place of an ordinal.

use std::{collections::HashMap, sync::Arc};

use model::{EntryId, StreamHash};
use ops::source::Line;

use crate::source::loki::ordinal_of;

/// Streams that are remembered; beyond it they are forgotten together, which costs a group its beginning.
const STREAMS: usize = 50_000;
/// Numbers of one nanosecond that are remembered.
const USED: usize = 1_000;

#[derive(Default)]
pub struct Renumber(HashMap<StreamHash, Last>);

/// The last line of a stream.
struct Last {
    at: i64,
    used: Vec<u16>,
    /// The head of the group that goes on: as it was collected, and as it is called now.
    head: (EntryId, EntryId),
}

impl Renumber {
    pub fn line(&mut self, line: &Arc<Line>) -> Arc<Line> {
        if self.0.len() >= STREAMS && !self.0.contains_key(&line.id.stream) {
            self.0.clear();
        }
        let last = self.0.entry(line.id.stream).or_insert(Last { at: line.id.at.0, used: Vec::new(), head: (line.id, line.id) });
        if last.at != line.id.at.0 {
            last.at = line.id.at.0;
            last.used.clear();
        }
        let mut ordinal = ordinal_of(&line.text);
        while last.used.contains(&ordinal) && ordinal < u16::MAX {
            ordinal += 1;
        }
        if last.used.len() < USED {
            last.used.push(ordinal);
        }
        let id = EntryId { ordinal, ..line.id };
        let group = match line.group {
            own if own == line.id => {
                last.head = (line.id, id);
                id
            }
            head if head == last.head.0 => last.head.1,
            _ => id,
        };
        Arc::new(Line { id, stream: line.stream.clone(), text: line.text.clone(), level: line.level, group })
    }
}

#[cfg(test)]
mod tests {
    use model::{Labels, Level, Timestamp};
    use ops::source::{ServiceKey, Stream};

    use super::*;

    #[test]
    fn lines_are_called_as_a_loki_calls_them_and_stay_in_their_group() {
        let key = ServiceKey { host: "local".into(), project: None, name: "web".into(), kind_file: false };
        let stream = Arc::new(Stream::new(key, Labels::from([("service", "web")])));
        let id = |at, ordinal| EntryId { at: Timestamp(at), stream: stream.hash, ordinal };
        let line = |at, ordinal, text: &str, group| {
            Arc::new(Line { id: id(at, ordinal), stream: stream.clone(), text: text.into(), level: Level::Info, group })
        };
        let mut renumber = Renumber::default();
        let named: Vec<Arc<Line>> = [
            line(5, 0, "panic", id(5, 0)),
            line(5, 1, "  at main", id(5, 0)),
            line(5, 2, "  at main", id(5, 0)),
            line(6, 0, "  at main", id(5, 0)),
            line(7, 0, "next", id(7, 0)),
        ]
        .iter()
        .map(|line| renumber.line(line))
        .collect();
        let (head, same) = (ordinal_of("panic"), ordinal_of("  at main"));
        let ids: Vec<(i64, u16)> = named.iter().map(|line| (line.id.at.0, line.id.ordinal)).collect();
        assert_eq!(ids, [(5, head), (5, same), (5, same + 1), (6, same), (7, ordinal_of("next"))]);
        assert!(named[..4].iter().all(|line| line.group == named[0].id));
        assert_eq!(named[4].group, named[4].id);
    }
}
