//! Frames of the logs socket (contract §4): text JSON, one message a frame.

use serde::{Deserialize, Serialize};

use crate::{ids::EntryId, log::Entry, problem::Code};

/// Server to browser. Read through a flat struct: serde's own way of reading a tagged enum compiles every type in it
/// twice, which the browser would have to download.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[serde(try_from = "Flat")]
pub enum ServerMsg {
    /// In arrival order. At most ten frames a second.
    Logs {
        entries: Vec<Entry>,
    },
    /// The reader was too slow: `dropped` lines were not sent. `from` and `to` are the smallest and the largest id among
    /// them; of several services, lines between the two may have been sent all the same.
    Gap {
        dropped: u64,
        from: Option<EntryId>,
        to: Option<EntryId>,
    },
    State {
        state: StreamState,
    },
    Error {
        code: Code,
        detail: String,
    },
}

/// All members that any [`ServerMsg`] has.
#[derive(Deserialize)]
struct Flat {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    entries: Vec<Entry>,
    #[serde(default)]
    dropped: u64,
    from: Option<EntryId>,
    to: Option<EntryId>,
    state: Option<StreamState>,
    code: Option<Code>,
    #[serde(default)]
    detail: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Logs,
    Gap,
    State,
    Error,
}

impl TryFrom<Flat> for ServerMsg {
    type Error = &'static str;

    fn try_from(flat: Flat) -> Result<Self, &'static str> {
        Ok(match flat.kind {
            Kind::Logs => Self::Logs { entries: flat.entries },
            Kind::Gap => Self::Gap { dropped: flat.dropped, from: flat.from, to: flat.to },
            Kind::State => Self::State { state: flat.state.ok_or("a state frame has no state")? },
            Kind::Error => Self::Error { code: flat.code.ok_or("an error frame has no code")?, detail: flat.detail },
        })
    }
}

/// What the server knows of the source behind a live view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamState {
    /// Lines arrive as they are written.
    Live,
    /// The Docker Engine does not answer; the console keeps trying.
    Reconnecting,
    /// The container or file is gone: nothing more will come.
    Ended,
}

/// Browser to server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientMsg {
    /// Send nothing until `Resume`.
    Pause,
    /// Send what came after `after` (a hole, if it is more than a page), then live lines again.
    Resume { after: Option<EntryId> },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::StreamHash, time::Timestamp};

    #[test]
    fn every_frame_survives_its_text() {
        let id = EntryId { at: Timestamp(7), stream: StreamHash(8), ordinal: 9 };
        let entry = Entry {
            id,
            timestamp: id.at,
            service: "web".into(),
            level: crate::Level::Warn,
            message: "a \"line\"".into(),
            fields: crate::log::Fields(vec![("user".into(), "ada".into())]),
            labels: std::sync::Arc::new(crate::Labels::from([("service", "web")])),
            group: id,
            cut: Some(70_000),
        };
        for message in [
            ServerMsg::Logs { entries: vec![entry] },
            ServerMsg::Logs { entries: Vec::new() },
            ServerMsg::Gap { dropped: 3, from: Some(id), to: None },
            ServerMsg::State { state: StreamState::Ended },
            ServerMsg::Error { code: Code::Upstream, detail: "x".into() },
        ] {
            let text = serde_json::to_string(&message).unwrap();
            assert_eq!(serde_json::from_str::<ServerMsg>(&text).unwrap(), message, "{text}");
        }
        for bad in [r#"{"type":"state"}"#, r#"{"type":"error"}"#, r#"{"type":"nonsense"}"#, "{}"] {
            assert!(serde_json::from_str::<ServerMsg>(bad).is_err(), "{bad}");
        }
    }
}
