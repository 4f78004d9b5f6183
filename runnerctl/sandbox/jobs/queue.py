"""The job queue: which job may run where, and how far each has come."""

from __future__ import annotations

import bisect
import itertools
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..values import Job, Phase, Runner, Scope, Step
from .reports import JobReport

LOST_RUNNER = "The self-hosted runner lost communication with the server."
_HELD = frozenset({Phase.ASSIGNED, Phase.ACKNOWLEDGED, Phase.RUNNING})


class JobLost(Exception):
    """The job is not the caller's (any more)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def fits(job: Job, runner: Runner) -> bool:
    """GitHub schedules by labels alone: every one of ``runs-on`` is among the runner's, without regard to case."""
    wanted = {label.lower() for label in job.runs_on}
    return runner.scope.serves(job.repository) and wanted <= {label.lower() for label in runner.labels}


class JobQueue:
    """Jobs by id. A runner holds at most one at a time."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._reports: dict[int, JobReport] = {}
        self._waiting: list[int] = []
        self._held: dict[int, int] = {}
        self._ids = itertools.count(1)

    def submit(
        self,
        *,
        repository: Scope,
        runs_on: Sequence[str],
        steps: Sequence[Step],
        name: str,
        workflow: str,
        env: Mapping[str, str],
        files: Mapping[str, str],
        event_name: str,
        event: Mapping[str, Any],
        permissions: Mapping[str, str],
        now: float,
    ) -> Job:
        job_id = next(self._ids)
        job = Job(
            id=job_id,
            run_id=9_000_000 + job_id,
            repository=repository,
            name=name,
            workflow=workflow,
            runs_on=tuple(runs_on),
            steps=tuple(steps),
            env=dict(env),
            files=dict(files),
            event_name=event_name,
            event=dict(event),
            permissions=dict(permissions),
            sha=secrets.token_hex(20),
            created_at=now,
        )
        self._jobs[job_id] = job
        self._reports[job_id] = JobReport()
        self._waiting.append(job_id)
        return job

    def get(self, job_id: int) -> Job | None:
        return self._jobs.get(job_id)

    def all(self) -> list[Job]:
        return list(self._jobs.values())

    def report(self, job: Job) -> JobReport:
        """What its runner has told about it."""
        return self._reports[job.id]

    def waiting(self) -> list[Job]:
        """Oldest first."""
        return [self._jobs[job_id] for job_id in self._waiting]

    def held_by(self, runner_id: int) -> Job | None:
        """The job that was handed to this runner and is not completed."""
        job_id = self._held.get(runner_id)
        return None if job_id is None else self._jobs[job_id]

    def holders(self) -> list[Runner]:
        """The runners that hold a job, as they were when they got it."""
        held = [self._jobs[job_id].runner for job_id in self._held.values()]
        return [runner for runner in held if runner is not None]

    def assign(self, job: Job, runner: Runner, *, deadline: float) -> Job:
        self._waiting.remove(job.id)
        self._held[runner.id] = job.id
        return self._put(
            replace(
                job,
                phase=Phase.ASSIGNED,
                runner=runner,
                request_id=str(uuid.uuid4()),
                deadline=deadline,
                assignments=job.assignments + 1,
            )
        )

    def queue_again(self, job: Job) -> Job:
        """Takes an unacknowledged job back."""
        self._release(job)
        bisect.insort(self._waiting, job.id)
        return self._put(replace(job, phase=Phase.QUEUED, runner=None, request_id=None, deadline=None))

    def acknowledge(self, request_id: str, runner_id: int, *, deadline: float) -> Job:
        job = self._assigned(request_id, runner_id)
        if job.phase is not Phase.ASSIGNED:
            return job
        return self._put(replace(job, phase=Phase.ACKNOWLEDGED, deadline=deadline))

    def acquire(self, request_id: str, runner_id: int, *, now: float, deadline: float) -> Job:
        job = self._assigned(request_id, runner_id)
        if job.phase is Phase.RUNNING:
            raise JobLost(409, "The job is running already")
        return self._put(replace(job, phase=Phase.RUNNING, started_at=now, deadline=deadline))

    def renew(self, job: Job, *, deadline: float) -> Job:
        return self._put(replace(job, deadline=deadline))

    def running(self, job_id: int, *, guid: str, plan_id: str) -> Job:
        """The job of that number, if it runs and is known to its runner by these names. Raises JobLost."""
        job = self._jobs[job_id]
        if job.phase is not Phase.RUNNING or (job.guid, job.request_id) != (guid, plan_id):
            raise JobLost(404, "The job is not running on this runner")
        return job

    def complete(self, job: Job, conclusion: str, *, now: float) -> Job:
        self._release(job)
        if job.id in self._waiting:
            self._waiting.remove(job.id)
        return self._put(replace(job, phase=Phase.COMPLETED, conclusion=conclusion, completed_at=now, deadline=None))

    def fail(self, job: Job, reason: str, *, now: float) -> Job:
        """Ends a job whose runner does not answer for it any more."""
        self._reports[job.id].fail(reason)
        return self.complete(job, "failure", now=now)

    def overdue(self, *, now: float) -> list[Job]:
        held = [self._jobs[job_id] for job_id in self._held.values()]
        return [job for job in held if job.deadline is not None and now >= job.deadline]

    def _assigned(self, request_id: str, runner_id: int) -> Job:
        job = self.held_by(runner_id)
        if job is None or job.request_id != request_id or job.phase not in _HELD:
            raise JobLost(404, "The job is not assigned to this runner")
        return job

    def _release(self, job: Job) -> None:
        if job.runner is not None:
            self._held.pop(job.runner.id, None)

    def _put(self, job: Job) -> Job:
        self._jobs[job.id] = job
        return job
