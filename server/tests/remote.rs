//! An Engine on another machine: behind TLS, where each end shows a certificate, and behind ssh. The other machine is this one;
//! the roads to it are real.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;
mod engine;

use std::time::Duration;

use common::{Person, Socket, eventually, process::Process};
use engine::{
    Console, Running,
    sshd::Sshd,
    tls::{Authority, Terminator},
};
use model::ServerMsg;
use ops::source::LogSource;
use server::config::DockerTls;

#[tokio::test]
async fn an_engine_behind_tls_is_followed() {
    let authority = Authority::new();
    let engine = Terminator::start(&authority.issue("engine", "IP:127.0.0.1")).await;
    let console = Console::follow(&engine.host(Some(DockerTls::folder(&authority.issue("console", "DNS:console")))));
    let mut view = console.watch("tls");
    let _container = Running::start("tls", &[], "seq 1 500; sleep 60");
    let lines = view.until(500).await;
    assert!(lines.iter().map(|line| line.text.to_string()).eq((1..=500).map(|n| n.to_string())));
}

#[tokio::test]
async fn an_engine_behind_tls_is_refused_with_the_reason() {
    let (authority, other) = (Authority::new(), Authority::new());
    let engine = authority.issue("engine", "IP:127.0.0.1");
    let elsewhere = authority.issue("elsewhere", "DNS:engine.example");
    let (console, stranger) = (authority.issue("console", "DNS:console"), other.issue("console", "DNS:console"));
    let ours = DockerTls::folder(&console);
    let cases = [
        ("another authority", &engine, Some(DockerTls::folder(&stranger)), "no authority that we trust has signed its certificate"),
        ("another name", &elsewhere, Some(ours.clone()), "its certificate is for another name"),
        ("no certificate of ours", &engine, Some(DockerTls { identity: None, ..ours.clone() }), "it wants a certificate of ours"),
        (
            "a certificate of another authority",
            &engine,
            Some(DockerTls { identity: DockerTls::folder(&stranger).identity, ..ours }),
            "it does not accept our certificate",
        ),
        ("no TLS", &engine, None, "what it says is not HTTP"),
    ];
    for (what, shown, tls, expect) in cases {
        let engine = Terminator::start(shown).await;
        let host = engine.host(tls);
        let console = Console::follow(&host);
        // An end that hangs up with words unread may take its own last word back; the next try hears it.
        let said = || console.logs.part().detail;
        let told = eventually(|| async {
            let detail = said();
            (detail.starts_with(&format!("{host} ")) && detail.contains(expect)).then_some(())
        });
        assert!(tokio::time::timeout(Duration::from_secs(15), told).await.is_ok(), "{what}: {}", said());
    }
}

/// How the Engine is, in the console's own words.
async fn docker_detail(admin: &Person) -> String {
    let health = admin.get("/api/v1/health").await.json();
    let parts = health["parts"].as_array().unwrap();
    let docker = parts.iter().find(|part| part["name"] == "docker local").unwrap();
    docker["detail"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_behind_ssh_is_followed() {
    let Some(sshd) = Sshd::start() else { return };
    let ssh = sshd.client("known", "client", &sshd.known_as("host"));
    let console = Process::start(&["--docker-host", &sshd.address()], Some(&ssh)).await;
    let admin = console.admin().await;
    let _container = Running::start("ssh", &[], "seq 1 300; sleep 3; seq 301 500; sleep 60");
    eventually(|| async {
        let services = admin.get("/api/v1/logs/services").await.json();
        services["services"].as_array().unwrap().iter().any(|one| one["name"] == "ssh").then_some(())
    })
    .await;
    assert_eq!(docker_detail(&admin).await, "");
    let mut socket = Socket::open(&admin, "/ws/logs/ssh?tail=500").await;
    let mut seen = Vec::new();
    while seen.len() < 500 {
        if let ServerMsg::Logs { entries } = socket.next().await.unwrap() {
            seen.extend(entries.into_iter().map(|entry| entry.message));
        }
    }
    assert!(seen.iter().eq((1..=500).map(|n| n.to_string()).collect::<Vec<_>>().iter()), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_behind_ssh_is_refused_with_the_reason() {
    let Some(sshd) = Sshd::start() else { return };
    let cases = [
        ("unknown", "client", String::new(), "its key is not known here"),
        ("changed", "client", sshd.known_as("client"), "its key is not the one known here"),
        ("stranger", "host", sshd.known_as("host"), "Permission denied (publickey)"),
    ];
    for (name, key, known_hosts, expect) in cases {
        let ssh = sshd.client(name, key, &known_hosts);
        let console = Process::start(&["--docker-host", &sshd.address()], Some(&ssh)).await;
        let admin = console.admin().await;
        let detail = eventually(|| async { Some(docker_detail(&admin).await).filter(|detail| detail.contains("ssh:")) }).await;
        assert!(detail.starts_with(&sshd.address()) && detail.contains(expect), "{name}: {detail}");
    }
}
