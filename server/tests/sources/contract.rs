//! One suite of behaviours over all places of lines.

use std::{any::Any, collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use logql::{
    ast::{Expr, LogExpr, MetricExpr},
    engine::{LogParams, LogRow, RangeParams, Value},
    syntax,
};
use model::{
    Direction, EntryId, Labels, Level, TimeRange, Timestamp,
    storage::{LogStorage, LokiStorage},
    time::NANOS_PER_SEC,
};
use ops::{
    access::{Scope, ScopeLabels},
    live::Hub,
    logs::{FieldMatch, Filter, Selector, TextMatch},
    source::{
        Frontier, Line, LogPlan, LogSource, Stream,
        engine::{How, LogEngine, PushBody, PushFormat, TailItem, Tailed},
        ram::Ram,
    },
};
use serde_json::json;
use server::{
    config::EngineConfig,
    source::{
        embedded::{Embedded, EmbeddedEngine, EmbeddedLogs, key_of},
        loki::{LokiEngine, LokiLogs},
    },
};

use crate::common::{LIMIT, loki};

const SECOND: i64 = NANOS_PER_SEC;

/// A line that each place has.
#[derive(Clone, Debug)]
struct Told {
    labels: Labels,
    at: i64,
    text: String,
    level: &'static str,
}

struct Place {
    name: &'static str,
    source: Arc<dyn LogSource>,
    /// Memory has none.
    engine: Option<Arc<dyn LogEngine>>,
    _alive: Box<dyn Any>,
}

fn labels(service: &str, project: Option<&str>, output: &str) -> Labels {
    let mut labels =
        Labels::from([("service", service), ("service_name", service), ("host", "local"), ("job", "dockerlogs"), ("stream", output)]);
    if let Some(project) = project {
        labels.0.insert("compose_project".to_owned(), project.to_owned());
    }
    labels
}

/// Lines of five streams, a second apart, some with one nanosecond: half an hour ago.
fn dataset() -> Vec<Told> {
    let start = (server::clock::now().0 / SECOND - 1_800) * SECOND;
    let streams = [
        labels("web", Some("shop"), "stdout"),
        labels("web", Some("shop"), "stderr"),
        labels("web", Some("blog"), "stdout"),
        labels("db", Some("shop"), "stdout"),
        labels("cron", None, "stdout"),
    ];
    let levels = ["debug", "info", "info", "warn", "error"];
    let mut lines = Vec::new();
    for n in 0..300_i64 {
        let level = levels[n as usize / 5 % levels.len()];
        let text = match n % 7 {
            0 => format!("level={level} user=ada n={n} took=12ms"),
            1 => format!(r#"{{"level":"{level}","user":"bob","n":{n}}}"#),
            2 => format!("\u{1b}[31mRed\u{1b}[0m Alert {n} by ada"),
            3 => format!("Größe {n} \"quoted\" \\ back"),
            _ => format!("{level} request {n} served"),
        };
        // Each tenth second has a dozen lines of one nanosecond and stream.
        for same in 0..if n % 10 == 0 { 12 } else { 1 } {
            let text = if same == 0 { text.clone() } else { format!("{text} same={same}") };
            lines.push(Told { labels: streams[n as usize % streams.len()].clone(), at: start + n * SECOND, text, level });
        }
    }
    lines
}

fn body(lines: &[Told]) -> PushBody {
    let streams: Vec<_> = lines
        .iter()
        .map(|line| json!({ "stream": line.labels, "values": [[line.at.to_string(), line.text, { "detected_level": line.level }]] }))
        .collect();
    PushBody { bytes: Bytes::from(json!({ "streams": streams }).to_string()), format: PushFormat::LokiJson, encoding: String::new() }
}

async fn push(engine: &dyn LogEngine, lines: &[Told]) {
    let pushed = engine.push(body(lines), server::clock::now()).await;
    assert_eq!((pushed.refusal, pushed.stored), (None, lines.len() as u64));
}

async fn places(lines: &[Told]) -> Vec<Place> {
    let ram = Ram::shared();
    let mut used: BTreeSet<EntryId> = BTreeSet::new();
    for line in lines {
        let stream = Arc::new(Stream::new(key_of(&line.labels), line.labels.clone()));
        let id = |ordinal| EntryId { at: Timestamp(line.at), stream: stream.hash, ordinal };
        let id = (0..).map(id).find(|id| used.insert(*id)).unwrap();
        let level = line.level.parse().unwrap();
        ram.push(Line { id, stream: stream.clone(), text: line.text.clone().into(), level, group: id });
    }
    let dir = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(dir.path(), &EngineConfig::default(), Arc::new(Hub::default()), loki::clock()).unwrap();
    let (console, url) = loki::console().await;
    let far = loki::client(&url);
    let places = vec![
        Place { name: "ram", source: ram, engine: None, _alive: Box::new(()) },
        Place {
            name: "embedded",
            source: Arc::new(EmbeddedLogs(embedded.clone())),
            engine: Some(Arc::new(EmbeddedEngine(embedded))),
            _alive: Box::new(dir),
        },
        Place {
            name: "loki",
            source: Arc::new(LokiLogs(far.clone())),
            engine: Some(Arc::new(LokiEngine(far.clone()))),
            _alive: Box::new(console),
        },
    ];
    for engine in places.iter().filter_map(|place| place.engine.as_ref()) {
        for some in lines.chunks(100) {
            push(&**engine, some).await;
        }
    }
    far.refresh().await.unwrap();
    places
}

/// All pages of a plan, one after the other.
async fn read(place: &Place, mut plan: LogPlan) -> Vec<Line> {
    let mut all: Vec<Line> = Vec::new();
    for _ in 0..2_000 {
        let batch = tokio::time::timeout(LIMIT, place.source.search(&plan)).await.expect("a page in time").unwrap();
        assert!(batch.lines.len() <= plan.limit, "{}", place.name);
        assert!(batch.lines.iter().all(|line| plan.takes(line) && plan.selector.matches(&line.stream.key)), "{}", place.name);
        all.extend(batch.lines);
        match batch.frontier {
            Frontier::Exhausted => return all,
            Frontier::Upto(id) => {
                assert_ne!(plan.cursor, Some(id), "{}: it does not go on", place.name);
                plan.cursor = Some(id);
            }
        }
    }
    panic!("{}: no end", place.name);
}

fn plan(direction: Direction, limit: usize) -> LogPlan {
    LogPlan {
        selector: Selector::All,
        stream: None,
        range: TimeRange::ALL,
        cursor: None,
        direction,
        limit,
        filter: Arc::default(),
        scope: None,
    }
}

/// Every place has the lines of the plan, in order, each once; which of equal nanoseconds comes first is its own affair.
async fn check(places: &[Place], lines: &[Told], plan: &LogPlan) -> usize {
    let wanted = |told: &&Told| {
        plan.range.contains(Timestamp(told.at))
            && plan.stream.is_none_or(|stream| stream == told.labels.hash64())
            && plan.selector.matches(&key_of(&told.labels))
            && plan.filter.matches(told.level.parse().unwrap(), &told.text)
    };
    let mut expect: Vec<(i64, &str)> = lines.iter().filter(wanted).map(|told| (told.at, &*told.text)).collect();
    expect.sort_unstable();
    for place in places {
        let found = read(place, plan.clone()).await;
        let in_order = found.is_sorted_by(|a, b| if plan.direction == Direction::Forward { a.id < b.id } else { a.id > b.id });
        assert!(in_order, "{}: {plan:?}", place.name);
        let mut found: Vec<(i64, &str)> = found.iter().map(|line| (line.id.at.0, &*line.text)).collect();
        found.sort_unstable();
        assert_eq!(found, expect, "{}: {plan:?}", place.name);
    }
    expect.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_line_once_and_in_order() {
    let lines = dataset();
    let places = places(&lines).await;
    let (first, last) = (lines[0].at, lines.last().unwrap().at);
    for direction in [Direction::Forward, Direction::Backward] {
        for limit in [17, 5_000] {
            assert_eq!(check(&places, &lines, &plan(direction, limit)).await, lines.len());
        }
        // The beginning is inside, the end is not; both at a nanosecond of many lines.
        let range = TimeRange { start: Timestamp(first + 100 * SECOND), end: Timestamp(first + 110 * SECOND) };
        assert_eq!(check(&places, &lines, &LogPlan { range, ..plan(direction, 1) }).await, 21);
        let nothing = TimeRange { start: Timestamp(last + 1), end: Timestamp::MAX };
        assert_eq!(check(&places, &lines, &LogPlan { range: nothing, ..plan(direction, 1) }).await, 0);
        for stream in [&lines[0].labels, &lines[13].labels] {
            assert!(check(&places, &lines, &LogPlan { stream: Some(stream.hash64()), ..plan(direction, 20) }).await > 0);
        }
        assert_eq!(check(&places, &lines, &LogPlan { stream: Some(Labels::default().hash64()), ..plan(direction, 20) }).await, 0);
        for (names, some) in [
            (&["web"][..], true),
            (&["shop/web"], true),
            (&["/cron"], true),
            (&["web", "db"], true),
            (&["shop/web", "/cron"], true),
            (&["none"], false),
        ] {
            let selector = Selector::parse(names.iter().copied()).unwrap();
            assert_eq!(check(&places, &lines, &LogPlan { selector, ..plan(direction, 30) }).await > 0, some, "{names:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_take_the_same_lines_everywhere() {
    let lines = dataset();
    let places = places(&lines).await;
    let text = |pattern: &str, regex, wanted| Filter { text: Some(TextMatch::new(pattern, regex, wanted).unwrap()), ..Filter::default() };
    let field = |text: &str| Filter { fields: vec![FieldMatch::parse(text).unwrap()], ..Filter::default() };
    let filters = [
        text("request 11", false, true),
        text("RED", false, true),
        text("red alert", false, true),
        text("Red Alert", false, true),
        text("red alert", false, false),
        text("größe", false, true),
        text(r#""quoted" \ back"#, false, true),
        text(r"n=\d0\b", true, true),
        text(r"(error|warn) request \d+", true, true),
        text(r"^\S+ request", true, false),
        text("31m", false, true),
        text("no such text", false, true),
        field("user=ada"),
        field("user!=ada"),
        field("n=36"),
        Filter { levels: vec![Level::Error], ..Filter::default() },
        Filter { levels: vec![Level::Unknown, Level::Warn], ..text("request", false, true) },
    ];
    for (number, filter) in filters.into_iter().enumerate() {
        let direction = if number % 2 == 0 { Direction::Forward } else { Direction::Backward };
        check(&places, &lines, &LogPlan { filter: Arc::new(filter), ..plan(direction, 25) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_place_lists_its_services() {
    let lines = dataset();
    for place in places(&lines).await {
        let mut services: Vec<_> = place.source.services().into_iter().map(|service| (service.key.project, service.key.name)).collect();
        services.sort();
        let expect = [(None, "cron"), (Some("blog"), "web"), (Some("shop"), "db"), (Some("shop"), "web")];
        let expect: Vec<_> = expect.map(|(project, name)| (project.map(str::to_owned), name.to_owned())).into();
        assert_eq!(services, expect, "{}", place.name);
        assert_eq!(place.source.part().state, model::status::PartState::Ok, "{}", place.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_told_alike_as_far_as_both_know_it() {
    let lines = dataset();
    let places = places(&lines).await;
    let [own, far] = &places[1..] else { panic!("two engines") };
    let now = server::clock::now();
    let scope = Scope::parse(r#"{service!="db"}"#, &ScopeLabels::default()).unwrap();
    for scope in [None, Some(&scope)] {
        let own = own.engine.as_ref().unwrap().storage(now, scope).await;
        let far = far.engine.as_ref().unwrap().storage(now, scope).await;
        let expect: Vec<&Told> = lines.iter().filter(|line| scope.is_none_or(|scope| scope.admits(&line.labels))).collect();
        let bytes: u64 = expect.iter().map(|line| line.text.len() as u64).sum();
        let streams: BTreeSet<u64> = expect.iter().map(|line| line.labels.hash64().0).collect();
        for told in [&own, &far] {
            assert_eq!((told.lines, told.raw_bytes), (expect.len() as u64, bytes));
            assert_eq!((told.streams, told.is_part), (streams.len() as u64, scope.is_some()));
            assert_eq!(told.engine.state, model::status::PartState::Ok, "{:?}", told.engine);
        }
        let by_service = |told: &LogStorage| {
            let mut services: Vec<_> = told.services.iter().map(|one| (one.id.clone(), one.kind, one.streams, one.raw_bytes)).collect();
            services.sort_by(|a, b| a.0.cmp(&b.0));
            services
        };
        assert_eq!(by_service(&own), by_service(&far));
        assert!(own.loki.is_none() && far.services.is_sorted_by_key(|one| std::cmp::Reverse(one.raw_bytes)));
        assert_eq!(far.loki, Some(LokiStorage { over_s: 30 * 86_400, queue: None }));
    }
}

fn log(text: &str) -> LogExpr {
    match syntax::parse(text).unwrap() {
        Expr::Log(log) => log,
        Expr::Metric(_) => panic!("{text} gives numbers"),
    }
}

fn metric(text: &str) -> MetricExpr {
    match syntax::parse(text).unwrap() {
        Expr::Metric(metric) => metric,
        Expr::Log(_) => panic!("{text} gives lines"),
    }
}

fn how() -> How {
    How { now: server::clock::now(), partial_series: false }
}

type Seen = (i64, String, Vec<(String, String)>, Labels);

/// What two places must say alike of a line.
fn seen(rows: &[LogRow]) -> Vec<Seen> {
    let merged = |row: &LogRow| row.labels.merged().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut seen: Vec<Seen> = rows.iter().map(|row| (row.at, row.line.clone(), merged(row), row.stream.labels.clone())).collect();
    seen.sort();
    seen
}

fn id(row: &LogRow) -> EntryId {
    EntryId { at: Timestamp(row.at), stream: row.stream.hash, ordinal: row.ordinal }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_get_the_same_answers() {
    let lines = dataset();
    let places = places(&lines).await;
    let engines: Vec<(&str, &dyn LogEngine)> = places.iter().filter_map(|place| Some((place.name, place.engine.as_deref()?))).collect();
    let (start, end) = (lines[0].at, lines.last().unwrap().at + 1);
    let params = |limit, direction| LogParams { start, end, limit, direction, after: None, interval_ns: 0 };
    for query in [
        r#"{service_name="web"}"#,
        r#"{service_name=~".+"} |= "ada" != "Alert""#,
        r#"{service="web"} | logfmt | user="ada""#,
        r#"{service_name=~"web|db"} | json n="n" | n > 100"#,
        r#"{compose_project="shop"} | detected_level="error""#,
    ] {
        for direction in [Direction::Forward, Direction::Backward] {
            // The limits end between seconds, so that every place has the same lines to give.
            for limit in [None, Some(5_000)] {
                let mut answers = Vec::new();
                for (name, engine) in &engines {
                    let ran = engine.logs(&log(query), params(limit, direction), how()).await.unwrap();
                    let order: Vec<EntryId> = ran.value.iter().map(id).collect();
                    let sorted = order.is_sorted_by(|a, b| if direction == Direction::Forward { a < b } else { a > b });
                    assert!(sorted, "{name}: {query}");
                    answers.push(seen(&ran.value));
                    let mut rows = engine.rows(&log(query), params(limit, direction), how()).await.unwrap();
                    let mut all = Vec::new();
                    while let Some(more) = rows.recv().await {
                        all.extend(more.unwrap());
                    }
                    assert_eq!(seen(&all), seen(&ran.value), "{name}: {query}");
                    // By pages of a few, cursor by cursor.
                    let (mut paged, mut after) = (Vec::new(), None);
                    loop {
                        let page = engine.logs(&log(query), LogParams { after, ..params(Some(11), direction) }, how()).await.unwrap().value;
                        let Some(last) = page.last() else { break };
                        after = Some(id(last));
                        paged.extend(page);
                    }
                    assert_eq!(seen(&paged), seen(&ran.value), "{name}: {query}");
                }
                assert!(!answers[0].is_empty() && answers.iter().all(|answer| *answer == answers[0]), "{query}");
            }
        }
    }
    for query in [
        r#"sum by (service_name) (count_over_time({service_name=~".+"}[1m]))"#,
        r#"rate({service_name="web"} |= "request" [2m])"#,
        r#"avg_over_time({service_name=~".+"} | logfmt | unwrap duration(took) | __error__="" [5m]) by (service)"#,
        "vector(3)",
        "1 + 1",
    ] {
        let mut ranges = Vec::new();
        let mut instants = Vec::new();
        for (_, engine) in &engines {
            let mut range = engine.range(&metric(query), RangeParams { start, end, step: 60 * SECOND }, how()).await.unwrap().value;
            range.iter_mut().flat_map(|series| &mut series.points).for_each(|(_, value)| *value = nearly(*value));
            ranges.push(range);
            let mut instant = engine.instant(&syntax::parse(query).unwrap(), end, how()).await.unwrap().value;
            if let Value::Vector(samples) = &mut instant {
                samples.iter_mut().for_each(|sample| sample.value = nearly(sample.value));
            }
            instants.push(instant);
        }
        assert!(!ranges[0].is_empty() && ranges[0] == ranges[1], "{query}: {ranges:?}");
        assert_eq!(instants[0], instants[1], "{query}");
    }
    assert_eq!(engines[1].1.instant(&syntax::parse("1 + 1").unwrap(), end, how()).await.unwrap().value, Value::Scalar(2.0));
    for selectors in
        [&[][..], &[r#"{service_name="web"}"#], &[r#"{service_name="db"}"#, r#"{service_name="cron"}"#], &[r#"{service_name="none"}"#]]
    {
        let selectors: Vec<_> = selectors.iter().map(|text| syntax::parse_selector(text).unwrap()).collect();
        let mut answers = Vec::new();
        for (_, engine) in &engines {
            let streams = engine.streams(&selectors, start, end).await.unwrap();
            answers.push(streams.iter().map(|stream| (stream.hash, stream.labels.clone())).collect::<Vec<_>>());
        }
        assert_eq!(answers[0], answers[1]);
    }
    let selector = syntax::parse_selector(r#"{service_name="web"}"#).unwrap();
    let mut sums = Vec::new();
    for (_, engine) in &engines {
        let volumes = engine.volumes(&selector, start, end).await.unwrap();
        let bytes: Vec<_> = volumes.iter().map(|one| (one.stream.labels.clone(), one.bytes)).collect();
        sums.push((bytes, volumes.iter().map(|one| one.lines).sum::<u64>()));
    }
    assert_eq!(sums[0], sums[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_said_alike() {
    let lines = dataset();
    let places = places(&lines).await;
    let (start, end) = (lines[0].at, lines.last().unwrap().at);
    for engine in places.iter().filter_map(|place| place.engine.as_ref()) {
        let now = how();
        let instant = engine.instant(&syntax::parse(r#"{service="web"}"#).unwrap(), end, now).await.unwrap_err();
        assert!(instant.to_string().contains("log queries are not supported as an instant query type"), "{instant}");
        for (step, says) in [(0, "zero or negative query resolution"), (1, "exceeded maximum resolution of 11,000 points")] {
            let error = engine.range(&metric(r#"rate({service="web"}[1m])"#), RangeParams { start, end, step }, now).await.unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        let unwrapped = metric(r#"sum_over_time({service="web"} | logfmt | unwrap user [5m])"#);
        let error = engine.range(&unwrapped, RangeParams { start, end, step: SECOND }, now);
        let error = error.await.unwrap_err().to_string();
        assert!(error.starts_with("pipeline error: 'SampleExtractionErr'"), "{error}");
        let pushed =
            engine.push(PushBody { bytes: Bytes::from_static(b"{"), format: PushFormat::LokiJson, encoding: String::new() }, now.now).await;
        assert_eq!((pushed.stored, pushed.refusal.map(|(status, _)| status)), (0, Some(400)));
    }
}

/// The next lines of a tail, by their texts.
async fn next(tailed: &mut Tailed, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        match tokio::time::timeout(LIMIT, tailed.recv()).await.expect("a line in time").expect("it goes on") {
            TailItem::Rows(rows) => texts.extend(rows.into_iter().map(|row| row.line)),
            other => panic!("{other:?}"),
        }
    }
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_begins_with_what_is_there_and_goes_on() {
    let lines = dataset();
    for place in places(&lines).await {
        let Some(engine) = &place.engine else { continue };
        let now = server::clock::now().0;
        let line = |n: i64| Told { labels: labels("tail", None, "stdout"), at: now + n, text: format!("tailed {n}"), level: "info" };
        for n in 0..5 {
            push(&**engine, &[line(n)]).await;
        }
        let query = log(r#"{service_name="tail"} |= "tailed" != "4x""#);
        let mut tailed = engine.tail(&query, now - SECOND, 3, how()).await.unwrap();
        assert_eq!(next(&mut tailed, 3).await, ["tailed 2", "tailed 3", "tailed 4"], "{}", place.name);
        for n in 5..45 {
            push(&**engine, &[line(n), Told { text: format!("other {n}"), ..line(n) }]).await;
        }
        let expect: Vec<String> = (5..45).map(|n| format!("tailed {n}")).collect();
        assert_eq!(next(&mut tailed, 40).await, expect, "{}", place.name);
        let more = tokio::time::timeout(Duration::from_millis(300), tailed.recv()).await;
        assert!(more.is_err(), "{}: nothing comes twice: {more:?}", place.name);
    }
}

/// To nine digits: parts are summed in the order in which they are read.
fn nearly(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}
