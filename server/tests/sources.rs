//! What every place of lines promises, asked of each: in memory, in the embedded engine, and in a Loki over HTTP, which is a
//! second console here, and what a real one answered; and what a Loki may do to us.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;
#[path = "sources/contract.rs"]
mod contract;
#[path = "sources/faults.rs"]
mod faults;
#[path = "sources/recorded.rs"]
mod recorded;
#[path = "sources/shipping.rs"]
mod shipping;
