//! The one way to change something together with its audit record. All of these run one after the other, over all processes:
//! whatever is read inside (the last record, the number of administrators) is still true at the commit.

use ops::{
    access::{AuditEvent, GENESIS, chain_hash},
    source::StoreError,
};
use sqlx::{Any, AnyConnection, Executor, Row, pool::PoolConnection};
use tokio::{sync::MutexGuard, time::timeout};

use super::{Broken, Kind, PATIENCE, SqlStore, failed, text};

/// An open transaction; dropped without [`Write::commit`] it leaves nothing behind.
///
/// Not `sqlx::Transaction`: where its rollback fails (SQLite has rolled back by itself when the disk is full) or its `BEGIN` is
/// abandoned half-way (a client hangs up), the connection goes back to the pool with a transaction open and blocks everybody.
/// Here a connection goes back only after a `COMMIT` that worked; any other is closed, which the database takes for a rollback.
pub(super) struct Write<'a> {
    /// `None` only on the way out.
    connection: Option<PoolConnection<Any>>,
    _turn: MutexGuard<'a, ()>,
}

impl SqlStore {
    pub(super) async fn write(&self) -> Result<Write<'_>, StoreError> {
        let turn = timeout(PATIENCE, self.turn.lock()).await.map_err(|_| Broken::Busy)?;
        let connection = self.pool.acquire().await.map_err(failed)?;
        let mut write = Write { connection: Some(connection), _turn: turn };
        let begin = match self.kind {
            // A deferred transaction would read first and find out at its first write that somebody else was faster.
            Kind::Sqlite => "BEGIN IMMEDIATE",
            // The lock before any read, so that the snapshot is younger than the lock. Readers are not held up.
            Kind::Postgres => "BEGIN; LOCK TABLE audit IN EXCLUSIVE MODE",
        };
        write.connection().execute(begin).await.map_err(failed)?;
        Ok(write)
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        // Open → (Committed: taken out before) | Closed
        drop(self.connection.take().map(PoolConnection::detach));
    }
}

impl Write<'_> {
    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        self.connection.as_mut().expect("taken out at the end only")
    }

    /// Puts the event at the end of the chain.
    pub(super) async fn audit(&mut self, event: AuditEvent) -> Result<(), StoreError> {
        let last =
            sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(self.connection()).await.map_err(failed)?;
        let (seq, prev) = match last {
            Some(row) => (row.try_get::<i64, _>("seq").map_err(failed)? + 1, row.try_get("hash").map_err(failed)?),
            None => (1, GENESIS.to_owned()),
        };
        let event = storable(event);
        let hash = chain_hash(&prev, seq, &event);
        let insert = "INSERT INTO audit (seq, at, actor, address, request_id, action, target, outcome, detail, prev, hash)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        sqlx::query(insert)
            .bind(seq)
            .bind(event.at.0)
            .bind(event.actor)
            .bind(event.address)
            .bind(event.request_id)
            .bind(event.action)
            .bind(event.target)
            .bind(event.outcome.as_str())
            .bind(event.detail)
            .bind(prev)
            .bind(hash)
            .execute(self.connection())
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// When this answers, the change is on disk.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.connection().execute("COMMIT").await.map_err(failed)?;
        drop(self.connection.take());
        Ok(())
    }
}

/// The event as it will be read back: the hash is taken over what is stored.
fn storable(mut event: AuditEvent) -> AuditEvent {
    let AuditEvent { actor, address, request_id, action, target, detail, at: _, outcome: _ } = &mut event;
    for field in [actor, address, request_id, action, target, detail] {
        *field = text(field);
    }
    event
}
