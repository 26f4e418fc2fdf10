//! Lines as a collector publishes them, made by the thousand.

use std::sync::Arc;

use model::{EntryId, Labels, Level, Timestamp};
use ops::source::{Line, ServiceKey, Stream};

pub fn stream() -> Arc<Stream> {
    let key = ServiceKey { host: "local".into(), project: None, name: "flood".into(), kind_file: false };
    Arc::new(Stream::new(key, Labels::from([("service", "flood")])))
}

/// Lines `n=…`, a nanosecond apart.
pub fn lines(stream: &Arc<Stream>, range: std::ops::Range<u64>, padding: &str) -> Vec<Arc<Line>> {
    range
        .map(|n| {
            let at = Timestamp(1_772_359_200_000_000_000 + i64::try_from(n).unwrap());
            let id = EntryId { at, stream: stream.hash, ordinal: 0 };
            Arc::new(Line { id, stream: stream.clone(), text: format!("n={n} {padding}").into(), level: Level::Info, group: id })
        })
        .collect()
}
