use super::*;
use crate::{Bounds, json};

/// 2026-11-22T16:50:43Z
const NOW: i64 = 1_795_366_243 * SECOND;

fn refusal(body: &str) -> Option<(u16, String)> {
    normalise(json::decode(body.as_bytes(), &Bounds::default()).unwrap(), &Limits::default(), NOW).refusal()
}

fn check(body: &str, expect: Option<(u16, &str)>) {
    let got = refusal(body);
    assert_eq!(got.as_ref().map(|(code, text)| (*code, text.as_str())), expect, "{body}");
}

#[test]
fn pushes_are_taken_or_refused_in_lokis_words() {
    let one = |labels: &str, at: &str, line: &str| format!(r#"{{"streams": [{{"stream": {labels}, "values": [["{at}", "{line}"]]}}]}}"#);
    let ok = "1795365360000000000";
    let app = r#"{"app": "e"}"#;
    check(r#"{"streams": []}"#, Some((422, "error at least one valid stream is required for ingestion")));
    check(&one("{}", ok, "x"), None);
    check(
        &one(app, "1792773360000000000", "x"),
        Some((
            400,
            "entry for stream '{app=\"e\", service_name=\"e\"}' has timestamp too old: 2026-10-23T16:36:00Z, oldest acceptable timestamp is: 2026-11-15T16:50:43Z",
        )),
    );
    check(
        &one(app, "1795369834820579256", "x"),
        Some((400, "entry for stream '{app=\"e\", service_name=\"e\"}' has timestamp too new: 2026-11-22T17:50:34Z")),
    );
    let labels: Vec<_> = (0..20).map(|n| format!(r#""l{n:02}": "v""#)).collect();
    let shown: Vec<_> = (0..20).map(|n| format!(r#"l{n:02}="v""#)).collect();
    check(
        &one(&format!("{{{}}}", labels.join(", ")), ok, "x"),
        Some((400, &format!("entry for stream '{{{}, service_name=\"unknown_service\"}}' has 20 label names; limit 15", shown.join(", ")))),
    );
    check(&one(&format!("{{{}}}", labels[..15].join(", ")), ok, "x"), None);
    check(
        &one(app, ok, &"y".repeat(262_145)),
        Some((
            400,
            "max entry size '262144' bytes exceeded for stream '{app=\"e\", service_name=\"e\"}' while adding an entry with length '262145' bytes",
        )),
    );
    let (code, text) = refusal(&one(&format!(r#"{{"app": "{}"}}"#, "v".repeat(2049)), ok, "x")).unwrap();
    assert_eq!((code, text.starts_with("stream '{app=\"vvvv"), text.contains("has label value too long: 'vvv")), (400, true, true));
}

#[test]
fn good_lines_stay_when_others_are_refused() {
    let body = r#"{"streams": [{"stream": {"app": "e"}, "values": [["1795365360000000000", "a"], ["1", "b"], ["1", "c"]]}]}"#;
    let normalised = normalise(json::decode(body.as_bytes(), &Bounds::default()).unwrap(), &Limits::default(), NOW);
    assert_eq!((normalised.accepted[0].entries.len(), normalised.rejected_lines), (1, 2));
    assert!(normalised.refusal().unwrap().1.starts_with("2 errors like: entry for stream"));
}

#[test]
fn service_name_and_level_are_added() {
    let check = |labels: &str, metadata: &str, expect_service: &str, expect_metadata: &[(&str, &str)]| {
        let body =
            format!(r#"{{"streams": [{{"stream": {labels}, "values": [["1795365360000000000", "level=error x=1", {metadata}]]}}]}}"#);
        let push = json::decode(body.as_bytes(), &Bounds::default()).unwrap();
        let normalised = normalise(push, &Limits::default(), NOW);
        let stream = &normalised.accepted[0];
        assert_eq!(stream.labels.get("service_name"), Some(expect_service));
        let metadata: Vec<_> = stream.entries[0].metadata.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        assert_eq!(metadata, expect_metadata, "{body}");
    };
    check("{}", "{}", "unknown_service", &[("detected_level", "error")]);
    check(r#"{"job": "j", "container": "c"}"#, "{}", "c", &[("detected_level", "error")]);
    check(r#"{"service_name": "s", "app": "a"}"#, r#"{"z": "1", "a": ""}"#, "s", &[("detected_level", "error"), ("z", "1")]);
    check("{}", r#"{"detected.level": "WARN"}"#, "unknown_service", &[("detected_level", "warn")]);
    check("{}", r#"{"log.level": "warn"}"#, "unknown_service", &[("detected_level", "error"), ("log_level", "warn")]);
    check(r#"{"level": "banana"}"#, r#"{"1st": "x"}"#, "unknown_service", &[("detected_level", "banana"), ("key_1st", "x")]);
    check("{}", r#"{"a": "1", "a": "2"}"#, "unknown_service", &[("a", "2"), ("detected_level", "error")]);
}
