//! From a URL to a database that is there, private, and of our version.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::{
    AnyConnection, AnyPool, Executor,
    any::AnyPoolOptions,
    migrate::{MigrateError, Migrator},
    sqlite::SqliteConnectOptions,
};
use tokio::sync::Mutex;

use super::{Kind, PATIENCE, SqlStore};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Per connection. `synchronous = FULL` and not `NORMAL`: in WAL mode `NORMAL` does not sync at the commit, so a power cut takes
/// back the last answers, and an acknowledged change must be on disk. That costs one fsync per write, of which a console has few.
/// `busy_timeout` first: switching to WAL already needs a lock. It is [`PATIENCE`] in milliseconds.
const SQLITE_SETTINGS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 16777216";

/// `lock_timeout` is [`PATIENCE`]; a server set to acknowledge before its disk has the change is told otherwise.
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '5s'; SET synchronous_commit = on";

/// The insert trigger also stops `INSERT OR REPLACE`, which deletes without asking the delete trigger.
const SQLITE_GUARD: &str = "
    CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS audit_no_replace BEFORE INSERT ON audit
        WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
        BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;";

const POSTGRES_GUARD: &str = "
    CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'audit is append-only'; END $$;
    DROP TRIGGER IF EXISTS audit_append_only ON audit;
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();";

/// Why a database is not opened. Never repeats the URL, which may carry a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database URL must begin with `sqlite:` or `postgres:`")]
    Scheme,
    #[error("a `sqlite:` URL takes a path and nothing else: no options, no `:memory:`")]
    SqliteUrl(#[source] Option<sqlx::Error>),
    #[error("cannot prepare {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    #[error("the database is of a newer docaiche: it has migration {found}, this version knows up to {known}; start that version again")]
    Newer { found: i64, known: i64 },
    #[error("cannot bring the database to this version")]
    Migrate(#[source] MigrateError),
}

impl SqlStore {
    /// Opens the database, creating a SQLite file (0600) and its directory (0700) where there is none, and migrates it.
    ///
    /// `sqlite:path`, `sqlite:///path` (percent-encoded), or `postgres://user:password@host/name?sslmode=…`.
    ///
    /// # Errors
    /// [`OpenError`]; a database that a newer version has migrated is refused untouched.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let kind = match url.split_once(':') {
            Some(("sqlite", _)) => Kind::Sqlite,
            Some(("postgres" | "postgresql", _)) => Kind::Postgres,
            _ => return Err(OpenError::Scheme),
        };
        // SQLite has one writer: more connections only help readers.
        let (url, settings, size) = match kind {
            Kind::Sqlite => (sqlite_file(url)?, SQLITE_SETTINGS, 4),
            Kind::Postgres => (url.to_owned(), POSTGRES_SETTINGS, 8),
        };
        let options = AnyPoolOptions::new().max_connections(size).acquire_timeout(PATIENCE).after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(settings).await?;
                Ok(())
            })
        });
        let pool = options.connect(&url).await.map_err(OpenError::Connect)?;
        if let Err(error) = migrate(&pool, kind).await {
            pool.close().await;
            return Err(error);
        }
        Ok(Self { pool, kind, turn: Mutex::default() })
    }
}

/// Makes the file, and answers a URL that means it from every working directory.
fn sqlite_file(url: &str) -> Result<String, OpenError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|error| OpenError::SqliteUrl(Some(error)))?;
    let path = options.get_filename();
    let name = path.file_name().filter(|_| !url.contains('?') && !url.contains(":memory:")).ok_or(OpenError::SqliteUrl(None))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = |source| OpenError::File { path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(file)?;
    // `create_new`, because to open and close a database file that this process already uses would drop SQLite's locks on it:
    // <https://sqlite.org/howtocorrupt.html> §2.2. The -wal and -shm beside it take over its mode.
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path).map_err(file)?.permissions().mode();
            if mode & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)).map_err(file)?;
            }
        }
        Err(error) => return Err(file(error)),
    }
    let path = fs::canonicalize(dir).map_err(file)?.join(name);
    let path = path.to_str().ok_or(OpenError::SqliteUrl(None))?;
    let mut url = "sqlite:".to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(url)
}

async fn migrate(pool: &AnyPool, kind: Kind) -> Result<(), OpenError> {
    match kind {
        Kind::Sqlite => {
            // One transaction around all: two processes that start at once would otherwise both create the tables.
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(OpenError::Connect)?;
            run(&mut transaction).await?;
            transaction.execute(SQLITE_GUARD).await.map_err(OpenError::Connect)?;
            transaction.commit().await.map_err(OpenError::Connect)
        }
        Kind::Postgres => {
            let mut connection = pool.acquire().await.map_err(OpenError::Connect)?;
            // Takes an advisory lock by itself.
            run(&mut connection).await?;
            drop(connection);
            let mut transaction = pool.begin().await.map_err(OpenError::Connect)?;
            transaction.execute("LOCK TABLE audit IN EXCLUSIVE MODE").await.map_err(OpenError::Connect)?;
            // Making a trigger waits for every reader: not again at each start.
            let select =
                "SELECT COUNT(*) FROM pg_trigger WHERE tgname = 'audit_append_only' AND tgrelid = 'audit'::regclass AND tgenabled = 'O'";
            let there: i64 = sqlx::query_scalar(select).fetch_one(&mut *transaction).await.map_err(OpenError::Connect)?;
            if there == 0 {
                transaction.execute(POSTGRES_GUARD).await.map_err(OpenError::Connect)?;
            }
            transaction.commit().await.map_err(OpenError::Connect)
        }
    }
}

async fn run(connection: &mut AnyConnection) -> Result<(), OpenError> {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    MIGRATIONS.run_direct(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => OpenError::Newer { found, known },
        error => OpenError::Migrate(error),
    })
}
