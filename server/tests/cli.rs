//! The command line beside a running console: two processes, one data folder.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::time::Duration;

use common::{PASSWORD, Person, Socket, TestServer, eventually, numbered, process};
use model::Role;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_made_by_the_command_line_ends_the_wait_for_the_set_up() {
    let console = process::Process::start(&[], None).await;
    let anybody = Person::new(console.address);
    assert_eq!(anybody.get("/").await.header("location"), "/login?error=setup");
    process::run(&console.dir(), &["user", "add", "ada", "--role", "admin", "--password-stdin"], PASSWORD);
    eventually(|| async { (anybody.get("/").await.header("location") == "/login").then_some(()) }).await;
    anybody.sign_in("ada").await;
}

/// The contract's limit, from the moment the command line says that it is done.
const REVOKED_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_disabled_by_the_command_line_loses_its_sockets() {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "sample", 1).await;
    server.user_add("ada", Role::Developer).await;
    let ada = server.signed_in("ada").await;
    let mut socket = Socket::open(&ada, "/ws/logs/sample").await;
    let mut others = Socket::open(&admin, "/ws/logs/sample").await;
    socket.read(1).await;
    others.read(1).await;
    process::run(server.dir(), &["user", "disable", "ada"], "");
    assert_eq!(socket.closed(REVOKED_WITHIN).await, 4401);
    assert_eq!(ada.get("/api/v1/auth/me").await.status, 401);
    server.log("sample", &numbered(1..2));
    assert_eq!(others.read(1).await.entries.len(), 1, "others go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_set_by_the_command_line_ends_what_shows_more() {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "shop", 1).await;
    server.user_add("ada", Role::Developer).await;
    let ada = server.signed_in("ada").await;
    let paths = ["/ws/logs", "/ws/logs?query=%7Bservice%3D~%22.%2B%22%7D", "/loki/loki/api/v1/tail?query=%7Bservice%3D~%22.%2B%22%7D"];
    let mut sockets = Vec::new();
    for path in paths {
        sockets.push(Socket::open(&ada, path).await);
    }
    process::run(server.dir(), &["user", "scope", "ada", "{service=\"shop\"}"], "");
    for (path, socket) in paths.iter().zip(&mut sockets) {
        assert_eq!(socket.closed(REVOKED_WITHIN).await, 4401, "{path}");
    }
    // Within the scope they stay.
    let mut again = Socket::open(&ada, "/ws/logs?tail=0").await;
    tokio::time::sleep(REVOKED_WITHIN).await;
    server.log("shop", &numbered(1..2));
    assert_eq!(again.read(1).await.entries.len(), 1);
}
