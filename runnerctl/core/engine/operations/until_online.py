"""Whether a runner that was started takes jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.documents import LISTENERS_WORD
from ...domain.durations import shown
from ...domain.errors import BackendFailed, DeadlineExceeded
from ...domain.models import Runner
from ...domain.observation import Observation, Outcome, Phase
from ...domain.states import Desired, RunnerState
from ..observing import seconds_to_restart

if TYPE_CHECKING:
    from ...services import Services

SETTLE_SECONDS = 0.25
"""GitHub registers a version that is too old, and lets it say *Listening for Jobs*; its first poll is refused."""
_STUCK_SECONDS = 2.0
"""One whose processes have ended and about which nobody does anything for so long is not waited for."""


class Online:
    """Asked again and again about one runner, from its start on.

    One that is not online after ``timeout`` seconds is no failure if it ``may_be_late``: then it goes on trying.
    """

    def __init__(self, services: Services, runner: Runner, *, timeout: float, may_be_late: bool = False) -> None:
        self._services = services
        self._name = runner.name
        self._timeout = timeout
        self._may_be_late = may_be_late
        self._deadline = services.clock.monotonic() + timeout
        self._listening_since: float | None = None
        self._stuck: tuple[int, float] | None = None

    def is_reached(self, runner: Runner) -> bool:
        """It listens and was not sent away at once, or had a job; or it is late, and may be.

        Raises ``BackendFailed`` with the reason when it ended, ``DeadlineExceeded`` when it takes too long.
        """
        backend, handle = self._services.backends.reach(runner)
        seen = backend.observe(handle)
        if self._listens(seen) or (seen.gone and _served(seen)):
            return True
        if seen.gone:
            self._check_goes_on(runner, seen)
        elif self._services.clock.monotonic() >= self._deadline and self._listening_since is None:
            return self._late(seen)
        return False

    def seconds_left(self) -> float:
        """Until time alone may have changed the answer; never none, as the processes may have to be seen to."""
        now = self._services.clock.monotonic()
        since = self._listening_since
        return max(0.02, self._deadline - now if since is None else since + SETTLE_SECONDS - now)

    def _late(self, seen: Observation) -> bool:
        if self._may_be_late:
            return True
        why = seen.error and f"{seen.error} ({LISTENERS_WORD})"
        raise DeadlineExceeded(
            f"Runner {self._name!r} was not online after {shown(self._timeout)}" + (f": {why}" if why else ""),
            hint=f"It keeps starting; {{status {self._name}}} shows its state, {{remove {self._name}}} ends it",
        )

    def _listens(self, seen: Observation) -> bool:
        now = self._services.clock.monotonic()
        if not (seen.running and seen.online_at is not None and seen.phase in {Phase.LISTENING, Phase.BUSY}):
            self._listening_since = None
            return False
        if self._listening_since is None:
            self._listening_since = now
        return seen.phase is Phase.BUSY or now - self._listening_since >= SETTLE_SECONDS

    def _check_goes_on(self, runner: Runner, seen: Observation) -> None:
        """One that gets another version, or is started again at once, is waited for; else that is the failure."""
        put_off = _is_put_off(runner)
        again = put_off or seconds_to_restart(self._services, runner) is not None
        if not runner.live or runner.state is RunnerState.STOPPED or runner.last_error is not None or put_off:
            raise _failed(runner, seen, runner.reason or seen.reason, again=again)
        now = self._services.clock.monotonic()
        if self._stuck is None or self._stuck[0] != runner.revision:
            self._stuck = runner.revision, now
        elif now - self._stuck[1] > _STUCK_SECONDS:
            raise _failed(runner, seen, runner.reason or seen.reason, again=again)


def _served(seen: Observation) -> bool:
    """It came to a job, or somebody stopped it: it had been online."""
    return seen.outcome is Outcome.COMPLETED or seen.jobs_run > 0 or (seen.online_at is not None and seen.stop_asked)


def _is_put_off(runner: Runner) -> bool:
    """It is kept and tried again later: GitHub offers nothing that it takes, or cannot be asked."""
    return runner.live and runner.desired is Desired.RUNNING and runner.due is not None


def _failed(runner: Runner, seen: Observation, reason: str | None, *, again: bool) -> BackendFailed:
    when = "before it came online" if seen.online_at is None else "right after it came online"
    stays = "runnerctl starts it again by itself; " if again else ""
    return BackendFailed(
        f"Runner {runner.name!r} ended {when}: {reason or 'no reason was given'}",
        hint=f"{stays}{{logs {runner.name}}} shows its log",
    )
