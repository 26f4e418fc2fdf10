//! A console of one's own for a test: a port, a data folder and a log folder that end with it; people who are signed in;
//! a client that sends exactly what a test says. No Docker: its socket does not exist.
#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

pub mod flood;
pub mod loki;
pub mod person;
pub mod process;
pub mod socket;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use model::{Role, Timestamp};
use ops::{Actor, OpCtx, Ops, access::AuditSink};
use server::{Server, cli::Flags, config::Config};
use tempfile::TempDir;

pub use self::{
    person::{Answer, Person, Request},
    socket::Socket,
};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";
/// Nothing in a test takes longer than this.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A running console; it ends when dropped.
pub struct TestServer {
    pub address: SocketAddr,
    pub ops: Arc<Ops>,
    /// `/setup?token=…`.
    pub setup_link: Option<String>,
    dir: TempDir,
    shutdown: Box<dyn Fn() + Send + Sync>,
    ended: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        (self.shutdown)();
    }
}

/// A configuration that touches nothing outside `dir`.
pub fn config(dir: &Path, change: impl FnOnce(&mut Flags)) -> Config {
    config_with(dir, "", change)
}

/// As [`config`], with more lines in the file's section `collect`.
pub fn config_with(dir: &Path, collect: &str, change: impl FnOnce(&mut Flags)) -> Config {
    let text = |path: PathBuf| Some(path.to_str().expect("temporary folders have plain names").to_owned());
    let mut flags = Flags {
        listen: Some("127.0.0.1:0".into()),
        data_dir: text(dir.join("data")),
        log_dir: text(dir.join("logs")),
        docker_host: Some(format!("unix://{}", dir.join("no-docker.sock").display())),
        // What tests write is dated by hand.
        retention: Some("36500d".into()),
        config: text(dir.join("docaiche.toml")),
        ..Flags::default()
    };
    change(&mut flags);
    let file = |_: &Path| Ok(format!("[collect]\nfiles_poll_ms = 20\n{collect}\n[ingest]\nmax_age = \"36500d\"\n"));
    Config::load(&flags, &BTreeMap::new(), &file).unwrap()
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Flags)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        Self::start_in(dir, change).await
    }

    /// With more lines in the file's section `collect`.
    pub async fn start_collecting(collect: &str, change: impl FnOnce(&mut Flags)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        Self::start_config(dir, collect, change).await
    }

    /// Ends, and starts anew on the same data.
    pub async fn restart(self) -> Self {
        self.restart_collecting("", |_| {}).await
    }

    pub async fn restart_collecting(mut self, collect: &str, change: impl FnOnce(&mut Flags)) -> Self {
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        let ended = self.ended.take().expect("it ends once");
        drop(self);
        tokio::time::timeout(LIMIT, ended).await.expect("it ends in time").unwrap();
        Self::start_config(dir, collect, change).await
    }

    async fn start_in(dir: TempDir, change: impl FnOnce(&mut Flags)) -> Self {
        Self::start_config(dir, "", change).await
    }

    async fn start_config(dir: TempDir, collect: &str, change: impl FnOnce(&mut Flags)) -> Self {
        let server = Server::new(config_with(dir.path(), collect, change)).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ops, setup_link, shutdown) = (server.ops(), server.setup_link.clone(), Box::new(server.shutdown()));
        let ended = Some(tokio::spawn(async move { server.serve(listener).await.unwrap() }));
        Self { address, ops, setup_link, dir, shutdown, ended }
    }

    /// The console and one person of each role, from nobody to admin, signed in under the role's name.
    pub async fn with_people() -> (Self, [Person; 5]) {
        let server = Self::start().await;
        let people = server.people().await;
        (server, people)
    }

    pub async fn people(&self) -> [Person; 5] {
        for role in Role::ALL {
            self.user_add(role.as_str(), role).await;
        }
        [
            self.anonymous(),
            self.signed_in("viewer").await,
            self.signed_in("developer").await,
            self.signed_in("operator").await,
            self.signed_in("admin").await,
        ]
    }

    pub async fn admin() -> (Self, Person) {
        let server = Self::start().await;
        server.user_add("admin", Role::Admin).await;
        let admin = server.signed_in("admin").await;
        (server, admin)
    }

    pub async fn user_add(&self, username: &str, role: Role) {
        self.ops.accounts.user_add(&system(), username, PASSWORD.to_owned(), role).await.unwrap();
    }

    pub fn anonymous(&self) -> Person {
        Person::new(self.address)
    }

    pub async fn signed_in(&self, username: &str) -> Person {
        let person = self.anonymous();
        person.sign_in(username).await;
        person
    }

    /// For other processes on the same data.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The file that is the service `name`.
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(format!("{name}.log"))
    }

    /// Appends lines to a service's file.
    pub fn log(&self, name: &str, lines: &str) {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path(name)).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
    }

    /// Makes a service of `count` numbered lines, a millisecond apart, of every level, and waits until it is known.
    pub async fn numbered(&self, admin: &Person, name: &str, count: usize) {
        self.log(name, &numbered(0..count));
        self.known(admin, name, count).await;
    }

    /// Waits until a page of the service holds its newest lines.
    pub async fn known(&self, admin: &Person, name: &str, count: usize) {
        let limit = count.clamp(1, 5_000);
        eventually(|| async {
            let page = admin.get(&format!("/api/v1/logs/{name}?limit={limit}")).await;
            (page.status == 200 && page.json()["logs"].as_array().is_some_and(|logs| logs.len() >= limit)).then_some(())
        })
        .await;
    }
}

/// Lines `n=0 …` that begin on 2026-03-01T10:00:00Z.
pub fn numbered(range: std::ops::Range<usize>) -> String {
    const LEVELS: [&str; 5] = ["DEBUG", "INFO", "INFO", "WARN", "ERROR"];
    let mut text = String::new();
    for n in range {
        let at = Timestamp::from_millis(1_772_359_200_000 + i64::try_from(n).unwrap());
        let level = LEVELS[n % LEVELS.len()];
        writeln!(text, "{at} {level} n={n} request served").unwrap();
    }
    text
}

/// The console itself, as its command line would act.
pub fn system() -> OpCtx {
    OpCtx {
        actor: Actor::System,
        request_id: "test".into(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        now: server::clock::now(),
        audit: AuditSink::channel().0,
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// After [`LIMIT`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let asking = async {
        let mut often = tokio::time::interval(Duration::from_millis(10));
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            often.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.expect("it did not come true in time")
}
