"""The states of a runner's life, and which may follow which.

Only ``store.transition`` moves a runner from one to another, and only along this table.
"""

from __future__ import annotations

from enum import StrEnum


class RunnerState(StrEnum):
    PENDING = "pending"
    """Admitted; nothing but the row exists for certain."""
    REGISTERED = "registered"
    """GitHub knows it."""
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"
    """Asked to stop; a job that runs is finished first."""
    STOPPED = "stopped"
    REMOVING = "removing"
    """Being cleared away: registration, processes, directory. ``ending`` says how its life then ends."""
    COMPLETED = "completed"
    FAILED = "failed"
    REMOVED = "removed"


class Desired(StrEnum):
    """What the last command wants of a runner, kept beside what was observed."""

    RUNNING = "running"
    STOPPED = "stopped"
    GONE = "gone"

    def at_least(self, other: Desired) -> Desired:
        """The one of the two that goes further: running, stopped, gone."""
        return max(self, other, key=tuple(Desired).index)


class How(StrEnum):
    """In which way a stop or a removal is wanted."""

    GENTLE = "gentle"
    """Not if a job runs."""
    DRAIN = "drain"
    """After the job that runs."""
    NOW = "now"
    """Whatever runs."""

    def at_least(self, other: How) -> How:
        """The one of the two that goes further: gentle, drain, now."""
        return max(self, other, key=tuple(How).index)


S = RunnerState

_OBSERVED = frozenset({S.STARTING, S.IDLE, S.BUSY})

TRANSITIONS: dict[RunnerState, frozenset[RunnerState]] = {
    S.PENDING: frozenset({S.REGISTERED, S.REMOVING}),
    S.REGISTERED: frozenset({S.STARTING, S.REMOVING}),
    S.STARTING: frozenset({S.IDLE, S.BUSY, S.STOPPING, S.STOPPED, S.REMOVING}),
    S.IDLE: frozenset({S.STARTING, S.BUSY, S.STOPPING, S.STOPPED, S.REMOVING}),
    S.BUSY: frozenset({S.STARTING, S.IDLE, S.STOPPING, S.STOPPED, S.REMOVING}),
    # Back to a start when its drain is taken back.
    S.STOPPING: frozenset({S.STARTING, S.STOPPED, S.REMOVING}),
    S.STOPPED: frozenset({S.STARTING, S.REMOVING}),
    # Back to an observed state when GitHub says that a job is running after all, or when its drain is taken back.
    S.REMOVING: _OBSERVED | {S.STOPPED, S.STOPPING, S.COMPLETED, S.FAILED, S.REMOVED},
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.REMOVED: frozenset(),
}

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
LIVE = frozenset(TRANSITIONS) - TERMINAL
UNLAUNCHED = frozenset({S.PENDING, S.REGISTERED})
"""No process was started yet: a crash here leaves at most a directory and a registration."""
SERVING = frozenset({S.IDLE, S.BUSY})
"""As it should be: there is nothing to explain."""
WITH_PROCESS = frozenset({S.STARTING, S.IDLE, S.BUSY, S.STOPPING})
"""A process is expected to live."""


def may_follow(old: RunnerState, new: RunnerState) -> bool:
    return new in TRANSITIONS[old]
