//! Against what Loki 3.7 answered on a small data set: 341 lines of a JSON, a logfmt and a mixed service.

use std::{borrow::Cow, collections::BTreeMap};

use logpush::{
    drain::{self, Patterns},
    fields::{FieldRow, detected_field_values, detected_fields, detected_labels},
    level,
};
use model::Labels;
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    at: String,
    level: String,
    labels: Labels,
    line: String,
    metadata: BTreeMap<String, String>,
}

impl Line {
    fn at(&self) -> i64 {
        self.at.parse().expect("a number")
    }

    fn app(&self) -> &str {
        self.labels.get("app").expect("every line has an app")
    }
}

fn lines() -> Vec<Line> {
    let mut lines: Vec<Line> =
        include_str!("data/lines.ndjson").lines().map(|line| serde_json::from_str(line).expect("a line of the data set")).collect();
    lines.sort_by_key(Line::at);
    lines
}

#[test]
fn every_line_has_its_level() {
    let lines = lines();
    assert_eq!(lines.len(), 341);
    for line in &lines {
        let metadata: Vec<_> =
            line.metadata.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value.as_str()))).collect();
        assert_eq!(level::detect(&line.labels, &metadata, &line.line), line.level, "{}", line.line);
    }
}

#[test]
fn the_patterns_are_the_same() {
    let check = |app: &str, pattern: &str, level: &str, samples: &[u64]| {
        // A group of patterns to a stream, as in an ingester.
        let mut streams: BTreeMap<Labels, Patterns> = BTreeMap::new();
        for line in lines().iter().filter(|line| line.app() == app) {
            streams.entry(line.labels.clone()).or_insert_with(|| Patterns::new(drain::Config::default())).train(
                &line.level,
                &line.line,
                line.at(),
            );
        }
        let start = 1_795_365_360;
        let got = drain::merge(streams.values(), start * 1_000_000_000, (start + 660) * 1_000_000_000, 60_000_000_000, Patterns::MIN_LINES);
        let samples: Vec<_> = samples.iter().enumerate().map(|(at, lines)| (start + 60 * at as i64, *lines)).collect();
        let [only] = &got[..] else { panic!("{got:#?}") };
        assert_eq!((only.pattern.as_str(), only.level.as_str(), &only.samples), (pattern, level, &samples));
    };
    check(
        "gateway",
        r#"level=info ts=<_> method=GET path=<_> status=<_> duration=<_> bytes=<_> remote=<_> msg="request done" ua=<_>"#,
        "info",
        &[5, 2, 8, 5, 3, 3, 7, 2, 3, 1],
    );
    check("checkout", "<_>order <_> placed for user <_> in <_> ms<_>", "info", &[7, 8, 8, 8, 8, 7, 8, 8, 8, 7]);
    check("worker", "heartbeat from <_> ok, uptime <_>, rss <_> kB", "unknown", &[4; 10]);
}

#[derive(Deserialize)]
struct Expected {
    app: String,
    filter: String,
    fields: Vec<serde_json::Value>,
}

/// The newest 100 lines, as Loki samples them.
fn with_rows<T>(app: &str, filter: &str, take: impl FnOnce(&[FieldRow<'_>]) -> T) -> T {
    let lines = lines();
    let wanted: Vec<_> = lines
        .iter()
        .rev()
        .filter(|line| app.is_empty() || line.app() == app)
        .filter(|line| if filter == "5xx" { line.line.contains("\"status\":5") } else { line.line.contains(filter) })
        .take(100)
        .map(|line| {
            let mut metadata: Vec<_> = line.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            metadata.push(("detected_level", &line.level));
            (line, metadata)
        })
        .collect();
    let rows: Vec<_> = wanted.iter().map(|(line, metadata)| FieldRow { line: &line.line, labels: &line.labels, metadata }).collect();
    take(&rows)
}

#[test]
fn the_fields_are_the_same() {
    let expected: Vec<Expected> = serde_json::from_str(include_str!("data/fields.json")).unwrap();
    for expected in expected {
        let got = with_rows(&expected.app, &expected.filter, |rows| detected_fields(rows.iter().copied(), 1000));
        let mut got: Vec<_> = got.fields.iter().map(|field| serde_json::to_value(field).unwrap()).collect();
        got.sort_by_key(|field| field["label"].as_str().map(str::to_owned));
        assert_eq!(got, expected.fields, "{} {}", expected.app, expected.filter);
    }
}

#[test]
fn the_values_of_a_field_are_the_same() {
    let mut got = with_rows("gateway", "", |rows| detected_field_values(rows.iter().copied(), "method", 1000));
    got.values.sort();
    assert_eq!((got.values, got.limit), (["DELETE", "GET", "POST"].map(str::to_owned).to_vec(), Some(1000)));
}

#[test]
fn the_labels_are_the_same() {
    let mut values: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    for line in lines() {
        for (name, value) in line.labels.0 {
            values.entry(name).or_default().insert(value);
        }
    }
    let got = detected_labels(values.iter().map(|(name, values)| (name.clone(), values.iter().map(String::as_str))));
    let expect = r#"{"detectedLabels":[{"label":"app","cardinality":3},{"label":"env","cardinality":2},{"label":"format","cardinality":1},{"label":"host","cardinality":2}]}"#;
    assert_eq!(serde_json::to_string(&got).unwrap(), expect);
}
