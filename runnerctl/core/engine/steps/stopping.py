"""The ways in which processes end because somebody wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.models import Runner
from ...domain.states import Desired, How, RunnerState, may_follow
from .. import observing
from ..plan import ladder, wanted
from ..situation import Wanted
from .removing import begin

if TYPE_CHECKING:
    from ...services import Services
    from ..making import Making
    from ..plan import Action, Seen

_ENDING = frozenset({RunnerState.STOPPING, RunnerState.REMOVING})


def drain_exposed(services: Services, seen: Seen, action: Action, _: Making | None) -> None:
    """A job that runs is finished; after that it rests until somebody starts or removes it."""
    services.store.want(
        seen.runner.id, desired=Desired.STOPPED, how=How.DRAIN, by="policy public repositories", reason=action.reason
    )


def restart(services: Services, seen: Seen, action: Action, _: Making | None) -> None:
    """A wish like a command's, unless somebody has just wanted something else."""
    runner = seen.runner
    services.store.want_restart(runner.id, how=How.DRAIN, by="policy offline", reason=action.reason, wants=runner.wants)


def drain(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    runner = seen.runner
    if runner.state is not RunnerState.REMOVING and may_follow(runner.state, RunnerState.STOPPING):
        runner = services.store.transition(
            runner,
            RunnerState.STOPPING,
            why=runner.reason,
            deadline=None,
            settle_until=services.clock.boottime() + observing.deadlines(services).stop,
            boot_id=services.clock.boot_id(),
        )
    backend, handle = services.backends.reach(runner)
    backend.drain(handle)


def take_back(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    """Its supervisor is told first: whoever dies in between tells it again. What it shows is written down by the next.

    One that is about to end all the same is started again, if it may be.
    """
    runner = seen.runner
    backend, handle = services.backends.reach(runner)
    backend.undrain(handle)
    rested = runner.back_to == RunnerState.STOPPED
    services.store.transition(
        runner,
        RunnerState.STOPPED if rested else RunnerState.STARTING,
        why="Its drain was taken back",
        reason=runner.reason if rested else None,
        deadline=None,
        settle_until=None,
        back_to=None,
    )


def interrupt(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    """Its time is set before it is told, so that whoever comes later kills in time."""
    runner = seen.runner
    if runner.deadline is None or runner.state not in _ENDING:
        runner = _interrupted(services, runner)
    backend, handle = services.backends.reach(runner)
    backend.interrupt(handle)


def _interrupted(services: Services, runner: Runner) -> Runner:
    timed = {
        "deadline": services.clock.boottime() + ladder(runner, observing.deadlines(services)),
        "boot_id": services.clock.boot_id(),
    }
    if wanted(runner) in {Wanted.GONE, Wanted.GONE_AFTER_JOB, Wanted.GONE_NOW}:
        return (
            begin(services, runner, **timed)
            if runner.state is not RunnerState.REMOVING
            else services.store.amend(runner, **timed)
        )
    if may_follow(runner.state, RunnerState.STOPPING):
        return services.store.transition(runner, RunnerState.STOPPING, why=runner.reason, **timed)
    return services.store.amend(runner, **timed)


def kill(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    """What is left; a job that turned up after a gentle wish is finished first."""
    runner = seen.runner
    backend, handle = services.backends.reach(runner)
    if runner.deadline is None and backend.working(handle):
        return
    backend.kill(handle)
