"""Jobs that runners ran: how they ended, whose word that is, and the document of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from .models import Job, RunJob
from .observation import SeenJob
from .timestamps import timestamp

if TYPE_CHECKING:
    from .document_types import EndedJobToldBy, JobDocument, JobToldBy, ListedJob, Result

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
SKIPPED: Final = "skipped"
ABANDONED: Final = "abandoned"
RESULTS: tuple[Result, ...] = (SUCCEEDED, FAILED, CANCELLED, SKIPPED, ABANDONED)
_SAID: dict[str, Result] = {
    "Succeeded": SUCCEEDED,
    "SucceededWithIssues": SUCCEEDED,
    "Failed": FAILED,
    "Canceled": CANCELLED,
    "Skipped": SKIPPED,
    "Abandoned": ABANDONED,
}
"""actions/runner's ``TaskResult``, as its Listener says it."""
LISTENER: Final = "listener"
LOG: Final = "log"
ORIGIN = ("repository", "workflow", "run_id", "run_attempt")


def result(said: object) -> Result | None:
    """None for what is no result: a job can write anything."""
    return _SAID.get(said) if isinstance(said, str) else None


def source(told: object) -> Literal["listener", "log"]:
    """What is not marked is taken for the log's word."""
    return LISTENER if told == LISTENER else LOG


def succeeded(job: Job | SeenJob) -> bool:
    """GitHub counts one that was skipped so, too."""
    return job.result in {SUCCEEDED, SKIPPED}


def shown_result(job: Job | SeenJob) -> str:
    """For people; what only the log says is marked, because a job can forge it."""
    if job.result is None:
        return "running" if job.ended_at is None else "unknown"
    return f"{job.result} by its log" if job.result_from == LOG else job.result


def listed(found: RunJob) -> ListedJob:
    """One of a list of all runners' jobs."""
    return {"id": found.job.id, "runner": found.runner, "scope": found.scope, **document(found.job)}


def document(job: Job | SeenJob) -> JobDocument:
    """``told_by`` says whose word the result, the name and the origin are."""
    ended = job.ended_at
    return {
        "name": job.name,
        "repository": job.repository,
        "workflow": job.workflow,
        "run_id": job.run_id,
        "run_attempt": job.run_attempt,
        "started_at": timestamp(job.started_at),
        "ended_at": timestamp(ended),
        "seconds": None if ended is None else round(max(0.0, ended - job.started_at), 3),
        "result": _known(job.result),
        "reason": job.reason,
        "told_by": _ended_told_by(job),
    }


def told_by(repository: object) -> JobToldBy:
    """Whose word a job's name and origin are: the log's, which a job can forge, and the job's own."""
    return {"name": LOG, "origin": "job" if repository else None}


def _ended_told_by(job: Job | SeenJob) -> EndedJobToldBy:
    whose: Literal["listener", "log"] | None = None if job.result_from is None else source(job.result_from)
    return {"result": whose, **told_by(job.repository)}


def _known(said: str | None) -> Result | None:
    """One that another version has written may be a word that this one does not know."""
    return next((each for each in RESULTS if each == said), None)
