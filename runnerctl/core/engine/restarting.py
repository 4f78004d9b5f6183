"""When a persistent runner that ended is started again. Pure.

No time-out, outage or crash ends what is persistent: it stays wanted until a command wants something else.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..domain.models import Event, Runner
from ..domain.states import Desired, RunnerState

S = RunnerState

FIRST_SECONDS = 5.0
MOST_SECONDS = 300.0
LONG_LIFE_SECONDS = 600.0
"""Whoever ran so long ends a row of failures."""
EVENTS = 64
"""So many of the last tell of as many ends as matter."""


def is_wanted(runner: Runner) -> bool:
    """Whether it is to run until somebody says otherwise. One that belongs to a process ends with that process."""
    wanted = runner.desired is Desired.RUNNING and runner.exposed_at is None
    return wanted and runner.daemonize and not runner.ephemeral


def pause(ends: int) -> float:
    """How many seconds it rests after so many ends in a row."""
    return min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(ends - 1, 10)) if ends > 0 else 0.0


def left(runner: Runner, ends: int, now: float) -> float:
    """For one that rests: how many of those seconds are left. A clock that was set back makes nobody wait longer."""
    return max(0.0, pause(ends) - abs(now - runner.changed_at))


def ends_in_a_row(history: Sequence[Event]) -> int:
    """Back to an end that a command wanted, to a start that a command asked for, or to a long life."""
    ends, ended_at = 0, 0.0
    for event in reversed(history):
        if event.new is S.STOPPED:
            if event.old is S.STOPPING:
                break
            ends, ended_at = ends + 1, event.at
        elif _began(event) and (event.reason is None or abs(ended_at - event.at) >= LONG_LIFE_SECONDS):
            break
    return ends


def _began(event: Event) -> bool:
    return event.new is S.STARTING and event.old in {S.STOPPED, S.REGISTERED}
