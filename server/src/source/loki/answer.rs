//! Loki's answers, read (HTTP API reference; checked against recorded answers). With `categorize-labels` each line says which
//! labels are its stream's and which are not; a Loki that does not know that flag gives all of them as the stream's.

use std::{cmp::Ordering, collections::HashMap, fmt, sync::Arc};

use logql::{
    engine::{Labelled, LogRow, Matrix, MetricLabels, Sample, Series, StatsSnapshot, Value},
    read::StreamRef,
};
use model::{Direction, Labels, StreamHash};
use ops::source::engine::QueryError;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, SeqAccess, Visitor},
};

/// A line has no ordinal in Loki: a hash of its text stands in, so that it has the same id from the live stream, from any
/// search and after a restart (contract §3). Of two lines with one hash at one nanosecond the second gets the next number,
/// for which there is room above the hashes.
const HASHES: u64 = 0xff00;

pub fn ordinal_of(line: &str) -> u16 {
    u16::try_from(xxhash_rust::xxh3::xxh3_64(line.as_bytes()) % HASHES).expect("less than 0xff00")
}

/// Numbers the rows of whole nanoseconds and puts them in the order of their ids.
pub fn number(rows: &mut [LogRow], direction: Direction) {
    for row in rows.iter_mut() {
        row.ordinal = ordinal_of(&row.line);
    }
    let rank = |row: &LogRow| (row.at, row.stream.hash, row.ordinal);
    rows.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.line.cmp(&b.line)).then_with(|| a.labels.merged().cmp(&b.labels.merged())));
    let mut last: Option<(i64, StreamHash, u16)> = None;
    for row in rows.iter_mut() {
        if let Some((at, stream, ordinal)) = last
            && (at, stream) == (row.at, row.stream.hash)
            && row.ordinal <= ordinal
        {
            row.ordinal = ordinal.saturating_add(1);
        }
        last = Some((row.at, row.stream.hash, row.ordinal));
    }
    if direction == Direction::Backward {
        rows.reverse();
    }
}

/// Compares by place in a direction.
pub fn in_order(direction: Direction, a: &LogRow, b: &LogRow) -> Ordering {
    let rank = |row: &LogRow| (row.at, row.stream.hash, row.ordinal);
    match direction {
        Direction::Forward => rank(a).cmp(&rank(b)),
        Direction::Backward => rank(b).cmp(&rank(a)),
    }
}

/// What a query gave, and what Loki says of it.
#[derive(Debug)]
pub struct Answered<T> {
    pub value: T,
    pub stats: StatsSnapshot,
    pub warnings: Vec<String>,
}

pub fn rows(body: &[u8]) -> Result<Answered<Vec<LogRow>>, QueryError> {
    let Body { data, warnings } = read(body)?;
    let flagged = data.flags.iter().flatten().any(|flag| flag == "categorize-labels");
    match data.result {
        Kind::Streams(streams) => {
            let mut made = Streams::default();
            let rows = streams.into_iter().flatten().flat_map(|stream| made.rows(stream, flagged)).collect();
            Ok(Answered { value: rows, stats: data.stats.into(), warnings })
        }
        _ => Err(odd("it gave no lines")),
    }
}

pub fn matrix(body: &[u8]) -> Result<Answered<Matrix>, QueryError> {
    let Body { data, warnings } = read(body)?;
    match data.result {
        Kind::Matrix(series) => {
            let series = series
                .into_iter()
                .flatten()
                .map(|one| Series { labels: metric(one.metric), points: one.values.into_iter().map(Point::at).collect() });
            let mut matrix: Matrix = series.collect();
            matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
            Ok(Answered { value: matrix, stats: data.stats.into(), warnings })
        }
        _ => Err(odd("it gave no matrix")),
    }
}

pub fn instant(body: &[u8]) -> Result<Answered<Value>, QueryError> {
    let Body { data, warnings } = read(body)?;
    let value = match data.result {
        // In Loki's order, which is the query's where it sorts.
        Kind::Vector(samples) => {
            Value::Vector(samples.into_iter().flatten().map(|one| Sample { labels: metric(one.metric), value: one.value.at().1 }).collect())
        }
        Kind::Scalar(point) => Value::Scalar(point.at().1),
        _ => return Err(odd("it gave neither a vector nor a scalar")),
    };
    Ok(Answered { value, stats: data.stats.into(), warnings })
}

/// The label sets of `series`.
pub fn series(body: &[u8]) -> Result<Vec<Labels>, QueryError> {
    #[derive(Deserialize)]
    struct Told {
        #[serde(default)]
        data: Option<Vec<Labels>>,
    }
    Ok(read::<Told>(body)?.data.unwrap_or_default())
}

/// `index/stats`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IndexStats {
    pub streams: u64,
    pub chunks: u64,
    pub bytes: u64,
    pub entries: u64,
}

