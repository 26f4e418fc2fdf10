//! Searches that a person keeps, and those made lately.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A search under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSearch {
    pub id: String,
    pub name: String,
    /// What stands behind `/logs?`.
    pub query: String,
    pub created: Timestamp,
    /// When it was last opened.
    pub used: Option<Timestamp>,
}

/// A search that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentSearch {
    /// What stands behind `/logs?`.
    pub query: String,
    pub at: Timestamp,
}

/// `GET /api/v1/searches`: those of the asking person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searches {
    /// By name.
    pub saved: Vec<SavedSearch>,
    /// The newest first, each once.
    pub recent: Vec<RecentSearch>,
}
