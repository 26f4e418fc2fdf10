//! A console whose lines are kept by a Loki: another console.

use model::Role;
use serde_json::{Value, json};

use crate::common::{
    Person, Request, TestServer, eventually,
    loki::{Road, console},
    numbered,
};

const SHIP: &str = "ship_to = \"loki\"\n";

async fn admin(server: &TestServer) -> Person {
    server.user_add("admin", Role::Admin).await;
    server.signed_in("admin").await
}

fn messages(page: &Value) -> String {
    page["logs"].as_array().unwrap().iter().map(|line| format!("{}\n", line["message"].as_str().unwrap())).collect()
}

/// A page of a console that holds `count` lines.
async fn page(person: &Person, path: &str, count: usize) -> Value {
    let found = eventually(|| async {
        let answer = person.get(path).await;
        let page = (answer.status == 200).then(|| answer.json())?;
        (page["logs"].as_array()?.len() >= count).then_some(page)
    });
    found.await
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_kept_by_loki_and_found_through_it() {
    let (far, url) = console().await;
    let near = TestServer::start_collecting(SHIP, |flags| flags.loki_url = Some(url.clone())).await;
    let admin = admin(&near).await;
    near.log("web", &numbered(0..300));
    let path = "/api/v1/logs/web?limit=1000&direction=forward";
    let through = page(&admin, path, 300).await;
    assert_eq!(messages(&through), numbered(0..300));
    let direct = far.signed_in("admin").await.get(path).await.json();
    assert_eq!(messages(&direct), numbered(0..300));
    let first = &through["logs"][0];
    assert_eq!((&first["labels"], &first["level"]), (&direct["logs"][0]["labels"], &json!("debug")));
    assert!(!near.dir().join("data/logs").exists(), "no embedded store beside it");

    // What a person does with a line: filter, context, histogram, export.
    let found = admin.get("/api/v1/logs?search=n%3D77%20&limit=10").await.json();
    assert_eq!(found["logs"].as_array().unwrap().len(), 1, "{found}");
    let id = through["logs"][150]["id"].as_str().unwrap();
    let context = admin.get(&format!("/api/v1/logs/context/{id}?before=3&after=3")).await.json();
    assert_eq!(messages(&context), numbered(147..154));
    let errors = admin.get("/api/v1/logs/web?level=error&limit=1000").await.json();
    assert_eq!(errors["logs"].as_array().unwrap().len(), 60);

    // And what a program asks of the console's own Loki API.
    let asked = "/loki/loki/api/v1/query_range?query=%7Bservice_name%3D%22web%22%7D&limit=5&start=1772359200&end=1772359201";
    let answer = admin.get(asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let streams = answer.json()["data"]["result"].as_array().unwrap().clone();
    assert_eq!(streams.iter().map(|stream| stream["values"].as_array().unwrap().len()).sum::<usize>(), 5, "{streams:?}");
    let wrong =
        admin.get("/loki/loki/api/v1/query_range?query=sum(rate(%7Ba%3D%22b%22%7D%20%7C%20unwrap%20x%20%5B1m%5D))&step=0.0001").await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    let labels = admin.get("/loki/loki/api/v1/label/service_name/values?start=1772359200&end=1772359201").await.json();
    assert_eq!(labels["data"], json!(["web"]));
    let viewer = {
        near.user_add("viewer", Role::Viewer).await;
        near.signed_in("viewer").await
    };
    assert_eq!(viewer.get(asked).await.status, 403, "rights are the console's");
    let health = admin.get("/api/v1/health").await.json();
    let part = health["parts"].as_array().unwrap().iter().find(|part| part["name"] == "loki").unwrap().clone();
    assert_eq!(part["state"], "ok", "{health}");
    let storage = admin.get("/api/v1/storage").await.json();
    assert_eq!((&storage["engine"]["state"], &storage["dropped"]), (&json!("ok"), &json!([])), "{storage}");
    assert_eq!(storage["loki"]["queue"], json!({"waiting_lines": 0, "waiting_bytes": 0, "sent_lines": 300}), "{storage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_loki_is_away_nothing_is_lost_and_nothing_comes_twice() {
    let (far, url) = console().await;
    let road = Road::to(far.address).await;
    let url = url.replace(&far.address.to_string(), &road.address.to_string());
    let near = TestServer::start_collecting(SHIP, |flags| flags.loki_url = Some(url.clone())).await;
    let far_admin = far.signed_in("admin").await;
    let path = "/api/v1/logs/web?limit=5000&direction=forward";
    near.log("web", &numbered(0..100));
    page(&far_admin, path, 100).await;

    road.close();
    near.log("web", &numbered(100..400));
    let admin = admin(&near).await;
    // They are on disk, and the console says so.
    eventually(|| async {
        let health = admin.get("/api/v1/health").await.json();
        let part = health["parts"].as_array()?.iter().find(|part| part["name"] == "loki")?.clone();
        (part["state"] == "down" && part["detail"].as_str()?.contains("lines wait for it on disk")).then_some(())
    })
    .await;
    let storage = admin.get("/api/v1/storage").await.json();
    assert_eq!((&storage["engine"]["state"], &storage["loki"]["queue"]["waiting_lines"]), (&json!("down"), &json!(300)), "{storage}");
    let near = near.restart_collecting(SHIP, |flags| flags.loki_url = Some(url.clone())).await;
    near.log("web", &numbered(400..500));
    road.open();
    let found = page(&far_admin, path, 500).await;
    assert_eq!(messages(&found), numbered(0..500));
    near.log("web", &numbered(500..510));
    let found = page(&far_admin, path, 510).await;
    assert_eq!(messages(&found), numbered(0..510));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_programs_send_goes_on_to_loki() {
    let (far, url) = console().await;
    let near = TestServer::start_collecting("", |flags| flags.loki_url = Some(url.clone())).await;
    near.user_add("admin", Role::Admin).await;
    let new = ops::tokens::NewToken { name: "ship".into(), permissions: vec![model::Permission::LogsWrite], scope: None, expires: None };
    let (token, _) = near.ops.accounts.token_create(&crate::common::system(), Some("admin"), new).await.unwrap();
    let at = server::clock::now().0.to_string();
    let send = |body: Value| {
        let request = Request::new("POST", "/loki/loki/api/v1/push").json(&body).header("authorization", &format!("Bearer {token}"));
        let program = near.anonymous();
        async move { program.send(request).await }
    };
    let sent = send(json!({ "streams": [{ "stream": { "service": "pushed" }, "values": [[at, "hello"]] }] })).await;
    assert_eq!(sent.status, 204, "{}", sent.text());
    let ahead = (server::clock::now().0 + 3_600_000_000_000).to_string();
    let refused = send(json!({ "streams": [{ "stream": { "service": "pushed" }, "values": [[ahead, "hello"]] }] })).await;
    assert_eq!((refused.status, refused.text().contains("timestamp too new")), (400, true), "{}", refused.text());
    let found = page(&far.signed_in("admin").await, "/api/v1/logs/pushed", 1).await;
    assert_eq!(messages(&found), "hello\n");
}
