//! What a Loki, or the road to it, may do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use logql::{ast::Expr, engine::LogParams, syntax};
use model::{Direction, TimeRange, Timestamp, status::PartState};
use ops::{
    logs::Selector,
    source::{
        Frontier, LogPlan, LogSource, SourceError,
        engine::{How, LogEngine, PushBody, PushFormat, QueryError, TailItem},
    },
};
use serde_json::{Value, json};
use server::{
    config::{LokiAuth, LokiConfig, Secret},
    source::loki::{LokiEngine, LokiLogs},
};

use crate::common::{
    LIMIT, eventually,
    loki::{Asked, Road, Told, Upstream, client, client_with, console},
};

fn how() -> How {
    How { now: server::clock::now(), partial_series: false }
}

fn query(text: &str) -> logql::ast::LogExpr {
    match syntax::parse(text).unwrap() {
        Expr::Log(log) => log,
        Expr::Metric(_) => panic!("{text} gives numbers"),
    }
}

fn lately(limit: usize) -> LogParams {
    let now = server::clock::now().0;
    LogParams { start: now - 60_000_000_000, end: now, limit: Some(limit), direction: Direction::Backward, after: None, interval_ns: 0 }
}

/// An answer of lines as Loki gives it.
fn lines(lines: &[(i64, &str)]) -> Told {
    let values: Vec<Value> = lines.iter().map(|(at, line)| json!([at.to_string(), line, {}])).collect();
    let result = if values.is_empty() { json!([]) } else { json!([{ "stream": { "service_name": "web" }, "values": values }]) };
    let data = json!({ "resultType": "streams", "encodingFlags": ["categorize-labels"], "result": result, "stats": {} });
    Told::new(200, json!({ "status": "success", "data": data, "warnings": ["a querier is away"] }).to_string())
}

