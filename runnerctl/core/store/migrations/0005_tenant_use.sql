-- What each tenant costs at GitHub, and how many of its runners in a row came to nothing.
-- `spent` are calls, as many as were left uncounted for at `spent_at`: within an hour the whole budget is there again.

CREATE TABLE tenant_use (
    tenant     TEXT PRIMARY KEY,
    spent      REAL NOT NULL DEFAULT 0,
    spent_at   REAL NOT NULL DEFAULT 0,
    failures   INTEGER NOT NULL DEFAULT 0,
    failed_at  REAL NOT NULL DEFAULT 0
) STRICT;
