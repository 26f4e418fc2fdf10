//! What the console asks of a Docker Engine, as typed verbs. Names are checked before they become part of a path.
//! Lists and inspections are bollard's; logs and events are read raw, so that nothing is held back until a newline and
//! framing is never guessed.

use std::{io, sync::Arc, time::Duration};

use bollard::{
    Docker,
    models::{ContainerInspectResponse, ContainerSummary, SystemInfo, SystemVersion},
    query_parameters::ListContainersOptionsBuilder,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use model::Timestamp;
use serde::Deserialize;

use super::transport::{self, Endpoint, TlsError, Transport};

/// The newest API this console was written against.
const OUR_VERSION: (u16, u16) = (1, 51);
/// For answers that are not streams.
const UNARY_TIMEOUT: Duration = Duration::from_secs(20);
/// What of an error's text is read.
const MAX_ERROR_BYTES: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    #[error("{0}")]
    Unreachable(String, #[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    #[error("the Docker Engine did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The Engine's own words.
    #[error("the Docker Engine answered {status}: {message}")]
    Refused { status: u16, message: String },
    #[error("`{0}` is not a container's name or id")]
    BadName(String),
    #[error("the Docker Engine's answer cannot be read")]
    BadAnswer(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DockerError {
    /// Whether the container is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// One Docker Engine.
pub struct DockerHost {
    pub name: String,
    endpoint: Endpoint,
    transport: Transport,
    bollard: Docker,
}

/// A part of a container's log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogRequest {
    pub follow: bool,
    /// Inclusive, to the nanosecond.
    pub since: Option<Timestamp>,
    /// The last so many messages (a long line is several).
    pub tail: Option<u64>,
}

impl DockerHost {
    /// Prepares the way to an Engine; nothing is opened, it may be absent.
    ///
    /// # Errors
    /// [`TlsError`] where certificate files cannot be used.
    pub fn connect(name: &str, endpoint: &Endpoint) -> Result<Arc<Self>, TlsError> {
        let transport = Transport::new(endpoint)?;
        let road = transport.clone();
        let bollard = Docker::connect_with_custom_transport(
            move |request: bollard::BollardRequest| {
                let road = road.clone();
                async move { road.send(request).await.map_err(|error| bollard::errors::Error::IOError { err: io::Error::other(error) }) }
            },
            Some("http://docker"),
            UNARY_TIMEOUT.as_secs(),
            bollard::API_DEFAULT_VERSION,
        )
        .expect("a custom transport is taken as it is");
        Ok(Arc::new(Self { name: name.to_owned(), endpoint: endpoint.clone(), transport, bollard }))
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The API version in use, once negotiated.
    pub fn api_version(&self) -> Option<String> {
        self.transport.version().map(|(major, minor)| format!("{major}.{minor}"))
    }

    /// Agrees on the API version: the smaller of ours and the Engine's, but not below its minimum.
    ///
    /// # Errors
    /// [`DockerError::Unreachable`] with a sentence for a person.
    pub async fn negotiate(&self) -> Result<(), DockerError> {
        #[derive(Deserialize)]
        struct Versions {
            #[serde(rename = "ApiVersion")]
            api: String,
            #[serde(rename = "MinAPIVersion", default)]
            min: String,
        }
        let answer = self.unary(async {
            let response = self.transport.send_unversioned(get("/version")?).await.map_err(|error| self.unreachable(error))?;
            let body = checked(response).await?.into_body().collect().await.map_err(|error| self.unreachable(error))?.to_bytes();
            serde_json::from_slice::<Versions>(&body).map_err(|error| DockerError::BadAnswer(error.into()))
        });
        let versions = answer.await?;
        let newest = version(&versions.api).ok_or_else(|| DockerError::BadAnswer(format!("API version `{}`", versions.api).into()))?;
        self.transport.set_version(newest.min(OUR_VERSION).max(version(&versions.min).unwrap_or((0, 0))));
        Ok(())
    }

    /// # Errors
    /// As [`DockerHost::negotiate`].
    pub async fn ping(&self) -> Result<(), DockerError> {
        self.unary(async {
            let response = self.transport.send_unversioned(get("/_ping")?).await.map_err(|error| self.unreachable(error))?;
            checked(response).await?.into_body().collect().await.map_err(|error| self.unreachable(error))?;
            Ok(())
        })
        .await
    }

    /// # Errors
    /// [`DockerError`].
    pub async fn version(&self) -> Result<SystemVersion, DockerError> {
        self.unary(async { self.bollard.version().await.map_err(|error| self.failed(error)) }).await
    }

    /// # Errors
    /// [`DockerError`].
    pub async fn info(&self) -> Result<SystemInfo, DockerError> {
        self.unary(async { self.bollard.info().await.map_err(|error| self.failed(error)) }).await
    }

    /// All containers, stopped ones too.
    ///
    /// # Errors
    /// [`DockerError`].
    pub async fn containers(&self) -> Result<Vec<ContainerSummary>, DockerError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        self.unary(async { self.bollard.list_containers(Some(options)).await.map_err(|error| self.failed(error)) }).await
    }

    /// # Errors
    /// [`DockerError`]; see [`DockerError::is_not_found`].
    pub async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, DockerError> {
        let id = checked_name(id)?;
        self.unary(async { self.bollard.inspect_container(id, None).await.map_err(|error| self.failed(error)) }).await
    }

    /// Container events from now on, as JSON documents one behind the other. Returns once the Engine has answered.
    ///
    /// # Errors
    /// [`DockerError`].
    pub async fn events(&self, since: Option<Timestamp>) -> Result<ByteStream, DockerError> {
        // {"type":["container"]}
        let mut path = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D".to_owned();
        if let Some(since) = since {
            path += &format!("&since={}", nanos(since));
        }
        self.stream(&path).await
    }

    /// A container's log with a timestamp before each message; framed as [`super::frames`] reads it.
    ///
    /// # Errors
    /// [`DockerError`]; a log driver that cannot be read answers 501 or 500 with a sentence.
    pub async fn logs(&self, id: &str, request: LogRequest) -> Result<ByteStream, DockerError> {
        let mut path = format!("/containers/{}/logs?stdout=1&stderr=1&timestamps=1", checked_name(id)?);
        if request.follow {
            path += "&follow=1";
        }
        if let Some(since) = request.since.filter(|since| since.0 > 0) {
            path += &format!("&since={}", nanos(since));
        }
        if let Some(tail) = request.tail {
            path += &format!("&tail={tail}");
        }
        self.stream(&path).await
    }

    async fn stream(&self, path: &str) -> Result<ByteStream, DockerError> {
        let response = self.unary(async {
            let response = self.transport.send(get(path)?).await.map_err(|error| self.unreachable(error))?;
            checked(response).await
        });
        Ok(ByteStream(response.await?.into_body()))
    }

    async fn unary<T>(&self, answer: impl Future<Output = Result<T, DockerError>>) -> Result<T, DockerError> {
        tokio::time::timeout(UNARY_TIMEOUT, answer).await.unwrap_or(Err(DockerError::Timeout(UNARY_TIMEOUT)))
    }

    fn failed(&self, error: bollard::errors::Error) -> DockerError {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError { status_code, message } => DockerError::Refused { status: status_code, message },
            Error::RequestTimeoutError => DockerError::Timeout(UNARY_TIMEOUT),
            error @ (Error::IOError { .. } | Error::HyperResponseError { .. }) => self.unreachable(error),
            error => DockerError::BadAnswer(error.into()),
        }
    }

    /// A broken connection, with what a person can do about it.
    fn unreachable(&self, error: impl std::error::Error + Send + Sync + 'static) -> DockerError {
        let (mut kind, mut reason) = (None, None);
        let mut deepest = error.to_string();
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = next {
            deepest = cause.to_string();
            if let Some(cause) = cause.downcast_ref::<io::Error>() {
                kind = Some(cause.kind());
                // What an I/O error wraps is not its source.
                reason = cause.get_ref().and_then(|inner| inner.downcast_ref()).map(transport::tls_reason).or(reason);
            }
            if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
                reason = Some("what it says is not HTTP; an Engine behind TLS needs https:// or its certificates named".to_owned());
            }
            next = cause.source();
        }
        let unix = matches!(self.endpoint, Endpoint::Unix { .. });
        let sentence = match kind {
            _ if reason.is_some() => format!("{} cannot be used: {}", self.endpoint, reason.unwrap_or_default()),
            Some(io::ErrorKind::NotFound) if unix => {
                format!("{} does not exist: start Docker, or mount its socket into the console's container", self.endpoint)
            }
            Some(io::ErrorKind::PermissionDenied) if unix => {
                format!(
                    "the console may not open {}: add its user to the docker group (in a container: --group-add with the socket's group)",
                    self.endpoint
                )
            }
            Some(io::ErrorKind::ConnectionRefused) => format!("nothing listens at {}: is Docker running", self.endpoint),
            _ => format!("{} does not answer: {deepest}", self.endpoint),
        };
        DockerError::Unreachable(sentence, Some(Box::new(error)))
    }
}

/// The body of an answer that may never end. Dropping it closes the connection.
pub struct ByteStream(Incoming);

impl ByteStream {
    /// The next bytes as they arrived; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            match self.0.frame().await? {
                Ok(frame) => match frame.into_data() {
                    Ok(bytes) => return Some(Ok(bytes)),
                    Err(_trailers) => {}
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A name or id that cannot leave its place in a path.
///
/// # Errors
/// [`DockerError::BadName`].
pub fn checked_name(name: &str) -> Result<&str, DockerError> {
    let mut bytes = name.bytes();
    let good = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.len() <= 255
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if good { Ok(name) } else { Err(DockerError::BadName(name.chars().take(80).collect())) }
}

fn get(path: &str) -> Result<Request<Empty<Bytes>>, DockerError> {
    Request::get(path).body(Empty::new()).map_err(|error| DockerError::BadAnswer(error.into()))
}

async fn checked(response: Response<Incoming>) -> Result<Response<Incoming>, DockerError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let body =
        http_body_util::Limited::new(response.into_body(), MAX_ERROR_BYTES).collect().await.map_err(DockerError::BadAnswer)?.to_bytes();
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let message = match serde_json::from_slice::<Message>(&body) {
        Ok(answer) => answer.message,
        Err(_) => String::from_utf8_lossy(&body).trim().chars().take(300).collect(),
    };
    Err(DockerError::Refused { status, message })
}

fn version(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `seconds.nanoseconds`, as Docker reads a time exactly.
fn nanos(at: Timestamp) -> String {
    format!("{}.{:09}", at.secs(), at.0.rem_euclid(model::time::NANOS_PER_SEC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_its_path_is_refused() {
        for (name, good) in [
            ("web", true),
            ("shop_web-1.x", true),
            (&"a".repeat(255), true),
            (&"a".repeat(256), false),
            ("", false),
            ("-v", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("a?b", false),
            ("a%2fb", false),
            ("a b", false),
            ("é", false),
            ("a\n", false),
        ] {
            assert_eq!(checked_name(name).is_ok(), good, "{name:?}");
        }
    }

    #[test]
    fn times_and_versions_are_exact() {
        assert_eq!(nanos(Timestamp(1_000_000_001)), "1.000000001");
        assert_eq!(nanos(Timestamp(1_700_000_000_123_000_000)), "1700000000.123000000");
        assert_eq!(version("1.41"), Some((1, 41)));
        assert_eq!(version("x"), None);
    }

    #[tokio::test]
    async fn an_absent_socket_is_explained() {
        let host = DockerHost::connect("local", &"unix:///nowhere/docker.sock".parse().unwrap()).unwrap();
        let error = host.ping().await.unwrap_err();
        assert!(error.to_string().contains("does not exist: start Docker"), "{error}");
    }
}
