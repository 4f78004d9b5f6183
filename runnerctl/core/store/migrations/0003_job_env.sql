-- Variables that a runner's create gave to its jobs, as a JSON object; NULL: none.

ALTER TABLE runner ADD COLUMN env TEXT;
