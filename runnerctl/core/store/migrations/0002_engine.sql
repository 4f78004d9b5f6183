-- What is wanted of a runner beside what is; one sequence of events for all runners; jobs.

ALTER TABLE runner ADD COLUMN how TEXT NOT NULL DEFAULT 'gentle';
ALTER TABLE runner ADD COLUMN wanted_at REAL;
ALTER TABLE runner ADD COLUMN wanted_by TEXT;
ALTER TABLE runner ADD COLUMN wants INTEGER NOT NULL DEFAULT 0;
-- What wants was when its last start began: a wish that it runs is younger than its start if it is more.
ALTER TABLE runner ADD COLUMN started_wants INTEGER NOT NULL DEFAULT 0;
-- Seconds of CLOCK_BOOTTIME in the boot that boot_id names.
ALTER TABLE runner ADD COLUMN deadline REAL;
ALTER TABLE runner ADD COLUMN settle_until REAL;
ALTER TABLE runner ADD COLUMN boot_id TEXT;
-- Where a removal goes back to when GitHub says that a job runs.
ALTER TABLE runner ADD COLUMN back_to TEXT;
ALTER TABLE runner ADD COLUMN back_desired TEXT;
ALTER TABLE runner ADD COLUMN backend TEXT NOT NULL DEFAULT 'process';
ALTER TABLE runner ADD COLUMN host_id TEXT;
-- When the engine looks at it again, by the wall clock; NULL is now. last_error is a JSON object.
ALTER TABLE runner ADD COLUMN due REAL;
ALTER TABLE runner ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runner ADD COLUMN last_error TEXT;
ALTER TABLE runner ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
-- The first of the listings in a row that showed it as offline, since its last start.
ALTER TABLE runner ADD COLUMN offline_since REAL;

UPDATE runner SET backend = coalesce(json_extract(handle, '$.backend'), 'process') WHERE json_valid(handle);
-- A removal or a stop was wanted when it began, and a job is never killed for one that nobody remembers.
UPDATE runner SET wanted_at = CASE WHEN state IN ('removing', 'stopping') THEN changed_at ELSE created_at END;
-- Whether it was to wait for a job is not known, nor what it was before: a job that runs is finished, and it goes then.
UPDATE runner SET desired = 'gone', how = 'drain' WHERE state = 'removing';

-- Counts every write to a row, also one that leaves its revision: what is kept in memory is compared by it.
CREATE TRIGGER runner_changes AFTER UPDATE ON runner BEGIN
    UPDATE runner SET changes = OLD.changes + 1 WHERE seq = NEW.seq;
END;

CREATE TABLE event (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    at         REAL NOT NULL,
    type       TEXT NOT NULL,
    runner_id  TEXT REFERENCES runner (id),
    old        TEXT,
    new        TEXT,
    reason     TEXT,
    data       TEXT
) STRICT;
INSERT INTO event (at, type, runner_id, old, new, reason)
    SELECT at, 'state', runner_id, old, new, reason FROM runner_event ORDER BY id;
DROP TABLE runner_event;
CREATE INDEX event_by_runner ON event (runner_id, seq);

CREATE TABLE job (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    runner_id   TEXT NOT NULL REFERENCES runner (id),
    name        TEXT NOT NULL,
    repository  TEXT,
    workflow    TEXT,
    run_id      TEXT,
    started_at  REAL NOT NULL,
    ended_at    REAL,
    result      TEXT,
    reason      TEXT,
    UNIQUE (runner_id, started_at)
) STRICT;