pub fn index_stats(body: &[u8]) -> Result<IndexStats, QueryError> {
    read(body)
}

/// A frame of the tail: its lines, and the times of those that Loki dropped.
pub fn frame(text: &str) -> Result<(Vec<LogRow>, Vec<i64>), QueryError> {
    #[derive(Deserialize)]
    struct Frame {
        #[serde(default)]
        streams: Option<Vec<StreamTold>>,
        #[serde(default)]
        dropped_entries: Option<Vec<Dropped>>,
        #[serde(default, rename = "encodingFlags")]
        flags: Option<Vec<String>>,
    }
    #[derive(Deserialize)]
    struct Dropped {
        #[serde(deserialize_with = "nanos")]
        timestamp: i64,
    }
    let frame: Frame = read(text.as_bytes())?;
    let flagged = frame.flags.iter().flatten().any(|flag| flag == "categorize-labels");
    let mut made = Streams::default();
    let rows = frame.streams.into_iter().flatten().flat_map(|stream| made.rows(stream, flagged)).collect();
    Ok((rows, frame.dropped_entries.into_iter().flatten().map(|one| one.timestamp).collect()))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, QueryError> {
    serde_json::from_slice(body).map_err(|error| odd(&error.to_string()))
}

fn odd(why: &str) -> QueryError {
    QueryError::Refused { status: 502, message: format!("loki's answer cannot be read: {why}") }
}

fn metric(labels: HashMap<String, String>) -> MetricLabels {
    let mut labels: Vec<(String, String)> = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    labels.sort();
    labels.into()
}

/// One `StreamRef` for each label set, one `Labelled` for lines in a row that have the same.
#[derive(Default)]
struct Streams {
    known: HashMap<StreamHash, Arc<StreamRef>>,
}

impl Streams {
    fn rows(&mut self, told: StreamTold, flagged: bool) -> Vec<LogRow> {
        let StreamTold { mut stream, values } = told;
        // Loki puts it beside the lines; folded into the stream, it is no label of it.
        let level = if flagged { None } else { stream.0.remove("detected_level") };
        let hash = stream.hash64();
        let pairs: Vec<(String, String)> = stream.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let reference = self.known.entry(hash).or_insert_with(|| Arc::new(StreamRef { labels: stream, hash })).clone();
        let mut labels = Arc::new(Labelled::default());
        let row = |ValueTold { at, line, mut more }: ValueTold| {
            more.metadata.extend(level.clone().map(|level| ("detected_level".to_owned(), level)));
            more.metadata.sort();
            more.parsed.sort();
            if labels.stream.is_empty() || labels.metadata != more.metadata || labels.parsed != more.parsed {
                labels = Arc::new(Labelled { stream: pairs.clone(), metadata: more.metadata, parsed: more.parsed });
            }
            LogRow { at, ordinal: 0, stream: reference.clone(), line, labels: labels.clone() }
        };
        values.into_iter().map(row).collect()
    }
}

#[derive(Deserialize)]
struct Body {
    data: Data,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(flatten)]
    result: Kind,
    #[serde(default, rename = "encodingFlags")]
    flags: Option<Vec<String>>,
    #[serde(default)]
    stats: StatsTold,
}

/// Go writes an empty list as `null` where nobody made one.
#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Kind {
    Streams(Option<Vec<StreamTold>>),
    Matrix(Option<Vec<SeriesTold>>),
    Vector(Option<Vec<SampleTold>>),
    Scalar(Point),
}

#[derive(Deserialize)]
struct StreamTold {
    stream: Labels,
    #[serde(default)]
    values: Vec<ValueTold>,
}

#[derive(Deserialize)]
struct SeriesTold {
    metric: HashMap<String, String>,
    values: Vec<Point>,
}

#[derive(Deserialize)]
struct SampleTold {
    metric: HashMap<String, String>,
    value: Point,
}

/// Seconds and a number's text.
#[derive(Deserialize)]
struct Point(f64, #[serde(deserialize_with = "number_text")] f64);

impl Point {
    /// Loki tells milliseconds, which a float holds exactly enough; of an instant scalar it tells a nonsense time.
    fn at(self) -> (i64, f64) {
        (((self.0 * 1_000.0).round() as i64).saturating_mul(1_000_000), self.1)
    }
}

fn number_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is no number")))
}

fn nanos<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is no time")))
}

/// `["<ns>", "line"]` or `["<ns>", "line", {…}]`.
struct ValueTold {
    at: i64,
    line: String,
    more: More,
}

#[derive(Default)]
struct More {
    metadata: Vec<(String, String)>,
    parsed: Vec<(String, String)>,
}

impl<'de> Deserialize<'de> for More {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Told {
            #[serde(default, rename = "structuredMetadata")]
            metadata: HashMap<String, String>,
            #[serde(default)]
            parsed: HashMap<String, String>,
        }
        let told = Told::deserialize(deserializer)?;
        Ok(Self { metadata: told.metadata.into_iter().collect(), parsed: told.parsed.into_iter().collect() })
    }
}

