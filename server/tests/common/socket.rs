//! The browser's end of a socket.

use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use model::{Entry, EntryId, ServerMsg};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::{LIMIT, Person};

pub struct Socket {
    stream: WebSocketStream<TcpStream>,
}

/// What a viewer was told, in order.
#[derive(Debug, Default)]
pub struct Told {
    pub entries: Vec<Entry>,
    pub dropped: u64,
    pub gaps: Vec<(u64, Option<EntryId>, Option<EntryId>)>,
}

impl Socket {
    /// As a page of ours would open it.
    pub async fn open(person: &Person, path: &str) -> Self {
        Self::try_open(person, path, Some(&person.origin())).await.unwrap_or_else(|(status, body)| panic!("{path}: {status} {body}"))
    }

    /// # Errors
    /// Status and body of a refusal.
    pub async fn try_open(person: &Person, path: &str, origin: Option<&str>) -> Result<Self, (u16, String)> {
        Self::try_open_with(person, path, origin, &[]).await
    }

    /// As [`Socket::try_open`], with more headers.
    ///
    /// # Errors
    /// Status and body of a refusal.
    pub async fn try_open_with(person: &Person, path: &str, origin: Option<&str>, headers: &[(&str, &str)]) -> Result<Self, (u16, String)> {
        let mut request = format!("ws://{}{path}", person.address).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        if let Some(cookie) = person.cookie() {
            request.headers_mut().insert("cookie", format!("docaiche_session={cookie}").parse().unwrap());
        }
        let tcp = TcpStream::connect(person.address).await.unwrap();
        let opened = tokio::time::timeout(LIMIT, tokio_tungstenite::client_async(request, tcp)).await.expect("an answer in time");
        match opened {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                Err((answer.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
            }
            Err(error) => panic!("{path}: {error}"),
        }
    }

    pub async fn send(&mut self, text: &str) {
        self.send_message(Message::text(text.to_owned())).await;
    }

    pub async fn send_message(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Waits until the console has heard everything sent before. Lines that come meanwhile are a failure.
    pub async fn heard(&mut self) {
        self.send_message(Message::Ping("heard?".into())).await;
        loop {
            match tokio::time::timeout(LIMIT, self.stream.next()).await.expect("an answer in time") {
                Some(Ok(Message::Pong(_))) => return,
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(Message::Text(text))) if text.contains("\"type\":\"state\"") => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message of the protocol; `Err` is how the socket closed.
    pub async fn next(&mut self) -> Result<ServerMsg, Option<CloseFrame>> {
        // Pings do not renew the patience.
        let until = tokio::time::Instant::now() + LIMIT;
        loop {
            let message = tokio::time::timeout_at(until, self.stream.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return Err(None),
            }
        }
    }

    /// The next text frame, whatever its protocol.
    pub async fn text(&mut self) -> String {
        let until = tokio::time::Instant::now() + LIMIT;
        loop {
            match tokio::time::timeout_at(until, self.stream.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return text.as_str().to_owned(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads until `enough` lines and lost lines came.
    pub async fn read(&mut self, enough: u64) -> Told {
        let mut told = Told::default();
        while (told.entries.len() as u64) + told.dropped < enough {
            match self.next().await.expect("the socket stays open") {
                ServerMsg::Logs { entries } => told.entries.extend(entries),
                ServerMsg::Gap { dropped, from, to } => {
                    told.dropped += dropped;
                    told.gaps.push((dropped, from, to));
                }
                ServerMsg::State { .. } => {}
                ServerMsg::Error { code, detail } => panic!("{code:?} {detail}"),
            }
        }
        told
    }

    /// The code with which the console closes the socket, lines before it skipped; 1006 where it said none.
    pub async fn closed(&mut self, within: Duration) -> u16 {
        let closing = async {
            loop {
                if let Err(frame) = self.next().await {
                    return frame.map_or(1006, |frame| frame.code.into());
                }
            }
        };
        tokio::time::timeout(within, closing).await.expect("the socket closes in time")
    }

    /// Whether nothing but a state is waiting to be read.
    pub fn is_quiet(&mut self) -> bool {
        loop {
            match self.stream.next().now_or_never() {
                None => return true,
                Some(Some(Ok(Message::Text(text)))) if text.contains("\"type\":\"state\"") => {}
                Some(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                Some(_) => return false,
            }
        }
    }
}
