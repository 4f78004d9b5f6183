"""The jobs of a runner, kept as rows: what its supervisor tells of them, written down with the runner's own state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...domain.models import Runner
    from ...domain.observation import Observation
    from ...services import Services


def note_jobs(services: Services, runner: Runner, seen: Observation) -> None:
    """The one that runs and the last that ended; what was noted before is left as it is."""
    if seen.last_job is not None and seen.last_job_started_at is not None and seen.last_job_ended_at is not None:
        known = {job.started_at: job for job in services.store.jobs_of(runner.id)}.get(seen.last_job_started_at)
        if known is None or known.ended_at is None:
            services.store.begin_job(runner.id, seen.last_job, seen.last_job_started_at)
            services.store.end_job(
                runner.id, seen.last_job_started_at, ended_at=seen.last_job_ended_at, result=seen.last_job_result
            )
    if seen.job is not None and seen.job_started_at is not None:
        services.store.begin_job(runner.id, seen.job, seen.job_started_at)
