-- Sessions of browsers. `digest` is that of a cookie's value, which is kept nowhere. A token that is deleted takes its
-- sessions along; `proof` binds one of the operator's to the operator's token, and only the cookie can tell by which.

CREATE TABLE session (
    id            TEXT PRIMARY KEY,
    digest        TEXT NOT NULL UNIQUE,
    token_id      TEXT REFERENCES api_token(id) ON DELETE CASCADE,
    proof         TEXT,
    source        TEXT NOT NULL,
    browser       TEXT NOT NULL,
    created_at    REAL NOT NULL,
    last_used_at  REAL NOT NULL,
    expires_at    REAL NOT NULL,
    CHECK ((token_id IS NULL) <> (proof IS NULL))
) STRICT;

CREATE INDEX session_token ON session(token_id);
