//! Words that cross a wire. Plain serde values that parse and print themselves, shared by the server and the browser.
//! Knows nothing of HTTP, storage or clocks.

pub mod account;
pub mod ids;
pub mod live;
pub mod log;
pub mod patterns;
pub mod problem;
pub mod searches;
pub mod status;
pub mod storage;
pub mod time;

pub use account::{Me, Permission, Role, SessionSummary, TokenSummary, UserSummary};
pub use ids::{EntryId, StreamHash};
pub use live::{ClientMsg, ServerMsg, StreamState};
pub use log::{Direction, Entry, Labels, Level, LogAsk, LogPage, ScanStats, Service, ServiceKind, ServiceStatus};
pub use problem::{Code, Problem};
pub use time::{TimeRange, Timestamp};
