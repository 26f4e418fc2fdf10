//! What Loki answers, in its shapes (HTTP API reference; checked against recorded answers).

use std::collections::HashMap;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use logql::engine::{LogRow, MetricLabels, Sample, Series, StatsSnapshot, Value as Result_, format_value};
use ops::source::engine::Ran;
use serde_json::{Map, Value, json};

/// Statistics that Loki splits by component; ours are those of a store.
pub fn stats(stats: &StatsSnapshot, elapsed: std::time::Duration) -> Value {
    let seconds = elapsed.as_secs_f64();
    let per_second = |amount: u64| if seconds > 0.0 { (amount as f64 / seconds) as u64 } else { 0 };
    let chunk = json!({
        "headChunkBytes": 0, "headChunkLines": 0, "decompressedBytes": stats.bytes, "decompressedLines": stats.lines,
        "compressedBytes": stats.compressed, "totalDuplicates": 0, "postFilterLines": stats.matched,
        "headChunkStructuredMetadataBytes": 0, "decompressedStructuredMetadataBytes": 0,
    });
    let none = json!({
        "headChunkBytes": 0, "headChunkLines": 0, "decompressedBytes": 0, "decompressedLines": 0, "compressedBytes": 0,
        "totalDuplicates": 0, "postFilterLines": 0, "headChunkStructuredMetadataBytes": 0, "decompressedStructuredMetadataBytes": 0,
    });
    let cache = json!({
        "entriesFound": 0, "entriesRequested": 0, "entriesStored": 0, "bytesReceived": 0, "bytesSent": 0, "requests": 0,
        "downloadTime": 0, "queryLengthServed": 0,
    });
    let caches = ["chunk", "index", "result", "statsResult", "volumeResult", "seriesResult", "labelResult", "instantMetricResult"];
    json!({
        "summary": {
            "bytesProcessedPerSecond": per_second(stats.bytes), "linesProcessedPerSecond": per_second(stats.lines),
            "totalBytesProcessed": stats.bytes, "totalLinesProcessed": stats.lines, "execTime": seconds, "queueTime": 0,
            "subqueries": 0, "totalEntriesReturned": stats.entries, "splits": 0, "shards": 0,
            "totalPostFilterLines": stats.matched, "totalStructuredMetadataBytesProcessed": 0,
        },
        "querier": { "store": {
            "totalChunksRef": stats.parts, "totalChunksDownloaded": stats.parts_read, "chunksDownloadTime": 0, "chunk": chunk,
            "chunkRefsFetchTime": 0, "congestionControlLatency": 0, "pipelineWrapperFilteredLines": 0,
        } },
        "ingester": {
            "totalReached": 0, "totalChunksMatched": 0, "totalBatches": 0, "totalLinesSent": 0,
            "store": { "totalChunksRef": 0, "totalChunksDownloaded": 0, "chunksDownloadTime": 0, "chunk": none },
        },
        "cache": caches.into_iter().map(|name| (name.to_owned(), cache.clone())).collect::<Map<_, _>>(),
        "index": { "totalChunks": stats.parts, "postFilterChunks": stats.parts - stats.parts_skipped.min(stats.parts), "shardsDuration": 0, "usedBloomFilters": stats.parts_skipped > 0 },
    })
}

/// `{"status":"success","data":{…}}` of a query.
pub fn success<T>(kind: &str, result: Value, ran: &Ran<T>, flags: Option<&[String]>) -> Response {
    let mut data = json!({ "resultType": kind, "result": result, "stats": stats(&ran.stats, ran.elapsed) });
    if let Some(flags) = flags {
        data["encodingFlags"] = json!(flags);
    }
    let mut body = json!({ "status": "success", "data": data });
    if !ran.warnings.is_empty() {
        body["warnings"] = json!(ran.warnings);
    }
    answer(&body)
}

pub fn answer(body: &Value) -> Response {
    let mut bytes = serde_json::to_vec(body).expect("JSON values serialise");
    bytes.push(b'\n');
    ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], bytes).into_response()
}

/// An error as Loki gives it: the bare message.
pub fn refused(status: StatusCode, message: impl Into<String>) -> Response {
    let mut response = Response::new(Body::from(message.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn object<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
}

/// Rows by stream, streams in the order of their first line. Without `categorize` what a line adds to its stream's labels is
/// part of the stream; with it, a third member of each value says what it adds and where from.
pub fn streams<'a>(rows: impl IntoIterator<Item = &'a LogRow>, categorize: bool) -> Value {
    let mut places: HashMap<Vec<(&str, &str)>, usize> = HashMap::new();
    let mut streams: Vec<(Value, Vec<Value>)> = Vec::new();
    for row in rows {
        let labels: Vec<(&str, &str)> = if categorize { pairs(&row.labels.stream).collect() } else { row.labels.merged() };
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            streams.push((object(labels.iter().copied()), Vec::new()));
            streams.len() - 1
        });
        let at = row.at.to_string();
        streams[place].1.push(if categorize {
            let mut more = Map::new();
            for (name, list) in [("structuredMetadata", &row.labels.metadata), ("parsed", &row.labels.parsed)] {
                if !list.is_empty() {
                    more.insert(name.to_owned(), object(pairs(list)));
                }
            }
            json!([at, row.line, more])
        } else {
            json!([at, row.line])
        });
    }
    streams.into_iter().map(|(stream, values)| json!({ "stream": stream, "values": values })).collect()
}

fn pairs(list: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    list.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Seconds as a JSON number, whole where they are, else to the millisecond.
pub fn seconds(nanos: i64) -> Value {
    const SECOND: i64 = model::time::NANOS_PER_SEC;
    if nanos % SECOND == 0 { json!(nanos / SECOND) } else { json!((nanos.div_euclid(1_000_000)) as f64 / 1e3) }
}

fn metric(labels: &MetricLabels) -> Value {
    object(pairs(labels))
}

pub fn matrix(series: &[Series]) -> Value {
    let points = |points: &[(i64, f64)]| points.iter().map(|&(at, value)| json!([seconds(at), format_value(value)])).collect::<Vec<_>>();
    series.iter().map(|series| json!({ "metric": metric(&series.labels), "values": points(&series.points) })).collect()
}

/// `resultType` and `result` of an instant answer.
pub fn instant(value: &Result_, at: i64) -> (&'static str, Value) {
    let sample = |sample: &Sample| json!({ "metric": metric(&sample.labels), "value": [seconds(at), format_value(sample.value)] });
    match value {
        Result_::Vector(samples) => ("vector", samples.iter().map(sample).collect()),
        Result_::Scalar(value) => ("scalar", json!([seconds(at), format_value(*value)])),
    }
}
