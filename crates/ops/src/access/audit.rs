//! The audit log: who did or was refused what. Append-only; each record carries the hash of the one before it.

use model::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::{access::Action, cx::OpCtx};

/// The `prev` of the first record.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused,
    Failed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What happened, before it has a place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    pub at: Timestamp,
    /// A user name, `system`, or `-` for nobody.
    pub actor: String,
    pub address: String,
    pub request_id: String,
    /// `session.sign_in`, `user.create`, `logs.export`, …
    pub action: String,
    /// What it was done to; empty where that is clear from the action.
    pub target: String,
    pub outcome: Outcome,
    /// Old and new value, or the reason. Never a secret.
    pub detail: String,
}

impl AuditEvent {
    pub fn new(cx: &OpCtx, action: impl Into<String>, target: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            at: cx.now,
            actor: cx.actor_name().to_owned(),
            address: cx.address.to_string(),
            request_id: cx.request_id.clone(),
            action: action.into(),
            target: target.into(),
            outcome,
            detail: String::new(),
        }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// An event in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    pub seq: i64,
    pub event: AuditEvent,
    pub prev: String,
    pub hash: String,
}

/// `h_n = SHA-256(h_{n-1} ‖ seq ‖ fields)`, each field preceded by its length in bytes so that no two records read alike.
pub fn chain_hash(prev: &str, seq: i64, event: &AuditEvent) -> String {
    let mut hasher = Sha256::new();
    hasher.update(prev.as_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update(event.at.0.to_be_bytes());
    for field in [&event.actor, &event.address, &event.request_id, &event.action, &event.target, event.outcome.as_str(), &event.detail] {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    hex::encode(hasher.finalize())
}

/// Takes refusals from synchronous code to the one task that writes them. Holds 1,024 events; a flood beyond that is
/// counted into the next record that fits, so that refusals cannot be used to stop the console.
#[derive(Clone)]
pub struct AuditSink {
    sender: mpsc::Sender<AuditEvent>,
    overflow: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl AuditSink {
    /// The sink and the end the server's writer task drains.
    pub fn channel() -> (Self, mpsc::Receiver<AuditEvent>) {
        let (sender, receiver) = mpsc::channel(1024);
        (Self { sender, overflow: std::sync::Arc::default() }, receiver)
    }

    pub fn refused(&self, cx: &OpCtx, action: Action) {
        self.record(AuditEvent::new(cx, action.as_str(), "", Outcome::Refused));
    }

    pub fn record(&self, mut event: AuditEvent) {
        use std::sync::atomic::Ordering;
        let missed = self.overflow.swap(0, Ordering::Relaxed);
        if missed > 0 {
            event.detail = format!("{} ({missed} records before this one did not fit)", event.detail);
        }
        if self.sender.try_send(event).is_err() {
            self.overflow.fetch_add(missed + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_text_between_fields_changes_the_hash() {
        let event = |actor: &str, address: &str| AuditEvent {
            at: Timestamp(1),
            actor: actor.into(),
            address: address.into(),
            request_id: String::new(),
            action: "a".into(),
            target: String::new(),
            outcome: Outcome::Done,
            detail: String::new(),
        };
        assert_ne!(chain_hash(GENESIS, 1, &event("ab", "c")), chain_hash(GENESIS, 1, &event("a", "bc")));
    }
}
