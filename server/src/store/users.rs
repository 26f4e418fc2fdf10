//! Accounts.

use model::{Role, Timestamp};
use ops::{
    access::AuditEvent,
    source::{StoreError, User},
};
use sqlx::{AnyPool, Row, any::AnyRow};

use super::{Broken, failed, text, write::Write};

pub(super) async fn count(pool: &AnyPool) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(pool).await.map_err(failed)?;
    Ok(u64::try_from(count).expect("a count is not negative"))
}

pub(super) async fn by_name(pool: &AnyPool, username: &str) -> Result<Option<User>, StoreError> {
    let select = "SELECT id, username, role, disabled, scope, password_hash, created, last_sign_in FROM users WHERE name_key = $1";
    let row = sqlx::query(select).bind(name_key(username)).fetch_optional(pool).await.map_err(failed)?;
    row.as_ref().map(user).transpose()
}

/// By name.
pub(super) async fn all(pool: &AnyPool) -> Result<Vec<User>, StoreError> {
    let select = "SELECT id, username, role, disabled, scope, password_hash, created, last_sign_in FROM users";
    let rows = sqlx::query(select).fetch_all(pool).await.map_err(failed)?;
    let mut users = rows.iter().map(user).collect::<Result<Vec<_>, _>>()?;
    // Sorted here: the databases' collations differ.
    users.sort_by_cached_key(|user| name_key(&user.username));
    Ok(users)
}

pub(super) async fn create(mut write: Write<'_>, user: &User, event: AuditEvent) -> Result<(), StoreError> {
    let select = "SELECT id FROM users WHERE name_key = $1";
    let taken = sqlx::query(select).bind(name_key(&user.username)).fetch_optional(write.connection()).await.map_err(failed)?;
    if taken.is_some() {
        return Err(StoreError::Taken(user.username.clone()));
    }
    insert(&mut write, user).await?;
    write.audit(event).await?;
    write.commit().await
}

pub(super) async fn create_first(mut write: Write<'_>, user: &User, event: AuditEvent) -> Result<bool, StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(write.connection()).await.map_err(failed)?;
    if count > 0 {
        return Ok(false);
    }
    insert(&mut write, user).await?;
    write.audit(event).await?;
    write.commit().await?;
    Ok(true)
}

async fn insert(write: &mut Write<'_>, user: &User) -> Result<(), StoreError> {
    let insert = "INSERT INTO users (id, username, name_key, role, disabled, password_hash, created, last_sign_in, scope)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    sqlx::query(insert)
        .bind(text(&user.id))
        .bind(text(&user.username))
        .bind(name_key(&user.username))
        .bind(user.role.as_str())
        .bind(i64::from(user.disabled))
        .bind(text(&user.password_hash))
        .bind(user.created.0)
        .bind(user.last_sign_in.map(|at| at.0))
        .bind(user.scope.as_deref().map(text))
        .execute(write.connection())
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn set_password(mut write: Write<'_>, id: &str, password_hash: &str, event: AuditEvent) -> Result<(), StoreError> {
    let update = sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1").bind(text(id)).bind(text(password_hash));
    let done = update.execute(write.connection()).await.map_err(failed)?;
    finish(write, done.rows_affected(), id, event).await
}

pub(super) async fn set_role(mut write: Write<'_>, id: &str, role: Role, event: AuditEvent) -> Result<(), StoreError> {
    if role != Role::Admin {
        keep_an_admin_beside(&mut write, id).await?;
    }
    let update = sqlx::query("UPDATE users SET role = $2 WHERE id = $1").bind(text(id)).bind(role.as_str());
    let done = update.execute(write.connection()).await.map_err(failed)?;
    finish(write, done.rows_affected(), id, event).await
}

pub(super) async fn set_scope(mut write: Write<'_>, id: &str, scope: Option<&str>, event: AuditEvent) -> Result<(), StoreError> {
    let update = sqlx::query("UPDATE users SET scope = $2 WHERE id = $1").bind(text(id)).bind(scope.map(text));
    let done = update.execute(write.connection()).await.map_err(failed)?;
    finish(write, done.rows_affected(), id, event).await
}

pub(super) async fn set_disabled(mut write: Write<'_>, id: &str, disabled: bool, event: AuditEvent) -> Result<(), StoreError> {
    if disabled {
        keep_an_admin_beside(&mut write, id).await?;
        sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(text(id)).execute(write.connection()).await.map_err(failed)?;
    }
    let update = sqlx::query("UPDATE users SET disabled = $2 WHERE id = $1").bind(text(id)).bind(i64::from(disabled));
    let done = update.execute(write.connection()).await.map_err(failed)?;
    finish(write, done.rows_affected(), id, event).await
}

pub(super) async fn signed_in(mut write: Write<'_>, id: &str, at: Timestamp, event: AuditEvent) -> Result<(), StoreError> {
    let update = sqlx::query("UPDATE users SET last_sign_in = $2 WHERE id = $1").bind(text(id)).bind(at.0);
    let done = update.execute(write.connection()).await.map_err(failed)?;
    finish(write, done.rows_affected(), id, event).await
}

/// An audit record of a change that changed nobody would be a lie: without the user nothing is committed.
async fn finish(mut write: Write<'_>, changed: u64, id: &str, event: AuditEvent) -> Result<(), StoreError> {
    if changed == 0 {
        return Err(Broken::NoUser(id.to_owned()).into());
    }
    write.audit(event).await?;
    write.commit().await
}

/// Refuses where `id` is the only enabled administrator.
async fn keep_an_admin_beside(write: &mut Write<'_>, id: &str) -> Result<(), StoreError> {
    let select = sqlx::query_scalar("SELECT id FROM users WHERE role = $1 AND disabled = 0").bind(Role::Admin.as_str());
    let admins: Vec<String> = select.fetch_all(write.connection()).await.map_err(failed)?;
    if admins == [id] { Err(StoreError::LastAdmin) } else { Ok(()) }
}

fn name_key(username: &str) -> String {
    text(username).to_lowercase()
}

/// Needs all columns but `name_key`.
pub(super) fn user(row: &AnyRow) -> Result<User, StoreError> {
    let role: String = row.try_get("role").map_err(failed)?;
    let disabled: i64 = row.try_get("disabled").map_err(failed)?;
    let last_sign_in: Option<i64> = row.try_get("last_sign_in").map_err(failed)?;
    Ok(User {
        id: row.try_get("id").map_err(failed)?,
        scope: row.try_get("scope").map_err(failed)?,
        username: row.try_get("username").map_err(failed)?,
        role: Role::ALL.into_iter().find(|known| known.as_str() == role).ok_or(Broken::Unknown { what: "role", value: role })?,
        disabled: disabled != 0,
        password_hash: row.try_get("password_hash").map_err(failed)?,
        created: Timestamp(row.try_get("created").map_err(failed)?),
        last_sign_in: last_sign_in.map(Timestamp),
    })
}
