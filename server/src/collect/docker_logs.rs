//! Follows every container of one Docker Engine, each by one upstream however many watch, and takes each line in once.
//! The supervisor subscribes to events before it lists, lists again after every break and every two minutes, and tells
//! how the Engine is doing; a follower per container (see `follow`) reads its log.

mod backoff;
mod follow;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bollard::models::ContainerInspectResponse;
use model::{Labels, ServiceStatus, StreamState, Timestamp, status::PartState};
use ops::{
    live::Hub,
    source::{Line, ServiceKey, Stream},
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::{backoff::Backoff, follow::Follower};
use super::{
    Clock,
    intake::{Intake, Show, Taken},
    places::{CopiedBefore, Place as Kept, Places},
};
use crate::{
    config::{CopiedLabel, Pattern},
    source::docker::{
        client::{DockerError, DockerHost},
        events::{Event, EventReader},
        logs::{Container, DockerLogs, Memory},
        streams::{ContainerStreams, Outputs},
    },
};

const RECONCILE: Duration = Duration::from_secs(120);
/// Finds an Engine that went away without a word, as a network can make it.
const PING: Duration = Duration::from_secs(15);
/// Events not yet handled. The Engine drops events for a listener that is slow for 100 ms, so they are taken at once.
const EVENT_QUEUE: usize = 4_096;
/// Lines handed on at once.
const BATCH: usize = 256;
/// Containers whose older lines are read at a time.
const BACKFILLS: usize = 2;
/// How far back lines count when a container is seen for the first time.
const LOOK_BACK_NS: i64 = 300 * model::time::NANOS_PER_SEC;

/// Bytes of a copied label's value: Loki's `max_label_value_length`. What is longer is cut, as a label is anybody's input.
const MAX_VALUE_BYTES: usize = 2_048;

/// Which labels of containers their streams get.
#[derive(Clone, Debug, Default)]
pub struct Copied {
    now: Vec<CopiedLabel>,
    /// Of lines until then (exclusive); the oldest first.
    before: Vec<(Timestamp, Vec<CopiedLabel>)>,
}

impl Copied {
    /// From now on these; `before` as it was remembered.
    pub fn new(labels: Vec<CopiedLabel>, before: &[CopiedBefore]) -> Self {
        let named = |labels: &[String]| labels.iter().map(|label| CopiedLabel::new(label)).collect();
        Self { now: labels, before: before.iter().map(|one| (Timestamp(one.until), named(&one.labels))).collect() }
    }
}

/// What collecting has done, for metrics. Counters since the start but `upstreams` and `lag_ms`.
#[derive(Debug, Default)]
pub struct CollectorStats {
    pub lines: AtomicU64,
    pub bytes: AtomicU64,
    /// Open log streams.
    pub upstreams: AtomicU64,
    /// Times the Engine went away.
    pub reconnects: AtomicU64,
    /// From a line's time to its publication, of the last batch, in milliseconds.
    pub lag_ms: AtomicU64,
}

/// Starts to collect from Engines.
pub struct DockerCollector;

impl DockerCollector {
    /// Follows all containers of `host` until `cancel`; the Engine may be absent and come later. Services and containers
    /// whose names match `exclude` are left out, and so is a container labelled `docaiche.console=1`: the console's own
    /// log is followed as a file.
    pub fn spawn(
        host: Arc<DockerHost>,
        (hub, intake, places): (Arc<Hub>, Intake, Arc<Places>),
        (exclude, copied): (Vec<Pattern>, Arc<Copied>),
        clock: Clock,
        cancel: CancellationToken,
    ) -> (Arc<DockerLogs>, JoinHandle<()>, Arc<CollectorStats>) {
        let logs = Arc::new(DockerLogs::new(host.clone(), clock.clone()));
        let stats = Arc::new(CollectorStats::default());
        let epoch = watch::Sender::new(0);
        let backfills = Semaphore::new(BACKFILLS);
        let shared = Arc::new(Shared {
            host,
            logs: logs.clone(),
            hub,
            intake,
            places,
            backfills,
            exclude,
            copied,
            clock,
            stats: stats.clone(),
            epoch,
            cancel,
        });
        let supervisor = Supervisor { shared, followers: HashMap::new(), epochs: 0 };
        (logs, tokio::spawn(supervisor.run()), stats)
    }
}

/// What the supervisor and its followers share.
struct Shared {
    host: Arc<DockerHost>,
    logs: Arc<DockerLogs>,
    hub: Arc<Hub>,
    intake: Intake,
    places: Arc<Places>,
    /// Turns to read what was written before a container was first seen.
    backfills: Semaphore,
    exclude: Vec<Pattern>,
    copied: Arc<Copied>,
    clock: Clock,
    stats: Arc<CollectorStats>,
    /// Counts connections; 0 while the Engine is away. A change ends every stream.
    epoch: watch::Sender<u64>,
    cancel: CancellationToken,
}

impl Shared {
    /// Hands lines on; waits for room. `place` is where reading stands behind the last of them.
    async fn take(&self, lines: Vec<Arc<Line>>, show: Show, place: Option<(String, Kept)>) {
        if show != Show::Kept {
            self.stats.lines.fetch_add(lines.len() as u64, Ordering::Relaxed);
            self.stats.bytes.fetch_add(lines.iter().map(|line| line.text.len() as u64).sum(), Ordering::Relaxed);
        }
        if let (Show::Live, Some(last)) = (show, lines.last()) {
            let lag_ns = (self.clock)().0 - last.id.at.0;
            self.stats.lag_ms.store(u64::try_from(lag_ns / 1_000_000).unwrap_or(0), Ordering::Relaxed);
        }
        let mut batches = lines.chunks(BATCH).map(<[_]>::to_vec).collect::<VecDeque<_>>();
        let last = batches.pop_back().unwrap_or_default();
        for lines in batches {
            self.intake.take(Taken { lines, show, place: None }).await;
        }
        if !last.is_empty() || place.is_some() {
            self.intake.take(Taken { lines: last, show, place }).await;
        }
    }

    fn tell_state(&self, key: &ServiceKey, up: bool) {
        let state = match (self.logs.is_alive(key), up) {
            (false, _) => StreamState::Ended,
            (true, true) => StreamState::Live,
            (true, false) => StreamState::Reconnecting,
        };
        self.hub.set_state(key, state);
    }

    /// Marks a container as gone.
    fn removed(&self, id: &str) {
        if let Some(known) = self.logs.container(id) {
            self.logs.put(Container { status: ServiceStatus::Removed, ..(*known).clone() });
            self.tell_state(&known.key, true);
        }
    }
}

struct Supervisor {
    shared: Arc<Shared>,
    followers: HashMap<String, Follower>,
    epochs: u64,
}

impl Supervisor {
    async fn run(mut self) {
        let cancel = self.shared.cancel.clone();
        let mut backoff = Backoff::default();
        loop {
            let error = tokio::select! {
                () = cancel.cancelled() => break,
                Err(error) = self.session(&mut backoff) => error,
            };
            self.down(&error);
            tokio::select! {
                () = cancel.cancelled() => break,
                () = backoff.wait() => {}
            }
        }
    }

    /// One connection to the Engine, until it breaks.
    async fn session(&mut self, backoff: &mut Backoff) -> Result<std::convert::Infallible, DockerError> {
        let host = self.shared.host.clone();
        host.negotiate().await?;
        let mut reader = EventReader::new(host.events(None).await?);
        let (queue, mut events) = mpsc::channel(EVENT_QUEUE);
        let _reader = AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some(event) = reader.next().await {
                if queue.send(event).await.is_err() {
                    return;
                }
            }
        }));
        self.up();
        self.reconcile().await?;
        backoff.reset();
        let mut reconcile = tokio::time::interval_at(tokio::time::Instant::now() + RECONCILE, RECONCILE);
        let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING, PING);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.event(event?).await?,
                    None => return Err(DockerError::Unreachable("the Docker Engine has ended the connection".to_owned(), None)),
                },
                _ = reconcile.tick() => self.reconcile().await?,
                _ = ping.tick() => host.ping().await?,
            }
        }
    }

    fn up(&mut self) {
        let shared = &self.shared;
        if shared.logs.set_state(PartState::Ok, "", (shared.clock)()) {
            tracing::info!(
                kind = "external_service",
                host = shared.host.name,
                api = shared.host.api_version(),
                "the Docker Engine answers"
            );
        }
        self.epochs += 1;
        shared.epoch.send_replace(self.epochs);
        for container in shared.logs.containers() {
            shared.tell_state(&container.key, true);
        }
    }

    fn down(&mut self, error: &DockerError) {
        let shared = &self.shared;
        if *shared.epoch.borrow() != 0 {
            shared.stats.reconnects.fetch_add(1, Ordering::Relaxed);
        }
        shared.epoch.send_replace(0);
        let state = if self.epochs == 0 { PartState::Absent } else { PartState::Down };
        if shared.logs.set_state(state, &error.to_string(), (shared.clock)()) {
            tracing::warn!(kind = "external_service", host = shared.host.name, error = %error, "the Docker Engine does not answer");
        }
        for container in shared.logs.containers() {
            shared.tell_state(&container.key, false);
        }
    }

    /// Makes what is known equal to what is there.
    async fn reconcile(&mut self) -> Result<(), DockerError> {
        let listed = self.shared.host.containers().await?;
        let mut there = HashSet::new();
        for summary in listed {
            if let Some(id) = summary.id {
                self.refresh(&id).await?;
                there.insert(id);
            }
        }
        for gone in self.shared.logs.containers() {
            if gone.status != ServiceStatus::Removed && !there.contains(&gone.id) {
                self.remove(&gone.id);
            }
        }
        Ok(())
    }

    async fn event(&mut self, event: Event) -> Result<(), DockerError> {
        match event.action.as_str() {
            "destroy" => {
                self.remove(&event.container_id);
                Ok(())
            }
            "create" | "start" | "restart" | "die" | "stop" | "pause" | "unpause" | "rename" => self.refresh(&event.container_id).await,
            _ => Ok(()),
        }
    }

    fn remove(&mut self, id: &str) {
        // The follower reads to the log's end, finds the container gone and ends by itself.
        self.followers.remove(id);
        self.shared.removed(id);
    }

    /// Looks at one container and follows it, if it runs or has run since it was last followed.
    async fn refresh(&mut self, id: &str) -> Result<(), DockerError> {
        let found = match self.shared.host.inspect(id).await {
            Ok(found) => found,
            Err(error) if error.is_not_found() => {
                self.remove(id);
                return Ok(());
            }
            Err(error @ (DockerError::Unreachable(..) | DockerError::Timeout(_))) => return Err(error),
            Err(error) => {
                tracing::warn!(kind = "external_service", container = id, error = %error, "a container cannot be inspected");
                return Ok(());
            }
        };
        let known = self.shared.logs.container(id);
        let Some((mut container, run)) = describe(&self.shared.host.name, &self.shared.copied, found, known.as_deref()) else {
            return Ok(());
        };
        if self.shared.exclude.iter().any(|pattern| pattern.matches(&container.key.name) || pattern.matches(&container.name)) {
            return Ok(());
        }
        if let Some(known) = &known {
            container.unreadable = container.unreadable.or_else(|| known.unreadable.clone());
        }
        let renamed = known.as_ref().is_some_and(|known| known.streams.now()[0].hash != container.streams.now()[0].hash);
        let container = self.shared.logs.put(container);
        self.shared.tell_state(&container.key, true);
        if let Some(known) = known.filter(|_| renamed) {
            self.shared.tell_state(&known.key, true);
        }
        if container.unreadable.is_some() {
            return Ok(());
        }
        let since = Timestamp((self.shared.clock)().0 - LOOK_BACK_NS);
        let follower = self.followers.entry(id.to_owned()).or_insert_with(|| Follower::spawn(self.shared.clone(), id.to_owned()));
        let ran_unseen = run.started_at > follower.asked_for && run.finished_at.max(run.started_at) > since;
        let unread = match self.shared.places.get(id) {
            Some(Kept::Container { max_at, .. }) => run.finished_at.0 > max_at && run.started_at > follower.asked_for,
            _ => follower.asked_for == Timestamp::MIN,
        };
        if run.running || ran_unseen || unread {
            follower.follow(run.started_at);
        }
        if renamed {
            follower.relabel();
        }
        Ok(())
    }
}

