//! Docker Engines: the road, the verbs, and how their log streams read.

pub mod client;
pub mod events;
pub mod frames;
pub mod logs;
mod page;
pub mod streams;
pub mod transport;
