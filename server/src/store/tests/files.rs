use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::*;
use crate::store::{OpenError, PATIENCE};

pub async fn everything_is_there_after_a_reopen(pair: &Pair) {
    let ada = create(&pair.one, "ada", Role::Admin).await;
    pair.one.close().await;
    pair.two.close().await;
    let again = SqlStore::open(&pair.url).await.unwrap();
    assert_eq!(again.users().await.unwrap(), [ada]);
    assert_eq!(actions(&again).await, ["user.create"]);
    again.audit_append(event("next")).await.unwrap();
    assert_eq!(again.audit_verify().await.unwrap().records, 2);
    again.close().await;
}

pub async fn a_newer_database_is_refused(pair: &Pair) {
    let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        SELECT 9000, 'from the future', success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1";
    raw(&pair.one, row).await.unwrap();
    let error = SqlStore::open(&pair.url).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 9000, .. }));
    assert!(error.to_string().starts_with("the database is of a newer docaiche: it has migration 9000, this version knows up to "));
}

pub async fn it_answers_a_ping(pair: &Pair) {
    pair.one.ping().await.unwrap();
    assert!(pair.url.starts_with(pair.one.url_kind()));
    pair.two.close().await;
    assert!(pair.two.ping().await.is_err());
}

/// A Postgres that runs out of space cannot be had in a test: its error can.
pub async fn a_full_postgres_says_so(url: &str) {
    let store = SqlStore::open(url).await.unwrap();
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '53100'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON audit EXECUTE FUNCTION full_disk()";
    raw(&store, full).await.unwrap();
    assert!(matches!(store.user_create(&user("ada", Role::Admin), event("x")).await, Err(StoreError::Full)));
    assert_eq!(store.user_count().await.unwrap(), 0);
    store.close().await;
}

#[tokio::test]
async fn a_full_disk_stops_changes_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let store = SqlStore::open(&format!("sqlite:{}/docaiche.db", dir.path().display())).await.unwrap();
    let ada = create(&store, "ada", Role::Admin).await;
    let long = AuditEvent { detail: "x".repeat(100_000), ..event("long") };
    let grace = User { password_hash: "x".repeat(100_000), ..user("grace", Role::Viewer) };
    for _ in 0..10 {
        limit_pages(&store, 1).await; // SQLite raises it to what the file has
        assert!(matches!(store.audit_append(long.clone()).await, Err(StoreError::Full)));
        limit_pages(&store, 1).await;
        assert!(matches!(store.user_create(&grace, event("user.create")).await, Err(StoreError::Full)));
    }
    assert_eq!(store.users().await.unwrap(), [ada]);
    store.ping().await.unwrap();
    limit_pages(&store, 1_000_000).await;
    store.audit_append(long).await.unwrap();
    assert_eq!(actions(&store).await, ["user.create", "long"]);
    assert_eq!(store.audit_verify().await.unwrap().broken_at, None);
}

/// On all connections: the limit belongs to the connection, and a failed change costs its connection.
async fn limit_pages(store: &SqlStore, pages: u32) {
    let mut connections = Vec::new();
    for _ in 0..store.pool.options().get_max_connections() {
        connections.push(store.pool.acquire().await.unwrap());
    }
    for connection in &mut connections {
        sqlx::raw_sql(&format!("PRAGMA max_page_count = {pages}")).execute(&mut **connection).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_owner_reads_the_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a?b %41#ü/data/docaiche.db");
    let encoded = path.to_str().unwrap().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    let store = SqlStore::open(&format!("sqlite:{encoded}")).await.unwrap();
    create(&store, "ada", Role::Admin).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&path.with_extension(format!("db{suffix}"))), 0o600, "{suffix}");
    }
    store.close().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    SqlStore::open(&format!("sqlite:{encoded}")).await.unwrap().close().await;
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn each_connection_has_our_settings() {
    let dir = TempDir::new().unwrap();
    let store = SqlStore::open(&format!("sqlite:{}/docaiche.db", dir.path().display())).await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut connection = store.pool.acquire().await.unwrap();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
        assert_eq!(journal, "wal");
        let timeout = i64::try_from(PATIENCE.as_millis()).unwrap();
        for (name, value) in [("synchronous", 2), ("busy_timeout", timeout), ("foreign_keys", 1)] {
            let set: i64 = sqlx::query_scalar(&format!("PRAGMA {name}")).fetch_one(&mut *connection).await.unwrap();
            assert_eq!(set, value, "{name}");
        }
        connections.push(connection);
    }
}

#[tokio::test]
async fn bad_urls_are_refused_without_repeating_them() {
    let cases = [
        "mysql://u:hunter2@h/d",
        "",
        "docaiche.db",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:a.db?mode=memory",
        "sqlite:/dev/null/hunter2/x.db",
    ];
    for url in cases {
        let error = SqlStore::open(url).await.unwrap_err();
        assert!(url.starts_with("sqlite:/dev") || !error.to_string().contains("hunter2"), "{error}");
    }
    assert!(matches!(SqlStore::open("postgres://u:hunter2@127.0.0.1:1/d").await, Err(OpenError::Connect(_))));
}
