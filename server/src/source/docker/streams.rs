//! The streams of one container. Which labels are copied from it may change with the configuration, but a line keeps the
//! labels, and with them the id, under which it was first taken: what is read again is recognised, whatever is copied by then.

use std::sync::Arc;

use model::{Labels, Timestamp};
use ops::source::Stream;

/// Of stdout and of stderr.
pub type Outputs = [Arc<Stream>; 2];

#[derive(Clone, Debug)]
pub struct ContainerStreams {
    now: Outputs,
    /// Until when (exclusive) lines belonged to others; the oldest first.
    former: Vec<(Timestamp, Outputs)>,
}

impl ContainerStreams {
    pub fn new(now: Outputs, former: Vec<(Timestamp, Outputs)>) -> Self {
        Self { now, former }
    }

    /// Those of lines that were written then.
    pub fn at(&self, at: Timestamp) -> &Outputs {
        self.former.iter().find(|(until, _)| at < *until).map_or(&self.now, |(_, outputs)| outputs)
    }

    pub fn now(&self) -> &Outputs {
        &self.now
    }

    /// The labels of both but for `stream`, which no scope tells apart.
    pub fn labels(&self) -> &Arc<Labels> {
        &self.now[0].labels
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.former.iter().flat_map(|(_, outputs)| outputs).chain(&self.now)
    }
}

#[cfg(test)]
mod tests {
    use ops::source::ServiceKey;

    use super::*;

    #[test]
    fn a_line_belongs_to_what_was_copied_when_it_was_written() {
        let outputs = |team: &str| {
            let key = ServiceKey { host: "local".into(), project: None, name: "web".into(), kind_file: false };
            ["stdout", "stderr"].map(|output| Arc::new(Stream::new(key.clone(), Labels::from([("stream", output), ("team", team)]))))
        };
        let streams = ContainerStreams::new(outputs("c"), vec![(Timestamp(10), outputs("a")), (Timestamp(20), outputs("b"))]);
        let team = |at| streams.at(Timestamp(at))[1].labels.get("team").unwrap().to_owned();
        assert_eq!([i64::MIN, 9, 10, 19, 20, i64::MAX].map(team), ["a", "a", "b", "b", "c", "c"]);
        assert_eq!((streams.all().count(), streams.labels().get("team")), (6, Some("c")));
    }
}
