//! One way to a Docker Engine, whatever the road: Unix socket, TCP, TLS, or `docker system dial-stdio` behind `ssh`.
//! Every request, bollard's too, goes through here: the negotiated API version is put into its path, which bollard
//! 0.21.1 forgets. Knows HTTP and nothing of containers.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};
use tokio_rustls::TlsConnector;

pub use crate::config::{DockerHost as Endpoint, DockerTls};

/// A request's body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a connection may take to come up; `ssh` has to shake hands in it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const SSH_STDERR_BYTES: usize = 4_096;

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: rustls_pki_types::pem::Error },
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    #[error("cannot use the certificates")]
    Use(#[from] rustls::Error),
}

/// The road to one Engine, with a pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    client: Client<Road, Body>,
    /// Major in the upper, minor in the lower half; 0 while not negotiated.
    version: Arc<AtomicU32>,
}

impl Transport {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// [`TlsError`] where certificate files cannot be read or used.
    pub fn new(endpoint: &Endpoint) -> Result<Self, TlsError> {
        let road = match endpoint {
            Endpoint::Unix { path } => Road::Unix(path.clone()),
            Endpoint::Tcp { host, port, tls: None } => Road::Tcp(host.clone(), *port),
            Endpoint::Tcp { host, port, tls: Some(tls) } => Road::Tls(host.clone(), *port, Arc::new(tls_config(tls)?)),
            Endpoint::Ssh { user, host, port } => Road::Ssh { user: user.clone(), host: host.clone(), port: *port },
        };
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(30)).pool_max_idle_per_host(4).build(road);
        Ok(Self { client, version: Arc::default() })
    }

    /// The API version in use, once negotiated.
    pub fn version(&self) -> Option<(u16, u16)> {
        match self.version.load(Ordering::Relaxed) {
            0 => None,
            packed => Some(((packed >> 16) as u16, packed as u16)),
        }
    }

    pub fn set_version(&self, (major, minor): (u16, u16)) {
        self.version.store(u32::from(major) << 16 | u32::from(minor), Ordering::Relaxed);
    }

    /// Sends a request. Only the path and query of its URI count; `/vX.Y` is put before them.
    ///
    /// # Errors
    /// No connection, or a broken one.
    pub async fn send<B>(&self, request: Request<B>) -> Result<Response<Incoming>, hyper_util::client::legacy::Error>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.send_as(self.version(), request).await
    }

    /// Sends a request to a path without a version, as negotiation has to.
    ///
    /// # Errors
    /// As [`Transport::send`].
    pub async fn send_unversioned<B>(&self, request: Request<B>) -> Result<Response<Incoming>, hyper_util::client::legacy::Error>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.send_as(None, request).await
    }

    async fn send_as<B>(
        &self,
        version: Option<(u16, u16)>,
        request: Request<B>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        parts.uri = addressed(&parts.uri, version);
        parts.headers.insert(header::HOST, header::HeaderValue::from_static("docker"));
        self.client.request(Request::from_parts(parts, body.map_err(Into::into).boxed_unsync())).await
    }
}

/// `http://docker/vX.Y/path?query`: a fixed authority, since the road is not in the URI.
fn addressed(uri: &Uri, version: Option<(u16, u16)>) -> Uri {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = match version {
        Some((major, minor)) => format!("/v{major}.{minor}{path}"),
        None => path.to_owned(),
    };
    Uri::builder().scheme("http").authority("docker").path_and_query(path).build().expect("a valid path stays valid behind a version")
}

fn tls_config(tls: &DockerTls) -> Result<rustls::ClientConfig, TlsError> {
    let mut roots = rustls::RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            for cert in certs(path)? {
                roots.add(cert)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match &tls.identity {
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Read { path: key.clone(), source })?;
            config.with_client_auth_cert(certs(cert)?, key)?
        }
        None => config.with_no_client_auth(),
    })
}

fn certs(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read { path: path.to_owned(), source };
    let certs = CertificateDer::pem_file_iter(path).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
    if certs.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(certs) }
}

/// Why TLS with an Engine failed, for a person.
pub fn tls_reason(error: &rustls::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
    let known = match error {
        // The second: an authority of the same name has, but not ours.
        Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => "no authority that we trust has signed its certificate",
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => "its certificate is for another name",
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => "its certificate has expired",
        Error::AlertReceived(Alert::CertificateRequired) => "it wants a certificate of ours",
        Error::AlertReceived(
            Alert::BadCertificate | Alert::UnknownCA | Alert::CertificateUnknown | Alert::CertificateExpired | Alert::DecryptError,
        ) => "it does not accept our certificate",
        Error::InvalidMessage(_) => "it does not speak TLS",
        other => return other.to_string(),
    };
    known.to_owned()
}

