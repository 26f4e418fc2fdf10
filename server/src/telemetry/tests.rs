use std::{
    fs::{self, File},
    sync::Arc,
};

use serde_json::{Value, json};
use tracing_subscriber::layer::SubscriberExt;

use super::{sink::Output, *};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `log` writes, as JSON, without what differs from run to run.
fn written(log: impl FnOnce()) -> Vec<Value> {
    let written = Written::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer(written.clone())), log);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    text.lines()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            let object = value.as_object_mut().unwrap();
            assert!(Timestamp::parse_rfc3339(object.remove("timestamp").unwrap().as_str().unwrap()).is_some());
            assert_eq!(object.remove("service"), Some("console".into()));
            object.remove("target").unwrap();
            value
        })
        .collect()
}

fn check(log: impl FnOnce(), expect: Value) {
    assert_eq!(written(log), [expect]);
}

#[test]
fn an_event_carries_the_fields_of_the_spans_around_it() {
    let log = || {
        let span = tracing::info_span!("request", request_id = "r1", route = tracing::field::Empty, status = 1);
        span.record("route", "/login");
        let _outer = span.entered();
        let _inner = tracing::info_span!("query", operation = "user_find").entered();
        tracing::info!(kind = "http", status = 200, duration_ms = 1.5, ok = true, "signed in");
    };
    check(
        log,
        json!({"level": "info", "kind": "http", "message": "signed in", "request_id": "r1", "route": "/login", "operation": "user_find",
            "status": 200, "duration_ms": 1.5, "ok": true}),
    );
}

