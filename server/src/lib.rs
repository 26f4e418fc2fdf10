//! The process: every socket, file and clock. Tests start here, as `main` does.

pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod http;
pub mod machine;
pub mod metrics;
mod refusals;
pub mod source;
pub mod store;
pub mod telemetry;
mod wiring;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum_server::Handle;
use ops::Ops;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use config::Config;

/// Requests that are under way get this long to finish at shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// The console, wired but not yet listening.
pub struct Server {
    config: Arc<Config>,
    ops: Arc<Ops>,
    router: axum::Router,
    handle: Handle<SocketAddr>,
    closing: CancellationToken,
    tasks: TaskTracker,
    store: Arc<store::SqlStore>,
    /// The path and query of the set-up link, on a start without accounts.
    pub setup_link: Option<String>,
}

impl Server {
    /// Opens the store, starts the collectors, builds the router.
    ///
    /// # Errors
    /// Where the database cannot be opened or a setting does not work.
    pub async fn new(config: Config) -> anyhow::Result<Self> {
        wiring::wire(config).await
    }

    pub fn ops(&self) -> Arc<Ops> {
        self.ops.clone()
    }

    /// Ends [`Server::serve`]: sockets are told, requests finish, collectors stop.
    pub fn shutdown(&self) -> impl Fn() + Send + Sync + 'static {
        let (handle, closing) = (self.handle.clone(), self.closing.clone());
        move || {
            closing.cancel();
            handle.graceful_shutdown(Some(GRACE));
        }
    }

    /// Answers on `listener` until shut down.
    ///
    /// # Errors
    /// Where the certificate cannot be read or the listener fails.
    pub async fn serve(self, listener: std::net::TcpListener) -> anyhow::Result<()> {
        listener.set_nonblocking(true).context("cannot prepare the listener")?;
        let service = self.router.into_make_service_with_connect_info::<SocketAddr>();
        match &self.config.http.tls {
            None => {
                let mut server = axum_server::from_tcp(listener).context("cannot use the listener")?.handle(self.handle);
                limit(server.http_builder());
                server.serve(service).await.context("the listener failed")?;
            }
            Some(files) => {
                let tls = axum_server::tls_rustls::RustlsConfig::from_pem_file(&files.cert, &files.key)
                    .await
                    .with_context(|| format!("cannot use the certificate {} with the key {}", files.cert.display(), files.key.display()))?;
                let mut server = axum_server::from_tcp_rustls(listener, tls).context("cannot use the listener")?.handle(self.handle);
                limit(server.http_builder());
                server.serve(service).await.context("the listener failed")?;
            }
        }
        self.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!(kind = "lifecycle", "some tasks did not end in time");
        }
        self.store.close().await;
        Ok(())
    }
}

/// A client that sends its headers slowly is let go; upgrades (sockets) stay possible.
fn limit(builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>) {
    builder.http1().timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(Duration::from_secs(15)).max_buf_size(64 * 1024);
    builder.http2().timer(hyper_util::rt::TokioTimer::new()).max_concurrent_streams(256).keep_alive_interval(Some(Duration::from_secs(30)));
}