/// Why `ssh` ended before the Engine said a word, from its complaints. The last of them is the reason, but for host keys.
fn ssh_reason(said: &str) -> String {
    if said.contains("Host key verification failed") {
        let changed = said.contains("IDENTIFICATION HAS CHANGED");
        let found = if changed {
            "its key is not the one known here: compare it, then renew"
        } else {
            "its key is not known here: compare it, then add"
        };
        return format!("ssh: {found} its line in known_hosts of the console's user");
    }
    format!("ssh: {}", said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it ended without a word"))
}

#[derive(Clone)]
enum Road {
    Unix(PathBuf),
    Tcp(String, u16),
    Tls(String, u16, Arc<rustls::ClientConfig>),
    Ssh { user: Option<String>, host: String, port: Option<u16> },
}

impl Road {
    async fn open(self) -> io::Result<Pipe> {
        Ok(Pipe(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp(host, port) => Box::new(tcp(&host, port).await?),
            Self::Tls(host, port, config) => {
                let stream = tcp(&host, port).await?;
                let name = ServerName::try_from(host).map_err(io::Error::other)?;
                Box::new(TlsConnector::from(config).connect(name, stream).await?)
            }
            Self::Ssh { user, host, port } => Box::new(ssh(user.as_deref(), &host, port)?),
        }))
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Arguments only, no shell. User and host were checked when the address was read: neither starts with `-`.
fn ssh(user: Option<&str>, host: &str, port: Option<u16>) -> io::Result<Ssh> {
    let mut command = Command::new("ssh");
    command.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15", "-T"]);
    if let Some(user) = user {
        command.args(["-l", user]);
    }
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    command.args(["--", host, "docker", "system", "dial-stdio"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other("there is no `ssh` client on the PATH"),
        _ => error,
    })?;
    let taken = "the three ends are pipes";
    Ok(Ssh {
        stdin: child.stdin.take().expect(taken),
        stdout: child.stdout.take().expect(taken),
        stderr: child.stderr.take().expect(taken),
        said: Vec::new(),
        answered: false,
        _child: child,
    })
}

impl tower::Service<Uri> for Road {
    type Response = TokioIo<Pipe>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Pipe>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let road = self.clone();
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_TIMEOUT, road.open()).await {
                Ok(opened) => opened.map(TokioIo::new),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no connection within 15 s")),
            }
        })
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An open connection of any kind.
pub struct Pipe(Box<dyn Duplex>);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A running `ssh`. Dropping it kills the process.
struct Ssh {
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    said: Vec<u8>,
    answered: bool,
    _child: Child,
}

impl Ssh {
    /// Takes what `ssh` complains about, so that its pipe never fills; keeps the first 4 KiB.
    fn poll_complaints(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 1_024];
        loop {
            let mut buf = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stderr).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    let room = SSH_STDERR_BYTES.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&buf.filled()[..buf.filled().len().min(room)]);
                }
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for Ssh {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if Pin::new(&mut self.stdout).poll_read(cx, buf)?.is_pending() {
            let _ = self.poll_complaints(cx);
            return Poll::Pending;
        }
        if buf.filled().len() > before {
            self.answered = true;
            return Poll::Ready(Ok(()));
        }
        if self.answered {
            return Poll::Ready(Ok(()));
        }
        // It ended without a word on its output: what it complained about says why.
        ready!(self.poll_complaints(cx));
        Poll::Ready(Err(io::Error::other(ssh_reason(&String::from_utf8_lossy(&self.said)))))
    }
}

impl AsyncWrite for Ssh {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_goes_into_every_path() {
        for (uri, version, expect) in [
            ("http://docker/containers/json?all=1", Some((1, 41)), "http://docker/v1.41/containers/json?all=1"),
            ("/_ping", None, "http://docker/_ping"),
            ("http://x:1/", Some((1, 44)), "http://docker/v1.44/"),
        ] {
            assert_eq!(addressed(&uri.parse().unwrap(), version).to_string(), expect, "{uri}");
        }
    }

    #[test]
    fn the_last_complaint_of_ssh_is_the_reason() {
        for (said, expect) in [
            ("", "ssh: it ended without a word"),
            ("Warning: x\r\nada@engine: Permission denied (publickey).\r\n", "ssh: ada@engine: Permission denied (publickey)."),
            ("bash: line 1: docker: command not found\n\n", "ssh: bash: line 1: docker: command not found"),
            (
                "No ED25519 host key is known for engine and you have requested strict checking.\r\nHost key verification failed.\r\n",
                "ssh: its key is not known here: compare it, then add its line in known_hosts of the console's user",
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n",
                "ssh: its key is not the one known here: compare it, then renew its line in known_hosts of the console's user",
            ),
        ] {
            assert_eq!(ssh_reason(said), expect);
        }
    }

    #[tokio::test]
    async fn an_ssh_that_cannot_connect_says_why() {
        if which_ssh().is_none() {
            return;
        }
        let endpoint = "ssh://nobody@127.0.0.1:1".parse().unwrap();
        let error = Transport::new(&endpoint)
            .unwrap()
            .send_unversioned(Request::get("/_ping").body(http_body_util::Empty::new()).unwrap())
            .await
            .unwrap_err();
        let mut causes = Vec::new();
        let mut next: Option<&dyn std::error::Error> = Some(&error);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        assert!(causes.iter().any(|cause| cause.contains("ssh: ")), "{causes:?}");
    }

    fn which_ssh() -> Option<PathBuf> {
        ["/usr/bin/ssh", "/bin/ssh"].into_iter().map(PathBuf::from).find(|path| path.exists())
    }
}
