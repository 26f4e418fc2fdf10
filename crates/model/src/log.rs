//! Log lines, the services they come from, and a page of them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{EntryId, StreamHash},
    problem::Problem,
    time::Timestamp,
};

/// How grave a line says it is. Ordered: `Unknown` lowest, then `Trace` to `Fatal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    #[default]
    Unknown,
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    pub const ALL: [Self; 7] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal, Self::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a level: use trace, debug, info, warn, error, fatal or unknown"))
    }
}

/// The label set of a stream (contract §6), sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

impl Labels {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// FNV-1a, 64 bits (draft-eastlake-fnv), over each name and value, each closed by a byte that UTF-8 never holds.
    /// It is part of every line's id: it must never change.
    pub fn hash64(&self) -> StreamHash {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for (name, value) in &self.0 {
            for byte in name.bytes().chain([0xff]).chain(value.bytes()).chain([0xfe]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        StreamHash(hash)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Labels {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// One physical line, understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub id: EntryId,
    pub timestamp: Timestamp,
    /// The service's name (not its id: `labels` tell services of one name apart).
    pub service: String,
    pub level: Level,
    /// The line as it was written, ANSI codes and all; invalid UTF-8 replaced by U+FFFD. Cut to
    /// [`Entry::MAX_MESSAGE_BYTES`] on a live socket; `cut` then says how long it was.
    pub message: String,
    /// The fields of a JSON or logfmt line, in the order of the line; nested values as `a.b`. Empty for plain text.
    #[serde(default)]
    pub fields: Fields,
    pub labels: std::sync::Arc<Labels>,
    /// The id of the line that heads this one's group (a stack trace, say); its own id where it stands alone.
    pub group: EntryId,
    /// The whole message's length in bytes, where `message` was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<u64>,
}

impl Entry {
    pub const MAX_MESSAGE_BYTES: usize = 16 * 1024;

    /// With a message of at most [`Entry::MAX_MESSAGE_BYTES`], as a live view shows it.
    #[must_use]
    pub fn cut(mut self) -> Self {
        if self.message.len() > Self::MAX_MESSAGE_BYTES {
            self.cut = Some(self.message.len() as u64);
            self.message.truncate(self.message.floor_char_boundary(Self::MAX_MESSAGE_BYTES));
        }
        self
    }
}

/// Ordered name–value pairs; on the wire a JSON object whose keys keep the line's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Serialize for Fields {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> serde::de::Visitor<'de> for Pairs {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Fields(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Where a service's lines come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceKind {
    Container,
    File,
    Console,
    Pushed,
}

/// What a service is doing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceStatus {
    /// At least one container runs, or the file exists.
    Running,
    Paused,
    Restarting,
    /// Every container of it has exited.
    Exited,
    /// Its container or file is gone; what was collected may still be there.
    Removed,
    /// The Docker Engine does not answer, so nobody knows.
    Unreachable,
}

/// Something that logs, as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// `[host/]project/name`, or the bare name where that is unique.
    pub id: String,
    pub name: String,
    pub project: Option<String>,
    pub host: String,
    pub kind: ServiceKind,
    pub status: ServiceStatus,
    /// The worst level seen within the last five minutes.
    pub level: Level,
    /// Lines collected since the console started.
    pub lines: u64,
    /// Lines collected in the last whole minute.
    pub lines_per_minute: u64,
    /// Lines of level error or fatal within the last five minutes.
    pub errors: u64,
    pub last_seen: Option<Timestamp>,
    /// Names of its containers, or the file's path.
    pub members: Vec<String>,
}

/// Which end of a range comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Forward,
    #[default]
    Backward,
}

/// What a person asks of the logs, in the words of a URL: the same for a page, an export, a histogram and a socket.
/// Texts are as typed; `ops` parses and refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct LogAsk {
    /// LogQL, in place of `service`, `level`, `search`, `regex`, `invert` and `field`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Names or ids of services; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<String>,
    /// Level names; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub level: Vec<String>,
    /// Text to look for; with `regex`, a regular expression. Without capitals it ignores case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    pub regex: bool,
    /// Wants the lines that do not match `search`.
    pub invert: bool,
    /// `name=value` or `name!=value`, on the fields of JSON and logfmt lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub field: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// One page of a search. `logs` is in the asked direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogPage {
    pub logs: Vec<Entry>,
    /// Pass as `cursor` with the same filters for the page behind this one.
    pub next_cursor: Option<String>,
    pub has_more: bool,
    pub stats: ScanStats,
    /// Sources that failed; the page holds what the others had.
    pub warnings: Vec<Problem>,
}

/// Counts by level per step of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    pub step_ms: i64,
    pub steps: Vec<HistogramStep>,
    pub warnings: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistogramStep {
    /// The step's beginning; it ends before the next one's.
    pub start: Timestamp,
    pub counts: BTreeMap<String, u64>,
}

/// The answer to a metric query over a range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogMetric {
    pub step_ms: i64,
    /// Sorted by labels.
    pub series: Vec<MetricSeries>,
    pub stats: ScanStats,
    pub warnings: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSeries {
    /// Sorted by name.
    pub labels: Vec<(String, String)>,
    /// Unix milliseconds and value, ascending; times without a value are left out.
    pub points: Vec<(i64, f64)>,
}

/// What a LogQL text is, for an editor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum QueryCheck {
    /// It answers with lines.
    Log,
    /// It answers with numbers.
    Metric,
    /// Bytes `start..end` of the text are wrong.
    Wrong { message: String, start: u32, end: u32 },
}

/// What a search looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanStats {
    pub lines_scanned: u64,
    pub bytes_scanned: u64,
    pub elapsed_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_the_order_of_the_line() {
        let text = r#"{"zulu":"1","alpha":"2","mike":"3"}"#;
        let fields: Fields = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&fields).unwrap(), text);
    }

    #[test]
    fn the_stream_hash_is_pinned() {
        assert_eq!(
            Labels::from([("service", "web"), ("stream", "stdout")]).hash64(),
            StreamHash(Labels::from([("stream", "stdout"), ("service", "web")]).hash64().0)
        );
        assert_ne!(Labels::from([("a", "bc")]).hash64(), Labels::from([("ab", "c")]).hash64());
        assert_eq!(Labels::default().hash64(), StreamHash(0xcbf2_9ce4_8422_2325));
    }
}
