"""Processes: started, and given a supervisor again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.errors import RunnerctlError
from ...domain.models import Runner
from ...domain.states import UNLAUNCHED, RunnerState

if TYPE_CHECKING:
    from ...services import Services
    from ..making import Making
    from ..plan import Action, Seen


def launch(services: Services, seen: Seen, action: Action, making: Making | None) -> None:
    """Its processes run when this returns. One that cannot be started again rests in ``stopped``."""
    runner = seen.runner
    being_made = making is not None and runner.state is RunnerState.STARTING and runner.started_at is None
    if not being_made:
        runner = _begin(services, runner, action.reason)
    try:
        _launch(services, runner, leased=making is not None and not runner.daemonize)
    except RunnerctlError as exc:
        if not being_made:
            _rest(services, runner, exc)
        raise


def _begin(services: Services, runner: Runner, reason: str | None) -> Runner:
    """Commits that it is being started, on whatever way it comes from."""
    if runner.state in UNLAUNCHED:
        return _half_made(services, runner, reason)
    stopped = () if runner.state is RunnerState.STOPPED else (RunnerState.STOPPED,)
    fresh = {"started_at": None, "deadline": None, "due": None, "reason": reason, "started_wants": runner.wants}
    return services.store.transition(runner, *stopped, RunnerState.STARTING, why=reason, **fresh)


def _half_made(services: Services, runner: Runner, reason: str | None) -> Runner:
    """A persistent one whose maker died between its registration and its start."""
    backend, handle = services.backends.reach(runner)
    registered = () if runner.state is RunnerState.REGISTERED else (RunnerState.REGISTERED,)
    known = backend.accepted(handle)
    github_id = known if isinstance(known, int) and known is not True else runner.github_id
    return services.store.transition(
        runner,
        *registered,
        RunnerState.STARTING,
        why=reason,
        github_id=github_id,
        reason=reason,
        started_wants=runner.wants,
    )


def _launch(services: Services, runner: Runner, *, leased: bool) -> None:
    backend, handle = services.backends.reach(runner)
    handle = backend.launch(handle, leased=leased)
    services.store.amend(runner, handle=handle, started_at=services.clock.now())


def _rest(services: Services, runner: Runner, exc: RunnerctlError) -> None:
    current = services.store.get(runner.id) or runner
    services.store.transition(current, RunnerState.STOPPED, why=exc.message, reason=exc.message)


def adopt(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    """Its supervisor may have died before it heard of the stop: the new one is asked again."""
    runner = seen.runner
    backend, handle = services.backends.reach(runner)
    if not backend.adopt(handle):
        return
    if runner.deadline is not None:
        backend.interrupt(handle)
    elif runner.state is RunnerState.STOPPING or (runner.state is RunnerState.REMOVING and seen.working):
        backend.drain(handle)
