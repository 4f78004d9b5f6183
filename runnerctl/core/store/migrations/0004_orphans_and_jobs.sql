-- What could not be cleared when its runner went: registrations at GitHub, and directories that were set aside here.
-- A number is never used again: whoever forgets an orphan by its number forgets that one.

CREATE TABLE any_orphan (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    runner_id   TEXT NOT NULL,
    kind        TEXT NOT NULL DEFAULT 'registration',
    scope       TEXT NOT NULL,
    name        TEXT NOT NULL,
    labels      TEXT NOT NULL,
    github_id   INTEGER,
    path        TEXT,
    reason      TEXT NOT NULL,
    hint        TEXT,
    created_at  REAL NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0,
    next_try_at REAL NOT NULL,
    UNIQUE (runner_id, kind)
) STRICT;
INSERT INTO any_orphan (id, runner_id, scope, name, labels, github_id, reason, created_at, tries, next_try_at)
    SELECT id, runner_id, scope, name, labels, github_id, reason, created_at, tries, next_try_at FROM orphan;
DROP TABLE orphan;
ALTER TABLE any_orphan RENAME TO orphan;

-- Whose word a job's result is: 'listener' (its exit status) or 'log' (a line, which a job can forge). Results are words
-- of ours; what is none of them was no result.

ALTER TABLE job ADD COLUMN result_from TEXT;
ALTER TABLE job ADD COLUMN run_attempt TEXT;

UPDATE job SET result = CASE result
    WHEN 'Succeeded' THEN 'succeeded'
    WHEN 'SucceededWithIssues' THEN 'succeeded'
    WHEN 'Failed' THEN 'failed'
    WHEN 'Canceled' THEN 'cancelled'
    WHEN 'Skipped' THEN 'skipped'
    WHEN 'Abandoned' THEN 'abandoned'
END;
-- Which of the two told it was not written down then.
UPDATE job SET result_from = 'log' WHERE result IS NOT NULL;
CREATE INDEX job_by_start ON job (started_at);
