//! Docker labels that the configuration copies onto the streams of real containers: scopes and queries name them, and no line
//! is lost or doubled when they change.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;
mod engine;

use std::collections::BTreeMap;

use common::{
    PASSWORD, Person, Request, TestServer, eventually,
    loki::console,
    process::{docaiche, run},
    socket::Socket,
};
use engine::Running;
use model::Role;
use serde_json::{Value, json};
use server::cli::Flags;

const TEAM: &str = "[scope]\nlabels = [\"com.example.team\"]\n";
const API: &str = "/loki/loki/api/v1";

fn with_docker(flags: &mut Flags) {
    flags.docker_host = Some("unix:///var/run/docker.sock".into());
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A container that says `word 0`, `word 1`, … without end.
fn talking(name: &str, flags: &[&str], word: &str) -> Running {
    Running::start(name, flags, &format!("i=0; while true; do echo {word} $i; i=$((i+1)); usleep 100000; done"))
}

fn team_of(test: &str, team: &str) -> String {
    format!("{test}/{team}")
}

/// Containers of this test's teams a and b and of none; and a service of which each of the two has one container.
fn teams(test: &str) -> Vec<Running> {
    let shared = format!("docaiche.service={test}-shared");
    let [a, b] = ["a", "b"].map(|team| format!("com.example.team={}", team_of(test, team)));
    vec![
        talking(&format!("{test}-a"), &["-l", &a], "word-of-a"),
        talking(&format!("{test}-b"), &["-l", &b], "word-of-b"),
        talking(&format!("{test}-none"), &[], "word-of-none"),
        talking(&format!("{test}-shared-a"), &["-l", &a, "-l", &shared], "shared-word-of-a"),
        talking(&format!("{test}-shared-b"), &["-l", &b, "-l", &shared], "shared-word-of-b"),
    ]
}

async fn admin(server: &TestServer) -> Person {
    server.user_add("admin", Role::Admin).await;
    server.signed_in("admin").await
}

/// Somebody who sees what is of team a.
async fn dev_of_a(server: &TestServer, admin: &Person, test: &str) -> Person {
    server.user_add("dev", Role::Developer).await;
    let answer = admin.patch("/api/v1/users/dev", &json!({"scope": format!("{{com_example_team=\"{test}/a\"}}")})).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    server.signed_in("dev").await
}

/// Services of this test by name, with their members and lines.
async fn services(person: &Person, test: &str) -> BTreeMap<String, (Vec<String>, u64)> {
    let list = person.get("/api/v1/logs/services").await.json();
    let services = list["services"].as_array().unwrap().iter().filter(|one| one["name"].as_str().unwrap().starts_with(test));
    let of = |one: &Value| (serde_json::from_value(one["members"].clone()).unwrap(), one["lines"].as_u64().unwrap());
    services.map(|one| (one["name"].as_str().unwrap().to_owned(), of(one))).collect()
}

/// What the service's lines say, the oldest first.
async fn lines(person: &Person, service: &str) -> Vec<Value> {
    let answer = person.get_owned(format!("/api/v1/logs/{service}?limit=5000&direction=forward")).await;
    if answer.status == 404 {
        return Vec::new();
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["logs"].as_array().unwrap().clone()
}

async fn until_lines(person: &Person, service: &str, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually(|| async { Some(lines(person, service).await).filter(|lines| enough(lines)) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_a_team_sees_its_containers_on_every_path_and_no_others() {
    let test = "labels-teams";
    let server = TestServer::start_collecting(TEAM, with_docker).await;
    let admin = admin(&server).await;
    let dev = dev_of_a(&server, &admin, test).await;
    let containers = teams(test);
    for service in ["a", "b", "none"] {
        until_lines(&admin, &format!("{test}-{service}"), |lines| lines.len() > 3).await;
    }
    let both =
        |lines: &[Value]| ["a", "b"].iter().all(|team| lines.iter().any(|line| line["labels"]["com_example_team"] == team_of(test, team)));
    let shared = until_lines(&admin, &format!("{test}-shared"), both).await;

    // Lists, and what they count.
    let (all, seen) = (services(&admin, test).await, services(&dev, test).await);
    let names = |suffixes: &[&str]| suffixes.iter().map(|suffix| format!("{test}-{suffix}")).collect::<Vec<_>>();
    assert_eq!(all.keys().cloned().collect::<Vec<_>>(), names(&["a", "b", "none", "shared"]));
    assert_eq!(seen.keys().cloned().collect::<Vec<_>>(), names(&["a", "shared"]));
    assert_eq!(all[&format!("{test}-shared")].0.len(), 2);
    let (members, counted) = &seen[&format!("{test}-shared")];
    assert_eq!(*members, [format!("docaiche-test-{test}-shared-a")]);
    assert!(*counted > 0 && *counted < services(&admin, test).await[&format!("{test}-shared")].1, "{seen:?}");

    // By id and by name.
    let of = |team: &str| {
        shared.iter().find(|line| line["labels"]["com_example_team"] == team_of(test, team)).unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(dev.get_owned(format!("/api/v1/logs/context/{}", of("a"))).await.status, 200);
    dev.get_owned(format!("/api/v1/logs/context/{}", of("b"))).await.problem(404, "NOT_FOUND");
    for service in names(&["b", "none"]) {
        dev.get_owned(format!("/api/v1/logs/{service}")).await.problem(404, "NOT_FOUND");
        dev.get_owned(format!("/api/v1/logs/{service}/export")).await.problem(404, "NOT_FOUND");
        let socket = Socket::try_open(&dev, &format!("/ws/logs/{service}"), Some(&dev.origin())).await;
        assert_eq!(socket.err().map(|(status, _)| status), Some(404));
    }

    // Whatever answers with text holds nothing of the others, and something of one's own.
    let any = encode(r#"{job="dockerlogs"}"#);
    let others = encode(&format!("{{job=\"dockerlogs\", com_example_team=~\"{test}/b|\"}}"));
    let count = encode(r#"sum by (com_example_team, container_name) (count_over_time({job="dockerlogs"}[1h]))"#);
    let range = "start=0";
    for path in [
        "/".to_owned(),
        "/api/v1/logs?limit=5000".to_owned(),
        "/api/v1/logs?search=word-of&limit=5000".to_owned(),
        "/api/v1/logs/export".to_owned(),
        format!("/api/v1/logs/{test}-shared?limit=5000"),
        format!("/api/v1/logs/query?query={any}&limit=5000"),
        format!("{API}/query_range?query={any}&{range}&limit=5000"),
        format!("{API}/query?query={count}"),
        format!("{API}/label/com_example_team/values?{range}"),
        format!("{API}/label/container_name/values?{range}"),
        format!("{API}/series?{range}"),
        format!("{API}/series?match[]={any}&{range}"),
        format!("{API}/index/volume?query={any}&{range}&targetLabels=com_example_team,container_name"),
        format!("{API}/detected_labels?{range}"),
    ] {
        let (all, seen) = (admin.get_owned(path.clone()).await, dev.get_owned(path.clone()).await);
        assert_eq!((all.status, seen.status), (200, 200), "{path}: {} {}", all.text(), seen.text());
        let (all, seen) = (all.text(), seen.text());
        for other in
            ["word-of-b", "word-of-none", &team_of(test, "b"), &format!("{test}-b"), &format!("{test}-none"), &format!("{test}-shared-b")]
        {
            assert!(!seen.contains(other), "{path}: {seen}");
        }
        if path.contains("label/com_example_team") {
            let values = |text: &str| serde_json::from_str::<Value>(text).unwrap()["data"].clone();
            assert_eq!(values(&seen), json!([team_of(test, "a")]));
            assert!(values(&all).as_array().unwrap().contains(&json!(team_of(test, "b"))), "{all}");
        } else if !path.contains("detected") {
            assert!(all.contains(&format!("{test}-b")) || all.contains("word-of-b"), "{path}: {all}");
            assert!(seen.contains(&format!("{test}-a")) || seen.contains("word-of-a"), "{path}: {seen}");
        }
    }
    let labels = dev.get_owned(format!("{API}/labels?{range}")).await.json();
    assert!(labels["data"].as_array().unwrap().contains(&json!("com_example_team")), "{labels}");
    for path in [format!("{API}/query_range?query={others}&{range}"), format!("{API}/series?match[]={others}&{range}")] {
        let answer = dev.get_owned(path.clone()).await;
        assert!(answer.status == 200 && !answer.text().contains(test), "{path}: {}", answer.text());
    }

    // Live.
    for path in ["/ws/logs?tail=0".to_owned(), format!("/ws/logs?tail=10&query={any}"), format!("/ws/logs/{test}-shared?tail=10")] {
        let mut socket = Socket::open(&dev, &path).await;
        let told = socket.read(8).await;
        let foreign = told.entries.iter().find(|line| line.labels.get("com_example_team") != Some(&team_of(test, "a")));
        assert!(foreign.is_none() && !told.entries.is_empty(), "{path}: {foreign:?}");
    }
    let mut tail = Socket::open(&dev, &format!("{API}/tail?query={any}")).await;
    for _ in 0..3 {
        let said = tail.text().await;
        assert!(said.contains("word-of-a") && !said.contains("word-of-b") && !said.contains("word-of-none"), "{said}");
    }

    // A token may be limited alike; a label that is not copied is named together with those that are.
    let new = json!({"name": "t", "permissions": ["logs:read"], "scope": format!("{{com_example_team=~\"{test}/[b-z]\"}}")});
    let token = admin.post("/api/v1/tokens", &new).await.json()["token"].as_str().unwrap().to_owned();
    let ask = Request::new("GET", "/api/v1/logs/services").header("authorization", &format!("Bearer {token}"));
    let list = server.anonymous().send(ask).await.json();
    let mut listed: Vec<&str> = list["services"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    listed.sort_unstable();
    assert_eq!(listed, names(&["b", "shared"]));
    let answer = admin.patch("/api/v1/users/dev", &json!({"scope": r#"{com_example_tier="a"}"#})).await;
    answer.bad("scope");
    assert!(answer.text().contains("use service, compose_project, host, container_name, com_example_team"), "{}", answer.text());

    // While the label is not copied, nobody sees what a scope by it meant, nor anything else.
    let server = server.restart_collecting("", with_docker).await;
    let (admin, dev) = (server.signed_in("admin").await, server.signed_in("dev").await);
    until_lines(&admin, &format!("{test}-a"), |lines| lines.last().is_some_and(|line| line["labels"]["com_example_team"].is_null())).await;
    assert_eq!(services(&dev, "").await.len(), 0);
    assert_eq!(dev.get("/api/v1/logs?limit=5000").await.json()["logs"], json!([]));
    assert_eq!(dev.get_owned(format!("{API}/series?{range}")).await.json()["data"], json!([]));
    dev.get_owned(format!("/api/v1/logs/{test}-a")).await.problem(404, "NOT_FOUND");
    drop(containers);
    // And when it is again, all is as it was; of the time between there is nothing within.
    let server = server.restart_collecting(TEAM, with_docker).await;
    let dev = server.signed_in("dev").await;
    let kept = until_lines(&dev, &format!("{test}-a"), |lines| lines.len() > 3).await;
    assert!(kept.iter().all(|line| line["labels"]["com_example_team"] == team_of(test, "a")), "{kept:?}");
    assert_eq!(services(&dev, test).await.keys().cloned().collect::<Vec<_>>(), names(&["a", "shared"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_again_after_a_change_of_the_labels_counts_once() {
    let test = "labels-again";
    let _container = talking(test, &["-l", "com.example.team=again", "-l", "com.example.tier=1"], "again");
    let server = TestServer::start_collecting("", with_docker).await;
    let admin = admin(&server).await;
    let path = server.dir().join("data/places.json");
    let before = until_lines(&admin, test, |lines| lines.len() > 10).await;
    // As after a crash in which no place was written: all of the log is read again.
    let forget = |flags: &mut Flags| {
        let mut places: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(places["places"].as_object().is_some_and(|places| !places.is_empty()), "{places}");
        places["places"] = json!({});
        std::fs::write(&path, places.to_string()).unwrap();
        with_docker(flags);
    };
    let has = |label: &'static str, is: bool| move |lines: &[Value]| lines.last().is_some_and(|line| line["labels"][label].is_null() != is);
    let server = server.restart_collecting(TEAM, &forget).await;
    until_lines(&server.signed_in("admin").await, test, has("com_example_team", true)).await;
    let both = "[scope]\nlabels = [\"com.example.tier\", \"com.example.team\"]\n";
    let server = server.restart_collecting(both, &forget).await;
    until_lines(&server.signed_in("admin").await, test, has("com_example_tier", true)).await;
    let server = server.restart_collecting("", with_docker).await;
    let admin = server.signed_in("admin").await;
    let now = until_lines(&admin, test, has("com_example_team", false)).await;
    // Every line that it wrote is there, once, under the labels of its time; and what had an id has it still.
    let said: Vec<&str> = now.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(said, (0..said.len()).map(|n| format!("again {n}")).collect::<Vec<_>>());
    let ids = |lines: &[Value]| lines.iter().map(|line| line["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&now)[..before.len()], ids(&before));
    let of = |line: &Value| format!("{} {}", line["labels"]["com_example_team"], line["labels"]["com_example_tier"]);
    let mut labels: Vec<String> = now.iter().map(of).collect();
    labels.dedup();
    assert_eq!(labels, ["null null", "\"again\" null", "\"again\" \"1\"", "null null"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labels_go_along_to_a_loki_and_scopes_hold_over_it() {
    let test = "labels-shipped";
    let (far, url) = console().await;
    let collect = format!("ship_to = \"loki\"\n{TEAM}");
    let server = TestServer::start_collecting(&collect, |flags| {
        with_docker(flags);
        flags.loki_url = Some(url);
    })
    .await;
    let admin = admin(&server).await;
    let dev = dev_of_a(&server, &admin, test).await;
    let _containers = teams(test);
    let far = far.signed_in("admin").await;
    for service in ["a", "b", "none"] {
        until_lines(&far, &format!("{test}-{service}"), |lines| lines.len() > 3).await;
    }
    let values = far.get_owned(format!("{API}/label/com_example_team/values?start=0")).await.json();
    for team in ["a", "b"] {
        assert!(values["data"].as_array().unwrap().contains(&json!(team_of(test, team))), "{values}");
    }
    let own = until_lines(&dev, &format!("{test}-shared"), |lines| lines.len() > 3).await;
    assert!(own.iter().all(|line| line["labels"]["com_example_team"] == team_of(test, "a")), "{own:?}");
    let seen = services(&dev, test).await;
    assert_eq!(seen.keys().cloned().collect::<Vec<_>>(), [format!("{test}-a"), format!("{test}-shared")]);
    assert_eq!(dev.get_owned(format!("{API}/label/com_example_team/values?start=0")).await.json()["data"], json!([team_of(test, "a")]));
    dev.get_owned(format!("/api/v1/logs/{test}-b")).await.problem(404, "NOT_FOUND");
    // One that excludes, which demands nothing that a Loki would take for a selector.
    let answer = admin.patch("/api/v1/users/dev", &json!({"scope": format!("{{com_example_team!=\"{test}/b\"}}")})).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let seen = services(&dev, test).await;
    assert_eq!(seen.keys().cloned().collect::<Vec<_>>(), ["a", "none", "shared"].map(|suffix| format!("{test}-{suffix}")));
    let values = dev.get_owned(format!("{API}/label/container_name/values?start=0")).await;
    assert!(values.text().contains(&format!("{test}-none")) && !values.text().contains("-b\""), "{}", values.text());
}

#[test]
fn the_command_line_takes_the_same_scopes_as_the_console() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let file = dir.path().join("data/docaiche.toml");
    run(dir.path(), &["user", "add", "ada", "--role", "developer", "--password-stdin"], PASSWORD);
    let scope = ["user", "scope", "ada", r#"{com_example_team="a"}"#];
    let said = |arguments: &[&str]| {
        let output = docaiche(dir.path(), arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, refused) = said(&scope);
    assert!(code == Some(1) && refused.contains("`com_example_team` is no label of a scope"), "{refused}");
    std::fs::write(&file, TEAM).unwrap();
    run(dir.path(), &scope, "");
    assert!(said(&["user", "list"]).1.contains(r#"{com_example_team="a"}"#));
    assert!(said(&["check-config"]).1.contains("[scope]\nlabels = [\"com.example.team\"] # file"));
    std::fs::write(&file, TEAM.replace("com.example.team", "container.name")).unwrap();
    let (code, refused) = said(&["check-config"]);
    assert!(code == Some(2) && refused.contains("scope.labels = `container.name`"), "{refused}");
}
