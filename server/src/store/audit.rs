//! Reading the audit log, and proving its chain.

use model::Timestamp;
use ops::{
    access::{AuditEvent, AuditRecord, GENESIS, Outcome, chain_hash},
    source::StoreError,
};
use sqlx::{AnyPool, Row, any::AnyRow};

use super::{Broken, SqlStore, failed};

/// Records held at once while the chain is proved; a record is a few hundred bytes.
const PAGE: i64 = 1000;

/// What a walk over the whole chain found. That nothing was cut off at its end, the chain alone cannot say: compare `records`
/// with a number noted elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// Records that hold, counted up to the first that does not.
    pub records: i64,
    /// The number of the first record that was changed, removed or put in.
    pub broken_at: Option<i64>,
}

impl SqlStore {
    /// Walks the chain from its first record.
    ///
    /// # Errors
    /// [`StoreError::Other`] where the database fails; a broken chain is an answer, not an error.
    pub async fn audit_verify(&self) -> Result<AuditCheck, StoreError> {
        let (mut records, mut prev) = (0, GENESIS.to_owned());
        loop {
            let rows = page(&self.pool, records, PAGE).await?;
            if rows.is_empty() {
                // Numbers begin at 1; one below that is outside of every page.
                let outside = sqlx::query("SELECT seq FROM audit WHERE seq < 1 ORDER BY seq LIMIT 1").fetch_optional(&self.pool).await;
                let outside = outside.map_err(failed)?.map(|row| row.try_get("seq")).transpose().map_err(failed)?;
                return Ok(AuditCheck { records, broken_at: outside });
            }
            for row in &rows {
                let next = records + 1;
                match record(row) {
                    Ok(record) if record.seq == next && record.prev == prev && record.hash == chain_hash(&prev, next, &record.event) => {
                        (records, prev) = (next, record.hash);
                    }
                    _ => return Ok(AuditCheck { records, broken_at: Some(next) }),
                }
            }
        }
    }
}

pub(super) async fn read(pool: &AnyPool, after: i64, limit: i64) -> Result<Vec<AuditRecord>, StoreError> {
    page(pool, after, limit.max(0)).await?.iter().map(record).collect()
}

async fn page(pool: &AnyPool, after: i64, limit: i64) -> Result<Vec<AnyRow>, StoreError> {
    let select = "SELECT seq, at, actor, address, request_id, action, target, outcome, detail, prev, hash
        FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
    sqlx::query(select).bind(after).bind(limit).fetch_all(pool).await.map_err(failed)
}

fn record(row: &AnyRow) -> Result<AuditRecord, StoreError> {
    let field = |name: &str| row.try_get::<String, _>(name).map_err(failed);
    let outcome = field("outcome")?;
    let outcome = [Outcome::Done, Outcome::Refused, Outcome::Failed]
        .into_iter()
        .find(|known| known.as_str() == outcome)
        .ok_or(Broken::Unknown { what: "outcome", value: outcome })?;
    Ok(AuditRecord {
        seq: row.try_get("seq").map_err(failed)?,
        event: AuditEvent {
            at: Timestamp(row.try_get("at").map_err(failed)?),
            actor: field("actor")?,
            address: field("address")?,
            request_id: field("request_id")?,
            action: field("action")?,
            target: field("target")?,
            outcome,
            detail: field("detail")?,
        },
        prev: field("prev")?,
        hash: field("hash")?,
    })
}
