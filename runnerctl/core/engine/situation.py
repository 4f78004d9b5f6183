"""What is wanted of one runner and what is seen of it, as the few values that its next step depends on.

Each field has few values, so every combination can be tried (``tests/unit/test_plan_table.py``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from ..domain.states import RunnerState


class Wanted(StrEnum):
    """``desired`` and ``how`` of the row, as one."""

    RUN = "running"
    RESTART = "restarted"
    """Its processes are older than this wish; a job is finished first."""
    RESTART_NOW = "restarted now"
    STOP = "stopped"
    """A job is finished first."""
    STOP_NOW = "stopped now"
    GONE = "gone"
    """Refused while a job runs."""
    GONE_AFTER_JOB = "gone, after its job"
    GONE_NOW = "gone now"
    BACK = "as it was before it was drained"


class Processes(StrEnum):
    UNKNOWN = "unknown"
    """They cannot be seen from here: nothing is done because of that."""
    UNSUPERVISED = "unsupervised"
    """The Listener or a Worker lives, and its supervisor does not."""
    LIVING = "living"
    NONE = "none"


class Made(StrEnum):
    """How far the making of a runner came."""

    NOTHING = "nothing"
    PACKAGE = "package"
    """The package that it needs is on this host."""
    PROVISIONED = "provisioned"
    REGISTERED = "registered"
    """GitHub knows it, and its identity is durable where it will run."""


class Timer(StrEnum):
    UNSET = "not set"
    RUNNING = "running"
    OVER = "over"


class Ended(StrEnum):
    """How the processes ended; only for those that did."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    DELETED = "deleted"
    OUTDATED = "outdated"
    SILENT = "without a word"


class Situation(NamedTuple):
    """One runner at one moment."""

    wanted: Wanted
    state: RunnerState
    processes: Processes
    job: bool = False
    """A job runs, or may run: proven by the kernel."""
    put_off: bool = False
    """The last try of what is next failed, and its time has not come again."""
    held_back: bool = False
    """In its scope nothing is begun without a command for a while."""
    made: Made = Made.NOTHING
    driven: bool = False
    """Whoever asked for it is still there and makes it."""
    started: bool = True
    """Its last start came as far as the row; False: a start began, and nobody wrote down that it was done."""
    ended: Ended = Ended.SILENT
    lasting: bool = False
    """It is wanted until a command says otherwise: persistent, and no process's own."""
    unused: bool = True
    """It had no job."""
    restful: bool = False
    """What ended may be started again later: persistent, or ephemeral and stopped before any job."""
    crashed: bool = False
    """Ephemeral, and its processes died before any job came, though nobody wanted that and GitHub knows it still."""
    crashed_early: bool = False
    """Its processes died without a word soon after their start."""
    late: bool = False
    """It did not come online in time."""
    explained: bool = False
    """Why is written down."""
    lost: bool = False
    """GitHub did not list it twice, a minute apart."""
    offline: bool = False
    """Its Listener lives and waits for jobs, and GitHub showed it as offline twice, a minute apart."""
    exposed: bool = False
    """Its repository has become public, and it may not serve it."""
    changed: bool = False
    """The state that is seen is another than the row's."""
    wished: bool = False
    """The wish that it runs is younger than its rest."""
    renewing: bool = False
    """That wish is that it gets a newer version."""
    rested: bool = True
    """The pause before its next start is over."""
    asked: bool = False
    """Its supervisor was told to end it."""
    unheard: bool = False
    """It was interrupted some seconds ago, and its supervisor says nothing of that."""
    deadline: Timer = Timer.UNSET
    """Of its interruption."""
    overdue: bool = False
    """A gentle stop took too long since its last job."""
    leaving: bool = False
    """The wish to remove it is so young that a Worker may just be leaving."""
    registered: bool = False
    """GitHub may have a registration of it."""
    unregistered: bool = False
    """GitHub has none of it any more, and it is to get another."""
    refused: bool = False
    """GitHub calls it busy, and no job of it can explain that any more."""
    removed: bool = True
    """Somebody asked for its removal; else its life has ended by itself."""
    orphaned: bool = False
    """Clearing its registration failed, or, once its life has ended, its directory; that is kept and tried again."""
    settling: bool = False
    """A job that GitHub handed over just before may still turn up."""
