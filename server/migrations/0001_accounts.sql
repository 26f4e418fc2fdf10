-- Runs on SQLite and on Postgres as it stands: only BIGINT and TEXT, times in nanoseconds since 1970, ids and hashes as text.

CREATE TABLE users (
    id            TEXT   NOT NULL PRIMARY KEY,
    username      TEXT   NOT NULL,
    -- The lower-cased name: names are unique without regard to case.
    name_key      TEXT   NOT NULL UNIQUE,
    role          TEXT   NOT NULL,
    disabled      BIGINT NOT NULL,
    password_hash TEXT   NOT NULL,
    created       BIGINT NOT NULL,
    last_sign_in  BIGINT
);

CREATE TABLE sessions (
    -- SHA-256 of the cookie's id in hexadecimal; the id itself is never stored.
    key        TEXT   NOT NULL PRIMARY KEY,
    -- NULL before the sign-in.
    user_id    TEXT   REFERENCES users (id) ON DELETE CASCADE,
    created    BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    address    TEXT   NOT NULL,
    user_agent TEXT   NOT NULL,
    -- A JSON object.
    data       TEXT   NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires);

-- Append-only: triggers made at start (their dialects differ) refuse UPDATE and DELETE.
CREATE TABLE audit (
    seq        BIGINT NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    outcome    TEXT   NOT NULL,
    detail     TEXT   NOT NULL,
    prev       TEXT   NOT NULL,
    hash       TEXT   NOT NULL
);
