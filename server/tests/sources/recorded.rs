//! What a real Loki answered, read by us.

use std::sync::{Arc, Mutex};

use logql::{
    ast::Expr,
    engine::{LogParams, LogRow, RangeParams, Value as Answered, format_value},
    syntax,
};
use model::{Direction, time::NANOS_PER_SEC};
use ops::source::engine::{How, LogEngine, QueryError};
use serde_json::{Map, Value, json};
use server::source::loki::LokiEngine;

use crate::common::loki::{Told, Upstream, client};

const RECORDINGS: &str = include_str!("../loki/recordings.ndjson");
const T0: i64 = 1_795_365_360 * NANOS_PER_SEC;

fn object<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
}

/// `[time, line, labels of all kinds]`, sorted.
fn recorded_lines(result: &Value) -> Vec<Value> {
    let mut lines = Vec::new();
    for stream in result.as_array().unwrap() {
        for value in stream["values"].as_array().unwrap() {
            let mut labels: Map<String, Value> = stream["stream"].as_object().unwrap().clone();
            for kind in ["structuredMetadata", "parsed"] {
                labels.extend(value[2][kind].as_object().cloned().unwrap_or_default());
            }
            lines.push(json!([value[0], value[1], labels]));
        }
    }
    lines.sort_by_key(Value::to_string);
    lines
}

fn read_lines(rows: &[LogRow]) -> Vec<Value> {
    let mut lines: Vec<Value> = rows.iter().map(|row| json!([row.at.to_string(), row.line, object(row.labels.merged())])).collect();
    lines.sort_by_key(Value::to_string);
    lines
}

/// Series with their points as Prometheus prints them, sorted.
fn series(list: impl Iterator<Item = (Value, Vec<(f64, String)>)>) -> Vec<String> {
    let mut series: Vec<String> = list.map(|(labels, points)| format!("{labels} {points:?}")).collect();
    series.sort();
    series
}

fn point(value: &Value) -> (f64, String) {
    (value[0].as_f64().unwrap(), format_value(value[1].as_str().unwrap().parse().unwrap()))
}

fn sorted(labels: &Value) -> Value {
    // serde_json's maps are sorted; a copy makes sure of it.
    Value::Object(labels.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_answers_are_read_whole() {
    let now: Arc<Mutex<(u16, String)>> = Arc::default();
    let answer = now.clone();
    let upstream = Upstream::start(move |_, number| {
        let (status, body) = answer.lock().unwrap().clone();
        let empty = json!({ "status": "success", "data": { "resultType": "streams", "result": [], "stats": {} } }).to_string();
        // An answer as long as the limit has a question behind it.
        if number > 0 && status == 200 && body.contains("\"streams\"") { Told::new(200, empty) } else { Told::new(status, body) }
    })
    .await;
    let mut counts = [0; 4];
    for recording in RECORDINGS.lines() {
        let recording: Value = serde_json::from_str(recording).unwrap();
        let (name, asked) = (recording["name"].as_str().unwrap(), &recording["request"]);
        let Ok(expr) = syntax::parse(asked["query"]["query"].as_str().unwrap_or_default()) else { continue };
        let is_instant = asked["path"] == "/loki/api/v1/query";
        if !(is_instant || asked["path"] == "/loki/api/v1/query_range") || recording["status"] == 404 {
            continue;
        }
        let body = &recording["body"];
        let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        *now.lock().unwrap() = (u16::try_from(recording["status"].as_u64().unwrap()).unwrap(), text.clone());
        upstream.asked.lock().unwrap().clear();
        let engine = LokiEngine(client(&upstream.url()));
        let how = How { now: server::clock::now(), partial_series: false };
        let result = &body["data"]["result"];
        if recording["status"] != 200 {
            let error = match &expr {
                Expr::Log(log) if !is_instant => engine.logs(log, all(), how).await.map(|_| ()),
                Expr::Metric(metric) if !is_instant => engine.range(metric, steps(), how).await.map(|_| ()),
                _ => engine.instant(&expr, T0, how).await.map(|_| ()),
            };
            match error.unwrap_err() {
                QueryError::Refused { message, .. } => assert_eq!(message, text.trim(), "{name}"),
                other => assert!(is_instant, "{name}: {other}"),
            }
            counts[0] += 1;
            continue;
        }
        match (&expr, body["data"]["resultType"].as_str().unwrap()) {
            (Expr::Log(log), "streams") => {
                let rows = engine.logs(log, all(), how).await.unwrap().value;
                assert_eq!(read_lines(&rows), recorded_lines(result), "{name}");
                let flagged = !body["data"]["encodingFlags"].is_null();
                assert!(flagged || rows.iter().all(|row| row.stream.labels.get("detected_level").is_none()), "{name}");
                counts[1] += 1;
            }
            (Expr::Metric(metric), "matrix") => {
                let matrix = engine.range(metric, steps(), how).await.unwrap().value;
                let found = series(matrix.iter().map(|one| {
                    let points = one.points.iter().map(|(at, value)| (*at as f64 / 1e9, format_value(*value))).collect();
                    (object(one.labels.iter().map(|(name, value)| (&**name, &**value))), points)
                }));
                let expect = result
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| (sorted(&one["metric"]), one["values"].as_array().unwrap().iter().map(point).collect()));
                assert_eq!(found, series(expect), "{name}");
                counts[2] += 1;
            }
            (_, "vector") => {
                let Answered::Vector(samples) = engine.instant(&expr, T0, how).await.unwrap().value else { panic!("{name}") };
                let found: Vec<_> = samples
                    .iter()
                    .map(|one| json!([object(one.labels.iter().map(|(name, value)| (&**name, &**value))), format_value(one.value)]))
                    .collect();
                let expect: Vec<_> = result.as_array().unwrap().iter().map(|one| json!([one["metric"], point(&one["value"]).1])).collect();
                assert_eq!(found, expect, "{name}: in Loki's order");
                counts[3] += 1;
            }
            (_, "scalar") => {
                let found = engine.instant(&expr, T0, how).await.unwrap().value;
                assert_eq!(found, Answered::Scalar(result[1].as_str().unwrap().parse().unwrap()), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    println!("{counts:?} errors, lines, matrices, vectors");
    assert!(counts[0] >= 10 && counts[1] >= 80 && counts[2] >= 40 && counts[3] >= 8, "{counts:?}");
}

/// The recording decides what comes; the range must only not be cut into windows.
fn all() -> LogParams {
    let now = server::clock::now().0;
    LogParams {
        start: now - 3_600 * NANOS_PER_SEC,
        end: now,
        limit: Some(4_000),
        direction: Direction::Backward,
        after: None,
        interval_ns: 0,
    }
}

fn steps() -> RangeParams {
    RangeParams { start: T0, end: T0 + 600 * NANOS_PER_SEC, step: 60 * NANOS_PER_SEC }
}
