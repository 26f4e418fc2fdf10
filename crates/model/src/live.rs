//! Frames of the logs socket (contract §4): text JSON, one message a frame.

use serde::{Deserialize, Serialize};

use crate::{ids::EntryId, log::Entry, problem::Code};

/// Server to browser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerMsg {
    /// In arrival order. At most ten frames a second.
    Logs { entries: Vec<Entry> },
    /// The reader was too slow: `dropped` lines after `from` and before `to` were not sent. Either end is absent where
    /// nothing was sent before, or the hole is still open.
    Gap { dropped: u64, from: Option<EntryId>, to: Option<EntryId> },
    State { state: StreamState },
    Error { code: Code, detail: String },
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