/// When a container last ran.
struct Run {
    running: bool,
    started_at: Timestamp,
    finished_at: Timestamp,
}

/// A container as its inspection shows it; `None` for the console's own, and where there is no id.
fn describe(host: &str, copied: &Copied, found: ContainerInspectResponse, known: Option<&Container>) -> Option<(Container, Run)> {
    let id = found.id.filter(|id| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let config = found.config.unwrap_or_default();
    let docker_labels = config.labels.unwrap_or_default();
    if docker_labels.get("docaiche.console").is_some_and(|value| value == "1") {
        return None;
    }
    let name = found.name.unwrap_or_default().trim_start_matches('/').to_owned();
    let label = |key: &str| docker_labels.get(key).filter(|value| is_service_name(value)).cloned();
    let service = label("docaiche.service").or_else(|| label("com.docker.compose.service")).unwrap_or_else(|| name.clone());
    let project = label("com.docker.compose.project");
    let key = ServiceKey { host: host.to_owned(), project: project.clone(), name: service.clone(), kind_file: false };
    let streams = |copied: &[CopiedLabel]| -> Outputs {
        ["stdout", "stderr"].map(|output| {
            let mut labels = Labels::from([
                ("service", service.as_str()),
                ("service_name", &service),
                ("container_name", &name),
                ("stream", output),
                ("job", "dockerlogs"),
                ("host", host),
            ]);
            if let Some(project) = &project {
                labels.0.insert("compose_project".to_owned(), project.clone());
            }
            labels.0.extend(copied.iter().filter_map(|label| Some((label.stream.clone(), value_of(docker_labels.get(&label.docker)?)?))));
            let stream = Stream::new(key.clone(), labels);
            let same = known.and_then(|known| known.streams.all().find(|old| ***old == stream));
            same.cloned().unwrap_or_else(|| Arc::new(stream))
        })
    };
    let streams =
        ContainerStreams::new(streams(&copied.now), copied.before.iter().map(|(until, labels)| (*until, streams(labels))).collect());
    let state = found.state.unwrap_or_default();
    let time = |text: Option<String>| text.and_then(|text| Timestamp::parse_rfc3339(&text)).unwrap_or_default().max(Timestamp::MIN);
    let yes = |flag: Option<bool>| flag.unwrap_or(false);
    let status = match () {
        () if yes(state.paused) => ServiceStatus::Paused,
        () if yes(state.restarting) => ServiceStatus::Restarting,
        () if yes(state.running) => ServiceStatus::Running,
        () => ServiceStatus::Exited,
    };
    let driver = found.host_config.and_then(|config| config.log_config).and_then(|config| config.typ);
    let container = Container {
        name,
        key,
        streams,
        tty: yes(config.tty),
        // Other drivers keep a local copy that can be read since Docker 20.10; where they do not, reading says so.
        unreadable: driver.filter(|driver| driver == "none"),
        created: time(found.created),
        status,
        memory: known.map_or_else(|| Arc::new(Memory::default()), |known| known.memory.clone()),
        id,
    };
    let run = Run {
        running: yes(state.running) || yes(state.restarting),
        started_at: time(state.started_at),
        finished_at: time(state.finished_at),
    };
    Some((container, run))
}

/// A stream has no empty labels: to a query that is as if they were not there.
fn value_of(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text[..text.floor_char_boundary(MAX_VALUE_BYTES)].to_owned())
}

