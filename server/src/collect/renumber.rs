//! Gives collected lines the ids under which a Loki's lines are known: with a hash of their text in place of an ordinal.

use std::{collections::HashMap, sync::Arc};

use model::{EntryId, StreamHash};
use ops::source::Line;

use crate::source::loki::ordinal_of;

/// Streams that are remembered; beyond it they are forgotten together, which costs a group its beginning.
const STREAMS: usize = 50_000;
/// Numbers of one nanosecond that are remembered.
const USED: usize = 1_000;

pub struct Renumber {
    streams: HashMap<StreamHash, Last>,
    /// We ship them: lines of one nanosecond go there one nanosecond apart, or they would lose their order, and equal ones be one.
    apart: bool,
}

/// The last line of a stream.
struct Last {
    at: i64,
    used: Vec<u16>,
    /// The head of the group that goes on: as it was collected, and as it is called now.
    head: (EntryId, EntryId),
}

impl Renumber {
    pub fn new(apart: bool) -> Self {
        Self { streams: HashMap::new(), apart }
    }

    pub fn line(&mut self, line: &Arc<Line>) -> Arc<Line> {
        if self.streams.len() >= STREAMS && !self.streams.contains_key(&line.id.stream) {
            self.streams.clear();
        }
        // From nothing but the line's own id: what is sent once more after a crash is the same line there.
        let at = if self.apart { line.id.at.saturating_add_nanos(line.id.ordinal.into()) } else { line.id.at };
        let last = self.streams.entry(line.id.stream).or_insert(Last { at: at.0, used: Vec::new(), head: (line.id, line.id) });
        if last.at != at.0 {
            last.at = at.0;
            last.used.clear();
        }
        let mut ordinal = ordinal_of(&line.text);
        while last.used.contains(&ordinal) && ordinal < u16::MAX {
            ordinal += 1;
        }
        if last.used.len() < USED {
            last.used.push(ordinal);
        }
        let id = EntryId { at, ordinal, ..line.id };
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
        let lines = [
            line(50, 0, "panic", id(50, 0)),
            line(50, 1, "  at main", id(50, 0)),
            line(50, 2, "  at main", id(50, 0)),
            line(60, 0, "  at main", id(50, 0)),
            line(70, 0, "next", id(70, 0)),
        ];
        let named = |apart| {
            let mut renumber = Renumber::new(apart);
            let named: Vec<Arc<Line>> = lines.iter().map(|line| renumber.line(line)).collect();
            assert!(named[..4].iter().all(|line| line.group == named[0].id));
            assert_eq!(named[4].group, named[4].id);
            named.iter().map(|line| (line.id.at.0, line.id.ordinal)).collect::<Vec<_>>()
        };
        let (head, same, next) = (ordinal_of("panic"), ordinal_of("  at main"), ordinal_of("next"));
        assert_eq!(named(false), [(50, head), (50, same), (50, same + 1), (60, same), (70, next)]);
        assert_eq!(named(true), [(50, head), (51, same), (52, same), (60, same), (70, next)], "shipped, they stay in their order");
    }
}
