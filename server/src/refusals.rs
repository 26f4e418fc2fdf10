//! From refusals to audit records, in measure: anybody can be refused as often as they like, and must not fill the disk by it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ops::{Ops, access::AuditEvent};
use tokio::{sync::mpsc, time::interval};
use tokio_util::sync::CancellationToken;

/// After this long everything is counted anew.
const WINDOW: Duration = Duration::from_secs(60);
/// How many refusals of one kind from one address are written within [`WINDOW`]; the rest of them become one record that counts them.
const EACH: u32 = 20;
/// How many are written within [`WINDOW`] in all; behind them new kinds and addresses are not told apart any more.
const ALL: u32 = 300;

/// Writes what the sink collects until the console closes.
pub async fn write(ops: Arc<Ops>, mut refused: mpsc::Receiver<AuditEvent>, closing: CancellationToken) {
    let mut measure = Measure::default();
    let mut window = interval(WINDOW);
    loop {
        let event = tokio::select! {
            () = closing.cancelled() => break,
            _ = window.tick() => {
                append(&ops, measure.rest()).await;
                continue;
            }
            event = refused.recv() => event,
        };
        let Some(event) = event else { break };
        append(&ops, measure.take(event)).await;
    }
    append(&ops, measure.rest()).await;
}

async fn append(ops: &Ops, events: impl IntoIterator<Item = AuditEvent>) {
    for event in events {
        if let Err(error) = ops.accounts.audit(event).await {
            tracing::error!(kind = "database", operation = "audit_append", %error, "a refusal could not be recorded");
        }
    }
}

/// What was refused within one window.
#[derive(Default)]
struct Measure {
    /// By actor, address and action. At most [`ALL`].
    kinds: BTreeMap<(String, String, String), Kind>,
    others: Kind,
    written: u32,
}

#[derive(Default)]
struct Kind {
    written: u32,
    /// Not written, and the last of them.
    more: u32,
    last: Option<AuditEvent>,
}

impl Measure {
    /// The event, if it is still one of those that are written.
    fn take(&mut self, event: AuditEvent) -> Option<AuditEvent> {
        let key = (event.actor.clone(), event.address.clone(), event.action.clone());
        let full = self.written >= ALL;
        let kind = if full && !self.kinds.contains_key(&key) { &mut self.others } else { self.kinds.entry(key).or_default() };
        if full || kind.written >= EACH {
            kind.more += 1;
            kind.last = Some(event);
            return None;
        }
        kind.written += 1;
        self.written += 1;
        Some(event)
    }

    /// Records that count what was not written; then a new window begins.
    fn rest(&mut self) -> Vec<AuditEvent> {
        let Self { kinds, others, .. } = std::mem::take(self);
        let counted = |kind: Kind, what| kind.last.map(|last| last.detail(format!("{} more {what} within a minute", kind.more)));
        let alike = kinds.into_values().filter_map(|kind| counted(kind, "like this"));
        alike.chain(counted(others, "of any kind and address")).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use ops::access::Outcome;

    use super::*;

    fn check(addresses: impl Iterator<Item = u32>, written: usize, told: &[&str]) {
        let mut measure = Measure::default();
        let event = |address: u32| AuditEvent {
            at: Timestamp(1),
            actor: "-".into(),
            address: address.to_string(),
            request_id: String::new(),
            action: "request.wrong_host".into(),
            target: String::new(),
            outcome: Outcome::Refused,
            detail: String::new(),
        };
        let taken = addresses.filter_map(|address| measure.take(event(address))).count();
        let rest: Vec<_> = measure.rest().into_iter().map(|event| event.detail).collect();
        assert_eq!((taken, rest.iter().map(String::as_str).collect::<Vec<_>>()), (written, told.to_vec()));
        assert!(measure.rest().is_empty());
    }

    #[test]
    fn few_refusals_are_written_and_a_flood_is_counted() {
        check(0..3, 3, &[]);
        check(std::iter::repeat_n(1, 20), 20, &[]);
        check(std::iter::repeat_n(1, 50_000), 20, &["49980 more like this within a minute"]);
        check(0..50_000, 300, &["49700 more of any kind and address within a minute"]);
    }
}