fn texts(rows: &[logql::engine::LogRow]) -> Vec<&str> {
    rows.iter().map(|row| row.line.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loki_that_is_busy_or_fails_for_a_moment_is_asked_again() {
    let now = server::clock::now().0;
    for first in [429, 500, 502, 503, 504] {
        let upstream = Upstream::start(move |_, number| match number {
            0 => Told { headers: vec![("retry-after", "0".to_owned())], ..Told::new(first, "too many outstanding requests") },
            _ => lines(&[(now - 5, "here")]),
        })
        .await;
        let engine = LokiEngine(client(&upstream.url()));
        let ran = engine.logs(&query(r#"{service_name="web"}"#), lately(10), how()).await.unwrap();
        assert_eq!((texts(&ran.value), upstream.asked().len()), (vec!["here"], 2), "{first}");
        assert_eq!(ran.warnings, ["a querier is away"]);
        assert_eq!(engine.part().state, PartState::Ok);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_loki_refuses_is_told_in_its_words_and_not_asked_again() {
    for (status, tries) in [(400, 1), (404, 1), (401, 1), (429, 4), (500, 4)] {
        let upstream =
            Upstream::start(move |_, _| Told { headers: vec![("retry-after", "0".to_owned())], ..Told::new(status, "its own words\n") })
                .await;
        let loki = client(&upstream.url());
        let error = LokiEngine(loki.clone()).logs(&query(r#"{service_name="web"}"#), lately(10), how()).await.unwrap_err();
        match error {
            QueryError::Refused { status: found, message } => assert_eq!((found, message.as_str()), (status, "its own words")),
            other => panic!("{other}"),
        }
        assert_eq!(upstream.asked().len(), tries, "{status}");
        let state = match status {
            401 => PartState::Down,
            429 | 500 => PartState::Degraded,
            _ => PartState::Ok,
        };
        assert_eq!(LokiLogs(loki).part().state, state, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loki_that_is_not_there_or_too_slow_is_named() {
    let plan = LogPlan {
        selector: Selector::All,
        stream: None,
        range: TimeRange { start: Timestamp(0), end: server::clock::now() },
        cursor: None,
        direction: Direction::Backward,
        limit: 10,
        filter: Arc::default(),
        scope: None,
    };
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = LokiLogs(client(&format!("http://{nowhere}")));
    assert!(matches!(away.search(&plan).await, Err(SourceError::Unreachable(_))));
    assert_eq!(away.part().state, PartState::Down);
    assert!(away.part().detail.contains("does not answer") && away.part().since.is_some(), "{:?}", away.part());

    let upstream = Upstream::start(|_, _| Told { delay: LIMIT, ..lines(&[]) }).await;
    let slow = LokiConfig { url: Secret::new(upstream.url()), tenant: None, auth: LokiAuth::Url, ca: None, timeout_ns: 200_000_000 };
    let slow = LokiLogs(client_with(&slow));
    assert!(matches!(slow.search(&plan).await, Err(SourceError::TooSlow)));
    assert_eq!((slow.part().state, upstream.asked().len()), (PartState::Down, 1), "not asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenant_and_credentials_go_with_every_request() {
    let upstream = Upstream::start(|_, _| lines(&[])).await;
    let basic = LokiAuth::Basic { user: "ada".into(), password: Secret::new("pw") };
    for (auth, header) in [(LokiAuth::Bearer(Secret::new("tok")), "Bearer tok"), (basic, "Basic YWRhOnB3")] {
        let config = LokiConfig {
            url: Secret::new(upstream.url() + "/prefix/"),
            tenant: Some("team-a".into()),
            auth,
            ca: None,
            timeout_ns: 5_000_000_000,
        };
        LokiEngine(client_with(&config)).logs(&query(r#"{service_name="web"}"#), lately(10), how()).await.unwrap();
        let asked = upstream.asked().pop().unwrap();
        assert_eq!(
            (&asked.headers["authorization"], &asked.headers["x-scope-orgid"]),
            (&header.parse().unwrap(), &"team-a".parse().unwrap())
        );
        assert_eq!(asked.path, "/prefix/loki/api/v1/query_range");
    }
}

/// A Loki that gives at most three lines and takes an hour at most, with a line a second, five of them at one nanosecond.
fn narrow(base: i64, asked: &Asked) -> Told {
    let number = |name: &str| asked.param(name).parse::<i64>().unwrap();
    if asked.path.ends_with("/series") {
        let streams: Vec<Value> = (0..5).map(|n| json!({ "service_name": "web", "n": n.to_string() })).collect();
        return Told::new(200, json!({ "status": "success", "data": streams }).to_string());
    }
    let (start, end, limit) = (number("start"), number("end"), number("limit"));
    if limit > 3 {
        return Told::new(400, format!("max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > 3)"));
    }
    if end - start > 3_600_000_000_000 {
        return Told::new(400, "the query time range exceeds the limit (query length: 999h0m0s, limit: 1h)");
    }
    let mut all: Vec<(i64, String, String)> = (0..20).map(|n| (base + n * 600_000_000_000, format!("line {n}"), "0".to_owned())).collect();
    all.extend((1..5).map(|n| (base + 6_000_000_000_000, format!("same {n}"), n.to_string())));
    all.retain(|(at, _, n)| {
        (start..end).contains(at) && (!asked.param("query").contains("n=\"") || asked.param("query").contains(&format!("n=\"{n}\"")))
    });
    all.sort();
    if asked.param("direction") == "backward" {
        all.reverse();
    }
    all.truncate(limit as usize);
    let streams: Vec<Value> = all
        .iter()
        .map(|(at, line, n)| json!({ "stream": { "service_name": "web", "n": n }, "values": [[at.to_string(), line, {}]] }))
        .collect();
    let data = json!({ "resultType": "streams", "encodingFlags": ["categorize-labels"], "result": streams, "stats": {} });
    Told::new(200, json!({ "status": "success", "data": data }).to_string())
}

/// Yesterday.
fn base() -> i64 {
    server::clock::now().0 - 86_400_000_000_000
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_learnt_and_kept_and_no_line_of_a_full_nanosecond_is_lost() {
    for direction in [Direction::Forward, Direction::Backward] {
        let start = base();
        let upstream = Upstream::start(move |asked, _| narrow(start, asked)).await;
        let engine = LokiEngine(client(&upstream.url()));
        let params = LogParams { start, end: start + 40_000_000_000_000, limit: None, direction, after: None, interval_ns: 0 };
        let rows = engine.logs(&query(r#"{service_name="web"}"#), params, how()).await.unwrap().value;
        let mut found = texts(&rows);
        found.sort_unstable();
        let mut expect: Vec<String> = (0..20).map(|n| format!("line {n}")).chain((1..5).map(|n| format!("same {n}"))).collect();
        expect.sort_unstable();
        assert_eq!(found, expect);
        assert!(rows.is_sorted_by(|a, b| if direction == Direction::Forward { a.at <= b.at } else { a.at >= b.at }));
        // Refused twice, and never again.
        let asked = upstream.asked();
        let late = asked.iter().skip(4).filter(|asked| asked.path.ends_with("query_range"));
        assert!(late.clone().count() > 3 && late.into_iter().all(|asked| asked.param("limit").parse::<i64>().unwrap() <= 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_an_open_range_come_to_an_end() {
    let base = base();
    let upstream = Upstream::start(move |asked, _| narrow(base, asked)).await;
    let source = LokiLogs(client(&upstream.url()));
    let start = Timestamp(base - 7_200_000_000_000);
    let mut plan = LogPlan {
        selector: Selector::All,
        stream: None,
        range: TimeRange { start, end: Timestamp::MAX },
        cursor: None,
        direction: Direction::Backward,
        limit: 4,
        filter: Arc::default(),
        scope: None,
    };
    let mut count = 0;
    loop {
        let batch = source.search(&plan).await.unwrap();
        count += batch.lines.len();
        match batch.frontier {
            Frontier::Exhausted => break,
            Frontier::Upto(id) => plan.cursor = Some(id),
        }
    }
    assert_eq!(count, 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_ends_the_request() {
    let upstream = Upstream::start(|_, _| Told { delay: LIMIT, ..lines(&[]) }).await;
    let engine = Arc::new(LokiEngine(client(&upstream.url())));
    let asking = tokio::spawn(async move { engine.logs(&query(r#"{service_name="web"}"#), lately(10), how()).await.map(|_| ()) });
    eventually(|| async { (!upstream.asked().is_empty()).then_some(()) }).await;
    asking.abort();
    eventually(|| async { (*upstream.dropped.lock().unwrap() == 1).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_makes_no_sense_is_an_error() {
    for body in ["", "<html>", r#"{"status":"success"}"#, r#"{"data":{"resultType":"streams","result":[{"stream":{"a":1}}]}}"#] {
        let upstream = Upstream::start(move |_, _| Told::new(200, body)).await;
        let engine = LokiEngine(client(&upstream.url()));
        let error = engine.logs(&query(r#"{service_name="web"}"#), lately(10), how()).await.unwrap_err();
        assert!(matches!(&error, QueryError::Refused { status: 502, message } if message.contains("cannot be read")), "{body}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_without_sockets_is_polled() {
    let turn = Arc::new(AtomicUsize::new(0));
    let start = server::clock::now().0;
    let counted = turn.clone();
    let upstream = Upstream::start(move |asked, _| {
        if asked.path.ends_with("/tail") {
            return Told::new(501, "no sockets here");
        }
        let number = |name: &str| asked.param(name).parse::<i64>().unwrap();
        // One more line each time, and all before it again.
        let upto = counted.fetch_add(1, Ordering::SeqCst) as i64;
        let all: Vec<(i64, String)> = (0..=upto).map(|n| (start + n, format!("line {n}"))).collect();
        let mut some: Vec<(i64, &str)> =
            all.iter().filter(|(at, _)| (number("start")..number("end")).contains(at)).map(|(at, line)| (*at, &**line)).collect();
        if asked.param("direction") == "backward" {
            some.reverse();
        }
        lines(&some)
    })
    .await;
    let engine = LokiEngine(client(&upstream.url()));
    let mut tailed = engine.tail(&query(r#"{service_name="web"}"#), start - 1_000_000_000, 100, how()).await.unwrap();
    let mut found = Vec::new();
    while found.len() < 4 {
        match tokio::time::timeout(LIMIT, tailed.recv()).await.unwrap().unwrap() {
            TailItem::Rows(rows) => found.extend(rows.into_iter().map(|row| row.line)),
            other => panic!("{other:?}"),
        }
    }
    let expect: Vec<String> = (0..found.len()).map(|n| format!("line {n}")).collect();
    assert_eq!(found, expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_breaks_off_goes_on_and_neither_loses_nor_doubles() {
    let (server, url) = console().await;
    let road = Road::to(server.address).await;
    let engine = Arc::new(LokiEngine(client(&url.replace(&server.address.to_string(), &road.address.to_string()))));
    let near = LokiEngine(client(&url));
    let base = server::clock::now().0;
    let push = |n: i64| {
        let body = json!({ "streams": [{ "stream": { "service": "web" }, "values": [[(base + n).to_string(), format!("line {n}")]] }] });
        let body = PushBody { bytes: body.to_string().into(), format: PushFormat::LokiJson, encoding: String::new() };
        let near = &near;
        async move { assert_eq!(near.push(body, server::clock::now()).await.refusal, None) }
    };
    for n in 0..3 {
        push(n).await;
    }
    let mut tailed = engine.tail(&query(r#"{service_name="web"}"#), base - 1, 100, how()).await.unwrap();
    let mut found: Vec<String> = Vec::new();
    let mut sent = 3;
    for turn in 0..4 {
        match turn {
            1 => road.cut(),
            2 => road.close(),
            _ => {}
        }
        for _ in 0..10 {
            push(sent).await;
            sent += 1;
        }
        if turn == 2 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            road.open();
        }
        while (found.len() as i64) < sent {
            match tokio::time::timeout(LIMIT, tailed.recv()).await.expect("it comes back").expect("it goes on") {
                TailItem::Rows(rows) => found.extend(rows.into_iter().map(|row| row.line)),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(found, (0..sent).map(|n| format!("line {n}")).collect::<Vec<_>>());
    let more = tokio::time::timeout(Duration::from_millis(500), tailed.recv()).await;
    assert!(more.is_err(), "nothing comes twice: {more:?}");
}