#[test]
fn a_value_cannot_forge_a_line_or_a_field_of_the_schema() {
    check(
        || tracing::warn!(path = "a\nb\0c\u{1b}[31m\"}", "x\ny"),
        json!({"level": "warn", "kind": "lifecycle", "message": "x\ny", "path": "a\nb\0c\u{1b}[31m\"}"}),
    );
    check(
        || tracing::info!(level = "fatal", service = "other", kind = "party", timestamp = 1, "x"),
        json!({"level": "info", "kind": "lifecycle", "message": "x", "field_level": "fatal", "field_service": "other", "field_kind": "party",
            "field_timestamp": 1}),
    );
    let record = own(tracing::Level::INFO, "a\nb\u{1b}[2J".to_owned(), vec![("k", "v w\r".into())]);
    assert!(record.to_text(false).ends_with(r#"INFO  lifecycle a\nb\u{1b}[2J k="v w\r""#), "{}", record.to_text(false));
}

#[test]
fn errors_are_written_with_their_causes_and_long_values_are_cut() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot read it")]
    struct Outer(#[source] io::Error);
    let error: &(dyn std::error::Error + 'static) = &Outer(io::Error::other("disk gone"));
    check(
        || tracing::error!(error, "x"),
        json!({"level": "error", "kind": "lifecycle", "message": "x", "error": "cannot read it: disk gone"}),
    );
    for long in ["é".repeat(100_000), "a".repeat(100_000)] {
        let lines = written(|| tracing::info!(%long, also = long, nan = f64::NAN, "x"));
        assert!(lines[0]["long"].as_str().unwrap().ends_with('…') && lines[0]["long"].as_str().unwrap().len() < 20_000);
        assert_eq!((&lines[0]["also"], &lines[0]["nan"]), (&lines[0]["long"], &Value::Null));
    }
}

#[test]
fn libraries_that_name_no_kind_get_one() {
    check(|| tracing::warn!(target: "sqlx::query", "slow"), json!({"level": "warn", "kind": "database", "message": "slow"}));
    check(|| tracing::warn!(target: "hyper_util::client", "gone"), json!({"level": "warn", "kind": "external_service", "message": "gone"}));
}

#[test]
fn the_examples_of_the_documentation_follow_the_schema() {
    let lines: Vec<Value> = include_str!("../../../docs/LOGGING.md")
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for kind in Kind::ALL {
        let example = lines.iter().find(|line| line["kind"] == kind.as_str()).unwrap_or_else(|| panic!("no example of {kind:?}"));
        for field in ["timestamp", "level", "service", "message", "target"].iter().chain(kind.fields()) {
            assert!(example.get(field).is_some(), "{field} is missing: {example}");
        }
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_full_file_rotates_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console.log");
    let mut file = RotatingFile::new(path.clone(), 10, 3);
    for n in 0..11 {
        file.write_line(format!("line{n}\n").as_bytes()).unwrap();
    }
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["console.log", "console.log.1", "console.log.2", "console.log.3"]);
    assert_eq!((lines(&path), lines(&folder.path().join("console.log.3"))), (vec!["line10".to_owned()], vec!["line7".to_owned()]));
}

#[test]
fn a_file_that_was_moved_deleted_or_emptied_is_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console.log");
    let mut file = RotatingFile::new(path.clone(), 1000, 3);
    file.write_line(b"one\n").unwrap();
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    file.write_line(b"two\n").unwrap();
    assert_eq!(lines(&path), ["two"]);
    fs::remove_file(&path).unwrap();
    file.write_line(b"three\n").unwrap();
    assert_eq!(lines(&path), ["three"]);
    File::create(&path).unwrap();
    file.write_line(b"four\n").unwrap();
    assert_eq!(lines(&path), ["four"]);
}

#[test]
fn a_full_disk_costs_lines_and_says_how_many() {
    /// Fails while its file exists.
    struct Flaky(PathBuf, Written);
    impl Output for Flaky {
        fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
            if self.0.exists() { Err(io::ErrorKind::StorageFull.into()) } else { self.1.write_all(line) }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let full = folder.path().join("full");
    let (out, troubles) = (Written::default(), Arc::new(Mutex::new(0)));
    let count = troubles.clone();
    let sink =
        Sink::spawn("test", Flaky(full.clone(), out.clone()), |lost| format!("lost {lost}"), move |_| *count.lock().unwrap() += 1).unwrap();
    let send = |line: &str| {
        sink.send(line.to_owned());
        assert!(sink.flush(Duration::from_secs(10)));
    };
    send("one");
    File::create(&full).unwrap();
    send("two");
    send("three");
    fs::remove_file(&full).unwrap();
    send("four");
    assert_eq!(String::from_utf8(out.0.lock().unwrap().clone()).unwrap(), "one\nlost 2\nfour\n");
    assert_eq!(*troubles.lock().unwrap(), 1);
    // The device that is always full: nothing panics, and `open` alone does not notice.
    let sink = Sink::spawn("test", RotatingFile::new("/dev/full".into(), 10, 1), |lost| format!("lost {lost}"), |_| {}).unwrap();
    sink.send("x".to_owned());
    assert!(sink.flush(Duration::from_secs(10)));
}

#[test]
fn a_sink_that_never_takes_a_line_never_holds_up_whoever_logs() {
    struct Stuck(std::sync::mpsc::Receiver<()>, Written);
    impl Output for Stuck {
        fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
            self.0.recv().ok(); // Until the test lets go.
            self.1.write_all(line)
        }
    }
    let (go, gate) = std::sync::mpsc::channel();
    let out = Written::default();
    let sink = Sink::spawn("test", Stuck(gate, out.clone()), |lost| format!("lost {lost}"), |_| {}).unwrap();
    for n in 0..10_000 {
        sink.send(format!("line{n}"));
    }
    assert!(!sink.flush(Duration::from_millis(20)));
    drop(go);
    assert!(sink.flush(Duration::from_secs(10)));
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    let lost: usize = text.lines().filter_map(|line| line.strip_prefix("lost ")).map(|n| n.parse::<usize>().unwrap()).sum();
    assert_eq!(text.lines().filter(|line| line.starts_with("line")).count() + lost, 10_000);
    assert!(lost > 0);
}

#[test]
fn the_own_log_goes_to_the_log_directory_when_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, data) = (folder.path().join("logs"), folder.path().join("data"));
    assert_eq!(console_log(&logs, &data), logs.join("console.log"));
    assert_eq!(console_log(&folder.path().join("no/such/folder"), &data), data.join("console.log"));
}

#[test]
fn ids_of_others_are_taken_only_when_well_formed() {
    for (header, expect) in [("abc-123", Some("abc-123")), (" a ", Some("a")), ("", None), ("a b", None), ("é", None), ("a\nb", None)] {
        assert_eq!(request_id(header), expect, "{header:?}");
    }
    assert_eq!(request_id(&"a".repeat(129)), None);
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (header, expect) in [
        (format!("00-{TRACE}-00f067aa0ba902b7-01"), Some(TRACE)),
        (format!("01-{TRACE}-00f067aa0ba902b7-01-more"), Some(TRACE)),
        (format!("00-{TRACE}-00f067aa0ba902b7-01-more"), None),
        (format!("ff-{TRACE}-00f067aa0ba902b7-01"), None),
        (format!("00-{TRACE}-0000000000000000-01"), None),
        (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
        (format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), None),
        ("garbage".to_owned(), None),
    ] {
        assert_eq!(trace_id(&header), expect, "{header}");
    }
}
