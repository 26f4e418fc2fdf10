//! What is live: the hub that shares one stream of lines among all who watch, and the counts it keeps on the way.

mod hub;
mod query_tail;
mod tail;
mod tally;

pub use hub::{Frame, Hub, HubTotals, LiveItem, Subscription};
pub use tail::{Tail, TailFrom};
pub use tally::Tally;
