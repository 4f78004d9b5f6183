-- Answers to requests that had an Idempotency-Key, for a day. `key` is the SHA-256 of the key, `body` that of the body;
-- `runner_ids` are those that it makes, separated by blanks: they are written down before any of them is made. An answer
-- holds no variables of jobs: those are in the runners' rows. None: it was not given yet.

CREATE TABLE idempotency (
    caller      TEXT NOT NULL,
    key         TEXT NOT NULL,
    body        TEXT NOT NULL,
    runner_ids  TEXT NOT NULL,
    at          REAL NOT NULL,
    status      INTEGER,
    location    TEXT,
    answer      BLOB,
    PRIMARY KEY (caller, key)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (at);
