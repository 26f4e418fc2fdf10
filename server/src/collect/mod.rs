//! What the console gathers itself.

pub mod docker_logs;
pub mod files;
pub mod intake;
pub mod outbox;
pub mod places;
mod renumber;

use std::sync::Arc;

use model::Timestamp;

/// Reads the time. Passed in, so that tests decide what it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
