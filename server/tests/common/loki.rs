//! Lokis for a test: a second console, a road to it that can be cut, and a server that answers as the test says.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{body::Bytes, extract::Request, response::IntoResponse};
use http::{HeaderMap, StatusCode};
use model::{Permission, Role};
use ops::live::Hub;
use server::{
    collect::Clock,
    config::{LokiAuth, LokiConfig, Secret},
    source::loki::Loki,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
};
use tokio_util::task::AbortOnDropHandle;

use super::{TestServer, system};

pub fn clock() -> Clock {
    Arc::new(server::clock::now)
}

/// A console that others ask as their Loki, and the URL at which they do, token included.
pub async fn console() -> (TestServer, String) {
    let server = TestServer::start().await;
    let url = invite(&server).await;
    (server, url)
}

/// The URL at which a console is a Loki.
pub async fn invite(server: &TestServer) -> String {
    server.user_add("admin", Role::Admin).await;
    let new = ops::tokens::NewToken {
        name: "loki".into(),
        permissions: vec![Permission::LogsRead, Permission::LogsWrite],
        scope: None,
        expires: None,
    };
    let (token, _) = server.ops.accounts.token_create(&system(), Some("admin"), new).await.unwrap();
    format!("http://any:{token}@{}/loki", server.address)
}

/// As a console with this `--loki-url` has it.
pub fn client(url: &str) -> Arc<Loki> {
    let config = LokiConfig { url: Secret::new(url), tenant: None, auth: LokiAuth::Url, ca: None, timeout_ns: 20_000_000_000 };
    client_with(&config)
}

pub fn client_with(config: &LokiConfig) -> Arc<Loki> {
    Loki::new(config, Arc::new(Hub::default()), clock(), None).unwrap()
}

/// A TCP port in front of another, whose connections can be cut.
pub struct Road {
    pub address: SocketAddr,
    cut: broadcast::Sender<()>,
    closed: Arc<AtomicBool>,
    _accept: AbortOnDropHandle<()>,
}

impl Road {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, _) = broadcast::channel(16);
        let closed = Arc::new(AtomicBool::new(false));
        let (sender, refused) = (cut.clone(), closed.clone());
        let accept = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if refused.load(Ordering::SeqCst) {
                    continue;
                }
                let mut cut = sender.subscribe();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        Self { address, cut, closed, _accept: AbortOnDropHandle::new(accept) }
    }

    /// Ends all connections; new ones are let through.
    pub fn cut(&self) {
        let _ = self.cut.send(());
    }

    /// Ends all connections and lets none through until opened.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }
}

/// What came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    /// Of the query string and of a form.
    pub params: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }
}

/// What a test has answered.
#[derive(Clone, Debug)]
pub struct Told {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub delay: Duration,
}

impl Told {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO }
    }
}

/// A server that answers each request as a function says.
pub struct Upstream {
    pub address: SocketAddr,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    /// Requests whose client went away before the answer.
    pub dropped: Arc<Mutex<u64>>,
    _serve: AbortOnDropHandle<()>,
}

impl Upstream {
    pub async fn start(answer: impl Fn(&Asked, usize) -> Told + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, dropped): (Arc<Mutex<Vec<Asked>>>, Arc<Mutex<u64>>) = Default::default();
        let (answer, seen, gone) = (Arc::new(answer), asked.clone(), dropped.clone());
        let router = axum::Router::new().fallback(move |request: Request| {
            let (answer, seen, gone) = (answer.clone(), seen.clone(), gone.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
                let mut params: Vec<(String, String)> =
                    form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
                if parts.headers.get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded") {
                    params.extend(form_urlencoded::parse(&body).into_owned());
                }
                let one = Asked { path: parts.uri.path().to_owned(), params, headers: parts.headers, body };
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(one.clone());
                    seen.len() - 1
                };
                let told = answer(&one, number);
                let mut waiting = Waiting { gone, answered: false };
                tokio::time::sleep(told.delay).await;
                waiting.answered = true;
                let mut response = (StatusCode::from_u16(told.status).unwrap(), told.body).into_response();
                for (name, value) in told.headers {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
                response
            }
        });
        let serve = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, asked, dropped, _serve: AbortOnDropHandle::new(serve) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

struct Waiting {
    gone: Arc<Mutex<u64>>,
    answered: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.answered {
            *self.gone.lock().unwrap() += 1;
        }
    }
}
