//! Who may come through which door: a row for every door, and a proof that no door is without one.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::collections::BTreeSet;

use futures::StreamExt;

use common::{Answer, PASSWORD, Person, Request, Socket, TestServer};
use model::Role;
use ops::source::Store;
use serde_json::{Value, json};
use server::{
    http::{
        doors::{DOORS, Gate},
        openapi::DOCUMENT,
    },
    store::SqlStore,
};

/// A door, a request through it, and the status that nobody, viewer, developer, operator and admin get.
struct Row {
    method: &'static str,
    door: &'static str,
    request: &'static str,
    body: Body,
    statuses: [u16; 5],
}

#[derive(Clone, Copy)]
enum Body {
    None,
    Json(&'static str),
    Form(&'static str),
    Socket,
}

const fn row(method: &'static str, door: &'static str, request: &'static str, body: Body, statuses: [u16; 5]) -> Row {
    Row { method, door, request, body, statuses }
}

use Body::{Form, Json, None as No, Socket as Ws};

const PUBLIC: [u16; 5] = [200; 5];
/// Any session.
const SESSION: [u16; 5] = [401, 200, 200, 200, 200];
/// A page shows a refusal instead of answering with it.
const PAGE: [u16; 5] = [303, 200, 200, 200, 200];
const LOGS: [u16; 5] = [401, 403, 200, 200, 200];
const ADMIN: [u16; 5] = [401, 403, 403, 403, 200];

const NO_LINE: &str = "/api/v1/logs/context/000000000000000000000000000000000000";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("GET", "/healthz", "/healthz", No, PUBLIC),
    row("GET", "/readyz", "/readyz", No, PUBLIC),
    row("GET", "/metrics", "/metrics", No, SESSION),
    row("GET", "/login", "/login", No, PUBLIC),
    row("POST", "/login", "/login", Form("username=nobody-1&password=wrong"), [303; 5]),
    row("GET", "/setup", "/setup", No, PUBLIC),
    row("POST", "/setup", "/setup", Form("token=wrong&username=eve&password=x&repeat=x"), [303; 5]),
    row("POST", "/logout", "/logout", No, [303; 5]),
    row("GET", "/", "/", No, PAGE),
    row("GET", "/logs", "/logs", No, PAGE),
    row("GET", "/storage", "/storage", No, PAGE),
    row("GET", "/account", "/account", No, PAGE),
    row("GET", "/users", "/users", No, PAGE),
    row("POST", "/api/v1/auth/login", "/api/v1/auth/login", Json(r#"{"username":"nobody-2","password":"wrong"}"#), [401; 5]),
    row("POST", "/api/v1/auth/logout", "/api/v1/auth/logout", No, [401, 204, 204, 204, 204]),
    row("GET", "/api/v1/auth/me", "/api/v1/auth/me", No, SESSION),
    row("POST", "/api/v1/auth/password", "/api/v1/auth/password", Json(r#"{"current":"correct horse battery","password":"x"}"#), [401, 400, 400, 400, 400]),
    row("GET", "/api/v1/health", "/api/v1/health", No, SESSION),
    row("GET", "/api/v1/stats", "/api/v1/stats", No, SESSION),
    row("GET", "/api/v1/system/info", "/api/v1/system/info", No, SESSION),
    row("GET", "/api/v1/logs", "/api/v1/logs", No, LOGS),
    row("GET", "/api/v1/logs/services", "/api/v1/logs/services", No, LOGS),
    row("GET", "/api/v1/logs/query", "/api/v1/logs/query?query=%7Bservice%3D%22x%22%7D", No, LOGS),
    row("GET", "/api/v1/logs/histogram", "/api/v1/logs/histogram", No, LOGS),
    row("GET", "/api/v1/logs/export", "/api/v1/logs/export", No, LOGS),
    row("GET", "/api/v1/logs/patterns", "/api/v1/logs/patterns", No, LOGS),
    row("GET", "/api/v1/logs/context/{id}", NO_LINE, No, [401, 403, 404, 404, 404]),
    row("GET", "/api/v1/logs/{service}", "/api/v1/logs/sample", No, LOGS),
    row("GET", "/api/v1/logs/{service}/export", "/api/v1/logs/sample/export", No, LOGS),
    row("GET", "/api/v1/searches", "/api/v1/searches", No, LOGS),
    row("POST", "/api/v1/searches", "/api/v1/searches", Json(r#"{"name":"mine","query":"search=a"}"#), [401, 403, 201, 201, 201]),
    row("DELETE", "/api/v1/searches/{id}", "/api/v1/searches/none", No, [401, 403, 404, 404, 404]),
    row("GET", "/api/v1/storage", "/api/v1/storage", No, LOGS),
    row("GET", "/api/v1/sessions", "/api/v1/sessions", No, SESSION),
    row("GET", "/api/v1/sessions", "/api/v1/sessions?all=true", No, ADMIN),
    row("DELETE", "/api/v1/sessions/{id}", "/api/v1/sessions/none", No, [401, 404, 404, 404, 404]),
    row("GET", "/api/v1/tokens", "/api/v1/tokens", No, SESSION),
    row("GET", "/api/v1/tokens", "/api/v1/tokens?all=true", No, ADMIN),
    row("POST", "/api/v1/tokens", "/api/v1/tokens", Json(r#"{"name":"x","permissions":["logs:write"]}"#), [401, 400, 400, 400, 201]),
    row("DELETE", "/api/v1/tokens/{id}", "/api/v1/tokens/none", No, [401, 404, 404, 404, 404]),
    row("GET", "/api/v1/users", "/api/v1/users", No, ADMIN),
    row("POST", "/api/v1/users", "/api/v1/users", Json(r#"{"username":"eve","password":"short","role":"admin"}"#), [401, 403, 403, 403, 400]),
    row("PATCH", "/api/v1/users/{username}", "/api/v1/users/nobody", Json(r#"{"role":"admin"}"#), [401, 403, 403, 403, 404]),
    row("GET", "/api/openapi.json", "/api/openapi.json", No, SESSION),
    row("GET", "/api/docs", "/api/docs", No, SESSION),
    row("GET", "/ws/logs", "/ws/logs", Ws, [401, 403, 101, 101, 101]),
    row("GET", "/ws/logs/{service}", "/ws/logs/sample", Ws, [401, 403, 101, 101, 101]),
    row("GET", LOKI, "/loki/loki/api/v1/labels", No, LOGS),
    row("GET", LOKI, "/loki/loki/api/v1/label/service/values", No, LOGS),
    row("GET", LOKI, "/loki/loki/api/v1/series", No, LOGS),
    row("GET", LOKI, "/loki/api/v1/query?query=vector(1)", No, LOGS),
    row("GET", LOKI, "/loki/api/v1/query_range?query=%7Bjob%3D%22files%22%7D", No, LOGS),
    row("GET", LOKI, "/loki/api/v1/index/stats?query=%7Bjob%3D%22files%22%7D", No, LOGS),
    row("GET", LOKI, "/loki/api/v1/index/volume?query=%7Bjob%3D%22files%22%7D", No, LOGS),
    row("GET", LOKI, "/loki/api/v1/index/volume_range?query=%7Bjob%3D%22files%22%7D", No, LOGS),
    row("GET", LOKI, "/loki/api/v1/patterns?query=%7Bjob%3D%22files%22%7D", No, LOGS),
    row("GET", LOKI, "/loki/api/v1/detected_labels", No, LOGS),
    row("GET", LOKI, "/loki/api/v1/detected_fields?query=%7Bjob%3D%22files%22%7D", No, LOGS),
    row("GET", LOKI, "/loki/api/v1/tail?query=%7Bjob%3D%22files%22%7D", Ws, [401, 403, 101, 101, 101]),
    // Only a token can write.
    row("POST", LOKI, "/loki/loki/api/v1/push", Json("{}"), [401, 403, 403, 403, 403]),
    row("POST", LOKI, "/loki/otlp/v1/logs", Json("{}"), [401, 403, 403, 403, 403]),
    row("POST", RPC, "/rpc/logs/services", Json("{}"), LOGS),
    row("POST", RPC, "/rpc/logs/search", Json(r#"{"ask":{}}"#), LOGS),
    row("POST", RPC, "/rpc/logs/histogram", Json(r#"{"ask":{"start_time":"-1h"}}"#), LOGS),
    row("POST", RPC, "/rpc/logs/numbers", Json(r#"{"query":"rate({service=\"x\"}[5m])","ask":{"start_time":"-1h"}}"#), LOGS),
    row("POST", RPC, "/rpc/logs/check", Json(r#"{"query":"{"}"#), LOGS),
    row("POST", RPC, "/rpc/logs/as_query", Json(r#"{"ask":{}}"#), LOGS),
    row("POST", RPC, "/rpc/logs/labels", Json(r#"{"ask":{}}"#), LOGS),
    row("POST", RPC, "/rpc/logs/context", Json(r#"{"id":"000000000000000000000000000000000000","before":0,"after":0}"#), [401, 403, 404, 404, 404]),
    row("POST", RPC, "/rpc/logs/storage", Json("{}"), LOGS),
    row("POST", RPC, "/rpc/logs/patterns", Json(r#"{"ask":{}}"#), LOGS),
    row("POST", RPC, "/rpc/searches/list", Json("{}"), LOGS),
    row("POST", RPC, "/rpc/searches/save", Json(r#"{"name":"","query":"search=a"}"#), [401, 403, 400, 400, 400]),
    row("POST", RPC, "/rpc/searches/delete", Json(r#"{"id":"none"}"#), [401, 403, 404, 404, 404]),
    row("POST", RPC, "/rpc/searches/used", Json(r#"{"id":"none"}"#), LOGS),
    row("POST", RPC, "/rpc/searches/made", Json(r#"{"query":"search=a"}"#), LOGS),
    row("POST", RPC, "/rpc/me/get", Json("{}"), SESSION),
    row("POST", RPC, "/rpc/me/sessions", Json(r#"{"all":false}"#), SESSION),
    row("POST", RPC, "/rpc/me/sessions", Json(r#"{"all":true}"#), ADMIN),
    row("POST", RPC, "/rpc/me/session_end", Json(r#"{"id":"none"}"#), [401, 404, 404, 404, 404]),
    row("POST", RPC, "/rpc/me/password", Json(r#"{"current":"correct horse battery","password":"x"}"#), [401, 400, 400, 400, 400]),
    row("POST", RPC, "/rpc/system/health", Json("{}"), SESSION),
    row("POST", RPC, "/rpc/system/info", Json("{}"), SESSION),
    row("POST", RPC, "/rpc/users/list", Json("{}"), ADMIN),
    row("POST", RPC, "/rpc/users/add", Json(r#"{"username":"eve","password":"short","role":"admin"}"#), [401, 403, 403, 403, 400]),
    row("POST", RPC, "/rpc/users/scope", Json(r#"{"username":"nobody","scope":""}"#), [401, 403, 403, 403, 404]),
    row("POST", RPC, "/rpc/users/role", Json(r#"{"username":"nobody","role":"admin"}"#), [401, 403, 403, 403, 404]),
    row("POST", RPC, "/rpc/users/disabled", Json(r#"{"username":"nobody","disabled":true}"#), [401, 403, 403, 403, 404]),
    row("POST", RPC, "/rpc/users/password", Json(r#"{"username":"nobody","password":"x"}"#), [401, 403, 403, 403, 404]),
];

/// Server functions share one route.
const LOKI: &str = "/loki/{*path}";
const RPC: &str = "/rpc/{*name}";

impl Row {
    fn request(&self) -> Request {
        let request = Request::new(self.method, self.request);
        match self.body {
            No | Ws => request,
            Json(body) => request.body("application/json", body).header("accept", "application/json"),
            Form(body) => request.body("application/x-www-form-urlencoded", body),
        }
    }

    async fn status(&self, person: &Person) -> u16 {
        if matches!(self.body, Ws) {
            return Socket::try_open(person, self.request, Some(&person.origin())).await.map_or_else(|(status, _)| status, |_| 101);
        }
        person.send(self.request()).await.status
    }
}

async fn sample() -> (TestServer, [Person; 5]) {
    let (server, people) = TestServer::with_people().await;
    server.numbered(&people[4], "sample", 10).await;
    (server, people)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_gets_what_the_table_says_at_every_door() {
    let (server, people) = sample().await;
    let mut wrong = Vec::new();
    for row in ROWS {
        for (n, person) in people.iter().enumerate() {
            let status = row.status(person).await;
            if status != row.statuses[n] {
                let who = ["nobody", "viewer", "developer", "operator", "admin"][n];
                wrong.push(format!("{} {} as {who}: {status}, wanted {}", row.method, row.request, row.statuses[n]));
            }
            if row.door.ends_with("/logout") && n > 0 {
                person.sign_in(Role::ALL[n - 1].as_str()).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    drop(server);
}

#[test]
fn every_door_has_a_row_that_agrees_with_its_gate() {
    for door in DOORS {
        let mut rows = ROWS.iter().filter(|row| (row.method, row.door) == (door.method, door.path)).peekable();
        assert!(rows.peek().is_some(), "{} {} has no row", door.method, door.path);
        for row in rows {
            let [nobody, viewer, developer, operator, admin] = row.statuses;
            let Gate::Session(action) = door.gate else {
                assert!(row.statuses.iter().all(|status| *status == nobody), "{} is public", row.request);
                continue;
            };
            assert!(matches!(nobody, 401 | 303), "{}", row.request);
            let page = nobody == 303;
            for (role, status) in Role::ALL.into_iter().zip([viewer, developer, operator, admin]) {
                let permitted = action.permission().is_none_or(|permission| role.may(permission));
                assert!(permitted || page || status == 403, "{} as {role}: {status}", row.request);
                assert!(!permitted || status != 403 || action.permission().is_none(), "{} as {role}: {status}", row.request);
            }
        }
    }
    for row in ROWS {
        assert!(DOORS.iter().any(|door| (row.method, row.door) == (door.method, door.path)), "{} {} is no door", row.method, row.door);
    }
}

#[test]
fn every_server_function_has_a_row() {
    let functions: BTreeSet<(String, String)> =
        leptos::server_fn::axum::server_fn_paths().map(|(path, method)| (method.to_string(), path.to_owned())).collect();
    let rows: BTreeSet<(String, String)> =
        ROWS.iter().filter(|row| row.door == RPC).map(|row| (row.method.to_owned(), row.request.to_owned())).collect();
    assert!(!functions.is_empty());
    assert_eq!(functions, rows);
}

#[test]
fn the_document_and_the_doors_agree() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let permission = operation["x-permission"].as_str().unwrap().to_owned();
            // A rest of a path, which OpenAPI cannot say.
            documented.insert((method.to_uppercase(), path.replace("/loki/{path}", LOKI), permission));
        }
    }
    for (path, socket) in document["x-websockets"].as_object().unwrap() {
        documented.insert(("GET".to_owned(), path.clone(), socket["x-permission"].as_str().unwrap().to_owned()));
    }
    let private = |path: &str| path == RPC || app::paths::all().contains(&path);
    let doors: BTreeSet<_> = DOORS
        .iter()
        .filter(|door| !private(door.path))
        .map(|door| {
            let permission = match door.gate {
                Gate::Public => "public".to_owned(),
                Gate::Session(action) => action.permission().map_or("session".to_owned(), |permission| permission.to_string()),
            };
            (door.method.to_owned(), door.path.to_owned(), permission)
        })
        .collect();
    assert_eq!(documented, doors);
}

/// Each door's request under another method, and whether the answer is a 405 that is a problem.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_is_no_door_gets_405_and_a_path_that_is_none_404() {
    let (server, people) = sample().await;
    let [nobody, .., admin] = &people;
    for row in ROWS.iter().filter(|row| row.door != RPC && row.door != LOKI) {
        for method in ["PUT", "TRACE", "OPTIONS", "BREW", "POST", "DELETE"] {
            if DOORS.iter().any(|door| (door.method, door.path) == (method, row.door)) {
                continue;
            }
            for person in [nobody, admin] {
                let answer = person.send(Request::new(method, row.request)).await;
                assert_eq!(answer.status, 405, "{method} {}: {}", row.request, answer.text());
                answer.problem(405, "METHOD_NOT_ALLOWED");
            }
        }
    }
    for path in
        ["/nothing", "/api/v1/nothing", "/api/v1/logs/a/b/c", "/ws/nothing", "/api/", "/pkg/../../etc/passwd", "/%ff", "/.git/config"]
    {
        for person in [nobody, admin] {
            person.get(path).await.problem(404, "NOT_FOUND");
        }
    }
    admin.send(Request::new("POST", "/rpc/nothing").json(&json!({}))).await.problem(404, "NOT_FOUND");
    // A person is shown a page instead.
    let page = admin.send(Request::new("GET", "/nothing").header("accept", "text/html")).await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_ours_is_refused_everywhere() {
    let (server, people) = sample().await;
    let admin = &people[4];
    for path in ["/", "/healthz", "/login", "/api/v1/auth/me", "/ws/logs", "/nothing", "/favicon.svg"] {
        for host in ["evil.example", "localhost.evil.example", "169.254.169.254", ""] {
            admin.send(Request::new("GET", path).header("host", host)).await.problem(421, "WRONG_HOST");
        }
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:4080"] {
        assert_eq!(admin.send(Request::new("GET", "/healthz").header("host", host)).await.status, 200, "{host}");
    }
    // 28 refusals; 20 of a kind are written, and the rest is counted a minute later.
    let store = SqlStore::open(&format!("sqlite:{}", server.dir().join("data/docaiche.db").display())).await.unwrap();
    let written = || async {
        let records = store.audit_read(0, 1_000).await.unwrap();
        let mut hosts: Vec<String> =
            records.into_iter().filter(|one| one.event.action == "request.wrong_host").map(|one| one.event.target).collect();
        (hosts.len() >= 20).then(|| {
            hosts.truncate(4);
            hosts
        })
    };
    assert_eq!(common::eventually(written).await, ["evil.example", "localhost.evil.example", "169.254.169.254", ""]);
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_from_another_site_is_refused_at_every_door() {
    let (server, people) = sample().await;
    let admin = &people[4];
    let foreign = [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
    ];
    for row in ROWS.iter().filter(|row| row.method != "GET") {
        for (name, value) in foreign {
            let answer = admin.send(row.request().header(name, value)).await;
            assert_eq!(answer.status, 403, "{} {} with {name}: {value}", row.method, row.request);
            answer.problem(403, "CROSS_ORIGIN");
        }
        if !row.door.ends_with("/logout") {
            let answer = admin.send(row.request().header("origin", &admin.origin()).header("sec-fetch-site", "same-origin")).await;
            assert!(!answer.text().contains("CROSS_ORIGIN"), "{} {}", row.method, row.request);
        }
    }
    for row in ROWS.iter().filter(|row| matches!(row.body, Ws)) {
        for origin in [Some("http://evil.example"), Some("null"), Some("http://localhost:1"), None] {
            let refused = Socket::try_open(admin, row.request, origin).await.err().map(|(status, _)| status);
            assert_eq!(refused, Some(403), "{} from {origin:?}", row.request);
        }
    }
    // Still signed in: nothing of the above did anything.
    assert_eq!(admin.get("/api/v1/auth/me").await.json()["username"], "admin");
    drop(server);
}

async fn session_address(server: &TestServer, forwarded: &[(&str, &str)]) -> (Answer, String) {
    let person = server.anonymous();
    let mut request = Request::new("POST", "/api/v1/auth/login").json(&json!({"username": "admin", "password": PASSWORD}));
    for (name, value) in forwarded {
        request = request.header(name, value);
    }
    let answer = person.send(request).await;
    let mut list = Request::new("GET", "/api/v1/sessions");
    for (name, value) in forwarded {
        list = list.header(name, value);
    }
    let sessions = person.send(list).await.json();
    let own = sessions["sessions"].as_array().unwrap().iter().find(|session| session["current"] == true).unwrap().clone();
    (answer, own["address"].as_str().unwrap().to_owned())
}

const FORWARDED: [(&str, &str); 3] =
    [("x-forwarded-for", "198.51.100.1, 203.0.113.9"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "console.example")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwarded_headers_of_strangers_are_ignored() {
    let (server, admin) = TestServer::admin().await;
    let (answer, address) = session_address(&server, &FORWARDED).await;
    assert_eq!((answer.status, address.as_str()), (204, "127.0.0.1"));
    assert!(!answer.header("set-cookie").contains("Secure"), "{}", answer.header("set-cookie"));
    // Neither a host nor an origin can be borrowed.
    let forged = Request::new("POST", "/api/v1/auth/logout").header("origin", "https://console.example");
    let forged = FORWARDED.iter().fold(forged, |request, (name, value)| request.header(name, value));
    admin.send(forged).await.problem(403, "CROSS_ORIGIN");
    // Guesses under ever new addresses all count against the one they come from.
    let guesser = server.anonymous();
    for n in 0..20 {
        let guess = Request::new("POST", "/api/v1/auth/login").json(&json!({"username": format!("guess{n}"), "password": "wrong"}));
        guesser.send(guess.header("x-forwarded-for", &format!("203.0.113.{n}"))).await;
    }
    assert!(server.ops.accounts.throttled("fresh", "127.0.0.1".parse().unwrap(), server::clock::now()));
    assert!(!server.ops.accounts.throttled("fresh", "203.0.113.3".parse().unwrap(), server::clock::now()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwarded_headers_of_a_trusted_proxy_count() {
    let server = TestServer::start_with(|flags| {
        flags.trusted_proxies = Some("127.0.0.0/8".into());
        flags.allowed_hosts = Some("localhost,127.0.0.1,console.example".into());
    })
    .await;
    server.user_add("admin", Role::Admin).await;
    let (answer, address) = session_address(&server, &FORWARDED).await;
    assert_eq!((answer.status, address.as_str()), (204, "203.0.113.9"));
    let cookie = answer.header("set-cookie");
    for part in ["; Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let person = server.anonymous();
    let host = |host: &str| Request::new("GET", "/healthz").header("x-forwarded-host", host);
    assert_eq!(person.send(host("console.example")).await.status, 200);
    person.send(host("evil.example")).await.problem(421, "WRONG_HOST");
    let from = |origin: &str| {
        let request = Request::new("POST", "/api/v1/auth/logout").header("origin", origin);
        FORWARDED.iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    assert_eq!(person.send(from("https://console.example")).await.status, 401);
    assert_eq!(person.send(from("http://console.example")).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_is_worth_nothing_after_signing_out() {
    let (server, admin) = TestServer::admin().await;
    let person = server.signed_in("admin").await;
    let cookie = person.cookie().unwrap();
    assert_eq!(person.send(Request::new("POST", "/api/v1/auth/logout")).await.status, 204);
    assert_eq!(person.cookie(), None, "the cookie is taken back");
    person.with_cookie(&cookie).get("/api/v1/auth/me").await.problem(401, "NO_SESSION");
    // The form does the same.
    let person = server.signed_in("admin").await;
    let cookie = person.cookie().unwrap();
    let answer = person.send(Request::new("POST", "/logout").form(&[])).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/login"));
    person.with_cookie(&cookie).get("/api/v1/auth/me").await.problem(401, "NO_SESSION");
    assert_eq!(admin.get("/api/v1/auth/me").await.status, 200, "other sessions go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_changes_at_sign_in_and_a_planted_one_is_not_taken() {
    let (server, admin) = TestServer::admin().await;
    let before = admin.cookie().unwrap();
    let again = admin.with_cookie(&before);
    again.sign_in("admin").await;
    let after = again.cookie().unwrap();
    assert_ne!(before, after);
    admin.with_cookie(&before).get("/api/v1/auth/me").await.problem(401, "NO_SESSION");
    admin.with_cookie(&after).get("/api/v1/auth/me").await;
    let planted = "AAAAAAAAAAAAAAAAAAAAAA";
    let person = server.anonymous().with_cookie(planted);
    person.sign_in("admin").await;
    assert_ne!(person.cookie().unwrap(), planted);
    for rubbish in ["", "x", "../../etc", &"A".repeat(4_000)] {
        server.anonymous().with_cookie(rubbish).get("/api/v1/auth/me").await.problem(401, "NO_SESSION");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_person_has_no_session_and_gets_none() {
    let (server, admin) = TestServer::admin().await;
    server.user_add("ada", Role::Operator).await;
    let ada = server.signed_in("ada").await;
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"disabled": true})).await.status, 204);
    ada.get("/api/v1/auth/me").await.problem(401, "NO_SESSION");
    let refused = ada.try_sign_in("ada", PASSWORD).await;
    let wrong = ada.try_sign_in("nobody", PASSWORD).await;
    assert_eq!((refused.status, refused.body), (401, wrong.body));
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"disabled": false})).await.status, 204);
    ada.get("/api/v1/auth/me").await.problem(401, "NO_SESSION");
    ada.sign_in("ada").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_answer_carries_the_security_headers() {
    let (server, people) = sample().await;
    let [nobody, _, _, _, admin] = &people;
    let evil = Request::new("GET", "/").header("host", "evil.example");
    let cross = Request::new("POST", "/api/v1/auth/logout").header("origin", "null");
    for (what, answer) in [
        ("page", admin.get("/").await),
        ("login page", nobody.get("/login").await),
        ("docs", admin.get("/api/docs").await),
        ("REST", admin.get("/api/v1/auth/me").await),
        ("export", admin.get("/api/v1/logs/sample/export").await),
        ("plain", nobody.get("/healthz").await),
        ("redirect", nobody.get("/").await),
        ("401", nobody.get("/api/v1/auth/me").await),
        ("403", people[1].get("/api/v1/users").await),
        ("404", nobody.get("/nothing").await),
        ("405", nobody.send(Request::new("PUT", "/login")).await),
        ("421", nobody.send(evil).await),
        ("cross-origin", nobody.send(cross).await),
        ("rpc", admin.post("/rpc/me/get", &json!({})).await),
    ] {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), value, "{what}: {name}");
        }
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "object-src 'none'"] {
            assert!(policy.contains(part), "{what}: {policy}");
        }
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("unsafe-eval'") || policy.contains("'wasm-unsafe-eval'"),
            "{what}: {policy}"
        );
        assert!(!answer.header("x-request-id").is_empty(), "{what}");
    }
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_script_of_a_page_carries_the_nonce_of_its_policy() {
    let (server, admin) = TestServer::admin().await;
    let mut nonces = BTreeSet::new();
    for path in ["/", "/login", "/logs", "/users", "/account", "/"] {
        let page = admin.send(Request::new("GET", path).header("accept", "text/html")).await;
        let policy = page.header("content-security-policy");
        let nonce = policy.split("'nonce-").nth(1).unwrap_or_else(|| panic!("{path}: {policy}")).split('\'').next().unwrap().to_owned();
        let html = page.text();
        for script in html.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap();
            assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: <script{tag}>");
        }
        for handler in [" onclick=", " onload=", " onerror=", "javascript:"] {
            assert!(!html.contains(handler), "{path}: {handler}");
        }
        nonces.insert(nonce);
    }
    assert_eq!(nonces.len(), 6, "a nonce is used once");
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_signing_in_one_stays_on_this_console() {
    let (server, _) = TestServer::admin().await;
    for (next, expect) in [
        ("/logs?service=web&at=1", "/logs?service=web&at=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/logout", "/"),
        ("", "/"),
    ] {
        let request = Request::new("POST", "/login").form(&[("username", "admin"), ("password", PASSWORD), ("next", next)]);
        let answer = server.anonymous().send(request).await;
        assert_eq!((answer.status, answer.header("location")), (303, expect), "{next:?}");
    }
    let page = server.anonymous().get("/logs?service=shop%2Fweb").await;
    assert_eq!((page.status, page.header("location")), (303, "/login?next=%2Flogs%3Fservice%3Dshop%252Fweb"));
}

/// Rendering waits for resources that other threads finish: a page that waits for ever shows only now and then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_page_answers_each_time_however_many_ask() {
    let (server, admin) = TestServer::admin().await;
    for path in ["/", "/logs", "/account", "/users", "/login"] {
        answers(&admin, path, 200).await;
    }
    drop(server);
}

/// Loads a page so many times, 16 at once; each load gives up after [`common::LIMIT`].
async fn answers(person: &Person, path: &str, times: usize) {
    let load = |_| {
        let (person, path) = (person.clone(), path.to_owned());
        async move { tokio::spawn(async move { person.get(&path).await.status }).await.unwrap() }
    };
    let statuses: Vec<u16> = futures::stream::iter(0..times).map(load).buffer_unordered(16).collect().await;
    assert!(statuses.len() == times && statuses.iter().all(|status| *status == 200), "{path}: {statuses:?}");
}

/// While Leptos lists its routes, no resource in the whole process loads, and one that was first asked then never does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_console_that_starts_does_not_stop_the_pages_of_another_in_its_process() {
    let (server, admin) = TestServer::admin().await;
    let loads = tokio::spawn(async move {
        for path in ["/", "/account"] {
            answers(&admin, path, 200).await;
        }
    });
    while !loads.is_finished() {
        drop(TestServer::start().await);
    }
    loads.await.unwrap();
    drop(server);
}
