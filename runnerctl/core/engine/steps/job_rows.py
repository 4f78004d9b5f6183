"""The jobs of a runner, kept as rows: what its supervisor tells of them, written down under the runner's lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.jobs import LISTENER
from ...domain.observation import SeenJob
from ...store.jobs import news
from ..job_reasons import LOST, explained

if TYPE_CHECKING:
    from ...services import Services
    from ..plan import Seen


def note_jobs(services: Services, seen: Seen) -> None:
    """Whatever is not written down yet; a job whose processes are all gone has ended, if nobody has said how."""
    told = seen.processes.jobs
    if not told:
        return
    runner, store = seen.runner, services.store
    known = {job.started_at: job for job in store.jobs_since(runner.id, min(job.started_at for job in told))}
    for job in (explained(_settled(job, seen), runner) for job in told):
        row = known.get(job.started_at)
        if row is None or news(row, job):
            store.note_job(runner.id, job)
    if seen.processes.gone and not seen.working:
        _end_the_lost(services, seen)


def _settled(job: SeenJob, seen: Seen) -> SeenJob:
    """The Listener of an ephemeral runner ends with its job, and says how: until then a line of the log is no end."""
    if not seen.runner.ephemeral or seen.processes.gone or job.result_from == LISTENER:
        return job
    return job._replace(ended_at=None, result=None, result_from=None, reason=None)


def _end_the_lost(services: Services, seen: Seen) -> None:
    now = services.clock.now()
    for job in services.store.unfinished_jobs(seen.runner.id):
        lost = SeenJob(name=job.name, started_at=job.started_at, ended_at=max(now, job.started_at), reason=LOST)
        services.store.note_job(seen.runner.id, lost)
