//! What was collected stays: after a restart, and after what wrote it is gone. And who may send and ask.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::{Request, TestServer, eventually, numbered};
use model::Role;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn lines_stay_after_their_file_is_gone_and_the_console_was_restarted() {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "web", 300).await;
    std::fs::remove_file(server.log_path("web")).unwrap();
    let texts =
        |page: Value| page["logs"].as_array().unwrap().iter().map(|line| (line["id"].clone(), line["message"].clone())).collect::<Vec<_>>();
    let before = texts(admin.get("/api/v1/logs/web?limit=1000&direction=forward").await.json());
    assert_eq!(before.len(), 300);

    let server = server.restart().await;
    let admin = server.signed_in("admin").await;
    let after = texts(admin.get("/api/v1/logs/web?limit=1000&direction=forward").await.json());
    assert_eq!(after, before, "the same lines under the same ids");
    let found = admin.get("/api/v1/logs?search=n%3D77%20&limit=10").await.json();
    assert_eq!(texts(found).len(), 1, "across all services");
    let services = admin.get("/api/v1/logs/services").await.json();
    let web = services["services"].as_array().unwrap().iter().find(|one| one["name"] == "web").unwrap().clone();
    assert_eq!((&web["status"], &web["kind"]), (&json!("removed"), &json!("file")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_neither_loses_nor_doubles_lines_of_a_file_that_goes_on() {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "web", 100).await;
    let path = server.log_path("web");
    let server = server.restart().await;
    assert_eq!(server.log_path("web"), path);
    let admin = server.signed_in("admin").await;
    server.log("web", &numbered(100..150));
    eventually(|| async {
        let page = admin.get("/api/v1/logs/web?limit=1000").await.json();
        (page["logs"].as_array().unwrap().len() >= 150).then_some(())
    })
    .await;
    let page = admin.get("/api/v1/logs/web?limit=1000&direction=forward").await.json();
    let lines: Vec<&str> = page["logs"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(lines.join("\n") + "\n", numbered(0..150));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_it_grants_and_nothing_else() {
    let server = TestServer::start().await;
    server.user_add("admin", Role::Admin).await;
    server.user_add("dev", Role::Developer).await;
    let admin = server.signed_in("admin").await;
    let dev = server.signed_in("dev").await;
    dev.post("/api/v1/tokens", &json!({"name": "ship", "permissions": ["logs:write"]})).await.bad("permissions");
    let made =
        admin.post("/api/v1/tokens", &json!({"name": "ship", "permissions": ["logs:write"], "expires": "2100-01-01T00:00:00Z"})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let token = made.json()["token"].as_str().unwrap().to_owned();
    admin.post("/api/v1/tokens", &json!({"name": "ship", "permissions": ["logs:read"]})).await.problem(409, "CONFLICT");

    let program = server.anonymous();
    let bearer = format!("Bearer {token}");
    let basic = {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("any:{token}")))
    };
    let push = |header: &str| {
        let at = server::clock::now().0.to_string();
        let body = json!({"streams": [{"stream": {"service": "pushed"}, "values": [[at, "hello from a program"]]}]});
        Request::new("POST", "/loki/loki/api/v1/push").json(&body).header("authorization", header)
    };
    assert_eq!(program.send(push(&bearer)).await.status, 204);
    assert_eq!(program.send(push(&basic)).await.status, 204);
    program.send(push("Bearer dct_wrong")).await.problem(401, "NO_SESSION");
    // It may not read, nor make itself a better token, nor be a person.
    for (method, path) in
        [("GET", "/loki/loki/api/v1/labels"), ("GET", "/api/v1/logs"), ("GET", "/api/v1/tokens"), ("GET", "/api/v1/users")]
    {
        program.send(Request::new(method, path).header("authorization", &bearer)).await.problem(403, "FORBIDDEN");
    }
    let more = Request::new("POST", "/api/v1/tokens").json(&json!({"name": "more", "permissions": ["logs:read"]}));
    program.send(more.header("authorization", &bearer)).await.problem(403, "FORBIDDEN");

    let page = admin.get("/api/v1/logs/pushed").await.json();
    assert_eq!(page["logs"].as_array().unwrap().len(), 2, "{page}");
    let listed = admin.get("/api/v1/tokens").await.json();
    let id = listed["tokens"][0]["id"].as_str().unwrap().to_owned();
    assert!(listed["tokens"][0]["last_used"].is_string() && !listed.to_string().contains(&token), "{listed}");
    // Somebody else's token is not there for the developer, whose own list is empty.
    dev.delete(&format!("/api/v1/tokens/{id}")).await.problem(404, "NOT_FOUND");
    assert_eq!(admin.delete(&format!("/api/v1/tokens/{id}")).await.status, 204);
    program.send(push(&bearer)).await.problem(401, "NO_SESSION");
    // What the owner loses, the token loses.
    let made = admin.post("/api/v1/tokens", &json!({"name": "read", "permissions": ["logs:read"], "username": "dev"})).await.json();
    let read = Request::new("GET", "/api/v1/logs").header("authorization", &format!("Bearer {}", made["token"].as_str().unwrap()));
    assert_eq!(program.send(read.clone()).await.status, 200);
    admin.patch("/api/v1/users/dev", &json!({"role": "viewer"})).await;
    program.send(read.clone()).await.problem(403, "FORBIDDEN");
    admin.patch("/api/v1/users/dev", &json!({"disabled": true})).await;
    program.send(read).await.problem(401, "NO_SESSION");
}
