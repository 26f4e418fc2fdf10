//! The console's own metrics and their text (OpenMetrics 1.0). Every label has few values: a route is its template,
//! never a path. Knows nothing of HTTP but the words it counts.

mod figure;
mod keeping;
mod process;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64},
    },
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

pub use keeping::{Keeping, ReadKeeping};

/// What `GET /metrics` says it is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds. From a static file in memory to a page that waits for a slow Docker Engine.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// One set of labels per metric whose labels vary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Duration {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: LineSource,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Host {
    host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Where a collected line comes from; the words are those of the label `job` (contract §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineSource {
    Docker,
    Files,
    Console,
}

impl LineSource {
    const ALL: [Self; 3] = [Self::Docker, Self::Files, Self::Console];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "dockerlogs",
            Self::Files => "files",
            Self::Console => "console",
        }
    }
}

impl EncodeLabelValue for LineSource {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

/// A handle on all of them; clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Request, Counter>,
    durations: Family<Duration, Histogram, fn() -> Histogram>,
    sockets: Family<Kind, Gauge>,
    /// In the order of [`LineSource::ALL`]: the one metric that is counted line by line.
    lines: [Counter; 3],
    lines_skipped: Counter,
    lag_seconds: Gauge<f64, AtomicU64>,
    upstreams: Gauge<i64, AtomicI64>,
    reconnects: Family<Host, Counter>,
    sign_ins: Family<Outcome, Counter>,
}

impl Metrics {
    /// `commit` as the build knew it, or `unknown`; `keeping` is asked at each [`Metrics::render`].
    pub fn new(version: &str, commit: &str, keeping: ReadKeeping) -> Self {
        let lines: Family<Source, Counter> = Family::default();
        let mut metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            sockets: Family::default(),
            lines: LineSource::ALL.map(|source| lines.get_or_create_owned(&Source { source })),
            lines_skipped: Counter::default(),
            lag_seconds: Gauge::default(),
            upstreams: Gauge::default(),
            reconnects: Family::default(),
            sign_ins: Family::default(),
        };
        metrics.registry = Arc::new(metrics.registry(lines, keeping, version, commit));
        metrics
    }

    fn registry(&self, lines: Family<Source, Counter>, keeping: ReadKeeping, version: &str, commit: &str) -> Registry {
        let mut registry = Registry::default();
        // The encoder adds `_total` and `_info`, the unit, and the full stop of each help text.
        registry.register("docaiche_http_requests", "Requests answered", self.requests.clone());
        let help = "From a request's head to its answer's head";
        registry.register_with_unit("docaiche_http_request_duration", help, Unit::Seconds, self.durations.clone());
        registry.register("docaiche_sockets", "WebSockets that are open", self.sockets.clone());
        registry.register("docaiche_log_lines", "Log lines collected", lines);
        registry.register("docaiche_log_lines_skipped", "Log lines that a viewer was told of by a gap instead", self.lines_skipped.clone());
        let help = "How long before its arrival the line collected last was written";
        registry.register_with_unit("docaiche_collector_lag", help, Unit::Seconds, self.lag_seconds.clone());
        registry.register("docaiche_collector_upstreams", "Log streams that are being followed", self.upstreams.clone());
        registry.register("docaiche_docker_reconnects", "Times that a Docker Engine was lost and found", self.reconnects.clone());
        registry.register("docaiche_sign_ins", "Attempts to sign in", self.sign_ins.clone());
        let build = Info::new(vec![("version", version.to_owned()), ("commit", commit.to_owned())]);
        registry.register("docaiche_build", "What is running", build);
        registry.register_collector(Box::new(keeping::Keepers(keeping)));
        registry.register_collector(Box::new(process::Process));
        registry
    }

    /// OpenMetrics text of everything, the process's own figures read now. See [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("a string takes all");
        out
    }

    /// A request was answered. `route` is the template that matched (`/api/v1/logs/{service}`); `None` where none did.
    pub fn request(&self, method: &str, route: Option<&str>, status: u16, seconds: f64) {
        // Anyone may send any word as a method.
        const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("OTHER");
        let route = route.unwrap_or("unmatched").to_owned();
        self.durations.get_or_create(&Duration { method, route: route.clone() }).observe(seconds);
        self.requests.get_or_create(&Request { method, route, status }).inc();
    }

    /// A socket of this kind (`logs`) opened; it counts until the guard goes.
    #[must_use]
    pub fn socket(&self, kind: &'static str) -> Counted {
        Counted::new(self.sockets.get_or_create_owned(&Kind { kind }))
    }

    /// How many log streams are being followed now.
    pub fn upstreams(&self, count: u64) {
        self.upstreams.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// `count` more lines came in.
    pub fn lines(&self, source: LineSource, count: u64) {
        self.lines[source as usize].inc_by(count);
    }

    /// How long before its arrival the line collected last was written. A clock that differs from ours can make that
    /// negative: no lag then.
    pub fn lag(&self, seconds: f64) {
        self.lag_seconds.set(seconds.max(0.0));
    }

    pub fn lines_skipped(&self, count: u64) {
        self.lines_skipped.inc_by(count);
    }

    /// `host` is a configured name, `local` among them.
    pub fn docker_reconnect(&self, host: &str) {
        self.reconnects.get_or_create(&Host { host: host.to_owned() }).inc();
    }

    /// `outcome`: one word of a fixed few, such as `success`, `refused`, `throttled`.
    pub fn sign_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&Outcome { outcome }).inc();
    }
}

