//! A Docker Engine of one container whose lines and times a test writes: for what a real one cannot be made to do, such as to have its
//! clock stepped. Answers as Docker does, as far as a collector and a search ask.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use model::Timestamp;
use serde_json::json;
use server::config::DockerHost;
use tokio::{net::UnixListener, sync::watch};
use tokio_util::task::AbortOnDropHandle;

const ID: &str = "feedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedface";

/// Ends when dropped.
pub struct Fake {
    folder: tempfile::TempDir,
    engine: Arc<Engine>,
    _serve: AbortOnDropHandle<()>,
}

struct Engine {
    service: String,
    started: Timestamp,
    /// As they stand in the log, which need not be in time's order.
    lines: Mutex<Vec<(Timestamp, String)>>,
    written: watch::Sender<usize>,
    cuts: watch::Sender<usize>,
}

impl Fake {
    pub fn start(service: &str, started: Timestamp) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket");
        let engine = Arc::new(Engine {
            service: service.to_owned(),
            started,
            lines: Mutex::default(),
            written: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
        });
        let router = Router::new().fallback(answer).with_state(engine.clone());
        let serve = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { folder, engine, _serve: AbortOnDropHandle::new(serve) }
    }

    pub fn host(&self) -> DockerHost {
        DockerHost::Unix { path: self.folder.path().join("docker.sock") }
    }

    /// The container writes a line.
    pub fn write(&self, at: Timestamp, text: &str) {
        let mut lines = self.engine.lines.lock().expect("no panic while held");
        lines.push((at, text.to_owned()));
        self.engine.written.send_replace(lines.len());
    }

    /// Ends all streams.
    pub fn cut(&self) {
        self.engine.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn answer(State(engine): State<Arc<Engine>>, request: Request) -> Response {
    let path = request.uri().path();
    // The version before it.
    let path = path.strip_prefix("/v").and_then(|rest| rest.split_once('/')).map_or(path, |(_, rest)| rest).trim_start_matches('/');
    let query: Vec<(String, String)> = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    match path.replace(ID, "ID").as_str() {
        "_ping" => "OK".into_response(),
        "version" => axum::Json(json!({ "ApiVersion": "1.41", "MinAPIVersion": "1.12" })).into_response(),
        "containers/json" => axum::Json(json!([{ "Id": ID }])).into_response(),
        "containers/ID/json" => axum::Json(json!({
            "Id": ID,
            "Name": format!("/{}", engine.service),
            "Created": engine.started.to_string(),
            "Config": { "Tty": false, "Labels": {} },
            "HostConfig": { "LogConfig": { "Type": "json-file", "Config": {} } },
            "State": { "Running": true, "StartedAt": engine.started.to_string(), "FinishedAt": "0001-01-01T00:00:00Z" },
        }))
        .into_response(),
        "events" => streamed(engine, usize::MAX, None),
        "containers/ID/logs" => {
            let number = |name: &str| query.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
            let written = engine.lines.lock().expect("no panic while held").len();
            let from = number("tail").map_or(0, |tail| written.saturating_sub(tail.parse().expect("a number")));
            let since = number("since").map(|since| {
                let (secs, nanos) = since.split_once('.').expect("seconds and nanoseconds");
                Timestamp(secs.parse::<i64>().expect("a number") * 1_000_000_000 + nanos.parse::<i64>().expect("a number"))
            });
            if number("follow").is_some() {
                return streamed(engine, from, since);
            }
            let lines = engine.lines.lock().expect("no panic while held");
            lines[from..].iter().flat_map(|line| frame(line, since)).collect::<Vec<u8>>().into_response()
        }
        _ => http::StatusCode::NOT_FOUND.into_response(),
    }
}

/// What is written from line `from` on, until the stream is cut.
fn streamed(engine: Arc<Engine>, from: usize, since: Option<Timestamp>) -> Response {
    let (written, cuts) = (engine.written.subscribe(), engine.cuts.subscribe());
    let more = move |from: usize| {
        let engine = engine.clone();
        let (mut written, mut cuts) = (written.clone(), cuts.clone());
        async move {
            tokio::select! {
                _ = cuts.changed() => return None,
                _ = written.wait_for(|written| *written > from) => {}
            }
            let lines = engine.lines.lock().expect("no panic while held");
            let bytes: Vec<u8> = lines[from..].iter().flat_map(|line| frame(line, since)).collect();
            Some((Ok::<_, Infallible>(Bytes::from(bytes)), lines.len()))
        }
    };
    Body::from_stream(stream::unfold(from, more)).into_response()
}

/// As Docker frames a message of stdout: a header of eight bytes, its time, its text.
fn frame((at, text): &(Timestamp, String), since: Option<Timestamp>) -> Vec<u8> {
    if since.is_some_and(|since| *at < since) {
        return Vec::new();
    }
    let payload = format!("{at} {text}\n");
    let length = u32::try_from(payload.len()).expect("a test's line is short").to_be_bytes();
    [&[1, 0, 0, 0], &length[..], payload.as_bytes()].concat()
}
