BEGIN TRANSACTION;
CREATE TABLE absence (
    runner_id   TEXT PRIMARY KEY REFERENCES runner (id),
    times       INTEGER NOT NULL,
    counted_at  REAL NOT NULL
) STRICT;
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
CREATE TABLE backoff (
    scope       TEXT PRIMARY KEY,
    until       REAL NOT NULL,
    tries       INTEGER NOT NULL,
    reason      TEXT NOT NULL
) STRICT;
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
CREATE TABLE own_registration (
    id          INTEGER PRIMARY KEY,
    scope       TEXT NOT NULL,
    at          REAL NOT NULL
) STRICT;
CREATE TABLE replacement (
    runner_id   TEXT PRIMARY KEY REFERENCES runner (id),
    created_at  REAL NOT NULL
) STRICT;
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
INSERT INTO "runner" VALUES(1,'hqu6ajuymt','HOST','from-before','acme/widgets',NULL,'removed','gone',7,'self-hosted,linux,x64,from-before',1,1,NULL,'2.336.0','_work','/srv/runners/from-before',65024,2220119,1.79607122491376614567e+09,1,NULL,NULL,1.79607122494561505321e+09,1.7960712269319725037e+09,'{"backend": "process", "supervisor": {"pid": 9284, "start_ticks": 163716}, "listener": {"pid": 9286, "start_ticks": 163717}, "boot_id": "be625019-d2f5-48af-9781-ccb52dcc05dd", "mark": "cgroup", "cgroup": "/sys/fs/cgroup/unified/runnerctl-hqu6ajuymt"}','removed',NULL,NULL,NULL,0,NULL,1.79607122366699957852e+09,1.79607122719702863699e+09,1.79607122505823612211e+09,1.79607122719702863699e+09);
CREATE TABLE runner_event (
    id         INTEGER PRIMARY KEY,
    runner_id  TEXT NOT NULL REFERENCES runner (id),
    at         REAL NOT NULL,
    old        TEXT,
    new        TEXT NOT NULL,
    reason     TEXT
) STRICT;
INSERT INTO "runner_event" VALUES(1,'hqu6ajuymt',1.79607122366699957852e+09,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(2,'hqu6ajuymt',1.79607122494617867471e+09,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(3,'hqu6ajuymt',1.79607122494617867471e+09,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(4,'hqu6ajuymt',1.79607122652591729167e+09,'starting','removing',NULL);
INSERT INTO "runner_event" VALUES(5,'hqu6ajuymt',1.79607122719702863699e+09,'removing','removed',NULL);
CREATE UNIQUE INDEX runner_live_name ON runner (host, lower(name))
    WHERE state NOT IN ('completed', 'failed', 'removed');
CREATE UNIQUE INDEX runner_live_user ON runner (host, job_uid)
    WHERE state NOT IN ('completed', 'failed', 'removed') AND job_uid IS NOT NULL;
CREATE INDEX runner_by_name ON runner (lower(name), seq);
CREATE INDEX runner_by_state ON runner (state, seq);
CREATE INDEX runner_event_by_runner ON runner_event (runner_id, id);
CREATE INDEX own_registration_by_scope ON own_registration (scope, at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runner',1);
COMMIT;
PRAGMA user_version = 1;
