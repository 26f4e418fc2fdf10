//! Searches that people keep, and those they made.

use model::{
    Timestamp,
    searches::{RecentSearch, SavedSearch, Searches},
};
use ops::{access::AuditEvent, source::StoreError};
use sha2::{Digest, Sha256};
use sqlx::{AnyPool, Row};

use super::{failed, text, write::Write};

pub(super) async fn all(pool: &AnyPool, user_id: &str) -> Result<Searches, StoreError> {
    let select = "SELECT id, name, query, created, used FROM saved_searches WHERE user_id = $1";
    let rows = sqlx::query(select).bind(text(user_id)).fetch_all(pool).await.map_err(failed)?;
    let mut saved = rows
        .iter()
        .map(|row| {
            Ok(SavedSearch {
                id: row.try_get("id").map_err(failed)?,
                name: row.try_get("name").map_err(failed)?,
                query: row.try_get("query").map_err(failed)?,
                created: Timestamp(row.try_get("created").map_err(failed)?),
                used: row.try_get::<Option<i64>, _>("used").map_err(failed)?.map(Timestamp),
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    // Sorted here: the databases' collations differ.
    saved.sort_by_cached_key(|search| (search.name.to_lowercase(), search.name.clone()));
    let select = "SELECT query, at FROM search_history WHERE user_id = $1 ORDER BY at DESC, query_key";
    let rows = sqlx::query(select).bind(text(user_id)).fetch_all(pool).await.map_err(failed)?;
    let recent = rows
        .iter()
        .map(|row| Ok(RecentSearch { query: row.try_get("query").map_err(failed)?, at: Timestamp(row.try_get("at").map_err(failed)?) }));
    Ok(Searches { saved, recent: recent.collect::<Result<_, StoreError>>()? })
}

pub(super) async fn save(mut write: Write<'_>, user_id: &str, search: &SavedSearch, event: AuditEvent) -> Result<(), StoreError> {
    let select = sqlx::query("SELECT id FROM saved_searches WHERE user_id = $1 AND name = $2").bind(text(user_id)).bind(text(&search.name));
    if select.fetch_optional(write.connection()).await.map_err(failed)?.is_some() {
        return Err(StoreError::Taken(search.name.clone()));
    }
    sqlx::query("INSERT INTO saved_searches (id, user_id, name, query, created, used) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(text(&search.id))
        .bind(text(user_id))
        .bind(text(&search.name))
        .bind(text(&search.query))
        .bind(search.created.0)
        .bind(search.used.map(|at| at.0))
        .execute(write.connection())
        .await
        .map_err(failed)?;
    write.audit(event).await?;
    write.commit().await
}

pub(super) async fn delete(mut write: Write<'_>, user_id: &str, id: &str, event: AuditEvent) -> Result<bool, StoreError> {
    let delete = sqlx::query("DELETE FROM saved_searches WHERE user_id = $1 AND id = $2").bind(text(user_id)).bind(text(id));
    if delete.execute(write.connection()).await.map_err(failed)?.rows_affected() == 0 {
        return Ok(false);
    }
    write.audit(event).await?;
    write.commit().await?;
    Ok(true)
}

/// No audit record: nothing of the search changes.
pub(super) async fn used(mut write: Write<'_>, user_id: &str, id: &str, at: Timestamp) -> Result<(), StoreError> {
    let update = sqlx::query("UPDATE saved_searches SET used = $3 WHERE user_id = $1 AND id = $2").bind(text(user_id)).bind(text(id));
    update.bind(at.0).execute(write.connection()).await.map_err(failed)?;
    write.commit().await
}

/// No audit record: reading logs is none either.
pub(super) async fn made(mut write: Write<'_>, user_id: &str, query: &str, at: Timestamp, keep: usize) -> Result<(), StoreError> {
    let upsert = "INSERT INTO search_history (user_id, query_key, query, at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id, query_key) DO UPDATE SET at = excluded.at";
    sqlx::query(upsert)
        .bind(text(user_id))
        .bind(hex::encode(Sha256::digest(query)))
        .bind(text(query))
        .bind(at.0)
        .execute(write.connection())
        .await
        .map_err(failed)?;
    let trim = "DELETE FROM search_history WHERE user_id = $1 AND query_key NOT IN
        (SELECT query_key FROM search_history WHERE user_id = $1 ORDER BY at DESC, query_key LIMIT $2)";
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    sqlx::query(trim).bind(text(user_id)).bind(keep).execute(write.connection()).await.map_err(failed)?;
    write.commit().await
}
