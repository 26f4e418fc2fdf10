//! Config → sources → service → router. The only file that names them all.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use anyhow::Context;
use axum_server::Handle;
use leptos::config::LeptosOptions;
use model::status::DockerInfo;
use ops::{
    Actor, OpCtx, Ops,
    access::AuditSink,
    live::Hub,
    source::{LogSource, engine::LogEngine},
};
use tokio::time::interval;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Server, clock,
    collect::{
        Clock,
        docker_logs::{CollectorStats, Copied, DockerCollector},
        files::{FilesCollector, FilesSettings},
        intake::{Intake, Keeper},
        outbox::Outbox,
        places::Places,
    },
    config::Config,
    http::{self, AppState, EngineFacts, assets::Assets},
    machine::{COMMIT, DockerProbe, Machine, VERSION},
    metrics::{Keeping, LineSource, Metrics, ReadKeeping},
    refusals,
    source::{
        docker::client::DockerHost,
        embedded::{Embedded, EmbeddedEngine, EmbeddedLogs},
        loki::{Loki, LokiEngine, LokiLogs, ship},
    },
    store::{SessionSql, SqlStore},
    telemetry,
};

pub async fn wire(config: Config) -> anyhow::Result<Server> {
    let started = clock::now();
    let config = Arc::new(config);
    let store = Arc::new(SqlStore::open(config.store.database.url.expose()).await.context("cannot open the database")?);
    let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
    let hub = Arc::new(Hub::new(config.scope.labels()));

    let clock: Clock = Arc::new(clock::now);
    let Kept { history, engine, keeper, figures } = keep(&config, &hub, &clock, &closing, &tasks)?;
    let metrics = Metrics::new(VERSION, COMMIT, figures);
    let collected = collect(&config, (history, keeper), &hub, &closing, &tasks)?;
    let machine = Machine { started, data_dir: config.store.data_dir.clone(), store: store.clone(), docker: collected.docker };
    let ops = Arc::new(Ops::new(store.clone(), collected.sources, Arc::new(machine), hub).with_engine(engine));

    let (audit, refused) = AuditSink::channel();
    let cx = OpCtx {
        actor: Actor::System,
        request_id: "start".into(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        now: started,
        audit: audit.clone(),
    };
    if let Some(password) = &config.store.admin_password {
        let created = ops.accounts.admin_from_environment(&cx, password.expose().to_owned()).await;
        created.map_err(|error| anyhow::anyhow!("DOCAICHE_ADMIN_PASSWORD: {}", error.problem()))?;
    }
    let setup_link = ops.accounts.setup_begin(started).await.context("cannot read the accounts")?;
    let setup_link = setup_link.map(|token| format!("{}?token={token}", app::paths::SETUP));

    tasks.spawn(refusals::write(ops.clone(), refused, closing.clone()));
    tasks.spawn(sweep(ops.clone(), store.clone(), closing.clone()));

    let state = AppState {
        ops: ops.clone(),
        config: Arc::new(config.http.clone()),
        metrics,
        engine: Arc::new(EngineFacts { retention_ns: config.engine.retention_ns, max_query_ns: config.engine.retention_ns }),
        audit,
        assets: Arc::new(Assets::open(config.http.site_root.clone())),
        leptos: LeptosOptions::builder().output_name("docaiche").build(),
        scrape: Arc::new(Scrape { told: Mutex::default(), counts: collected.counts }),
        closing: closing.clone(),
    };
    let router = http::router(state, SessionSql(store.clone()));
    Ok(Server { config, ops, router, handle: Handle::new(), closing, tasks, store, setup_link })
}

/// What collecting needs of the rest, and gives it.
struct Collected {
    sources: Vec<Arc<dyn LogSource>>,
    counts: Vec<(LineSource, String, Arc<CollectorStats>)>,
    docker: DockerProbe,
}

/// Who has the lines.
struct Kept {
    history: Arc<dyn LogSource>,
    engine: Arc<dyn LogEngine>,
    keeper: Keeper,
    figures: ReadKeeping,
}

/// The embedded engine, or a Loki, and what each needs while the console runs.
fn keep(config: &Config, hub: &Arc<Hub>, clock: &Clock, closing: &CancellationToken, tasks: &TaskTracker) -> anyhow::Result<Kept> {
    let Some(settings) = &config.loki else {
        let engine = Embedded::open(&config.store.data_dir.join("logs"), &config.engine, hub.clone(), clock.clone())?;
        tasks.spawn(engine.clone().maintain(closing.clone()));
        let (history, answers) = (Arc::new(EmbeddedLogs(engine.clone())), Arc::new(EmbeddedEngine(engine.clone())));
        let status = engine.clone();
        let figures = Box::new(move || Keeping { engine: Some(status.store.status()), queue: None });
        return Ok(Kept { history, engine: answers, keeper: engine.into(), figures });
    };
    let outbox = match &config.collect.ship {
        Some(ship) => {
            let outbox = Outbox::open(&config.store.data_dir.join("outbox"), ship.queue_bytes).context("cannot open the queue for Loki")?;
            Some(Arc::new(outbox))
        }
        None => None,
    };
    let loki = Loki::new(settings, hub.clone(), clock.clone(), outbox.clone())?;
    tasks.spawn(loki.clone().maintain(closing.clone()));
    let queue = outbox.clone();
    let figures = Box::new(move || Keeping { engine: None, queue: queue.as_ref().map(|queue| queue.counts()) });
    let keeper = match outbox {
        Some(outbox) => {
            tasks.spawn(ship(loki.clone(), outbox.clone(), closing.clone()));
            Keeper::Outbox(outbox)
        }
        None => Keeper::Nowhere,
    };
    Ok(Kept { history: Arc::new(LokiLogs(loki.clone())), engine: Arc::new(LokiEngine(loki)), keeper, figures })
}

/// Starts following engines and files. Neither must be there.
fn collect(
    config: &Config,
    (history, keeper): (Arc<dyn LogSource>, Keeper),
    hub: &Arc<Hub>,
    closing: &CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<Collected> {
    let clock: Clock = Arc::new(clock::now);
    let (mut sources, mut counts): (Vec<Arc<dyn LogSource>>, _) = (vec![history], Vec::new());
    let places = Arc::new(Places::open(&config.store.data_dir, clock.clone()));
    let labels = &config.scope.copied;
    let before = places.copied_before(&labels.iter().map(|label| label.docker.clone()).collect::<Vec<_>>());
    let copied = Arc::new(Copied::new(labels.clone(), &before));
    let (intake, thread) = Intake::start(keeper, hub.clone(), places.clone(), clock.clone());
    // Ends when the last collector has: what they handed on is kept before the console goes.
    tasks.spawn_blocking(move || thread.join());
    let mut local = None;
    for (name, endpoint) in config.docker.hosts.iter().filter(|_| config.collect.follow) {
        let host = DockerHost::connect(name, endpoint).with_context(|| format!("cannot prepare the Docker Engine {name}"))?;
        if name == "local" {
            local = Some(host.clone());
        }
        let (source, task, stats) = DockerCollector::spawn(
            host,
            (hub.clone(), intake.clone(), places.clone()),
            (config.collect.exclude.clone(), copied.clone()),
            clock.clone(),
            closing.clone(),
        );
        sources.push(source);
        counts.push((LineSource::Docker, name.clone(), stats));
        tasks.spawn(task);
    }
    let files = FilesSettings {
        folder: config.collect.log_dir.clone(),
        console_log: Some(telemetry::console_log(&config.collect.log_dir, &config.store.data_dir)),
        sidecars: config.store.data_dir.join("files"),
        poll: Duration::from_millis(config.collect.files_poll_ms),
        exclude: config.collect.exclude.clone(),
    };
    let (source, task, stats) = FilesCollector::spawn(files, (hub.clone(), intake, places), clock, closing.clone());
    sources.push(source);
    counts.push((LineSource::Files, "files".to_owned(), stats));
    tasks.spawn(task);
    let docker: DockerProbe = Box::new(move || {
        let local = local.clone();
        Box::pin(async move { docker_info(&*local?).await })
    });
    Ok(Collected { sources, counts, docker })
}

async fn docker_info(host: &DockerHost) -> Option<DockerInfo> {
    // Not asked at all while it is known not to answer.
    let api_version = host.api_version()?;
    let info = host.info().await.ok()?;
    let count = |number: Option<i64>| u64::try_from(number.unwrap_or_default()).unwrap_or_default();
    Some(DockerInfo {
        host: info.name.unwrap_or_default(),
        version: info.server_version.unwrap_or_default(),
        api_version,
        containers: count(info.containers),
        running: count(info.containers_running),
    })
}

/// Brings the collectors' and the hub's own counts into the metrics when somebody asks for these.
pub struct Scrape {
    told: Mutex<BTreeMap<String, u64>>,
    counts: Vec<(LineSource, String, Arc<CollectorStats>)>,
}

impl Scrape {
    pub fn update(&self, metrics: &Metrics, skipped: u64) {
        let mut told = self.told.lock().expect("no panic while held");
        let mut new = |name: String, now: u64| now.saturating_sub(told.insert(name, now).unwrap_or_default());
        metrics.lines_skipped(new("skipped".to_owned(), skipped));
        let (mut upstreams, mut lag_ms) = (0, 0);
        for (source, name, stats) in &self.counts {
            metrics.lines(*source, new(format!("lines {} {name}", source.as_str()), stats.lines.load(Ordering::Relaxed)));
            for _ in 0..new(format!("reconnects {name}"), stats.reconnects.load(Ordering::Relaxed)) {
                metrics.docker_reconnect(name);
            }
            upstreams += stats.upstreams.load(Ordering::Relaxed);
            lag_ms = lag_ms.max(stats.lag_ms.load(Ordering::Relaxed));
        }
        metrics.upstreams(upstreams);
        metrics.lag(std::time::Duration::from_millis(lag_ms).as_secs_f64());
    }
}

/// Every second: ends sockets whose session was ended elsewhere, and the wait for a set-up that was done elsewhere. Every
/// hour: forgets expired sessions.
async fn sweep(ops: Arc<Ops>, store: Arc<SqlStore>, closing: CancellationToken) {
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticks: u64 = 0;
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = second.tick() => {}
        }
        if let Err(error) = ops.sweep_sockets(clock::now()).await {
            tracing::warn!(kind = "database", operation = "sweep", error = %ops::Chain(&error), "sessions could not be checked");
        }
        if let Err(error) = ops.accounts.setup_sweep().await {
            tracing::warn!(kind = "database", operation = "sweep", error = %ops::Chain(&error), "the accounts could not be counted");
        }
        if ticks.is_multiple_of(3_600)
            && let Err(error) = store.expire(clock::now()).await
        {
            tracing::warn!(kind = "database", operation = "expire", %error, "expired sessions could not be deleted");
        }
        ticks += 1;
    }
}
