//! New lines for those who follow a query: every line that was kept goes once through one channel, whoever listens.

use std::sync::Arc;

use logql::read::StreamRef;
use tokio::sync::broadcast;

/// Batches that wait for a slow listener. A batch holds what was kept at once, some hundred lines at most.
const BATCHES: usize = 512;

/// A line that was just kept.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub stream: Arc<StreamRef>,
    pub at: i64,
    pub ordinal: u16,
    pub line: Arc<str>,
    /// Sorted by name.
    pub metadata: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Feed(broadcast::Sender<Arc<Vec<Fresh>>>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(BATCHES))
    }
}

impl Feed {
    /// Whether anybody would see a line: the copy for them can be spared where nobody does.
    pub fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    pub fn send(&self, lines: Vec<Fresh>) {
        if !lines.is_empty() {
            // Fails where nobody listens.
            drop(self.0.send(Arc::new(lines)));
        }
    }

    pub fn listen(&self) -> broadcast::Receiver<Arc<Vec<Fresh>>> {
        self.0.subscribe()
    }
}