impl<'de> Deserialize<'de> for ValueTold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = ValueTold;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time in nanoseconds as text, a line, and what belongs to it")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ValueTold, A::Error> {
                let missing = |at| serde::de::Error::invalid_length(at, &"two or three members");
                let at: String = seq.next_element()?.ok_or_else(|| missing(0))?;
                let line: String = seq.next_element()?.ok_or_else(|| missing(1))?;
                let more = seq.next_element()?.unwrap_or_default();
                while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                let at = at.parse().map_err(|_| serde::de::Error::custom(format!("`{at}` is no time")))?;
                Ok(ValueTold { at, line, more })
            }
        }
        deserializer.deserialize_seq(Members)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatsTold {
    summary: Summary,
    querier: Querier,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Summary {
    total_bytes_processed: u64,
    total_lines_processed: u64,
    total_entries_returned: u64,
    total_post_filter_lines: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Querier {
    store: QuerierStore,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct QuerierStore {
    #[serde(rename = "totalChunksRef")]
    refs: u64,
    #[serde(rename = "totalChunksDownloaded")]
    downloaded: u64,
    chunk: Chunk,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chunk {
    #[serde(rename = "compressedBytes")]
    compressed: u64,
}

impl From<StatsTold> for StatsSnapshot {
    fn from(told: StatsTold) -> Self {
        let store = told.querier.store;
        Self {
            lines: told.summary.total_lines_processed,
            bytes: told.summary.total_bytes_processed,
            compressed: store.chunk.compressed,
            parts: store.refs,
            parts_read: store.downloaded,
            parts_skipped: store.refs.saturating_sub(store.downloaded),
            matched: told.summary.total_post_filter_lines,
            entries: told.summary.total_entries_returned,
        }
    }
}

/// Sums what several requests took.
pub fn add(sum: &mut StatsSnapshot, more: &StatsSnapshot) {
    sum.lines += more.lines;
    sum.bytes += more.bytes;
    sum.compressed += more.compressed;
    sum.parts += more.parts;
    sum.parts_read += more.parts_read;
    sum.parts_skipped += more.parts_skipped;
    sum.matched += more.matched;
    sum.entries += more.entries;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &str, flags: &str) -> Vec<LogRow> {
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"streams","result":[{{"stream":{{"app":"a","detected_level":"info"}},"values":{values}}}],"stats":{{}}{flags}}}}}"#
        );
        rows(body.as_bytes()).unwrap().value
    }

    #[test]
    fn lines_are_read_with_and_without_categories() {
        let rows = told(
            r#"[["5","x",{"structuredMetadata":{"z":"1","a":"2"},"parsed":{"p":"3"}}],["4","y",{}]]"#,
            r#","encodingFlags":["categorize-labels"]"#,
        );
        assert_eq!(rows[0].labels.metadata, [("a".to_owned(), "2".to_owned()), ("z".to_owned(), "1".to_owned())]);
        assert_eq!((rows[0].labels.get("p"), rows[1].labels.get("p"), rows[1].at), (Some("3"), None, 4));
        assert_eq!(rows[0].stream.labels.get("detected_level"), Some("info"), "it was a label there");
        let rows = told(r#"[["5","x"]]"#, "");
        assert_eq!((rows[0].stream.labels.get("detected_level"), rows[0].labels.get("detected_level")), (None, Some("info")));
        for body in [
            "",
            "{}",
            r#"{"data":{"resultType":"streams","result":[{"stream":{},"values":[["x","y"]]}]}}"#,
            r#"{"data":{"resultType":"matrix","result":null}}"#,
        ] {
            assert!(super::rows(body.as_bytes()).is_err(), "{body}");
        }
        assert!(super::rows(br#"{"data":{"resultType":"streams","result":null}}"#).unwrap().value.is_empty());
    }

    #[test]
    fn lines_of_one_nanosecond_have_numbers_of_their_own_that_do_not_change() {
        let mut rows = told(r#"[["5","b"],["5","a"],["5","a"],["4","a"]]"#, "");
        number(&mut rows, Direction::Forward);
        let ids: Vec<_> = rows.iter().map(|row| (row.at, row.ordinal, row.line.clone())).collect();
        let a = ordinal_of("a");
        assert_eq!(ids.iter().filter(|(at, ..)| *at == 4).collect::<Vec<_>>(), [&(4, a, "a".to_owned())]);
        for expect in [(5, a, "a".to_owned()), (5, a + 1, "a".to_owned()), (5, ordinal_of("b"), "b".to_owned())] {
            assert!(ids.contains(&expect), "{ids:?}");
        }
        let mut backward = rows.clone();
        number(&mut backward, Direction::Backward);
        backward.reverse();
        assert_eq!(rows, backward);
    }
}
