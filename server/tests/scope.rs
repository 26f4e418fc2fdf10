//! What lies outside a person's or a token's scope does not exist for them, whatever they ask.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::{Person, Request, TestServer, eventually, numbered, socket::Socket};
use model::{Permission, Role, Timestamp};
use serde_json::{Value, json};

const WITHIN: &str = "/api/v1/logs/shop-web";
const OUTSIDE: &str = "/api/v1/logs/vault";

fn encode(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Two services; `dev` sees one of them.
async fn two() -> (TestServer, Person, Person) {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "shop-web", 40).await;
    server.numbered(&admin, "vault", 60).await;
    server.user_add("dev", Role::Developer).await;
    let change = json!({"scope": "{service=~\"shop-.*\"}"});
    assert_eq!(admin.patch("/api/v1/users/dev", &change).await.status, 204);
    let dev = server.signed_in("dev").await;
    (server, admin, dev)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_their_scope_on_every_path() {
    let (_server, admin, dev) = two().await;
    assert_eq!(dev.get("/api/v1/auth/me").await.json()["scope"], r#"{service=~"shop-.*"}"#);
    let line = |page: Value| page["logs"][0]["id"].as_str().unwrap().to_owned();
    let (own, foreign) = (line(admin.get(WITHIN).await.json()), line(admin.get(OUTSIDE).await.json()));
    let names: Vec<Value> =
        dev.get("/api/v1/logs/services").await.json()["services"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["shop-web"]);
    assert_eq!(dev.get("/api/v1/stats").await.json()["services"], 1);
    assert_eq!(dev.get(WITHIN).await.status, 200);
    dev.get(OUTSIDE).await.problem(404, "NOT_FOUND");
    dev.get("/api/v1/logs/vault/export").await.problem(404, "NOT_FOUND");
    dev.get("/api/v1/logs/histogram?service=vault&start_time=2026-03-01T10:00:00Z&end_time=2026-03-01T10:01:00Z")
        .await
        .problem(404, "NOT_FOUND");
    assert_eq!(dev.get_owned(format!("/api/v1/logs/context/{own}")).await.status, 200);
    dev.get_owned(format!("/api/v1/logs/context/{foreign}")).await.problem(404, "NOT_FOUND");
    assert_eq!(Socket::try_open(&dev, "/ws/logs/vault", Some(&dev.origin())).await.err().map(|(status, _)| status), Some(404));

    // Whatever answers with text holds nothing of the other service, and something of one's own.
    let any = encode(r#"{service=~".+"}"#);
    let vault = encode(r#"{service="vault"}"#);
    let count = encode(r#"sum by (service) (count_over_time({service=~".+"}[1h]))"#);
    let range = "start=2026-03-01T09:00:00Z&end=2026-03-01T11:00:00Z";
    let api = "/loki/loki/api/v1";
    for path in [
        "/api/v1/logs?limit=500".to_owned(),
        "/api/v1/logs?search=n%3D&limit=500".to_owned(),
        "/api/v1/logs/export".to_owned(),
        format!("/api/v1/logs/query?query={any}"),
        format!("/api/v1/logs/query?query={count}&start_time=2026-03-01T10:00:00Z&end_time=2026-03-01T10:30:00Z&step=10m"),
        format!("/api/v1/logs/export?query={any}"),
        format!("{api}/query_range?query={any}&{range}&limit=500"),
        format!("{api}/query_range?query={count}&{range}&step=600"),
        format!("{api}/query?query={count}&time=2026-03-01T10:10:00Z"),
        format!("{api}/label/service/values?{range}"),
        format!("{api}/label/service_name/values?{range}"),
        format!("{api}/series?{range}"),
        format!("{api}/series?match[]={any}&{range}"),
        format!("{api}/index/volume?query={any}&{range}&targetLabels=service"),
        format!("{api}/index/volume_range?query={any}&{range}&targetLabels=service"),
        format!("{api}/detected_labels?{range}"),
        format!("{api}/detected_field/n/values?query={any}&{range}"),
    ] {
        let (all, seen) = (admin.get_owned(path.clone()).await, dev.get_owned(path.clone()).await);
        assert_eq!((all.status, seen.status), (200, 200), "{path}: {} {}", all.text(), seen.text());
        let (all, seen) = (all.text(), seen.text());
        assert!(!seen.contains("vault"), "{path}: {seen}");
        if !path.contains("detected") {
            assert!(all.contains("vault") && seen.contains("shop-web"), "{path}: {all} {seen}");
        }
        assert_ne!(all, seen, "{path}");
    }
    let stats = dev.get_owned(format!("{api}/index/stats?query={any}&{range}")).await.json();
    assert_eq!(stats["entries"], 40, "{stats}");
    for path in [
        format!("/api/v1/logs/query?query={vault}"),
        format!("{api}/query_range?query={vault}&{range}"),
        format!("{api}/series?match[]={vault}&{range}"),
        format!("{api}/patterns?query={vault}&{range}"),
    ] {
        let answer = dev.get_owned(path.clone()).await;
        assert!(answer.status == 200 && !answer.text().contains("vault") && !answer.text().contains("n="), "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_views_keep_to_the_scope_and_end_when_it_changes() {
    let (server, admin, dev) = two().await;
    let any = encode(r#"{service=~".+"}"#);
    for path in ["/ws/logs?tail=0".to_owned(), format!("/ws/logs?tail=0&query={any}")] {
        let mut socket = Socket::open(&dev, &path).await;
        server.log("vault", &numbered(100..110));
        server.log("shop-web", &numbered(100..105));
        let told = socket.read(5).await;
        assert!(told.entries.iter().all(|line| line.service == "shop-web"), "{path}: {:?}", told.entries);
        assert_eq!(admin.patch("/api/v1/users/dev", &json!({"scope": ""})).await.status, 204);
        socket.closed(std::time::Duration::from_secs(3)).await;
        assert_eq!(dev.get(OUTSIDE).await.status, 200, "the scope is gone");
        assert_eq!(admin.patch("/api/v1/users/dev", &json!({"scope": "{service=~\"shop-.*\"}"})).await.status, 204);
        dev.get(OUTSIDE).await.problem(404, "NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_sees_what_lies_within_its_own_scope_and_its_owners() {
    let (server, admin, dev) = two().await;
    server.numbered(&admin, "shop-db", 10).await;
    let make = |who: Person, scope: &'static str| async move {
        let new = json!({"name": scope, "permissions": ["logs:read"], "scope": scope});
        who.post("/api/v1/tokens", &new).await
    };
    make(dev.clone(), "{level=\"x\"}").await.bad("scope");
    for (who, scope, expect) in [(&dev, r#"{service=~".*-db|vault"}"#, vec!["shop-db"]), (&admin, r#"{service="vault"}"#, vec!["vault"])] {
        let token = make(who.clone(), scope).await.json()["token"].as_str().unwrap().to_owned();
        let program = server.anonymous();
        let list =
            program.send(Request::new("GET", "/api/v1/logs/services").header("authorization", &format!("Bearer {token}"))).await.json();
        let names: Vec<&str> = list["services"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, expect, "{scope}");
    }
    // What is written from within a scope could be read by nobody who wrote it: it is refused.
    let new = ops::tokens::NewToken {
        name: "push".into(),
        permissions: vec![Permission::LogsWrite],
        scope: Some(r#"{service="x"}"#.into()),
        expires: Some(Timestamp(i64::MAX)),
    };
    let (token, _) = server.ops.accounts.token_create(&common::system(), Some("admin"), new).await.unwrap();
    let push = Request::new("POST", "/loki/loki/api/v1/push")
        .header("authorization", &format!("Bearer {token}"))
        .json(&json!({"streams": [{"stream": {"service": "x"}, "values": [["1772359200000000000", "line"]]}]}));
    let answer = server.anonymous().send(push).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_has_no_scope_and_a_wrong_one_is_refused() {
    let (server, admin, _dev) = two().await;
    admin.patch("/api/v1/users/dev", &json!({"scope": "{"})).await.bad("scope");
    admin.patch("/api/v1/users/dev", &json!({"scope": "{level=\"x\"}"})).await.bad("scope");
    admin.patch("/api/v1/users/admin", &json!({"scope": "{service=\"x\"}"})).await.problem(409, "CONFLICT");
    admin.patch("/api/v1/users/dev", &json!({"role": "admin"})).await.problem(409, "CONFLICT");
    admin.patch("/api/v1/users/dev", &json!({"role": "viewer", "scope": ""})).await.bad("body");
    let users = admin.get("/api/v1/users").await.json();
    let dev = users["users"].as_array().unwrap().iter().find(|one| one["username"] == "dev").unwrap().clone();
    assert_eq!(dev["scope"], r#"{service=~"shop-.*"}"#);
    let server = server.restart().await;
    let dev = server.signed_in("dev").await;
    eventually(|| async { (dev.get(WITHIN).await.status == 200).then_some(()) }).await;
    dev.get(OUTSIDE).await.problem(404, "NOT_FOUND");
}
