//! One Loki over HTTP: who we are to it, retries, and how it is doing. Knows paths and parameters, not what they mean.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::{
    Timestamp,
    status::{Part, PartState},
};
use ops::source::engine::QueryError;
use reqwest::{Method, RequestBuilder, Url};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::limits::Limits;
use crate::{
    collect::Clock,
    config::{LokiAuth, LokiConfig},
};

/// How sources and parts name it.
pub const NAME: &str = "loki";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An answer that is larger is refused: five thousand lines of 25 KiB.
const MAX_ANSWER_BYTES: usize = 128 << 20;
/// Of an error's text, what people are shown.
const MAX_SAID_BYTES: usize = 4_096;
/// Queries beyond this go in a form: proxies cut longer addresses.
const MAX_ADDRESS_BYTES: usize = 2_000;
/// Tries of a request that may go better the next time, and the wait before the second; it doubles.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// What a `Retry-After` may make a person wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// `X-Loki-Response-Encoding-Flags`: lines come with what is a stream's label and what is not.
pub const FLAGS: (&str, &str) = ("x-loki-response-encoding-flags", "categorize-labels");

/// What a Loki answered, whatever it was.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// Seconds or a date; only seconds are understood.
    pub retry_after: Option<Duration>,
    pub body: Bytes,
}

impl Answer {
    /// The error's text: plain, or what a gateway before Loki puts into JSON.
    pub fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        let inner = json.as_ref().and_then(|json| ["message", "error"].into_iter().find_map(|name| json.get(name)?.as_str()));
        let text = inner.unwrap_or(&text).trim();
        if text.is_empty() {
            return format!("loki answers {}", self.status);
        }
        text[..text.floor_char_boundary(MAX_SAID_BYTES)].to_owned()
    }
}

pub struct Client {
    http: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    auth: LokiAuth,
    timeout: Duration,
    clock: Clock,
    health: Mutex<Part>,
    limits: Mutex<Limits>,
}

impl Client {
    /// # Errors
    /// Where the authorities' file cannot be read.
    pub fn new(config: &LokiConfig, clock: Clock) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(tenant) = &config.tenant {
            headers.insert("x-scope-orgid", HeaderValue::from_str(tenant).context("logs.loki_tenant is no header value")?);
        }
        let http = reqwest::Client::builder()
            .use_preconfigured_tls(tls(config.ca.as_deref())?)
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .user_agent(concat!("docaiche/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot make a client for Loki")?;
        let mut base = Url::parse(config.url.expose()).context("loki_url is no URL")?;
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        let health = Part { name: NAME.to_owned(), state: PartState::Ok, detail: String::new(), since: None };
        let (health, limits) = (Mutex::new(health), Mutex::new(Limits::default()));
        let timeout = Duration::from_nanos(config.timeout_ns.unsigned_abs());
        Ok(Self { http, base, headers, auth: config.auth.clone(), timeout, clock, health, limits })
    }

    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub fn part(&self) -> Part {
        self.health.lock().expect("no panic while held").clone()
    }

    /// What it allows, as far as it has said.
    pub fn limits(&self) -> Limits {
        self.limits.lock().expect("no panic while held").clone()
    }

    pub fn with_limits<T>(&self, change: impl FnOnce(&mut Limits) -> T) -> T {
        change(&mut self.limits.lock().expect("no panic while held"))
    }

    /// A request to a path below the URL, such as `loki/api/v1/labels`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        let request = self.http.request(method, url).headers(self.headers.clone());
        match &self.auth {
            LokiAuth::Url => request,
            LokiAuth::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
            LokiAuth::Bearer(token) => request.bearer_auth(token.expose()),
        }
    }

    /// One try, its answer bounded. Remembers how that went.
    ///
    /// # Errors
    /// [`QueryError::Unreachable`] where there is no whole answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, QueryError> {
        let sent = read(request.timeout(self.timeout)).await;
        self.remember(&sent);
        sent.map_err(|source| QueryError::Unreachable { name: NAME.to_owned(), source })
    }

    /// Asks, again where it may help: after 429, 5xx and a connection that failed.
    ///
    /// # Errors
    /// [`QueryError::Unreachable`], [`QueryError::Refused`] in Loki's words.
    pub async fn ask(&self, path: &str, params: &[(&str, String)], headers: &[(&'static str, &str)]) -> Result<Bytes, QueryError> {
        let long = params.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>() > MAX_ADDRESS_BYTES;
        let mut wait = FIRST_WAIT;
        for tried in 1.. {
            let request = if long { self.request(Method::POST, path).form(params) } else { self.request(Method::GET, path).query(params) };
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let retry_after = match self.send(request).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer.body),
                Ok(answer) if tried < TRIES && may_go_better(answer.status) => answer.retry_after,
                Ok(answer) => return Err(QueryError::Refused { status: answer.status.as_u16(), message: answer.said() }),
                Err(error) if tried < TRIES && !is_timeout(&error) => None,
                Err(error) => return Err(error),
            };
            tokio::time::sleep(retry_after.unwrap_or(wait).min(LONGEST_WAIT)).await;
            wait *= 2;
        }
        unreachable!("the last try returns")
    }

    fn remember(&self, sent: &Result<Answer, BoxError>) {
        let (state, detail) = match sent {
            Ok(answer) => match answer.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    (PartState::Down, format!("it refuses us ({}): {}", answer.status, answer.said()))
                }
                StatusCode::TOO_MANY_REQUESTS => (PartState::Degraded, format!("it asks us to slow down: {}", answer.said())),
                status if status.is_server_error() => (PartState::Degraded, format!("it answers {status}: {}", answer.said())),
                _ => (PartState::Ok, String::new()),
            },
            Err(error) => (PartState::Down, format!("it does not answer: {}", cause(&**error))),
        };
        let mut health = self.health.lock().expect("no panic while held");
        if health.state != state {
            health.since = Some(self.now());
            if state == PartState::Ok {
                tracing::info!(kind = "external_service", peer = NAME, "Loki answers again");
            } else {
                tracing::warn!(kind = "external_service", peer = NAME, %detail, "Loki does not do what was asked");
            }
        }
        (health.state, health.detail) = (state, detail);
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn read(request: RequestBuilder) -> Result<Answer, BoxError> {
    let mut response = request.send().await?;
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(format!("the answer is larger than {MAX_ANSWER_BYTES} bytes").into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status(), retry_after: retry_after.map(Duration::from_secs), body: body.into() })
}

fn may_go_better(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

fn is_timeout(error: &QueryError) -> bool {
    let QueryError::Unreachable { source, .. } = error else { return false };
    source.downcast_ref::<reqwest::Error>().is_some_and(|error| error.is_timeout() && !error.is_connect())
}

/// The last cause says what went wrong; those above it name a URL, which may hold a password.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    use std::error::Error as _;
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    match error.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_timeout() => "it is too slow".to_owned(),
        Some(error) if error.source().is_none() => "the connection failed".to_owned(),
        _ => last.to_string(),
    }
}

fn tls(ca: Option<&Path>) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(path) => {
            let read = || format!("cannot read logs.loki_ca {}", path.display());
            for cert in CertificateDer::pem_file_iter(path).with_context(read)? {
                roots.add(cert.with_context(read)?).with_context(read)?;
            }
        }
        None => {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
