//! How the console itself is doing: its parts, and the machine it runs on.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A part the console depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub state: PartState,
    /// One sentence for a person; empty when all is well.
    pub detail: String,
    /// Since when it has been in this state.
    pub since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartState {
    Ok,
    /// Works with less: a source is away, a disk is nearly full.
    Degraded,
    Down,
    /// Not set up here; not an error.
    Absent,
}

/// `GET /api/v1/health`: the worst state of all parts, and each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub state: PartState,
    pub parts: Vec<Part>,
}

/// `GET /api/v1/system/info`. Bytes; seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemInfo {
    pub version: String,
    pub commit: String,
    pub started: Timestamp,
    pub uptime_s: u64,
    pub hostname: String,
    pub cores: u32,
    pub memory_bytes: u64,
    pub memory_available_bytes: u64,
    pub disk_bytes: u64,
    pub disk_available_bytes: u64,
    pub docker: Option<DockerInfo>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerInfo {
    pub host: String,
    pub version: String,
    pub api_version: String,
    pub containers: u64,
    pub running: u64,
}

/// `GET /api/v1/stats`: counters since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    pub services: u64,
    pub lines: u64,
    pub bytes: u64,
    pub viewers: u64,
    pub sockets: u64,
    pub upstreams: u64,
    pub lines_skipped: u64,
}
