//! What is kept and how it is told: storage, patterns, searches of one's own, and an export by LogQL.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::fmt::Write;

use common::{TestServer, eventually};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn storage_tells_lines_bytes_and_ages_by_service() {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "web", 300).await;
    server.numbered(&admin, "db", 20).await;
    let storage = admin.get("/api/v1/storage").await.json();
    let service = |id: &str| storage["services"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
    let (web, db) = (service("web"), service("db"));
    assert_eq!((&web["lines"], &db["lines"], &web["kind"]), (&json!(300), &json!(20), &json!("file")));
    let bytes: usize = common::numbered(0..300).lines().map(str::len).sum();
    assert_eq!(web["raw_bytes"], json!(bytes));
    assert_eq!((&web["oldest"], &web["newest"]), (&json!("2026-03-01T10:00:00Z"), &json!("2026-03-01T10:00:00.299Z")));
    let sum = |field: &str| storage["services"].as_array().unwrap().iter().map(|one| one[field].as_u64().unwrap()).sum::<u64>();
    assert!(storage["lines"].as_u64().unwrap() >= 320 && sum("lines") >= 320);
    assert!(storage["disk_bytes"].as_u64().unwrap() >= storage["wal_bytes"].as_u64().unwrap());
    assert!(storage["wal_bytes"].as_u64().unwrap() > 0);
    assert_eq!(storage["retention"]["max_age_s"], json!(36_500_u64 * 86_400));
    assert_eq!(storage["retention"]["max_bytes"], json!(10_u64 << 30));
    assert_eq!(storage["engine"]["state"], "ok");
    // Somebody who sees a part is told of no more.
    server.user_add("part", model::Role::Developer).await;
    let scoped = admin.patch("/api/v1/users/part", &json!({"scope": "{service=\"db\"}"})).await;
    assert_eq!(scoped.status, 204, "{}", scoped.text());
    let part = server.signed_in("part").await;
    let seen = part.get("/api/v1/storage").await.json();
    assert_eq!((&seen["is_part"], &seen["lines"], seen["services"].as_array().unwrap().len()), (&json!(true), &json!(20), 1));
    let patterns = part.get("/api/v1/logs/patterns?start_time=2026-03-01T09:00:00Z&end_time=2026-03-01T11:00:00Z").await.json();
    assert_eq!(patterns["lines"], json!(20));
    let exported = part.get("/api/v1/logs/export?format=txt").await.text();
    assert_eq!(exported.lines().count(), 20);
    part.get("/api/v1/logs/patterns?service=web").await.problem(404, "NOT_FOUND");
    // The rate is known after two samples.
    eventually(async || {
        let ingest = admin.get("/api/v1/storage").await.json()["ingest"].clone();
        (ingest["over_s"].as_u64().unwrap() > 0).then_some(ingest)
    })
    .await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_repeats_is_counted_and_found_by_its_query() {
    let (server, admin) = TestServer::admin().await;
    let mut lines = String::new();
    for n in 0..40 {
        writeln!(lines, "request {n} took {} ms", n * 7).unwrap();
    }
    lines.push_str("cache is cold\n");
    server.log("shop", &lines);
    server.known(&admin, "shop", 41).await;
    let found = admin.get("/api/v1/logs/patterns?service=shop").await.json();
    assert_eq!((&found["lines"], &found["is_whole"]), (&json!(41), &json!(true)));
    let patterns = found["patterns"].as_array().unwrap();
    assert_eq!(patterns.len(), 2, "{found:#}");
    assert_eq!((&patterns[0]["pattern"], &patterns[0]["lines"]), (&json!("request <_> took <_> ms"), &json!(40)));
    let counted: u64 = patterns[0]["steps"].as_array().unwrap().iter().map(|step| step.as_u64().unwrap()).sum();
    assert_eq!(counted, 40);
    // Nothing of the hour before is kept: nobody can say what is new.
    assert_eq!(patterns[0]["is_new"], Value::Null);
    let query = patterns[0]["query"].as_str().unwrap();
    let page = admin.get_owned(format!("/api/v1/logs?query={}&limit=100", app::paths::encode(query))).await.json();
    assert_eq!(page["logs"].as_array().unwrap().len(), 40, "{query}");
    admin.get("/api/v1/logs/patterns?service=none").await.problem(404, "NOT_FOUND");
    admin.get("/api/v1/logs/patterns?field=a%3Db").await.bad("field");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_there_before_is_new() {
    let (server, admin) = TestServer::admin().await;
    let token = admin.post("/api/v1/tokens", &json!({"name": "ship", "permissions": ["logs:write"]})).await.json()["token"].clone();
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // Twenty minutes: the range is the newer ten of them.
    let (old, new) = (seconds - 1_100, seconds - 300);
    let mut values = Vec::new();
    for n in 0..30 {
        values.push(json!([(old * 1_000_000_000 + n).to_string(), format!("poll {n} done")]));
        values.push(json!([(new * 1_000_000_000 + n).to_string(), format!("poll {n} done")]));
        values.push(json!([(new * 1_000_000_000 + 100 + n).to_string(), format!("disk {n} failed hard")]));
    }
    let body = json!({"streams": [{"stream": {"service_name": "pushed"}, "values": values}]});
    let push = common::Request::new("POST", "/loki/api/v1/push").json(&body);
    let pushed = server.anonymous().send(push.header("authorization", &format!("Bearer {}", token.as_str().unwrap()))).await;
    assert_eq!(pushed.status, 204, "{}", pushed.text());
    let found = admin.get("/api/v1/logs/patterns?service=pushed&start_time=-10m").await.json();
    let told: Vec<_> = found["patterns"].as_array().unwrap().iter().map(|one| (one["pattern"].as_str().unwrap(), &one["is_new"])).collect();
    assert_eq!(told.len(), 2, "{found:#}");
    assert!(told.contains(&("poll <_> done", &json!(false))), "{told:?}");
    assert!(told.contains(&("disk <_> failed hard", &json!(true))), "{told:?}");
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_are_ones_own() {
    let (server, people) = TestServer::with_people().await;
    let [_, viewer, developer, operator, _] = &people;
    let save = json!({"name": " Slow ", "query": "?search=slow&level=warn"});
    let saved = developer.post("/api/v1/searches", &save).await;
    assert_eq!(saved.status, 201, "{}", saved.text());
    let saved = saved.json();
    assert_eq!((&saved["name"], &saved["query"]), (&json!("Slow"), &json!("search=slow&level=warn")));
    developer.post("/api/v1/searches", &json!({"name": "Slow", "query": "search=x"})).await.problem(409, "CONFLICT");
    developer.post("/api/v1/searches", &json!({"name": "", "query": "search=x"})).await.bad("name");
    developer.post("/api/v1/searches", &json!({"name": "x", "query": "search=a b"})).await.bad("query");
    assert_eq!(developer.post("/rpc/searches/made", &json!({"query": "search=made"})).await.status, 200);
    let mine = developer.get("/api/v1/searches").await.json();
    assert_eq!((mine["saved"].as_array().unwrap().len(), &mine["recent"][0]["query"]), (1, &json!("search=made")));
    // Somebody else has none of it and cannot take it away.
    assert_eq!(operator.get("/api/v1/searches").await.json(), json!({"saved": [], "recent": []}));
    let path = format!("/api/v1/searches/{}", saved["id"].as_str().unwrap());
    operator.delete(&path).await.problem(404, "NOT_FOUND");
    viewer.get("/api/v1/searches").await.problem(403, "FORBIDDEN");
    assert_eq!(developer.delete(&path).await.status, 204);
    developer.delete(&path).await.problem(404, "NOT_FOUND");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_by_logql_holds_what_the_query_finds() {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "web", 12_000).await;
    server.numbered(&admin, "db", 10).await;
    eventually(async || {
        let storage = admin.get("/api/v1/storage").await.json();
        let web = storage["services"].as_array().unwrap().iter().any(|one| one["id"] == "web" && one["lines"] == 12_000);
        web.then_some(())
    })
    .await;
    let query = app::paths::encode(r#"{service_name="web"} |~ "n=[0-9]*7 ""#);
    let text = admin.get_owned(format!("/api/v1/logs/export?query={query}&format=ndjson")).await.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1_200);
    assert!(lines.iter().all(|line| line["service"] == "web"));
    assert!(lines.is_sorted_by_key(|line| line["id"].as_str().unwrap().to_owned()), "the oldest first");
    // Without a query the engine gives the lines too, all of them and each once.
    let csv = admin.get("/api/v1/logs/export?service=web&format=csv&direction=backward").await.text();
    let ids: Vec<&str> = csv.lines().skip(1).map(|row| row.rsplit(',').next().unwrap()).collect();
    assert_eq!(ids.len(), 12_000);
    assert!(ids.is_sorted_by(|a, b| a > b), "the newest first");
    admin.get("/api/v1/logs/export?service=none").await.problem(404, "NOT_FOUND");
    admin.get("/api/v1/logs/export?query=%7B").await.bad("query");
    drop(server);
}
