-- What an account or a token sees: a LogQL selector; NULL: everything.

ALTER TABLE users ADD COLUMN scope TEXT;
ALTER TABLE tokens ADD COLUMN scope TEXT;
