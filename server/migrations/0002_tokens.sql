-- Tokens of programs. Times in nanoseconds since 1970.

CREATE TABLE tokens (
    -- SHA-256 of the token in hexadecimal; the token itself is never stored.
    key         TEXT   NOT NULL PRIMARY KEY,
    user_id     TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT   NOT NULL,
    -- Permissions by name, separated by spaces.
    permissions TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    -- NULL: never.
    expires     BIGINT,
    last_used   BIGINT,
    UNIQUE (user_id, name)
);
