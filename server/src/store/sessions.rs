//! Sessions as the use-cases see them: listed, ended, asked for their user. How they come about is in [`super::tower`].

use model::Timestamp;
use ops::{
    access::AuditEvent,
    source::{StoreError, StoredSession, User},
};
use sqlx::{AnyPool, Row, any::AnyRow};

use super::{SqlStore, failed, text, users, write::Write};

impl SqlStore {
    /// Deletes the sessions that have expired at `now`; answers how many. They are dead before: nothing reads them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn expire(&self, now: Timestamp) -> Result<u64, StoreError> {
        let delete = sqlx::query("DELETE FROM sessions WHERE expires <= $1").bind(now.0);
        Ok(delete.execute(&self.pool).await.map_err(failed)?.rows_affected())
    }
}

pub(super) async fn user(pool: &AnyPool, key: &str, now: Timestamp) -> Result<Option<User>, StoreError> {
    let select = "SELECT u.id, u.username, u.role, u.disabled, u.scope, u.password_hash, u.created, u.last_sign_in
        FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.key = $1 AND s.expires > $2 AND u.disabled = 0";
    let row = sqlx::query(select).bind(text(key)).bind(now.0).fetch_optional(pool).await.map_err(failed)?;
    row.as_ref().map(users::user).transpose()
}

pub(super) async fn alive(pool: &AnyPool, user_id: Option<&str>, now: Timestamp) -> Result<Vec<StoredSession>, StoreError> {
    let select = "SELECT s.key, s.user_id, u.username, s.created, s.last_seen, s.expires, s.address, s.user_agent
        FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.expires > $1 AND ($2 IS NULL OR s.user_id = $2)
        ORDER BY s.created DESC, s.key";
    let rows = sqlx::query(select).bind(now.0).bind(user_id.map(text)).fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(session).collect()
}

pub(super) async fn delete(mut write: Write<'_>, key: &str, event: AuditEvent) -> Result<bool, StoreError> {
    let delete = sqlx::query("DELETE FROM sessions WHERE key = $1").bind(text(key));
    if delete.execute(write.connection()).await.map_err(failed)?.rows_affected() == 0 {
        return Ok(false);
    }
    write.audit(event).await?;
    write.commit().await?;
    Ok(true)
}

pub(super) async fn delete_all(mut write: Write<'_>, user_id: &str, except: Option<&str>, event: AuditEvent) -> Result<(), StoreError> {
    let delete = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR key <> $2)");
    delete.bind(text(user_id)).bind(except.map(text)).execute(write.connection()).await.map_err(failed)?;
    write.audit(event).await?;
    write.commit().await
}

fn session(row: &AnyRow) -> Result<StoredSession, StoreError> {
    let field = |name: &str| row.try_get::<String, _>(name).map_err(failed);
    let time = |name: &str| row.try_get(name).map(Timestamp).map_err(failed);
    Ok(StoredSession {
        key: field("key")?,
        user_id: field("user_id")?,
        username: field("username")?,
        created: time("created")?,
        last_seen: time("last_seen")?,
        expires: time("expires")?,
        address: field("address")?,
        user_agent: field("user_agent")?,
    })
}
