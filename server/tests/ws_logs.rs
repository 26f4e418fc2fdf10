//! Live lines over a socket: complete, in order, once; and an end when the right to see them ends.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::time::Duration;

use common::{LIMIT, Person, Request, Socket, TestServer, eventually, flood, numbered};
use model::{Entry, Role, ServerMsg};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// Contract §4.
const REVOKED_WITHIN: Duration = Duration::from_secs(2);

fn numbers(entries: &[Entry]) -> Vec<usize> {
    entries.iter().map(|entry| entry.message.split("n=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()).collect()
}

async fn sample(count: usize) -> (TestServer, Person) {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "sample", count).await;
    (server, admin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_lines_come_first_and_then_each_new_one_once() {
    let (server, admin) = sample(10).await;
    let mut socket = Socket::open(&admin, "/ws/logs/sample?tail=4").await;
    let mut entries = socket.read(4).await.entries;
    for n in 10..60 {
        server.log("sample", &numbered(n..n + 1));
        if n % 20 == 0 {
            entries.extend(socket.read(1).await.entries);
        }
    }
    while entries.len() < 54 {
        entries.extend(socket.read(1).await.entries);
    }
    assert_eq!(numbers(&entries), (6..60).collect::<Vec<_>>());
    assert!(socket.is_quiet());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_sees_only_what_it_asked_for() {
    let (server, admin) = sample(10).await;
    let mut socket = Socket::open(&admin, "/ws/logs?service=sample&tail=0&level=error&search=n%3D1").await;
    server.log("other", "2026-03-01T11:00:00Z ERROR n=1 elsewhere\n");
    server.log("sample", &numbered(10..30));
    assert_eq!(numbers(&socket.read(2).await.entries), [14, 19]);
    assert!(socket.is_quiet());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_resumes_behind_the_last_line_it_had() {
    let (server, admin) = sample(10).await;
    let mut socket = Socket::open(&admin, "/ws/logs/sample?tail=5").await;
    let last = socket.read(5).await.entries.last().unwrap().id;
    drop(socket);
    server.log("sample", &numbered(10..40));
    server.known(&admin, "sample", 40).await;
    let mut socket = Socket::open(&admin, &format!("/ws/logs/sample?after={last}")).await;
    server.log("sample", &numbered(40..45));
    assert_eq!(numbers(&socket.read(35).await.entries), (10..45).collect::<Vec<_>>());
    assert!(socket.is_quiet());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_silent_and_what_came_in_it_follows() {
    let (server, admin) = sample(10).await;
    let (mut paused, mut other) =
        (Socket::open(&admin, "/ws/logs/sample?tail=1").await, Socket::open(&admin, "/ws/logs/sample?tail=1").await);
    let last = paused.read(1).await.entries[0].id;
    other.read(1).await;
    paused.send("{\"type\":\"pause\"}").await;
    paused.heard().await;
    server.log("sample", &numbered(10..30));
    other.read(20).await;
    assert!(paused.is_quiet());
    paused.send(&json!({"type": "resume", "after": last}).to_string()).await;
    server.log("sample", &numbered(30..35));
    assert_eq!(numbers(&paused.read(25).await.entries), (10..35).collect::<Vec<_>>());
    // Without a word about where one was, the pause is a hole.
    paused.send("{\"type\":\"pause\"}").await;
    paused.heard().await;
    server.log("sample", &numbered(35..40));
    other.read(10).await;
    paused.send("{\"type\":\"resume\",\"after\":null}").await;
    let told = paused.read(5).await;
    assert_eq!(told.entries.len() as u64 + told.dropped, 5);
}

async fn person(server: &TestServer, role: Role) -> Person {
    server.user_add("ada", role).await;
    server.signed_in("ada").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_close_when_the_session_or_the_right_ends() {
    for how in ["logout", "form", "disabled", "role", "password", "session ended"] {
        let (server, admin) = sample(1).await;
        let ada = person(&server, Role::Developer).await;
        let mut socket = Socket::open(&ada, "/ws/logs/sample").await;
        let mut others = Socket::open(&admin, "/ws/logs/sample").await;
        socket.read(1).await;
        others.read(1).await;
        let answer = match how {
            "logout" => ada.send(Request::new("POST", "/api/v1/auth/logout")).await,
            "form" => ada.send(Request::new("POST", "/logout")).await,
            "disabled" => admin.patch("/api/v1/users/ada", &json!({"disabled": true})).await,
            "role" => admin.patch("/api/v1/users/ada", &json!({"role": "viewer"})).await,
            "password" => admin.patch("/api/v1/users/ada", &json!({"password": "another horse battery"})).await,
            _ => {
                let sessions = ada.get("/api/v1/sessions").await.json();
                ada.delete(&format!("/api/v1/sessions/{}", sessions["sessions"][0]["id"].as_str().unwrap())).await
            }
        };
        assert!(answer.status < 400, "{how}: {}", answer.text());
        assert_eq!(socket.closed(REVOKED_WITHIN).await, 4401, "{how}");
        let again = Socket::try_open(&ada, "/ws/logs/sample", Some(&ada.origin())).await.err().map(|(status, _)| status);
        assert_eq!(again, Some(if how == "role" { 403 } else { 401 }), "{how}");
        server.log("sample", &numbered(1..2));
        assert_eq!(numbers(&others.read(1).await.entries), [1], "{how}: others go on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_lost_in_the_database_closes_sockets_too() {
    let (server, _admin) = sample(1).await;
    let ada = person(&server, Role::Developer).await;
    let mut socket = Socket::open(&ada, "/ws/logs/sample").await;
    socket.read(1).await;
    // The service's own call stands for the command line in another process, whose sockets are none of ours.
    server.ops.accounts.user_set_role(&common::system(), "ada", Role::Viewer).await.unwrap();
    assert_eq!(socket.closed(REVOKED_WITHIN).await, 4401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_closes_the_socket() {
    let (_server, admin) = sample(1).await;
    for message in [
        Message::text("hello"),
        Message::text("{}"),
        Message::text("{\"type\":\"pause\""),
        Message::text("{\"type\":\"drop\"}"),
        Message::text("{\"type\":\"resume\",\"after\":\"x\"}"),
        Message::text("[[[[[["),
        Message::binary(vec![0, 159, 146, 150]),
    ] {
        let mut socket = Socket::open(&admin, "/ws/logs/sample").await;
        socket.send_message(message.clone()).await;
        assert_eq!(socket.closed(LIMIT).await, 4400, "{message:?}");
    }
    let mut socket = Socket::open(&admin, "/ws/logs/sample").await;
    socket.send(&format!("\"{}\"", "x".repeat(10_000))).await;
    assert!(matches!(socket.closed(LIMIT).await, 4400 | 1009 | 1006));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_of_a_flood_is_sent_or_counted_as_lost() {
    const LINES: u64 = 50_000;
    let (server, admin) = sample(1).await;
    let mut socket = Socket::open(&admin, "/ws/logs?tail=0").await;
    eventually(|| async { (server.ops.hub.totals().viewers == 1).then_some(()) }).await;
    let stream = flood::stream();
    for start in (0..LINES).step_by(500) {
        server.ops.hub.publish(&flood::lines(&stream, start..start + 500, ""), server::clock::now());
    }
    let told = socket.read(LINES).await;
    assert_eq!(told.entries.len() as u64 + told.dropped, LINES);
    assert!(told.dropped > 0, "50,000 lines at once are more than a viewer gets");
    let seen = numbers(&told.entries);
    assert!(seen.is_sorted_by(|a, b| a < b), "in order, and none twice");
    // No hole claims a line that was sent: what it names at its ends was lost.
    for (dropped, from, to) in &told.gaps {
        let (from, to) = (from.unwrap(), to.unwrap());
        assert!(from <= to && *dropped > 0);
        assert!(!told.entries.iter().any(|entry| entry.id == from || entry.id == to));
    }
    assert!(socket.is_quiet());
    let last = flood::lines(&stream, LINES..LINES + 1, "");
    server.ops.hub.publish(&last, server::clock::now());
    assert_eq!(socket.read(1).await.entries[0].id, last[0].id, "the view goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_viewers_of_one_service_share_one_stream() {
    let (server, admin) = sample(1).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(Socket::open(&admin, "/ws/logs/sample?tail=0").await);
    }
    eventually(|| async {
        let totals = server.ops.hub.totals();
        ((totals.viewers, totals.topics) == (20, 1)).then_some(())
    })
    .await;
    server.log("sample", &numbered(1..2));
    for socket in &mut sockets {
        assert_eq!(numbers(&socket.read(1).await.entries), [1]);
    }
    drop(sockets);
    // Whoever leaves without a word is noticed and leaves nothing behind.
    eventually(|| async { (server.ops.hub.totals().viewers == 0 && server.ops.sockets.count() == 0).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_says_that_it_is_live() {
    let (_server, admin) = sample(1).await;
    let mut socket = Socket::open(&admin, "/ws/logs/sample?tail=0").await;
    let first = socket.next().await.unwrap();
    assert!(matches!(first, ServerMsg::State { state: model::StreamState::Live }), "{first:?}");
}
