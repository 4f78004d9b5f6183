"""Waiting until a runner that was started takes jobs."""

from __future__ import annotations

from ...domain.durations import shown
from ...domain.errors import BackendFailed, DeadlineExceeded, RunnerctlError
from ...domain.models import Runner
from ...domain.observation import Observation, Outcome, Phase
from ...domain.states import WITH_PROCESS
from ...services import Services
from .. import routed
from ..operation import Operation, Pause
from ..reconcile_runner import reconcile_runner, seconds_to_restart

SETTLE_SECONDS = 0.25
"""GitHub registers a version that is too old, and lets it say *Listening for Jobs*; its first poll is refused."""


def until_online(services: Services, runner: Runner, *, timeout: float) -> Operation[None]:
    """Returns when it listens and was not sent away at once, or had a job.

    Raises ``BackendFailed`` with the reason when it ended, ``DeadlineExceeded`` after ``timeout`` seconds.
    """
    deadline = services.clock.monotonic() + timeout
    while True:
        left = max(0.0, deadline - services.clock.monotonic())
        yield Pause(runner_id=runner.id, until=lambda: _is_decided(services, runner), seconds=left)
        seen = routed.observe(services, runner)
        if _listens(seen):
            yield Pause(runner_id=runner.id, until=lambda: _is_settled(services, runner), seconds=SETTLE_SECONDS)
            seen = routed.observe(services, runner)
        if _listens(seen) or (seen.gone and _served(seen)):
            return
        if seen.gone:
            _go_on(services, runner, seen)
        elif services.clock.monotonic() >= deadline:
            raise DeadlineExceeded(
                f"Runner {runner.name!r} was not online after {shown(timeout)}",
                hint="It goes on starting; `runnerctl status` tells how it is",
            )


def _listens(seen: Observation) -> bool:
    return seen.running is True and seen.online_at is not None and seen.phase in {Phase.LISTENING, Phase.BUSY}


def _served(seen: Observation) -> bool:
    """It came to a job, or somebody stopped it: it had been online."""
    return seen.outcome is Outcome.COMPLETED or seen.jobs_run > 0 or (seen.online_at is not None and seen.stop_asked)


def _is_decided(services: Services, runner: Runner) -> bool:
    seen = routed.observe(services, runner)
    return _listens(seen) or seen.gone


def _is_settled(services: Services, runner: Runner) -> bool:
    seen = routed.observe(services, runner)
    return seen.phase is Phase.BUSY or not _listens(seen)


def _go_on(services: Services, runner: Runner, seen: Observation) -> None:
    """Sees to its end. One that got another version, or was started again, is waited for; else that is the failure."""
    try:
        current = reconcile_runner(services, runner.id) or runner
    except RunnerctlError as exc:
        raise _failed(runner, seen, seen.reason, again=False) from exc
    # One that waits for another version is left to the sweeps.
    if current.state not in WITH_PROCESS or routed.observe(services, runner).gone:
        again = seconds_to_restart(services, current) is not None
        raise _failed(runner, seen, current.reason or seen.reason, again=again)


def _failed(runner: Runner, seen: Observation, reason: str | None, *, again: bool) -> BackendFailed:
    when = "before it came online" if seen.online_at is None else "right after it came online"
    stays = "It stays, and is started again by itself; " if again else ""
    return BackendFailed(
        f"Runner {runner.name!r} ended {when}: {reason or 'no reason was given'}",
        hint=f"{stays}`runnerctl logs {runner.name}` shows what it said",
    )
