//! The session layer's store. A session is found by the SHA-256 of its id, so that a copy of the database opens no door.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::Row;
use time::OffsetDateTime;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};

use super::{SqlStore, failed, text};
use crate::clock::now;

/// `SHA-256(id as it stands in the cookie)`, in hexadecimal: `StoredSession::key`.
pub fn session_key(id: &Id) -> String {
    hex::encode(Sha256::digest(id.to_string()))
}

/// The session layer over the database.
///
/// Of a record's data, `user` (a user's id, text), `address`, `user_agent` (text), `created` and `last_seen` (nanoseconds, i64)
/// are also kept in columns, where the list of sessions finds them; each may be missing. A session whose user is disabled
/// cannot be created and is not loaded.
#[derive(Clone, Debug)]
pub struct SessionSql(pub Arc<SqlStore>);

#[async_trait]
impl SessionStore for SessionSql {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let columns = Columns::of(record)?;
        let mut write = self.0.write().await.map_err(backend)?;
        if let Some(user_id) = &columns.user_id {
            let select = sqlx::query("SELECT id FROM users WHERE id = $1 AND disabled = 0").bind(user_id);
            if select.fetch_optional(write.connection()).await.map_err(sql)?.is_none() {
                return Err(Error::Backend("the session's user is not there or disabled".to_owned()));
            }
        }
        loop {
            let select = sqlx::query("SELECT key FROM sessions WHERE key = $1").bind(session_key(&record.id));
            if select.fetch_optional(write.connection()).await.map_err(sql)?.is_none() {
                break;
            }
            record.id = Id::default();
        }
        let insert = "INSERT INTO sessions (key, user_id, created, last_seen, expires, address, user_agent, data)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        columns.bind(sqlx::query(insert), &record.id).execute(write.connection()).await.map_err(sql)?;
        write.commit().await.map_err(backend)
    }

    /// Changes a session that is there. One that was ended while a request of it was running stays ended: inserting it again
    /// would undo a logout.
    async fn save(&self, record: &Record) -> Result<()> {
        let update =
            "UPDATE sessions SET user_id = $2, created = $3, last_seen = $4, expires = $5, address = $6, user_agent = $7, data = $8
            WHERE key = $1";
        let columns = Columns::of(record)?;
        columns.bind(sqlx::query(update), &record.id).execute(&self.0.pool).await.map_err(sql)?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let select = "SELECT s.data, s.expires FROM sessions s LEFT JOIN users u ON u.id = s.user_id
            WHERE s.key = $1 AND s.expires > $2 AND (s.user_id IS NULL OR u.disabled = 0)";
        let row = sqlx::query(select).bind(session_key(id)).bind(now().0).fetch_optional(&self.0.pool).await.map_err(sql)?;
        let Some(row) = row else { return Ok(None) };
        let (data, expires): (String, i64) = (row.try_get("data").map_err(sql)?, row.try_get("expires").map_err(sql)?);
        let data = serde_json::from_str(&data).map_err(|error| Error::Decode(error.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(expires.into()).map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let delete = sqlx::query("DELETE FROM sessions WHERE key = $1").bind(session_key(id));
        delete.execute(&self.0.pool).await.map_err(sql)?;
        Ok(())
    }
}

struct Columns {
    user_id: Option<String>,
    created: i64,
    last_seen: i64,
    expires: i64,
    address: String,
    user_agent: String,
    data: String,
}

impl Columns {
    fn of(record: &Record) -> Result<Self> {
        let field = |name: &str| record.data.get(name).and_then(Value::as_str).map(text);
        let time = |name: &str| record.data.get(name).and_then(Value::as_i64).unwrap_or_else(|| now().0);
        Ok(Self {
            user_id: field("user"),
            created: time("created"),
            last_seen: time("last_seen"),
            // Beyond the year 2262 is as good as never.
            expires: i64::try_from(record.expiry_date.unix_timestamp_nanos()).unwrap_or(i64::MAX),
            address: field("address").unwrap_or_default(),
            user_agent: field("user_agent").unwrap_or_default(),
            data: serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))?,
        })
    }

    /// `$1` the key, then the columns in the table's order.
    fn bind<'q>(self, query: Query<'q>, id: &Id) -> Query<'q> {
        query
            .bind(session_key(id))
            .bind(self.user_id)
            .bind(self.created)
            .bind(self.last_seen)
            .bind(self.expires)
            .bind(self.address)
            .bind(self.user_agent)
            .bind(self.data)
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments<'q>>;

fn sql(error: sqlx::Error) -> Error {
    backend(failed(error))
}

fn backend(error: ops::source::StoreError) -> Error {
    // The trait takes text only: the chain is written out here.
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    Error::Backend(text)
}
