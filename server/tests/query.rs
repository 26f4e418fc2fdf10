//! LogQL where people and programs of this console ask: pages, numbers, histograms, live views, exports.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::{Person, TestServer, eventually, socket::Socket};
use serde_json::{Value, json};

fn encode(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn messages(page: &Value) -> Vec<String> {
    page["logs"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

/// 200 JSON lines, every tenth an error.
async fn shop() -> (TestServer, Person) {
    let (server, admin) = TestServer::admin().await;
    let line = |n: usize| {
        let level = if n.is_multiple_of(10) { "error" } else { "info" };
        format!("{{\"time\":\"2026-11-20T10:{:02}:{:02}Z\",\"level\":\"{level}\",\"status\":{},\"n\":{n}}}\n", n / 60, n % 60, 200 + n % 4)
    };
    server.log("shop", &(0..200).map(line).collect::<String>());
    server.known(&admin, "shop", 200).await;
    (server, admin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_query_answers_with_pages_that_join() {
    let (_server, admin) = shop().await;
    let query = encode(r#"{service="shop"} | json | status >= 202 | level="error" or n = 7"#);
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = admin.get_owned(format!("/api/v1/logs/query?query={query}&limit=3&direction=forward{cursor}")).await.json();
        all.extend(messages(&page));
        assert!(page["logs"].as_array().unwrap().len() <= 3);
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expect: Vec<usize> = (0..200).filter(|n| n % 4 >= 2 && (usize::is_multiple_of(*n, 10) || *n == 7)).collect();
    let got: Vec<usize> = all.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["n"].as_u64().unwrap() as usize).collect();
    assert_eq!(got, expect);
    // The older door takes it too, and a line's id leads to its neighbours.
    let page = admin.get_owned(format!("/api/v1/logs?query={query}&limit=1")).await.json();
    let id = page["logs"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(page["logs"][0]["fields"]["status"], "202", "parsed by the query: {page}");
    let around = admin.get_owned(format!("/api/v1/logs/context/{id}?before=1&after=1")).await.json();
    assert_eq!(around["logs"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_query_answers_with_numbers_and_the_histogram_counts_each_line_once() {
    let (_server, admin) = shop().await;
    let query = encode(r#"sum by (level) (count_over_time({service="shop"} | json [1m]))"#);
    let range = "start_time=2026-11-20T10:00:00Z&end_time=2026-11-20T10:04:00Z";
    let found = admin.get_owned(format!("/api/v1/logs/query?query={query}&{range}&step=60s")).await.json();
    assert_eq!(found["resultType"], "matrix");
    let total: f64 = found["result"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|series| series["values"].as_array().unwrap())
        .map(|value| value[1].as_str().unwrap().parse::<f64>().unwrap())
        .sum();
    assert!((total - 200.0).abs() < f64::EPSILON, "{found}");

    // Whatever the step and wherever the range begins; asked as chips, as LogQL, and by fields, which are counted line by line.
    let by_field = "service=shop&field=level%3Derror".to_owned();
    for (ask, all, errors) in [
        ("service=shop".to_owned(), 150, 15),
        ("service=shop&level=error".to_owned(), 15, 15),
        (format!("query={}", encode(r#"{service="shop"} |= "error""#)), 15, 15),
        // What a parser cannot read is a line all the same.
        (format!("query={}", encode(r#"{service="shop"} | line_format "no object" | json | level != "x""#)), 150, 15),
        (by_field, 15, 15),
    ] {
        for step in ["7s", "1m", "500s"] {
            let range = "start_time=2026-11-20T10:00:10Z&end_time=2026-11-20T10:02:40Z";
            let found = admin.get_owned(format!("/api/v1/logs/histogram?{ask}&{range}&step={step}")).await.json();
            let sum =
                |name: &str| found["steps"].as_array().unwrap().iter().map(|step| step["counts"][name].as_u64().unwrap_or(0)).sum::<u64>();
            assert_eq!((sum("error") + sum("info"), sum("error")), (all, errors), "{ask} {step}: {found}");
            assert_eq!(found["steps"][0]["start"], "2026-11-20T10:00:10Z");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_query_is_said() {
    let (_server, admin) = shop().await;
    for (path, says) in [
        ("/api/v1/logs/query".to_owned(), "it is needed"),
        (format!("/api/v1/logs/query?query={}", encode("{service=")), "parse error at line 1, col"),
        (format!("/api/v1/logs/query?query={}", encode(r#"{service="x"} |~ "(""#)), "error parsing regexp"),
        (format!("/api/v1/logs?query={}", encode(r#"rate({service="x"}[5m])"#)), "it answers with numbers"),
        (format!("/api/v1/logs?query={}&service=x", encode(r#"{service="x"}"#)), "it excludes service"),
        (format!("/api/v1/logs/query?query={}&step=0s", encode(r#"rate({service="x"}[5m])"#)), "step"),
    ] {
        let answer = admin.get_owned(path.clone()).await;
        let problem = answer.problem(400, "BAD_INPUT");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{path}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_query_brings_its_lines_once_and_what_a_pause_missed() {
    let (server, admin) = TestServer::admin().await;
    server.log("live", "n=0 keep\n");
    server.known(&admin, "live", 1).await;
    let path = format!("/ws/logs?query={}", encode(r#"{service="live"} |= "keep" | logfmt | line_format "{{.n}}""#));
    let mut socket = Socket::open(&admin, &path).await;
    let told = socket.read(1).await;
    assert_eq!(told.entries.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["0"]);
    for n in 1..=50 {
        server.log("live", &format!("n={n} {}\n", if n % 2 == 0 { "keep" } else { "leave" }));
    }
    let told = socket.read(25).await;
    let expect: Vec<String> = (1..=25).map(|n| (2 * n).to_string()).collect();
    assert_eq!(told.entries.iter().map(|line| line.message.clone()).collect::<Vec<_>>(), expect);
    let last = told.entries.last().unwrap().id;
    socket.send(&json!({"type": "pause"}).to_string()).await;
    socket.heard().await;
    server.log("live", "n=51 keep\nn=52 keep\n");
    eventually(|| async {
        let page = admin.get_owned(format!("/api/v1/logs?query={}", encode(r#"{service="live"} |= "n=52""#))).await.json();
        (messages(&page).len() == 1).then_some(())
    })
    .await;
    assert!(socket.is_quiet());
    socket.send(&json!({"type": "resume", "after": last}).to_string()).await;
    let told = socket.read(2).await;
    assert_eq!(told.entries.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["51", "52"]);
    server.log("live", "n=53 keep\n");
    let told = socket.read(1).await;
    assert_eq!(told.entries[0].message, "53");
    let refused = Socket::try_open(&admin, &format!("/ws/logs?query={}", encode("{")), Some(&admin.origin())).await;
    assert_eq!(refused.err().map(|(status, _)| status), Some(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_query_is_whole() {
    let (_server, admin) = shop().await;
    let query = encode(r#"{service="shop"} | json | line_format "{{.n}}""#);
    let text = admin.get_owned(format!("/api/v1/logs/export?query={query}&format=txt")).await.text();
    let numbers: Vec<&str> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(numbers, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
}
