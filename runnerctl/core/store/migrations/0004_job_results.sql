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
