//! One suite over both databases: each case gets a database of its own, opened twice, as by the server and by the command line
//! beside it.

mod chain;
mod files;
mod postgres;
mod searches;
mod sessions;
mod users;

use std::net::{IpAddr, Ipv4Addr};

use model::{Role, Timestamp};
use ops::{
    access::{AuditEvent, Outcome},
    source::{Store, StoreError, User},
};
use tempfile::TempDir;

use super::SqlStore;

/// The same database, seen by two processes.
struct Pair {
    url: String,
    one: SqlStore,
    two: SqlStore,
}

impl Pair {
    async fn open(url: String) -> Self {
        let (one, two) = tokio::join!(SqlStore::open(&url), SqlStore::open(&url));
        Self { one: one.unwrap(), two: two.unwrap(), url }
    }

    async fn close(self) {
        self.one.close().await;
        self.two.close().await;
    }
}

async fn suite(fresh: impl AsyncFn(&'static str) -> String) {
    macro_rules! check {
        ($($module:ident :: $case:ident),+ $(,)?) => {$(
            let pair = Pair::open(fresh(stringify!($case)).await).await;
            $module::$case(&pair).await;
            if !pair.one.pool.is_closed() {
                assert_eq!(pair.one.audit_verify().await.unwrap().broken_at, chain::expected_break(stringify!($case)), stringify!($case));
            }
            pair.close().await;
        )+};
    }
    check! {
        users::accounts_are_kept,
        users::names_are_unique_without_regard_to_case,
        users::only_one_of_two_is_first,
        users::the_last_admin_stays,
        users::two_admins_cannot_remove_each_other_at_once,
        users::odd_text_is_no_failure,
        sessions::they_live_and_end,
        sessions::disabling_ends_them,
        sessions::the_layer_gets_back_what_it_stored,
        sessions::an_ended_one_is_not_saved_back,
        sessions::a_new_id_replaces_the_old,
        sessions::expired_ones_are_gone,
        searches::saved_ones_are_their_owners,
        searches::made_ones_stand_once_and_the_newest_stay,
        chain::fifty_at_once_do_not_fork_it,
        chain::a_refused_change_leaves_no_record,
        chain::an_abandoned_request_holds_nobody_up,
        chain::records_cannot_be_changed,
        chain::a_changed_record_is_found,
        chain::a_removed_record_is_found,
        files::everything_is_there_after_a_reopen,
        files::a_newer_database_is_refused,
        files::it_answers_a_ping,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_holds_the_suite() {
    let dir = TempDir::new().unwrap();
    suite(async |case| format!("sqlite:{}/{case}/docaiche.db", dir.path().display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_holds_the_suite() {
    let server = postgres::Postgres::start();
    suite(async |case| server.database(case).await).await;
    files::a_full_postgres_says_so(&server.database("no_space").await).await;
}

fn user(name: &str, role: Role) -> User {
    User {
        id: format!("id-{name}"),
        username: name.to_owned(),
        role,
        disabled: false,
        scope: None,
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned(),
        created: Timestamp(1_700_000_000_123_456_789),
        last_sign_in: None,
    }
}

fn event(action: &str) -> AuditEvent {
    AuditEvent {
        at: Timestamp(1_700_000_000_000_000_001),
        actor: "ada".to_owned(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST).to_string(),
        request_id: "r1".to_owned(),
        action: action.to_owned(),
        target: "grace → ünï".to_owned(),
        outcome: Outcome::Done,
        detail: String::new(),
    }
}

async fn actions(store: &SqlStore) -> Vec<String> {
    store.audit_read(0, 1000).await.unwrap().into_iter().map(|record| record.event.action).collect()
}

async fn create(store: &SqlStore, name: &str, role: Role) -> User {
    let user = user(name, role);
    store.user_create(&user, event("user.create")).await.unwrap();
    user
}

async fn raw(store: &SqlStore, sql: &str) -> Result<u64, StoreError> {
    sqlx::raw_sql(sql).execute(&store.pool).await.map(|done| done.rows_affected()).map_err(super::failed)
}
