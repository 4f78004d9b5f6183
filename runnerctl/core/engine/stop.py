"""Stopping a runner without removing it, and starting it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..access.grants import TokenLimits
from ..domain.errors import InvalidTransition, RunnerNotFound
from ..domain.models import ProcessId, Runner
from ..domain.observation import Phase
from ..domain.states import WITH_PROCESS, Desired, RunnerState
from ..services import Services
from . import exposure, routed
from .locking import find_runner, lock_runner
from .operation import Operation, Pause
from .plan import WAS_STOPPED
from .reconcile_runner import reconcile_locked
from .steps.launching import start_again

# A Worker reports its job's end as the very last, and nobody else can.
_KILLED = (
    "Its job did not end in time and was killed: GitHub shows it as running until its lease ends, about 10 minutes, "
    'and then as failed ("lost communication with the server")'
)


@dataclass(frozen=True, kw_only=True)
class Stop:
    """How far a stop came."""

    runner: Runner
    draining: bool
    """Its job is finished first; then it stops by itself."""
    warning: str | None = None
    """What GitHub will show of a job that had to be killed."""


def stop_runner(
    services: Services, name: str, *, now: bool = False, limits: TokenLimits | None = None
) -> Operation[Stop]:
    """Stops the processes and keeps registration and directory. A job that runs is finished first, unless ``now``.

    ``limits`` are the caller's, if it is not the operator: a runner that it must not see is not found.
    """
    with lock_runner(services, name):
        runner = _live(services, name, limits)
        if runner.state not in WITH_PROCESS:
            return Stop(runner=_no_longer_wanted(services, runner), draining=False)
        if runner.state is not RunnerState.STOPPING:
            runner = services.store.transition(runner, RunnerState.STOPPING, desired=Desired.STOPPED, reason=None)
        if now:
            routed.interrupt(services, runner)
        else:
            routed.drain(services, runner)
    if not now and (yield from _has_a_job(services, runner)):
        return Stop(runner=runner, draining=True)
    warning = yield from until_gone(services, runner, spares_job=not now)
    with lock_runner(services, name):
        runner = _ended(services, runner)
        return Stop(runner=runner, draining=runner.state is RunnerState.STOPPING, warning=warning)


def _no_longer_wanted(services: Services, runner: Runner) -> Runner:
    """One that rested would have been started again; from now on it is this command that keeps it as it is."""
    rested = runner.state is RunnerState.STOPPED and runner.desired is Desired.RUNNING
    why = {"reason": WAS_STOPPED} if rested else {}
    return services.store.amend(runner, desired=Desired.STOPPED, **why)


def _has_a_job(services: Services, runner: Runner) -> Operation[bool]:
    """Whether it stops later; a job may turn up that was dispatched just before, above all to one just started."""
    if routed.working(services, runner):
        return True
    yield Pause(
        runner_id=runner.id,
        until=lambda: _is_decided(services, runner),
        seconds=services.backends.of(runner).ladder.settle + 1.0,
    )
    return not routed.observe(services, runner).gone and routed.working(services, runner)


def _is_decided(services: Services, runner: Runner) -> bool:
    seen = routed.observe(services, runner)
    return seen.gone or seen.phase is Phase.BUSY


def until_gone(
    services: Services, runner: Runner, *, patience: float | None = None, spares_job: bool = False
) -> Operation[str | None]:
    """Waits for the stop ladder, which the supervisor climbs; what is left after that is killed.

    ``spares_job``: not if a job has turned up. Returns what GitHub will show of a job that was killed.
    """
    ladder = services.backends.of(runner).ladder
    seconds = ladder.interrupt + ladder.terminate + ladder.kill + 1.0 if patience is None else patience
    deadline = services.clock.monotonic() + seconds
    worked = not spares_job and routed.working(services, runner)
    while (left := deadline - services.clock.monotonic()) > 0:
        lost = partial(_is_lost, services, runner, routed.processes(services, runner)[:1])
        yield Pause(runner_id=runner.id, until=lost, seconds=left)
        if routed.observe(services, runner).gone:
            return _KILLED if worked and _is_unsaid(services, runner) else None
        if lost():
            _ask_another(services, runner, spares_job=spares_job)
    working = routed.working(services, runner)
    if working and spares_job:
        return None
    unsaid = working or (worked and _is_unsaid(services, runner))
    routed.kill(services, runner)
    return _KILLED if unsaid else None


def _is_unsaid(services: Services, runner: Runner) -> bool:
    """Its Listener says how a job ended, unless there was no time left for that."""
    return routed.observe(services, runner).last_job_result is None


def _is_lost(services: Services, runner: Runner, asked: Sequence[ProcessId]) -> bool:
    """The supervisor that was asked to stop it has ended, or another has taken its place."""
    return not routed.supervised(services, runner) or routed.processes(services, runner)[:1] != asked


def _ask_another(services: Services, runner: Runner, *, spares_job: bool) -> None:
    """The supervisor that was asked has died, perhaps before it heard of it."""
    with lock_runner(services, runner.name):
        routed.adopt(services, runner)
        if spares_job:
            routed.drain(services, runner)
        else:
            routed.interrupt(services, runner)


def start_runner(services: Services, name: str, *, limits: TokenLimits | None = None) -> Runner:
    """Starts the processes of a stopped runner again; one that runs is left as it is.

    Raises ``Forbidden`` for one that was withdrawn because its repository became public, while it is.
    """
    with lock_runner(services, name):
        runner = _live(services, name, limits)
        if runner.state in WITH_PROCESS and runner.state is not RunnerState.STOPPING:
            return runner
        if runner.state is not RunnerState.STOPPED:
            raise InvalidTransition(f"Runner {name!r} is {runner.state} and cannot be started now")
        if runner.exposed_at is not None:
            exposure.check(services, runner)
            services.store.note_exposures({runner.id: None})
        return start_again(services, runner, desired=Desired.RUNNING, reason=None)


def _live(services: Services, name: str, limits: TokenLimits | None) -> Runner:
    runner = find_runner(services, name, limits)
    if runner.live:
        runner = reconcile_locked(services, runner)
    if not runner.live:
        raise RunnerNotFound(f"Runner {name!r} is not installed any more: {runner.state}", hint="Create it again")
    return runner


def _ended(services: Services, runner: Runner) -> Runner:
    current = services.store.get(runner.id) or runner
    return reconcile_locked(services, current) if current.live else current
