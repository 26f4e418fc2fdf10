//! Tokens of programs.

use model::{Permission, Timestamp};
use ops::{
    access::AuditEvent,
    source::{StoreError, StoredToken, User},
};
use sqlx::{AnyPool, Row, any::AnyRow};

use super::{Broken, failed, text, users, write::Write};

pub(super) async fn create(mut write: Write<'_>, token: &StoredToken, event: AuditEvent) -> Result<(), StoreError> {
    let select = sqlx::query("SELECT key FROM tokens WHERE user_id = $1 AND name = $2").bind(text(&token.user_id)).bind(text(&token.name));
    if select.fetch_optional(write.connection()).await.map_err(failed)?.is_some() {
        return Err(StoreError::Taken(token.name.clone()));
    }
    let insert =
        "INSERT INTO tokens (key, user_id, name, permissions, created, expires, last_used, scope) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    sqlx::query(insert)
        .bind(text(&token.key))
        .bind(text(&token.user_id))
        .bind(text(&token.name))
        .bind(token.permissions.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" "))
        .bind(token.created.0)
        .bind(token.expires.map(|at| at.0))
        .bind(token.last_used.map(|at| at.0))
        .bind(token.scope.as_deref().map(text))
        .execute(write.connection())
        .await
        .map_err(failed)?;
    write.audit(event).await?;
    write.commit().await
}

/// The token and its owner, where both are good at `now`.
pub(super) async fn user(pool: &AnyPool, key: &str, now: Timestamp) -> Result<Option<(StoredToken, User)>, StoreError> {
    let select = "SELECT t.key, t.user_id, t.name, t.permissions, t.scope AS within, t.created AS made, t.expires, t.last_used,
            u.id, u.username, u.role, u.disabled, u.scope, u.password_hash, u.created, u.last_sign_in
        FROM tokens t JOIN users u ON u.id = t.user_id
        WHERE t.key = $1 AND (t.expires IS NULL OR t.expires > $2) AND u.disabled = 0";
    let row = sqlx::query(select).bind(text(key)).bind(now.0).fetch_optional(pool).await.map_err(failed)?;
    row.as_ref().map(|row| Ok((token(row)?, users::user(row)?))).transpose()
}

/// By owner, then by name; of one owner where `user_id` is given.
pub(super) async fn all(pool: &AnyPool, user_id: Option<&str>) -> Result<Vec<StoredToken>, StoreError> {
    let select = "SELECT t.key, t.user_id, u.username, t.name, t.permissions, t.scope AS within, t.created AS made, t.expires, t.last_used
        FROM tokens t JOIN users u ON u.id = t.user_id WHERE ($1 IS NULL OR t.user_id = $1)";
    let rows = sqlx::query(select).bind(user_id.map(text)).fetch_all(pool).await.map_err(failed)?;
    let mut tokens = rows.iter().map(token).collect::<Result<Vec<_>, _>>()?;
    tokens.sort_by_cached_key(|token| (token.username.to_lowercase(), token.name.clone()));
    Ok(tokens)
}

pub(super) async fn delete(mut write: Write<'_>, key: &str, event: AuditEvent) -> Result<bool, StoreError> {
    let delete = sqlx::query("DELETE FROM tokens WHERE key = $1").bind(text(key));
    if delete.execute(write.connection()).await.map_err(failed)?.rows_affected() == 0 {
        return Ok(false);
    }
    write.audit(event).await?;
    write.commit().await?;
    Ok(true)
}

/// No audit record: it says when a program last came, not that something changed.
pub(super) async fn used(mut write: Write<'_>, key: &str, at: Timestamp) -> Result<(), StoreError> {
    let update = sqlx::query("UPDATE tokens SET last_used = $2 WHERE key = $1").bind(text(key)).bind(at.0);
    update.execute(write.connection()).await.map_err(failed)?;
    write.commit().await
}

fn token(row: &AnyRow) -> Result<StoredToken, StoreError> {
    let field = |name: &str| row.try_get::<String, _>(name).map_err(failed);
    let time = |name: &str| row.try_get::<Option<i64>, _>(name).map(|at| at.map(Timestamp)).map_err(failed);
    let permissions = field("permissions")?;
    let known = |text: &str| Permission::ALL.into_iter().find(|one| one.as_str() == text);
    Ok(StoredToken {
        key: field("key")?,
        scope: row.try_get("within").map_err(failed)?,
        user_id: field("user_id")?,
        username: field("username")?,
        name: field("name")?,
        permissions: permissions
            .split_whitespace()
            .map(|text| known(text).ok_or_else(|| Broken::Unknown { what: "permission", value: text.to_owned() }))
            .collect::<Result<_, _>>()?,
        created: Timestamp(row.try_get("made").map_err(failed)?),
        expires: time("expires")?,
        last_used: time("last_used")?,
    })
}
