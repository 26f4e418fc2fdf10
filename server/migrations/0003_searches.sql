-- Searches of people: what stands behind `/logs?`. Times in nanoseconds since 1970.

CREATE TABLE saved_searches (
    id      TEXT   NOT NULL PRIMARY KEY,
    user_id TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name    TEXT   NOT NULL,
    query   TEXT   NOT NULL,
    created BIGINT NOT NULL,
    -- NULL: never opened.
    used    BIGINT,
    UNIQUE (user_id, name)
);

CREATE TABLE search_history (
    user_id   TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the query in hexadecimal: the query may be longer than what an index takes.
    query_key TEXT   NOT NULL,
    query     TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (user_id, query_key)
);
