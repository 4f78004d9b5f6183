"""What was seen of a runner's processes: no backend shows anything else."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Phase(StrEnum):
    """What the Listener is doing, by its own lines and by its Worker."""

    STARTING = "starting"
    LISTENING = "listening"
    BUSY = "busy"
    CONNECTING = "connecting"
    """It cannot reach GitHub and tries on: its own word, which a job can forge."""
    UPDATING = "updating"
    STOPPING = "stopping"
    EXITED = "exited"


class Outcome(StrEnum):
    """How the processes ended for good."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    DELETED = "deleted"
    """GitHub has no registration of it any more, and its Listener was told so."""
    OUTDATED = "outdated"
    """GitHub refuses that version of the runner, and it had no job yet or may have more."""


class SeenJob(NamedTuple):
    """A job as its runner's supervisor tells of it; names and origin are the job's own word."""

    name: str
    started_at: float
    ended_at: float | None = None
    result: str | None = None
    """One of ``domain.jobs.RESULTS``."""
    result_from: str | None = None
    reason: str | None = None
    repository: str | None = None
    workflow: str | None = None
    run_id: str | None = None
    run_attempt: str | None = None


class Observation(NamedTuple):
    """What was seen of a runner's processes at one moment."""

    running: bool | None
    """Its Listener or Worker lives; None: that could not be seen, which is no absence."""
    supervised: bool | None
    """Its supervisor lives; None: unknown."""
    pid: int | None
    phase: Phase | None
    """None: nothing was ever started, or nothing is known."""
    job: str | None = None
    job_started_at: float | None = None
    last_job: str | None = None
    last_job_result: str | None = None
    last_job_ended_at: float | None = None
    jobs_run: int = 0
    online_at: float | None = None
    error: str | None = None
    """What the Listener said last of why it is not online, or why nothing could be seen."""
    stop_asked: bool = False
    """It was told to end, now or after its job."""
    ended: bool = False
    """The supervisor finished its work and wrote the last word."""
    outcome: Outcome | None = None
    reason: str | None = None
    crashed: bool = False
    """Its Listener was killed, or died of a fault: nobody meant it to end, and it did not itself."""
    working: bool | None = None
    """A job runs, as far as was seen at no cost; None: ``Backend.working`` proves it."""
    jobs: tuple[SeenJob, ...] = ()
    """The last that ended, oldest first, and the one that runs."""
    unprotected: str | None = None
    """What its jobs are not kept from on this host, though they should be."""
    phase_at: float | None = None
    """Since when it is in that phase."""
    began: float = 0.0
    """When the look began, ``time.time()``; of a list that was kept: when that was asked for. What began before the
    row's last act proves no absence."""

    @property
    def gone(self) -> bool:
        """No process is left and none will be started: seen, not merely not found."""
        return self.running is False and self.supervised is False


NOTHING = Observation(running=False, supervised=False, pid=None, phase=None)
UNKNOWN = Observation(running=None, supervised=None, pid=None, phase=None)
"""Nothing could be seen; ``error`` says why."""