/// One of something that is counted while it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::outbox::OutboxCounts;

    /// `expect` is a line of the text.
    fn check(metrics: &Metrics, expect: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|line| line == expect), "no line `{expect}` in:\n{text}");
    }

    /// An engine of one line and a queue of two, which no console has at once.
    fn keeping() -> ReadKeeping {
        Box::new(|| Keeping {
            engine: Some(logstore::Status { lines: 1, disk_bytes: 20, wal_bytes: 3, ..logstore::Status::default() }),
            queue: Some(OutboxCounts { waiting_lines: 2, dropped_lines: 4, ..OutboxCounts::default() }),
        })
    }

    #[test]
    fn what_is_counted_is_rendered() {
        let metrics = Metrics::new("1.2.3", "abc", keeping());
        metrics.request("GET", Some("/api/v1/logs/{service}"), 200, 0.002);
        metrics.request("BREW\"\n", None, 404, 0.002);
        metrics.lines(LineSource::Docker, 3);
        metrics.lag(-5.0);
        metrics.lines_skipped(7);
        metrics.docker_reconnect("local");
        metrics.sign_in("success");
        for line in [
            r#"docaiche_http_requests_total{method="GET",route="/api/v1/logs/{service}",status="200"} 1"#,
            r#"docaiche_http_requests_total{method="OTHER",route="unmatched",status="404"} 1"#,
            r#"docaiche_http_request_duration_seconds_bucket{le="0.0025",method="GET",route="/api/v1/logs/{service}"} 1"#,
            r#"docaiche_log_lines_total{source="dockerlogs"} 3"#,
            r#"docaiche_log_lines_total{source="files"} 0"#,
            "docaiche_log_lines_skipped_total 7",
            "docaiche_collector_lag_seconds 0.0",
            r#"docaiche_docker_reconnects_total{host="local"} 1"#,
            r#"docaiche_sign_ins_total{outcome="success"} 1"#,
            r#"docaiche_build_info{version="1.2.3",commit="abc"} 1"#,
            "docaiche_engine_lines 1",
            "docaiche_engine_disk_bytes 23",
            "docaiche_engine_writes 1",
            "docaiche_engine_stored_lines_total 0",
            "docaiche_queue_lines 2",
            "docaiche_queue_dropped_lines_total 4",
            "# EOF",
        ] {
            check(&metrics, line);
        }
    }

    #[test]
    fn a_guard_counts_while_it_lives() {
        let metrics = Metrics::new("1", "c", keeping());
        let (one, two) = (metrics.socket("logs"), metrics.clone().socket("logs"));
        check(&metrics, r#"docaiche_sockets{kind="logs"} 2"#);
        drop((one, two));
        check(&metrics, r#"docaiche_sockets{kind="logs"} 0"#);
        metrics.upstreams(3);
        check(&metrics, "docaiche_collector_upstreams 3");
    }

    #[test]
    fn the_documentation_names_every_metric_and_no_other() {
        let metrics = Metrics::new("1", "c", keeping());
        // A metric with labels shows itself with its first count.
        metrics.request("GET", None, 404, 0.1);
        metrics.docker_reconnect("local");
        metrics.sign_in("success");
        let _socket = metrics.socket("logs");
        let text = metrics.render();
        // Counters and infos are declared without the ending that their samples have.
        let mut rendered: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .map(|(name, kind)| match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            })
            .collect();
        let table = include_str!("../../../docs/LOGGING.md").lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut documented: Vec<String> = table
            .filter(|name| name.starts_with("docaiche_") || name.starts_with("process_"))
            .map(|name| name.split('{').next().unwrap_or(name).to_owned())
            .collect();
        rendered.sort();
        documented.sort();
        assert_eq!(rendered, documented);
    }
}
