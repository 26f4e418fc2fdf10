use futures::{future::join_all, poll};

use super::*;
use crate::store::{AuditCheck, Kind};

/// The suite proves the chain after each case; only these leave it broken.
pub fn expected_break(case: &str) -> Option<i64> {
    match case {
        "a_changed_record_is_found" => Some(3),
        "a_removed_record_is_found" => Some(4),
        _ => None,
    }
}

pub async fn fifty_at_once_do_not_fork_it(pair: &Pair) {
    let appends = (0..50).map(|n| {
        let store = if n % 2 == 0 { &pair.one } else { &pair.two };
        store.audit_append(AuditEvent { detail: n.to_string(), ..event("x") })
    });
    for answer in join_all(appends).await {
        answer.unwrap();
    }
    let records = pair.one.audit_read(0, 1000).await.unwrap();
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    let mut details: Vec<u32> = records.iter().map(|record| record.event.detail.parse().unwrap()).collect();
    details.sort_unstable();
    assert_eq!(details, (0..50).collect::<Vec<_>>());
    assert_eq!(pair.two.audit_verify().await.unwrap(), AuditCheck { records: 50, broken_at: None });
    let page = pair.two.audit_read(10, 5).await.unwrap();
    assert_eq!(page.iter().map(|record| record.seq).collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
}

pub async fn a_refused_change_leaves_no_record(pair: &Pair) {
    let ada = create(&pair.one, "ada", Role::Admin).await;
    assert!(pair.one.user_create(&ada, event("x")).await.is_err());
    assert!(pair.one.user_set_disabled(&ada.id, true, event("x")).await.is_err());
    assert!(pair.one.user_set_role("nobody", Role::Viewer, event("x")).await.is_err());
    assert!(!pair.one.user_create_first(&ada, event("x")).await.unwrap());
    assert!(!pair.one.session_delete("no such key", event("x")).await.unwrap());
    assert_eq!(actions(&pair.one).await, ["user.create"]);
}

/// A door drops the use-case when its client hangs up: here after every number of steps it can get to.
pub async fn an_abandoned_request_holds_nobody_up(pair: &Pair) {
    for steps in 0..60 {
        let mut append = pair.one.audit_append(event("abandoned"));
        for _ in 0..steps {
            if poll!(&mut append).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(append);
        pair.two.audit_append(event("waiting")).await.unwrap();
    }
    let waited = actions(&pair.one).await.iter().filter(|action| *action == "waiting").count();
    assert_eq!(waited, 60);
}

pub async fn records_cannot_be_changed(pair: &Pair) {
    five(pair).await;
    let mut attempts = vec!["UPDATE audit SET detail = 'x' WHERE seq = 2", "DELETE FROM audit WHERE seq = 5", "DELETE FROM audit"];
    match pair.one.kind {
        Kind::Sqlite => attempts.push("INSERT OR REPLACE INTO audit SELECT 2, at, actor, address, request_id, action, target, outcome, 'x', prev, hash FROM audit WHERE seq = 1"),
        Kind::Postgres => attempts.push("TRUNCATE audit"),
    }
    for sql in attempts {
        assert!(raw(&pair.one, sql).await.is_err(), "{sql}");
    }
    assert_eq!(pair.one.audit_verify().await.unwrap(), AuditCheck { records: 5, broken_at: None });
}

pub async fn a_changed_record_is_found(pair: &Pair) {
    five(pair).await;
    unguard(&pair.one).await;
    for change in ["outcome = 'nonsense'", "at = at + 1", "detail = 'innocent'"] {
        raw(&pair.one, &format!("UPDATE audit SET {change} WHERE seq = 3")).await.unwrap();
        assert_eq!(pair.one.audit_verify().await.unwrap(), AuditCheck { records: 2, broken_at: Some(3) });
    }
}

pub async fn a_removed_record_is_found(pair: &Pair) {
    five(pair).await;
    unguard(&pair.one).await;
    raw(&pair.one, "DELETE FROM audit WHERE seq = 4").await.unwrap();
    // Moving the next one up does not help.
    for _ in 0..2 {
        assert_eq!(pair.one.audit_verify().await.unwrap(), AuditCheck { records: 3, broken_at: Some(4) });
        raw(&pair.one, "UPDATE audit SET seq = 4 WHERE seq = 5").await.unwrap();
    }
}

async fn five(pair: &Pair) {
    for _ in 0..5 {
        pair.one.audit_append(event("x")).await.unwrap();
    }
}

/// What somebody with the database file can do.
async fn unguard(store: &SqlStore) {
    let sql = match store.kind {
        Kind::Sqlite => "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP TRIGGER audit_no_replace",
        Kind::Postgres => "DROP TRIGGER audit_append_only ON audit",
    };
    raw(store, sql).await.unwrap();
}
