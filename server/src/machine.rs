//! The machine and the process, for the overview: `/proc`, and `statvfs` of the data directory by way of `df`'s numbers.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use model::{
    Timestamp,
    status::{DockerInfo, Part, PartState, SystemInfo},
};
use ops::source::System;

use crate::{clock, store::SqlStore};

/// What is compiled in.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
pub const COMMIT: &str = env!("DOCAICHE_COMMIT");

/// Below this much free space the data directory is degraded: SQLite needs room for its write-ahead log.
const LOW_DISK_BYTES: u64 = 256 << 20;

pub struct Machine {
    pub started: Timestamp,
    pub data_dir: PathBuf,
    pub store: Arc<SqlStore>,
    /// Asks the Docker Engine named `local`; `None` where it does not answer.
    pub docker: DockerProbe,
}

pub type DockerProbe = Box<dyn Fn() -> futures::future::BoxFuture<'static, Option<DockerInfo>> + Send + Sync>;

/// `MemTotal` and `MemAvailable` of `/proc/meminfo` (proc(5)), in bytes.
fn memory(meminfo: &str) -> (u64, u64) {
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    (field("MemTotal").unwrap_or_default() * 1024, field("MemAvailable").unwrap_or_default() * 1024)
}

/// Size and free space of the file system of a directory, in bytes; 0 where it cannot be asked.
pub fn disk(path: &std::path::Path) -> (u64, u64) {
    rustix::fs::statvfs(path).map_or((0, 0), |fs| (fs.f_blocks * fs.f_frsize, fs.f_bavail * fs.f_frsize))
}

#[async_trait]
impl System for Machine {
    async fn info(&self) -> SystemInfo {
        let meminfo = tokio::fs::read_to_string("/proc/meminfo").await.unwrap_or_default();
        let hostname = tokio::fs::read_to_string("/proc/sys/kernel/hostname").await.unwrap_or_default();
        let (memory_bytes, memory_available_bytes) = memory(&meminfo);
        let (disk_bytes, disk_available_bytes) = disk(&self.data_dir);
        SystemInfo {
            version: VERSION.to_owned(),
            commit: COMMIT.to_owned(),
            started: self.started,
            uptime_s: (clock::now().secs() - self.started.secs()).max(0).unsigned_abs(),
            hostname: hostname.trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            memory_bytes,
            memory_available_bytes,
            disk_bytes,
            disk_available_bytes,
            docker: (self.docker)().await,
        }
    }

    async fn parts(&self) -> Vec<Part> {
        let part = |name: &str, state, detail: &str| Part { name: name.to_owned(), state, detail: detail.to_owned(), since: None };
        let database = match self.store.ping().await {
            Ok(()) => part("database", PartState::Ok, ""),
            Err(error) => {
                let detail = match error {
                    ops::source::StoreError::Full => "the disk is full: nobody can sign in and nothing is recorded",
                    _ => "it does not answer",
                };
                part("database", PartState::Down, detail)
            }
        };
        let (total, free) = disk(&self.data_dir);
        let disk = if total > 0 && free < LOW_DISK_BYTES {
            part("disk", PartState::Degraded, "less than 256 MiB are free where the console keeps its data")
        } else {
            part("disk", PartState::Ok, "")
        };
        vec![database, disk]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_in_kibibytes() {
        let text = "MemTotal:       24000 kB\nMemFree:         100 kB\nMemAvailable:   20000 kB\n";
        assert_eq!(memory(text), (24_000 * 1024, 20_000 * 1024));
        assert_eq!(memory("nonsense"), (0, 0));
    }
}
