//! Users, sessions, searches and the audit log in SQLite or Postgres: one set of migrations, one set of SQL. Knows nothing of HTTP; the
//! rules of who may do what are in `ops`, the rules that need a transaction (names, the last administrator, the chain) are here.

mod audit;
mod open;
mod searches;
mod sessions;
mod tokens;
mod tower;
mod users;
mod write;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use model::{
    Role, Timestamp,
    searches::{SavedSearch, Searches},
};
use ops::{
    access::{AuditEvent, AuditRecord},
    source::{Store, StoreError, StoredSession, StoredToken, User},
};
use sqlx::AnyPool;
use tokio::sync::Mutex;

pub use audit::AuditCheck;
pub use open::OpenError;
pub use tower::{SessionSql, session_key};

/// How long a request waits for a connection, for its turn to write, and for another process's lock.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

/// The database. Share it as `Arc<SqlStore>`: as [`Store`] with the use-cases, as [`SessionSql`] with the session layer.
pub struct SqlStore {
    pool: AnyPool,
    kind: Kind,
    /// Held by the one transaction of this process that writes. Without it the writers would wait inside the database, each
    /// holding a connection that a reader needs. First come, first served; a turn that does not come in [`PATIENCE`] fails.
    turn: Mutex<()>,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl SqlStore {
    /// Answers when the database does.
    ///
    /// # Errors
    /// [`StoreError::Other`] after five seconds at the latest where no connection is to be had.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map_err(failed)?;
        Ok(())
    }

    /// `sqlite` or `postgres`.
    pub fn url_kind(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "sqlite",
            Kind::Postgres => "postgres",
        }
    }

    /// Ends all connections, after the work in hand; SQLite folds its write-ahead log into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn user_count(&self) -> Result<u64, StoreError> {
        users::count(&self.pool).await
    }

    async fn user_by_name(&self, username: &str) -> Result<Option<User>, StoreError> {
        users::by_name(&self.pool, username).await
    }

    async fn users(&self) -> Result<Vec<User>, StoreError> {
        users::all(&self.pool).await
    }

    async fn user_create(&self, user: &User, event: AuditEvent) -> Result<(), StoreError> {
        users::create(self.write().await?, user, event).await
    }

    async fn user_create_first(&self, user: &User, event: AuditEvent) -> Result<bool, StoreError> {
        users::create_first(self.write().await?, user, event).await
    }

    async fn user_set_password(&self, id: &str, password_hash: &str, event: AuditEvent) -> Result<(), StoreError> {
        users::set_password(self.write().await?, id, password_hash, event).await
    }

    async fn user_set_role(&self, id: &str, role: Role, event: AuditEvent) -> Result<(), StoreError> {
        users::set_role(self.write().await?, id, role, event).await
    }

    async fn user_set_scope(&self, id: &str, scope: Option<&str>, event: AuditEvent) -> Result<(), StoreError> {
        users::set_scope(self.write().await?, id, scope, event).await
    }

    async fn user_set_disabled(&self, id: &str, disabled: bool, event: AuditEvent) -> Result<(), StoreError> {
        users::set_disabled(self.write().await?, id, disabled, event).await
    }

    async fn user_signed_in(&self, id: &str, at: Timestamp, event: AuditEvent) -> Result<(), StoreError> {
        users::signed_in(self.write().await?, id, at, event).await
    }

    async fn session_user(&self, key: &str, now: Timestamp) -> Result<Option<User>, StoreError> {
        sessions::user(&self.pool, key, now).await
    }

    async fn sessions(&self, user_id: Option<&str>, now: Timestamp) -> Result<Vec<StoredSession>, StoreError> {
        sessions::alive(&self.pool, user_id, now).await
    }

    async fn session_delete(&self, key: &str, event: AuditEvent) -> Result<bool, StoreError> {
        sessions::delete(self.write().await?, key, event).await
    }

    async fn sessions_delete(&self, user_id: &str, except: Option<&str>, event: AuditEvent) -> Result<(), StoreError> {
        sessions::delete_all(self.write().await?, user_id, except, event).await
    }

    async fn token_create(&self, token: &StoredToken, event: AuditEvent) -> Result<(), StoreError> {
        tokens::create(self.write().await?, token, event).await
    }

    async fn token_user(&self, key: &str, now: Timestamp) -> Result<Option<(StoredToken, User)>, StoreError> {
        tokens::user(&self.pool, key, now).await
    }

    async fn tokens(&self, user_id: Option<&str>) -> Result<Vec<StoredToken>, StoreError> {
        tokens::all(&self.pool, user_id).await
    }

    async fn token_delete(&self, key: &str, event: AuditEvent) -> Result<bool, StoreError> {
        tokens::delete(self.write().await?, key, event).await
    }

    async fn token_used(&self, key: &str, at: Timestamp) -> Result<(), StoreError> {
        tokens::used(self.write().await?, key, at).await
    }

    async fn searches(&self, user_id: &str) -> Result<Searches, StoreError> {
        searches::all(&self.pool, user_id).await
    }

    async fn search_save(&self, user_id: &str, search: &SavedSearch, event: AuditEvent) -> Result<(), StoreError> {
        searches::save(self.write().await?, user_id, search, event).await
    }

    async fn search_delete(&self, user_id: &str, id: &str, event: AuditEvent) -> Result<bool, StoreError> {
        searches::delete(self.write().await?, user_id, id, event).await
    }

    async fn search_used(&self, user_id: &str, id: &str, at: Timestamp) -> Result<(), StoreError> {
        searches::used(self.write().await?, user_id, id, at).await
    }

    async fn search_made(&self, user_id: &str, query: &str, at: Timestamp, keep: usize) -> Result<(), StoreError> {
        searches::made(self.write().await?, user_id, query, at, keep).await
    }

    async fn audit_append(&self, event: AuditEvent) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        write.audit(event).await?;
        write.commit().await
    }

    async fn audit_read(&self, after: i64, limit: i64) -> Result<Vec<AuditRecord>, StoreError> {
        audit::read(&self.pool, after, limit).await
    }
}

/// A stored value that no version of ours wrote, or an object that is not there.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("unknown {what} `{value}` in the database")]
    Unknown { what: &'static str, value: String },
    #[error("no user has the id `{0}`")]
    NoUser(String),
    #[error("another change has been running for five seconds")]
    Busy,
}

impl From<Broken> for StoreError {
    fn from(broken: Broken) -> Self {
        Self::Other(Box::new(broken))
    }
}

/// What a failed statement means to the caller.
fn failed(error: sqlx::Error) -> StoreError {
    // SQLite: SQLITE_FULL, and SQLITE_IOERR_SHMSIZE (19·256 + 10), which is a full disk met while the WAL index grows.
    // Postgres: disk_full. <https://sqlite.org/rescode.html>, <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    let code = error.as_database_error().and_then(|error| error.code());
    if matches!(code.as_deref(), Some("13" | "4874" | "53100")) { StoreError::Full } else { StoreError::Other(Box::new(error)) }
}

/// Postgres refuses NUL inside TEXT: what came from outside (a tried user name, a header) must not turn into a failure by it.
fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests;
