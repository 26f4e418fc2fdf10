//! Container events as the collector needs them: which container, and what happened to it.

use bytes::Bytes;
use model::Timestamp;
use serde::Deserialize;

use super::client::{ByteStream, DockerError};

/// Longer than any event; a stream that sends more without one is none.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// What happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub container_id: String,
    /// `start`, `die`, `destroy`, `rename`, `pause` and so on, as Docker names them.
    pub action: String,
    pub at: Timestamp,
}

/// Reads events as they come; nothing is dropped as long as it is read.
pub struct EventReader {
    stream: ByteStream,
    held: Vec<u8>,
}

impl EventReader {
    pub fn new(stream: ByteStream) -> Self {
        Self { stream, held: Vec::new() }
    }

    /// The next event; `None` when the stream has ended. Cancel-safe: bytes are kept across calls.
    ///
    /// # Errors
    /// A broken connection, or an answer that is no event.
    pub async fn next(&mut self) -> Option<Result<Event, DockerError>> {
        loop {
            match parse(&mut self.held) {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            let bytes: Bytes = match self.stream.next().await? {
                Ok(bytes) => bytes,
                Err(error) => return Some(Err(DockerError::BadAnswer(error.into()))),
            };
            self.held.extend_from_slice(&bytes);
            if self.held.len() > MAX_EVENT_BYTES {
                return Some(Err(DockerError::BadAnswer("an event of more than 1 MiB".into())));
            }
        }
    }
}

/// Takes the first whole document off `held`. Documents follow each other with or without white space; from API 1.53
/// on, they are separated by newlines or by RFC 7464's record separator.
fn parse(held: &mut Vec<u8>) -> Result<Option<Event>, DockerError> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "Action", default)]
        action: String,
        #[serde(rename = "Type", default)]
        kind: String,
        #[serde(rename = "Actor", default)]
        actor: Actor,
        #[serde(rename = "timeNano", default)]
        time_nano: i64,
    }
    #[derive(Default, Deserialize)]
    struct Actor {
        #[serde(rename = "ID", default)]
        id: String,
    }
    loop {
        let start = held.iter().position(|b| !b.is_ascii_whitespace() && *b != 0x1e).unwrap_or(held.len());
        held.drain(..start);
        let mut documents = serde_json::Deserializer::from_slice(held).into_iter::<Wire>();
        let Some(next) = documents.next() else { return Ok(None) };
        let used = documents.byte_offset();
        match next {
            Ok(wire) => {
                held.drain(..used);
                if wire.kind == "container" && !wire.actor.id.is_empty() {
                    return Ok(Some(Event { container_id: wire.actor.id, action: wire.action, at: Timestamp(wire.time_nano) }));
                }
            }
            Err(error) if error.is_eof() => return Ok(None),
            Err(error) => return Err(DockerError::BadAnswer(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_from_any_pieces() {
        let one = |id: &str, action: &str| {
            format!(r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"x":"}}"}}}},"timeNano":7}}"#)
        };
        let text = format!(
            "{}\n{{\"Type\":\"network\",\"Actor\":{{\"ID\":\"n\"}}}}{}\u{1e}{}",
            one("a", "start"),
            one("b", "die"),
            one("c", "exec_start: sh")
        );
        let mut held = Vec::new();
        let mut seen = Vec::new();
        for byte in text.bytes() {
            held.push(byte);
            while let Some(event) = parse(&mut held).unwrap() {
                seen.push((event.container_id, event.action, event.at.0));
            }
        }
        let expect = [("a", "start"), ("b", "die"), ("c", "exec_start: sh")].map(|(id, action)| (id.to_owned(), action.to_owned(), 7));
        assert_eq!(seen, expect);
        assert!(parse(&mut b"<html>".to_vec()).is_err());
    }
}
