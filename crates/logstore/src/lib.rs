//! The embedded log engine: lines in, lines out, on disk, crash-safe. Knows no HTTP, has no async and reads no clock.
//!
//! [`Store::append`] writes a batch to the write-ahead log and answers when it is durable; the lines are then in memory, in
//! their stream's head. [`Store::maintain`] seals heads into blocks, merges small files and removes what is too old. Queries
//! read blocks and heads through [`logql::read::Source`]. The files are described in LAYOUT.md.

mod batch;
mod bits;
pub mod block;
mod bytes;
mod catalog;
mod commit;
mod compact;
mod config;
mod damage;
mod error;
mod filter;
pub mod fs;
mod head;
mod lookup;
mod open;
pub mod pack;
mod part;
mod recent;
mod retain;
mod scan;
mod seal;
mod status;
mod store;
mod stream;
pub mod wal;

pub use batch::{Appended, NewEntry, Outcome, StreamBatch};
pub use config::{Config, Sync};
pub use damage::Damage;
pub use error::{AppendError, OpenError, Refused};
pub use lookup::{Kept, Volume};
pub use open::Recovery;
pub use part::StorePart;
pub use retain::Removed;
pub use status::{Ingested, Status};
pub use store::{Maintained, Store};
