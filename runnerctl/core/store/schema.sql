-- The store, version 1. Labels are separated by commas: no label holds one.
-- Later versions are steps appended in database.py (MIGRATIONS); this file stays as it is.

CREATE TABLE runner (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    host             TEXT NOT NULL,
    name             TEXT NOT NULL,
    scope            TEXT NOT NULL,
    tenant           TEXT,
    state            TEXT NOT NULL,
    desired          TEXT NOT NULL,
    revision         INTEGER NOT NULL,
    labels           TEXT NOT NULL,
    ephemeral        INTEGER NOT NULL,
    daemonize        INTEGER NOT NULL,
    runner_group     TEXT,
    version          TEXT NOT NULL,
    workdir          TEXT NOT NULL,
    root             TEXT NOT NULL,
    root_device      INTEGER,
    root_inode       INTEGER,
    asked_at         REAL,
    github_id        INTEGER,
    github_status    TEXT,
    github_busy      INTEGER,
    github_seen_at   REAL,
    deregistered_at  REAL,
    handle           TEXT,
    ending           TEXT,
    reason           TEXT,
    job_uid          INTEGER,
    job_gid          INTEGER,
    may_be_public    INTEGER NOT NULL,
    exposed_at       REAL,
    created_at       REAL NOT NULL,
    changed_at       REAL NOT NULL,
    started_at       REAL,
    ended_at         REAL
) STRICT;

-- A name is unique on a host, whatever its scope, while its runner lives.
CREATE UNIQUE INDEX runner_live_name ON runner (host, lower(name))
    WHERE state NOT IN ('completed', 'failed', 'removed');
-- A user is one runner's alone until its life has ended, which is after all that was that user's is gone.
CREATE UNIQUE INDEX runner_live_user ON runner (host, job_uid)
    WHERE state NOT IN ('completed', 'failed', 'removed') AND job_uid IS NOT NULL;
CREATE INDEX runner_by_name ON runner (lower(name), seq);
CREATE INDEX runner_by_state ON runner (state, seq);

CREATE TABLE runner_event (
    id         INTEGER PRIMARY KEY,
    runner_id  TEXT NOT NULL REFERENCES runner (id),
    at         REAL NOT NULL,
    old        TEXT,
    new        TEXT NOT NULL,
    reason     TEXT
) STRICT;
CREATE INDEX runner_event_by_runner ON runner_event (runner_id, id);

-- Registrations that may still exist at GitHub although their runner is gone here.
CREATE TABLE orphan (
    id          INTEGER PRIMARY KEY,
    runner_id   TEXT NOT NULL UNIQUE,
    scope       TEXT NOT NULL,
    name        TEXT NOT NULL,
    labels      TEXT NOT NULL,
    github_id   INTEGER,
    reason      TEXT NOT NULL,
    created_at  REAL NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0,
    next_try_at REAL NOT NULL
) STRICT;

-- Lives that lost their registration and are to be followed by another of their name.
CREATE TABLE replacement (
    runner_id   TEXT PRIMARY KEY REFERENCES runner (id),
    created_at  REAL NOT NULL
) STRICT;

-- Registrations that no command asked for; they are counted by scope.
CREATE TABLE own_registration (
    id          INTEGER PRIMARY KEY,
    scope       TEXT NOT NULL,
    at          REAL NOT NULL
) STRICT;
CREATE INDEX own_registration_by_scope ON own_registration (scope, at);

-- Scopes in which nothing is begun without a command for a while.
CREATE TABLE backoff (
    scope       TEXT PRIMARY KEY,
    until       REAL NOT NULL,
    tries       INTEGER NOT NULL,
    reason      TEXT NOT NULL
) STRICT;

-- Listings of GitHub in a row, far enough apart, that did not hold a registration.
CREATE TABLE absence (
    runner_id   TEXT PRIMARY KEY REFERENCES runner (id),
    times       INTEGER NOT NULL,
    counted_at  REAL NOT NULL
) STRICT;

-- API tokens: never the token, only its SHA-256. Scopes are separated by blanks; limits are a JSON object.
CREATE TABLE api_token (
    id            TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    tenant        TEXT,
    digest        TEXT NOT NULL UNIQUE,
    scopes        TEXT NOT NULL,
    limits        TEXT NOT NULL,
    created_at    REAL NOT NULL,
    expires_at    REAL NOT NULL,
    last_used_at  REAL,
    revoked_at    REAL
) STRICT;
