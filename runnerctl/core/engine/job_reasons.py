"""Why a job ended, if not by itself, in words that name whoever ended it."""

from __future__ import annotations

from ..domain import jobs
from ..domain.models import Runner
from ..domain.observation import SeenJob
from ..domain.states import Desired

STOPPED = "its runner was stopped"
"""The supervisor's words: ``runnerctl/supervisor/job.py``."""
CANCELLED = "it was cancelled at GitHub"
LOST = "its processes were killed, and nobody saw how it ended"
_DONE = {Desired.RUNNING: "restarted", Desired.STOPPED: "stopped", Desired.GONE: "removed"}
_BY = {"command": "a command", "request": "a request"}


def explained(job: SeenJob, runner: Runner) -> SeenJob:
    """With its reason; the supervisor knows that the runner was stopped, its row by whom."""
    if job.reason == STOPPED:
        return job._replace(reason=stopped(runner))
    if job.result == jobs.CANCELLED and job.reason is None:
        return job._replace(reason=CANCELLED)
    return job


def stopped(runner: Runner) -> str:
    if runner.wanted_by is None:
        return STOPPED
    by = _BY.get(runner.wanted_by, runner.wanted_by)
    return f"its runner was {_DONE[runner.desired]} by {by}"
