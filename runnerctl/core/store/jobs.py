"""The jobs that runners ran: when each began and ended, and how."""

from __future__ import annotations

from ..domain.models import EventType, Job
from . import rows
from .events import Events

_SELECT = "SELECT id, runner_id, name, repository, workflow, run_id, started_at, ended_at, result, reason FROM job"


class Jobs(Events):
    """Part of the store."""

    def begin_job(
        self,
        runner_id: str,
        name: str,
        started_at: float,
        *,
        repository: str | None = None,
        workflow: str | None = None,
        run_id: str | None = None,
    ) -> Job:
        """Twice for one runner and start is once: the first says what is kept."""
        values = (runner_id, name, repository, workflow, run_id, started_at)
        with self._transaction() as db:
            made = db.execute(
                "INSERT INTO job (runner_id, name, repository, workflow, run_id, started_at)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (runner_id, started_at) DO NOTHING",
                values,
            ).rowcount
            row = db.execute(f"{_SELECT} WHERE runner_id = ? AND started_at = ?", (runner_id, started_at)).fetchone()
            job = rows.job(row)
            if made:
                data = {"id": job.id, "name": name, "repository": repository, "workflow": workflow, "run_id": run_id}
                self._insert_event(db, EventType.JOB, at=started_at, runner_id=runner_id, data=data)
        self._changed(runner_id)
        return job

    def describe_job(self, job_id: int, *, repository: str, workflow: str, run_id: str) -> None:
        """What the job itself says of where it comes from, which may be told later than its beginning."""
        with self._transaction() as db:
            db.execute(
                "UPDATE job SET repository = ?, workflow = ?, run_id = ? WHERE id = ?",
                (repository, workflow, run_id, job_id),
            )

    def end_job(
        self, runner_id: str, started_at: float, *, ended_at: float, result: str | None, reason: str | None = None
    ) -> None:
        """Twice is once, but that a result that was unknown may come later."""
        with self._transaction() as db:
            done = db.execute(
                "UPDATE job SET ended_at = coalesce(ended_at, ?), result = ?, reason = coalesce(?, reason)"
                " WHERE runner_id = ? AND started_at = ? AND result IS NULL AND (ended_at IS NULL OR ? IS NOT NULL)"
                " RETURNING id, name, ended_at",
                (ended_at, result, reason, runner_id, started_at, result),
            ).fetchall()
            for job_id, name, at in done:
                data = {"id": job_id, "name": name, "ended_at": at, "result": result}
                self._insert_event(db, EventType.JOB, at=at, runner_id=runner_id, data=data, reason=reason)
        self._changed(runner_id)

    def jobs_of(self, runner_id: str) -> list[Job]:
        """Oldest first."""
        return [rows.job(row) for row in self._read(f"{_SELECT} WHERE runner_id = ? ORDER BY id", runner_id)]

    def jobs(self, *, after: int = 0, limit: int = 100) -> list[Job]:
        """Those of all runners, beyond that id, oldest first."""
        return [rows.job(row) for row in self._read(f"{_SELECT} WHERE id > ? ORDER BY id LIMIT ?", after, limit)]
