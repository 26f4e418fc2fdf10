//! The one place where the process reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use model::Timestamp;

/// Nanoseconds since 1970; before that, zero.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
