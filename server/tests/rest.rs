//! `/api/v1` and the forms, as programs and browsers use and misuse them.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{PASSWORD, Person, Request, TestServer, eventually, numbered};
use model::{Role, Timestamp};
use serde_json::{Value, json};

const OTHER: &str = "another horse battery";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wrong_parameter_is_refused_by_name() {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "sample", 3).await;
    let long = "x".repeat(5_000);
    let id = "0".repeat(36);
    let lines = ["/api/v1/logs", "/api/v1/logs/sample", "/api/v1/logs/histogram", "/api/v1/logs/export", "/api/v1/logs/sample/export"];
    let many = |pair: &str, count: usize| vec![pair; count].join("&");
    let wrong: Vec<(&str, String)> = vec![
        ("limit", "limit=0".into()),
        ("limit", "limit=5001".into()),
        ("limit", "limit=-1".into()),
        ("limit", "limit=1.5".into()),
        ("limit", "limit=abc".into()),
        ("limit", "limit=".into()),
        ("limit", "limit=99999999999999999999999999".into()),
        ("limit", "limit=1&limit=2".into()),
        ("level", "level=loud".into()),
        ("level", "level=info,loud".into()),
        ("level", "level=%00".into()),
        ("search", format!("search={long}")),
        ("search", "search=(&regex=true".into()),
        ("search", "search=a%7B1000%7D%7B1000%7D%7B1000%7D&regex=true".into()),
        ("search", "search=a&search=b".into()),
        ("search", "search=%ff%fe".into()),
        ("regex", "regex=yes".into()),
        ("regex", "regex=1".into()),
        ("invert", "invert=TRUE".into()),
        ("field", "field=x".into()),
        ("field", "field==x".into()),
        ("field", format!("field=a={long}")),
        ("field", many("field=a=b", 33)),
        ("start_time", "start_time=yesterday".into()),
        ("start_time", "start_time=1772359200000".into()),
        ("start_time", "start_time=-99999999999w".into()),
        ("start_time", "start_time=2026-13-01T00:00:00Z".into()),
        ("start_time", "start_time=now&end_time=-1h".into()),
        ("end_time", "end_time=99999999999999999999".into()),
        ("end_time", "end_time=NaN".into()),
        ("direction", "direction=sideways".into()),
        ("cursor", "cursor=x".into()),
        ("cursor", format!("cursor={}", "f".repeat(36))),
        ("cursor", format!("cursor={}", "0".repeat(10_000))),
        ("colour", "colour=red".into()),
        ("query", format!("search={}", "x".repeat(17_000))),
    ];
    for path in lines {
        for (field, query) in &wrong {
            let answer = admin.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status, 400, "{path}?{query}: {}", answer.text());
            answer.bad(field);
        }
    }
    for (path, field) in [
        ("/api/v1/logs?service=a/b/c/d", "service"),
        ("/api/v1/logs?service=", "service"),
        ("/api/v1/logs?service=a%0ab", "service"),
        (&*format!("/api/v1/logs?service={}", "x".repeat(600)), "service"),
        (&*format!("/api/v1/logs?{}", (0..65).map(|n| format!("service=s{n}")).collect::<Vec<_>>().join("&")), "service"),
        (&*format!("/api/v1/logs/{}", "x".repeat(600)), "service"),
        ("/api/v1/logs/a%00b", "service"),
        ("/api/v1/logs/%ff", "service"),
        ("/api/v1/logs/sample?service=other", "service"),
        ("/api/v1/logs/%ff/export", "service"),
        ("/api/v1/logs/export?format=xml", "format"),
        ("/api/v1/logs/export?format=csv&format=txt", "format"),
        ("/api/v1/logs/sample?format=csv", "format"),
        ("/api/v1/logs/histogram?step=0s", "step"),
        ("/api/v1/logs/histogram?step=5", "step"),
        ("/api/v1/logs/histogram?step=-5m", "step"),
        ("/api/v1/logs/histogram?step=1ms", "step"),
        ("/api/v1/logs/histogram?step=99999999999999999999w", "step"),
        ("/api/v1/logs/histogram?start_time=0&step=1s", "step"),
        ("/api/v1/logs/services?x=1", "x"),
        ("/api/v1/logs/context/x", "id"),
        ("/api/v1/logs/context/%ff", "id"),
        (&*format!("/api/v1/logs/context/{}", "0".repeat(35)), "id"),
        (&*format!("/api/v1/logs/context/{id}?before=1001"), "before"),
        (&*format!("/api/v1/logs/context/{id}?after=-1"), "after"),
        (&*format!("/api/v1/logs/context/{id}?after=99999999999999999999999"), "after"),
        (&*format!("/api/v1/logs/context/{id}?limit=5"), "limit"),
        ("/api/v1/sessions?all=maybe", "all"),
        ("/api/v1/sessions?x", "x"),
        ("/ws/logs?tail=5001", "tail"),
        ("/ws/logs?tail=x", "tail"),
        ("/ws/logs?after=x", "after"),
        (&*format!("/ws/logs?after={id}&tail=5"), "after"),
        ("/ws/logs/%ff", "service"),
        ("/ws/logs", "upgrade"),
    ] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        answer.bad(field);
    }
    for path in ["/api/v1/logs/histogram?start_time=1678-01-01T00:00:00Z", "/api/v1/logs/histogram?start_time=-15000w&step=100w"] {
        assert_eq!(admin.get(path).await.status, 200, "{path}");
    }
    for (path, code) in
        [("/api/v1/logs/none", "NOT_FOUND"), ("/api/v1/logs?service=none", "NOT_FOUND"), ("/api/v1/logs/~export", "NOT_FOUND")]
    {
        admin.get(path).await.problem(404, code);
    }
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wrong_body_is_refused() {
    let (server, admin) = TestServer::admin().await;
    let send = |method, path, kind: &'static str, body: String| admin.send(Request::new(method, path).body(kind, body));
    for (method, path, fine) in [
        ("POST", "/api/v1/auth/login", json!({"username": "x", "password": "y"})),
        ("POST", "/api/v1/auth/password", json!({"current": "x", "password": "y"})),
        ("POST", "/api/v1/users", json!({"username": "x", "password": "y", "role": "viewer"})),
        ("PATCH", "/api/v1/users/x", json!({"role": "viewer"})),
    ] {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
            send(method, path, kind, fine.to_string()).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        admin.send(Request::new(method, path)).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        let mut extra = fine.clone();
        extra["extra"] = json!(1);
        let mut numbers = fine.clone();
        numbers.as_object_mut().unwrap().values_mut().for_each(|value| *value = json!(1e300));
        let deep = "[".repeat(10_000);
        for body in ["", "null", "[]", "7", "\"x\"", "{", "{\"username\":\"\\ud800\"}", &deep, &extra.to_string(), &numbers.to_string()] {
            send(method, path, "application/json", body.to_owned()).await.bad("body");
        }
        let long = format!("{{\"username\":\"{}\"}}", "x".repeat(70_000));
        send(method, path, "application/json", long).await.problem(413, "TOO_LARGE");
        let charset = send(method, path, "application/json; charset=utf-8", fine.to_string()).await;
        assert_ne!(charset.status, 415, "{path}");
    }
    for path in ["/login", "/setup"] {
        send("POST", path, "application/json", "{}".into()).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        send("POST", path, "application/x-www-form-urlencoded", "x=".repeat(40_000)).await.problem(413, "TOO_LARGE");
    }
    for body in
        [json!({}), json!({"role": "viewer", "disabled": true}), json!({"role": null}), json!({"role": "king"}), json!({"disabled": "yes"})]
    {
        admin.patch("/api/v1/users/admin", &body).await.bad("body");
    }
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_in_tells_who_one_is_and_what_one_may() {
    let (server, people) = TestServer::with_people().await;
    for (person, role) in people[1..].iter().zip(Role::ALL) {
        let me = person.get("/api/v1/auth/me").await.json();
        let permissions: Vec<&str> = role.permissions().map(model::Permission::as_str).collect();
        assert_eq!(me, json!({"username": role.as_str(), "role": role.as_str(), "permissions": permissions, "scope": null}));
    }
    for (username, password) in
        [("admin", "wrong"), ("nobody", PASSWORD), ("", ""), ("admin", ""), ("admin\0", PASSWORD), ("admin' --", "x")]
    {
        people[0].try_sign_in(username, password).await.problem(401, "WRONG_CREDENTIALS");
    }
    // Names are one whatever their case.
    people[0].sign_in("ADMIN").await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_is_slowed_and_the_answers_tell_nothing() {
    let (server, admin) = TestServer::admin().await;
    let guesser = server.anonymous();
    let mut answers: BTreeMap<&str, Vec<(u16, String)>> = BTreeMap::new();
    for username in ["admin", "nobody"] {
        for _ in 0..8 {
            let answer = guesser.try_sign_in(username, "wrong").await;
            assert_eq!(answer.status == 429, !answer.header("retry-after").is_empty());
            if answer.status == 429 {
                let seconds: u64 = answer.header("retry-after").parse().unwrap();
                assert!((1..=5).contains(&seconds), "{seconds}");
                assert_eq!(answer.problem(429, "THROTTLED")["retry_after"], seconds);
            }
            let body = if answer.status == 429 { String::new() } else { answer.text() };
            answers.entry(username).or_default().push((answer.status, body));
        }
    }
    assert_eq!(answers["admin"], answers["nobody"]);
    assert_eq!(answers["admin"].iter().map(|(status, _)| *status).collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429, 429, 429]);
    // The right password does not help while one must wait; the form says the same; who is signed in stays so.
    guesser.try_sign_in("admin", PASSWORD).await.problem(429, "THROTTLED");
    let form = Request::new("POST", "/login").form(&[("username", "admin"), ("password", PASSWORD), ("next", "/logs")]);
    let answer = guesser.send(form).await;
    assert!(answer.header("location").starts_with("/login?error=throttled&retry="), "{}", answer.header("location"));
    assert!(answer.header("location").ends_with("&next=%2Flogs"), "{}", answer.header("location"));
    assert_eq!(admin.get("/api/v1/auth/me").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_may_sign_in_from_many_places_at_once() {
    let (server, _admin) = TestServer::admin().await;
    let people: Vec<Person> = (0..16).map(|_| server.anonymous()).collect();
    futures::future::join_all(people.iter().map(|person| person.sign_in("admin"))).await;
    let cookies: BTreeSet<_> = people.iter().map(|person| person.cookie().unwrap()).collect();
    assert_eq!(cookies.len(), 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_made_changed_and_listed() {
    let (server, admin) = TestServer::admin().await;
    let created = admin.post("/api/v1/users", &json!({"username": "ada", "password": PASSWORD, "role": "viewer"})).await;
    assert_eq!(created.status, 201);
    let user = created.json();
    assert_eq!(
        (&user["username"], &user["role"], &user["disabled"], &user["last_sign_in"]),
        (&json!("ada"), &json!("viewer"), &json!(false), &Value::Null)
    );
    for taken in ["ada", "ADA"] {
        admin.post("/api/v1/users", &json!({"username": taken, "password": PASSWORD, "role": "viewer"})).await.problem(409, "CONFLICT");
    }
    for (username, password, field) in [
        ("", PASSWORD, "username"),
        ("a b", PASSWORD, "username"),
        ("-x", PASSWORD, "username"),
        ("system", PASSWORD, "username"),
        (&"x".repeat(65), PASSWORD, "username"),
        ("<script>", PASSWORD, "username"),
        ("bob", "short", "password"),
        ("bob", &"x".repeat(2_000), "password"),
        ("bob", "passwordpassword", "password"),
    ] {
        admin.post("/api/v1/users", &json!({"username": username, "password": password, "role": "viewer"})).await.bad(field);
    }
    let ada = server.signed_in("ada").await;
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"role": "operator"})).await.status, 204);
    assert_eq!(ada.get("/api/v1/auth/me").await.json()["role"], "operator", "a new role counts at once");
    admin.patch("/api/v1/users/ada", &json!({"password": "short"})).await.bad("password");
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"password": OTHER})).await.status, 204);
    assert_eq!(ada.get("/api/v1/auth/me").await.status, 401, "a password set by an administrator ends sessions");
    assert_eq!(ada.try_sign_in("ada", PASSWORD).await.status, 401);
    assert_eq!(ada.try_sign_in("ada", OTHER).await.status, 204);
    for path in ["/api/v1/users/none", "/api/v1/users/%00", &format!("/api/v1/users/{}", "x".repeat(500))] {
        admin.patch(path, &json!({"role": "viewer"})).await.problem(404, "NOT_FOUND");
    }
    let users = admin.get("/api/v1/users").await.json();
    let names: Vec<&str> = users["users"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["ada", "admin"]);
    assert!(!users.to_string().contains("argon2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_administrator_stays() {
    let (server, admin) = TestServer::admin().await;
    for change in [json!({"role": "operator"}), json!({"disabled": true})] {
        admin.patch("/api/v1/users/admin", &change).await.problem(409, "CONFLICT");
    }
    server.user_add("second", Role::Admin).await;
    assert_eq!(admin.patch("/api/v1/users/second", &json!({"disabled": true})).await.status, 204);
    admin.patch("/api/v1/users/admin", &json!({"role": "viewer"})).await.problem(409, "CONFLICT");
    assert_eq!(admin.patch("/api/v1/users/second", &json!({"disabled": false})).await.status, 204);
    assert_eq!(admin.patch("/api/v1/users/admin", &json!({"role": "viewer"})).await.status, 204);
    admin.get("/api/v1/users").await.problem(403, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_ends_the_other_sessions() {
    let (server, here) = TestServer::admin().await;
    let there = server.signed_in("admin").await;
    let change = |current, password| json!({"current": current, "password": password});
    here.post("/api/v1/auth/password", &change("wrong", OTHER)).await.bad("current");
    here.post("/api/v1/auth/password", &change(PASSWORD, "short")).await.bad("password");
    assert_eq!(there.get("/api/v1/auth/me").await.status, 200);
    assert_eq!(here.post("/api/v1/auth/password", &change(PASSWORD, OTHER)).await.status, 204);
    assert_eq!(here.get("/api/v1/auth/me").await.status, 200);
    there.get("/api/v1/auth/me").await.problem(401, "NO_SESSION");
    assert_eq!(there.try_sign_in("admin", PASSWORD).await.status, 401);
    assert_eq!(there.try_sign_in("admin", OTHER).await.status, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_and_ended() {
    let (server, admin) = TestServer::admin().await;
    server.user_add("ada", Role::Viewer).await;
    let (ada, away) = (server.signed_in("ada").await, server.signed_in("ada").await);
    let sessions = |answer: common::Answer| answer.json()["sessions"].as_array().unwrap().clone();
    let own = sessions(ada.get("/api/v1/sessions").await);
    assert_eq!((own.len(), own.iter().filter(|session| session["current"] == true).count()), (2, 1));
    assert!(!own.iter().any(|session| session["id"] == ada.cookie().unwrap()), "an id is not the cookie");
    assert_eq!(sessions(admin.get("/api/v1/sessions").await).len(), 1);
    let all = sessions(admin.get("/api/v1/sessions?all=true").await);
    assert_eq!(all.len(), 3);
    let admins = all.iter().find(|session| session["username"] == "admin").unwrap()["id"].as_str().unwrap();
    ada.delete(&format!("/api/v1/sessions/{admins}")).await.problem(404, "NOT_FOUND");
    let other = own.iter().find(|session| session["current"] == false).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(ada.delete(&format!("/api/v1/sessions/{other}")).await.status, 204);
    ada.delete(&format!("/api/v1/sessions/{other}")).await.problem(404, "NOT_FOUND");
    away.get("/api/v1/auth/me").await.problem(401, "NO_SESSION");
    let last = own.iter().find(|session| session["current"] == true).unwrap()["id"].as_str().unwrap();
    assert_eq!(admin.delete(&format!("/api/v1/sessions/{last}")).await.status, 204);
    ada.get("/api/v1/auth/me").await.problem(401, "NO_SESSION");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_set_up_link_makes_one_administrator() {
    let server = TestServer::start().await;
    let link = server.setup_link.clone().unwrap();
    let token = link.strip_prefix("/setup?token=").unwrap().to_owned();
    let finish = |token: &str, username: &str, password: &str, repeat: &str| {
        let fields = [("token", token), ("username", username), ("password", password), ("repeat", repeat)];
        let (person, request) = (server.anonymous(), Request::new("POST", "/setup").form(&fields));
        async move { (person.send(request).await, person) }
    };
    let location = |answer: &common::Answer| {
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("location").to_owned()
    };
    assert_eq!(server.anonymous().get(&link).await.status, 200);
    assert_eq!(location(&finish("wrong", "ada", PASSWORD, PASSWORD).await.0), "/setup?error=dead");
    // What can be mended leaves the link working.
    assert!(location(&finish(&token, "ada", PASSWORD, OTHER).await.0).ends_with("&error=repeat"));
    assert!(location(&finish(&token, "a b", PASSWORD, PASSWORD).await.0).contains("&error=field&field=username&detail="));
    assert!(location(&finish(&token, "ada", "short", "short").await.0).contains("&error=field&field=password&detail="));
    // Two at once: one wins.
    let (one, two) = tokio::join!(finish(&token, "ada", PASSWORD, PASSWORD), finish(&token, "bob", PASSWORD, PASSWORD));
    let mut locations = [location(&one.0), location(&two.0)];
    locations.sort();
    assert_eq!(locations, ["/", "/setup?error=dead"]);
    let winner = if one.0.header("location") == "/" { one.1 } else { two.1 };
    assert_eq!(winner.get("/api/v1/auth/me").await.json()["role"], "admin");
    assert_eq!(winner.get("/api/v1/users").await.json()["users"].as_array().unwrap().len(), 1);
    assert_eq!(location(&finish(&token, "eve", PASSWORD, PASSWORD).await.0), "/setup?error=dead", "the link is used up");
}

/// Pages through a service and gives each line's number.
async fn numbers(admin: &Person, query: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = admin.get(&format!("/api/v1/logs/many?{query}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        assert_eq!(page["warnings"], json!([]));
        assert_eq!(page["has_more"], page["next_cursor"].is_string());
        for entry in page["logs"].as_array().unwrap() {
            let message = entry["message"].as_str().unwrap();
            found.push(message.split("n=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

const MANY: usize = 3_000;

async fn many() -> (TestServer, Person) {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "many", MANY).await;
    (server, admin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paging_loses_and_doubles_nothing() {
    let (server, admin) = many().await;
    let forward: Vec<usize> = (0..MANY).collect();
    let backward: Vec<usize> = (0..MANY).rev().collect();
    for limit in [7, 100, 999, 5_000] {
        if limit > 50 {
            assert_eq!(numbers(&admin, &format!("limit={limit}&direction=forward")).await, forward, "{limit}");
            assert_eq!(numbers(&admin, &format!("limit={limit}")).await, backward, "{limit}");
        }
        let range = "&direction=forward&start_time=2026-03-01T10:00:01Z&end_time=2026-03-01T10:00:02Z";
        assert_eq!(numbers(&admin, &format!("limit={limit}{range}")).await, forward[1_000..2_000], "{limit}");
    }
    let errors: Vec<usize> = (0..MANY).filter(|n| n % 5 == 4).collect();
    assert_eq!(numbers(&admin, "limit=50&direction=forward&level=error").await, errors);
    assert_eq!(
        numbers(&admin, "direction=forward&level=error&search=n%3D1%5Cd%7B3%7D%20&regex=true").await,
        errors.into_iter().filter(|n| (1_000..2_000).contains(n)).collect::<Vec<_>>()
    );
    assert_eq!(numbers(&admin, "search=n%3D7%20").await, [7]);
    assert_eq!(numbers(&admin, "search=n%3D7%20&invert=true").await.len(), MANY - 1);
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_export_holds_what_paging_finds() {
    let (server, admin) = many().await;
    let page = admin.get("/api/v1/logs/many?limit=5000&direction=forward").await.json();
    let logs = page["logs"].as_array().unwrap();
    let export = |format: &'static str| admin.get_owned(format!("/api/v1/logs/many/export?limit=5&format={format}"));
    let ndjson = export("ndjson").await;
    assert_eq!(ndjson.header("content-type"), "application/x-ndjson");
    assert_eq!(ndjson.header("content-disposition"), "attachment; filename=\"many.ndjson\"");
    let lines: Vec<Value> = ndjson.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&lines, logs);
    assert_eq!(export("json").await.json(), json!(logs));
    let csv = export("csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let csv = csv.text();
    let rows: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!((rows.len(), rows[0]), (MANY + 1, "timestamp,service,level,message,id"));
    assert!(rows[1].starts_with("2026-03-01T10:00:00Z,many,debug,") && rows[1].ends_with(logs[0]["id"].as_str().unwrap()), "{}", rows[1]);
    let text = export("txt").await.text();
    let messages: String = logs
        .iter()
        .map(|entry| format!("{} many {}\n", entry["timestamp"].as_str().unwrap(), entry["message"].as_str().unwrap()))
        .collect();
    assert_eq!(text, messages);
    let some = admin.get("/api/v1/logs/export?service=many&level=error&direction=backward&format=ndjson").await.text();
    assert_eq!(some.lines().count(), MANY / 5);
    let first: Value = serde_json::from_str(some.lines().next().unwrap()).unwrap();
    assert!(first["message"].as_str().unwrap().contains("n=2999 "), "{first}");
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_context_of_a_line_is_what_stands_around_it() {
    let (server, admin) = many().await;
    let line = admin.get("/api/v1/logs/many?search=n%3D1500%20").await.json()["logs"][0].clone();
    let id = line["id"].as_str().unwrap();
    let around = |query: &'static str| {
        let (admin, path) = (admin.clone(), format!("/api/v1/logs/context/{id}{query}"));
        async move {
            let page = admin.get(&path).await.json();
            let numbers = page["logs"].as_array().unwrap().iter().map(|entry| {
                entry["message"].as_str().unwrap().split("n=").nth(1).unwrap().split(' ').next().unwrap().parse::<usize>().unwrap()
            });
            numbers.collect::<Vec<_>>()
        }
    };
    for (query, expect) in [
        ("", 1_450..1_551),
        ("?before=2&after=3", 1_498..1_504),
        ("?before=0&after=0", 1_500..1_501),
        ("?before=1000&after=1000", 500..2_501),
    ] {
        assert_eq!(around(query).await, expect.collect::<Vec<_>>(), "{query}");
    }
    let gone = format!("{:x}", u128::from_str_radix(&id[..32], 16).unwrap() + 1);
    admin.get(&format!("/api/v1/logs/context/{gone:0>32}0000")).await.problem(404, "NOT_FOUND");
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_histogram_counts_each_line_once() {
    let (server, admin) = many().await;
    let range = "service=many&start_time=2026-03-01T10:00:00Z&end_time=2026-03-01T10:00:03Z";
    for (query, step_ms, steps, expect) in [
        ("&step=500ms", 500, 6, BTreeMap::from([("debug", 600), ("info", 1_200), ("warn", 600), ("error", 600)])),
        ("&step=7s", 7_000, 1, BTreeMap::from([("debug", 600), ("info", 1_200), ("warn", 600), ("error", 600)])),
        ("&step=1s&level=error", 1_000, 3, BTreeMap::from([("error", 600)])),
        ("&step=1s&search=n%3D7%20", 1_000, 3, BTreeMap::from([("info", 1)])),
    ] {
        let histogram = admin.get(&format!("/api/v1/logs/histogram?{range}{query}")).await.json();
        assert_eq!((&histogram["step_ms"], &histogram["warnings"]), (&json!(step_ms), &json!([])), "{query}");
        let found = histogram["steps"].as_array().unwrap();
        assert_eq!(found.len(), steps, "{query}");
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for step in found {
            for (level, count) in step["counts"].as_object().unwrap() {
                *sums.entry(level).or_default() += count.as_u64().unwrap();
            }
        }
        assert_eq!(sums, expect, "{query}");
        assert_eq!(found[0]["start"], "2026-03-01T10:00:00Z");
    }
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_and_the_console_tell_how_they_are() {
    let (server, admin) = TestServer::admin().await;
    server.numbered(&admin, "sample", 5).await;
    server.log("new", &numbered(0..3));
    server.known(&admin, "new", 3).await;
    let services = admin.get("/api/v1/logs/services").await.json();
    let services = services["services"].as_array().unwrap();
    let sample = services.iter().find(|service| service["name"] == "sample").unwrap();
    assert_eq!((&sample["kind"], &sample["status"], &sample["id"]), (&json!("file"), &json!("running"), &json!("sample")));
    let health = admin.get("/api/v1/health").await.json();
    let names: BTreeSet<&str> = health["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert!(names.iter().any(|name| name.contains("docker")), "{names:?}");
    let docker = health["parts"].as_array().unwrap().iter().find(|part| part["name"].as_str().unwrap().contains("docker")).unwrap();
    assert_ne!(docker["state"], "ok", "its socket does not exist");
    let info = admin.get("/api/v1/system/info").await.json();
    assert!(info["cores"].as_u64().unwrap() > 0 && info["memory_bytes"].as_u64().unwrap() > 0 && info["disk_bytes"].as_u64().unwrap() > 0);
    assert!(Timestamp::parse_rfc3339(info["started"].as_str().unwrap()).is_some());
    let stats = admin.get("/api/v1/stats").await.json();
    assert!(stats["services"].as_u64().unwrap() >= 2, "{stats}");
    let metrics = eventually(|| async {
        let metrics = admin.get("/metrics").await;
        metrics.text().contains("/api/v1/stats").then_some(metrics)
    })
    .await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert!(metrics.text().ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_request_id_goes_through() {
    let (server, admin) = TestServer::admin().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (name, value, expect) in [
        ("x-request-id", "abc-123", "abc-123"),
        ("traceparent", trace, "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("x-other", "x", ""),
        ("x-request-id", "has spaces", ""),
        ("x-request-id", &"x".repeat(129), ""),
    ] {
        let answer = admin.send(Request::new("GET", "/api/v1/auth/me").header(name, value)).await;
        let id = answer.header("x-request-id");
        assert!(if expect.is_empty() { id.len() == 32 && id != value } else { id == expect }, "{name}: {value}: {id}");
    }
    drop(server);
}
