"""Taking a row's steps in this thread until nothing of it goes on by itself any more, short waits included."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..domain.errors import RunnerBusy
from ..domain.models import Runner
from ..domain.states import RunnerState
from ..host.row_locks import RowHeld
from . import failures
from .advance import Progress, advance
from .asked import Asked

if TYPE_CHECKING:
    from ..services import Services
    from .plan import Action

OBSERVE_SECONDS = 0.02
ENDING = frozenset({RunnerState.REMOVING, RunnerState.STOPPING})


def drive(
    services: Services,
    runner_id: str,
    *,
    wait: float = 30.0,
    absences: Callable[[Runner], int] | None = None,
) -> Progress:
    """Until there is nothing to be done now: a job is not waited for, the end of processes that were told to end is.

    Raises ``RunnerBusy`` when its row stays held for ``wait`` seconds; what a step met is in the progress.
    """
    taken: list[Action] = []
    asked = Asked(services.clock)
    while True:
        progress = _advanced(services, runner_id, asked, wait=wait, absences=absences)
        asked.note(progress)
        taken += progress.taken
        progress.taken = taken
        if progress.error is not None or not _goes_on(progress):
            return progress
        services.clock.sleep(OBSERVE_SECONDS)


def _advanced(
    services: Services, runner_id: str, asked: Asked, *, wait: float, absences: Callable[[Runner], int] | None
) -> Progress:
    deadline = services.clock.monotonic() + wait
    while True:
        try:
            return advance(services, runner_id, absences=absences, may=asked.may)
        except RowHeld:
            if services.clock.monotonic() >= deadline:
                raise RunnerBusy(
                    f"Another command is changing runner {runner_id}", hint="Try again in a moment"
                ) from None
        services.clock.sleep(OBSERVE_SECONDS)


def _goes_on(progress: Progress) -> bool:
    """It ends within a time that is set: its stop ladder, or the time in which a job may still turn up."""
    runner = progress.runner
    if runner is None or runner.state not in ENDING or progress.seconds is None:
        return False
    return runner.due is None or runner.last_error is None or failures.is_of_its_making(runner)
