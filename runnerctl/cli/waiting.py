"""Waiting for the end of a runner's life."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runnerctl import core
from runnerctl.core import Services
from runnerctl.core.domain.documents import Status
from runnerctl.core.domain.errors import BackendFailed, DeadlineExceeded, Interrupted
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import RunnerState

OBSERVE_SECONDS = 0.1


@contextmanager
def goes_on(hint: str | Callable[[], str]) -> Iterator[None]:
    """After Ctrl-C ``hint`` says what goes on, and which command ends it."""
    try:
        yield
    except KeyboardInterrupt as exc:
        raise Interrupted("Interrupted", hint=hint if isinstance(hint, str) else hint()) from exc


@contextmanager
def terminated_as_interrupted(*numbers: signal.Signals) -> Iterator[None]:
    """SIGTERM, or those signals, do what Ctrl-C does: what was under way clears away what it made."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers or (signal.SIGTERM,)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def until_completed(services: Services, runner: Runner, *, deadline: float | None) -> Status:
    """Waits until its life has ended. Raises ``BackendFailed`` when it did not complete and had no job.

    ``DeadlineExceeded`` at ``deadline`` (monotonic) undoes nothing.
    """
    while (current := ended(services, runner)) is None:
        if deadline is not None and services.clock.monotonic() >= deadline:
            raise DeadlineExceeded(
                f"Runner {runner.name!r} has not completed in time",
                hint=f"It goes on; {{status {runner.name}}} shows its state, {{remove {runner.name}}} ends it",
            )
        services.clock.sleep(OBSERVE_SECONDS)
    status = core.observe(services, current)
    if current.state is not RunnerState.COMPLETED and status.last_job is None:
        raise not_completed(current)
    return status


def ended(services: Services, runner: Runner) -> Runner | None:
    """The runner once no process is left and nothing goes on by itself; None until then."""
    backend, handle = services.backends.reach(runner)
    if not backend.observe(handle).gone:
        return None
    # Its supervisor asks for this too; whoever comes second finds it done.
    current = core.reconcile_runner(services, runner.id) or runner
    rests = current.state is RunnerState.STOPPED and core.seconds_to_restart(services, current) is None
    return current if not current.live or rests else None


def not_completed(runner: Runner) -> BackendFailed:
    reason = f": {runner.reason}" if runner.reason else ""
    return BackendFailed(
        f"Runner {runner.name!r} {_WORDS[runner.state]} before it completed{reason}",
        hint=f"{{logs {runner.name}}} shows its log",
    )


_WORDS = {
    RunnerState.FAILED: "failed",
    RunnerState.REMOVED: "was removed",
    RunnerState.STOPPED: "was stopped",
}
