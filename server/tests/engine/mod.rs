//! Containers, consoles and viewers for tests against a real Docker Engine.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod fake;
pub mod proxy;
pub mod sshd;
pub mod tls;

use std::{
    process::Command,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::{Direction, EntryId, StreamState, TimeRange, Timestamp};
use ops::{
    live::{Hub, LiveItem, Subscription},
    logs::{Filter, Selector},
    source::{Frontier, Line, LogPlan, LogSource, SourceService},
};
use server::{
    collect::{
        Clock,
        docker_logs::{CollectorStats, DockerCollector},
        intake::Intake,
        places::Places,
    },
    config::{DockerHost as Endpoint, EngineConfig},
    source::{
        docker::{client::DockerHost, logs::DockerLogs},
        embedded::{Embedded, EmbeddedLogs},
    },
};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(20);
pub const IMAGE: &str = "docaiche-test:latest";

fn docker_at(host: Option<&str>, arguments: &[&str]) -> String {
    let mut command = Command::new("docker");
    if let Some(host) = host {
        command.args(["-H", host]);
    }
    let output = command.args(arguments).output().expect("the docker client runs");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Makes the image once: a static busybox and nothing else, without any registry.
pub fn image() {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| import(None));
}

pub fn import(host: Option<&str>) {
    let at = host.map(|host| format!("-H {host}")).unwrap_or_default();
    let script = format!(
        "set -e; d=$(mktemp -d); trap 'rm -rf $d' EXIT; mkdir $d/bin; cp /bin/busybox $d/bin/; \
         for a in sh cat echo sleep seq printf head tr usleep stty; do ln -s busybox $d/bin/$a; done; \
         tar -C $d -c . | docker {at} import - {IMAGE} >/dev/null"
    );
    let status = Command::new("sh").args(["-c", &script]).status().expect("sh runs");
    assert!(status.success(), "the test image cannot be made");
}

/// A container that is removed when dropped. Its name is `docaiche-test-` and the test's; its service the test's.
pub struct Running {
    name: String,
    host: Option<String>,
}

impl Running {
    pub fn start(test: &str, flags: &[&str], script: &str) -> Self {
        image();
        Self::start_at(None, test, flags, script)
    }

    pub fn start_at(host: Option<&str>, test: &str, flags: &[&str], script: &str) -> Self {
        let name = format!("docaiche-test-{test}");
        let mut rm = Command::new("docker");
        if let Some(host) = host {
            rm.args(["-H", host]);
        }
        let _ = rm.args(["rm", "-f", &name]).output();
        let label = format!("docaiche.service={test}");
        let run = ["run", "-d", "--init=false", "--net=none", "--name", &name, "-l", &label];
        docker_at(host, &[&run, flags, &[IMAGE, "/bin/sh", "-c", script]].concat());
        Self { name, host: host.map(str::to_owned) }
    }

    /// `docker VERB… NAME`.
    pub fn docker(&self, verb: &[&str]) {
        docker_at(self.host.as_deref(), &[verb, &[self.name.as_str()]].concat());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut rm = Command::new("docker");
        if let Some(host) = &self.host {
            rm.args(["-H", host]);
        }
        let _ = rm.args(["rm", "-f", &self.name]).output();
    }
}

/// A collector with its hub; ends when dropped.
pub struct Console {
    pub hub: Arc<Hub>,
    pub logs: Arc<DockerLogs>,
    pub stats: Arc<CollectorStats>,
    pub kept: EmbeddedLogs,
    pub intake: Intake,
    cancel: CancellationToken,
    _data: tempfile::TempDir,
}

impl Console {
    pub fn start(address: &str) -> Self {
        Self::follow(&address.parse().expect("an address"))
    }

    pub fn follow(engine: &Endpoint) -> Self {
        let clock = || Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as i64);
        Self::follow_by(engine, Arc::new(clock))
    }

    /// With a wall clock of the test's own.
    pub fn follow_by(engine: &Endpoint, clock: Clock) -> Self {
        let host = DockerHost::connect("local", engine).expect("the certificates can be used");
        let (hub, cancel) = (Arc::new(Hub::default()), CancellationToken::new());
        let data = tempfile::tempdir().expect("a folder");
        let settings = EngineConfig { retention_ns: i64::MAX, ..EngineConfig::default() };
        let engine = Embedded::open(&data.path().join("logs"), &settings, hub.clone(), clock.clone()).expect("the log engine opens");
        let places = Arc::new(Places::open(data.path(), clock.clone()));
        let (intake, _) = Intake::start(engine.clone(), hub.clone(), places.clone(), clock.clone());
        let (logs, _, stats) =
            DockerCollector::spawn(host, (hub.clone(), intake.clone(), places), Default::default(), clock, cancel.clone());
        Self { hub, logs, stats, kept: EmbeddedLogs(engine), intake, cancel, _data: data }
    }

    pub fn watch(&self, service: &str) -> View {
        let selector = Selector::parse([service]).expect("a name");
        View { subscription: self.hub.subscribe(selector, Arc::default()), lines: Vec::new(), state: None, missed: 0, may_miss: false }
    }

    pub fn plan(&self, service: &str, direction: Direction, limit: usize, cursor: Option<EntryId>, filter: Filter) -> LogPlan {
        let selector = Selector::parse([service]).expect("a name");
        LogPlan { selector, stream: None, range: TimeRange::ALL, cursor, direction, limit, filter: Arc::new(filter), scope: None }
    }

    /// What the log engine holds, once all that was read is kept.
    pub async fn held(&self, plan: &LogPlan) -> Vec<Line> {
        self.intake.kept().await;
        self.kept.search(plan).await.expect("the log engine answers").lines
    }

    pub async fn search(
        &self,
        service: &str,
        direction: Direction,
        limit: usize,
        cursor: Option<EntryId>,
        filter: Filter,
    ) -> (Vec<Line>, Frontier) {
        let plan = self.plan(service, direction, limit, cursor, filter);
        let batch = self.logs.search(&plan).await.expect("Docker answers");
        (batch.lines, batch.frontier)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// What one viewer has seen.
pub struct View {
    subscription: Subscription,
    lines: Vec<Arc<Line>>,
    state: Option<StreamState>,
    /// Lines in gaps.
    pub missed: usize,
    /// Whether a gap is no failure.
    pub may_miss: bool,
}

impl View {
    /// All lines seen so far, once they are at least so many.
    pub async fn until(&mut self, lines: usize) -> Vec<Arc<Line>> {
        let waited = tokio::time::timeout(LIMIT, async {
            while self.lines.len() + self.missed < lines {
                self.step().await;
            }
        });
        if waited.await.is_err() {
            panic!(
                "only {} of {lines} lines; the last: {:?}",
                self.lines.len(),
                self.lines.last().map(|line| line.text.chars().take(80).collect::<String>())
            );
        }
        self.lines.clone()
    }

    /// All lines seen, once `more` have come or nothing has for `quiet`.
    pub async fn more(&mut self, more: usize, quiet: Duration) -> Vec<Arc<Line>> {
        let wanted = self.lines.len().saturating_add(more);
        while self.lines.len() < wanted && tokio::time::timeout(quiet, self.step()).await.is_ok() {}
        self.lines.clone()
    }

    pub async fn until_state(&mut self, state: StreamState) {
        let waited = tokio::time::timeout(LIMIT, async {
            while self.state != Some(state) {
                self.step().await;
            }
        });
        assert!(waited.await.is_ok(), "{state:?} did not come; it is {:?}", self.state);
    }

    async fn step(&mut self) {
        match self.subscription.next().await {
            LiveItem::Frame(frame) => self.lines.extend(frame.lines.iter().cloned()),
            LiveItem::Gap { dropped, .. } if self.may_miss => self.missed += dropped as usize,
            LiveItem::Gap { dropped, .. } => panic!("a gap of {dropped} lines"),
            LiveItem::State(state) => self.state = Some(state),
        }
    }
}

pub fn services_named(logs: &dyn LogSource, name: &str) -> Vec<SourceService> {
    logs.services().into_iter().filter(|service| service.key.name == name).collect()
}

/// Waits until something is so.
pub async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + LIMIT;
    while !so() {
        assert!(tokio::time::Instant::now() < end, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