/// A label is anybody's input: what cannot be named in a URL is passed over.
fn is_service_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && !text.contains('/') && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(labels: &[(&str, &str)]) -> Option<Container> {
        copying(&Copied::default(), labels)
    }

    fn copying(copied: &Copied, labels: &[(&str, &str)]) -> Option<Container> {
        let inspected = serde_json::json!({
            "Id": "a".repeat(64),
            "Name": "/shop-web-1",
            "Config": { "Labels": labels.iter().copied().collect::<HashMap<_, _>>(), "Tty": true },
            "HostConfig": { "LogConfig": { "Type": "json-file", "Config": {} } },
        });
        describe("local", copied, serde_json::from_value(inspected).unwrap(), None).map(|(container, _)| container)
    }

    #[test]
    fn a_service_is_named_by_our_label_then_compose_then_the_container() {
        for (labels, service, project) in [
            (&[][..], "shop-web-1", None),
            (&[("com.docker.compose.service", "web"), ("com.docker.compose.project", "shop")], "web", Some("shop")),
            (&[("com.docker.compose.service", "web"), ("docaiche.service", "front")], "front", None),
            (&[("docaiche.service", "a/b")], "shop-web-1", None),
            (&[("docaiche.service", "a\nb"), ("com.docker.compose.service", "web")], "web", None),
            (&[("docaiche.service", "")], "shop-web-1", None),
        ] {
            let container = named(labels).unwrap();
            assert_eq!((container.key.name.as_str(), container.key.project.as_deref()), (service, project), "{labels:?}");
            let labels = &container.streams.now()[1].labels;
            let get = |name| labels.get(name).unwrap_or_default();
            assert_eq!(
                ["service", "service_name", "container_name", "stream", "job", "host"].map(get),
                [service, service, "shop-web-1", "stderr", "dockerlogs", "local"]
            );
            assert_eq!(labels.get("compose_project"), project);
        }
        assert!(named(&[("docaiche.console", "1")]).is_none());
    }

    #[test]
    fn labels_of_a_container_are_copied_as_far_as_that_was_so_when_a_line_was_written() {
        let label = |name: &str| CopiedLabel::new(name);
        let before = [CopiedBefore { until: 5, labels: vec![] }, CopiedBefore { until: 9, labels: vec!["tier".into()] }];
        let copied = Copied::new(vec![label("com.example.team"), label("tier"), label("empty"), label("long")], &before);
        let long = "é".repeat(2_000);
        let container =
            copying(&copied, &[("com.example.team", "a b\"c"), ("tier", "1"), ("empty", ""), ("long", &long), ("other", "x")]).unwrap();
        let names = |at: i64| {
            let labels = &container.streams.at(Timestamp(at))[1].labels;
            assert_eq!(labels.get("stream"), Some("stderr"));
            let usual = ["service", "service_name", "container_name", "stream", "job", "host"];
            labels.0.keys().filter(|name| !usual.contains(&name.as_str())).cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!([4, 8, 9].map(names), ["", "tier", "com_example_team long tier"]);
        let labels = container.streams.labels();
        assert_eq!((labels.get("com_example_team"), labels.get("tier")), (Some("a b\"c"), Some("1")));
        assert_eq!(labels.get("long"), Some("é".repeat(1_024).as_str()));
        // One without them is as it was before there were any.
        let plain = copying(&copied, &[]).unwrap();
        assert!(plain.streams.all().all(|stream| named(&[]).unwrap().streams.now().contains(stream)));
    }
}
