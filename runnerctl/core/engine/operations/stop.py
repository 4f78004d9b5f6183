"""Stopping a runner without removing it, starting it again, and both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...domain.errors import BackendFailed, InvalidTransition, RunnerNotFound
from ...domain.models import Runner
from ...domain.observation import Phase
from ...domain.states import LIVE, UNLAUNCHED, WITH_PROCESS, Desired, How, RunnerState
from .. import failures
from ..left_to_server import check_seen
from ..plan import WAS_STOPPED, is_wished
from .find_runner import find_runner
from .may_start import MayStart
from .operation import Operation, Question

if TYPE_CHECKING:
    from ...access.grants import TokenLimits
    from ...services import Services

# A Worker reports its job's end as the very last, and nobody else can.
KILLED = (
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


def has_job(services: Services, runner: Runner) -> bool:
    """Whether a job runs, as its supervisor reports it; where none does, the kernel."""
    backend, handle = services.backends.reach(runner)
    seen = backend.observe(handle)
    if seen.gone:
        return False
    return seen.phase is Phase.BUSY or seen.job is not None


def is_at_work(services: Services, runner: Runner) -> bool:
    """Whether a job runs, told and proven: one that its Listener only told of may never begin."""
    backend, handle = services.backends.reach(runner)
    return has_job(services, runner) and backend.working(handle)


def is_draining(services: Services, runner: Runner) -> bool:
    """It runs a job and knows that it is its last."""
    backend, handle = services.backends.reach(runner)
    return backend.observe(handle).stop_asked and is_at_work(services, runner)


def is_unsaid(services: Services, runner: Runner) -> bool:
    """Its Listener says how a job ended, unless there was no time left for that."""
    backend, handle = services.backends.reach(runner)
    return backend.observe(handle).last_job_result is None


class _OfLiving(Operation[Stop]):
    """A wish about a runner that is there."""

    def __init__(
        self, services: Services, name: str, *, limits: TokenLimits | None = None, by: str = "command"
    ) -> None:
        super().__init__(services)
        self._name = name
        self._limits = limits
        self._by = by
        self._worked = False

    def _found(self) -> Runner:
        runner = find_runner(self.services, self._name, self._limits)
        if runner.live and runner.state is not RunnerState.REMOVING and not _is_lost(self.services, runner):
            check_seen(self.services, runner)
            self.runner_id = runner.id
            return runner
        if runner.live and runner.state is RunnerState.REMOVING:
            raise InvalidTransition(f"Runner {self._name!r} is being removed")
        raise _gone(runner)

    def _current(self) -> Runner:
        runner = self.services.store.get(self.runner_id or "")
        if runner is None:
            raise RunnerNotFound(f"No runner is named {self._name!r}")
        return runner

    def _warning(self, runner: Runner) -> str | None:
        return KILLED if self._worked and is_unsaid(self.services, runner) else None


def _is_lost(services: Services, runner: Runner) -> bool:
    """An ephemeral runner whose processes are gone for good has only not been written down yet."""
    from ..observing import decide
    from ..table import Step

    if runner.state not in WITH_PROCESS or not runner.ephemeral:
        return False
    backend, handle = services.backends.reach(runner)
    return backend.observe(handle).gone and decide(services, runner).step in {Step.COMPLETE, Step.FAIL}


def _gone(runner: Runner) -> RunnerNotFound:
    state = runner.state if not runner.live else RunnerState.COMPLETED
    return RunnerNotFound(f"Runner {runner.name!r} {_ENDS[state]}", hint="Create it again")


_ENDS = {
    RunnerState.COMPLETED: "has completed its job and is gone",
    RunnerState.FAILED: "has failed and is gone",
    RunnerState.REMOVED: "was removed",
}


def _countermanded(runner: Runner) -> InvalidTransition:
    doing = "removing" if runner.desired is Desired.GONE else "stopping"
    return InvalidTransition(f"Another command is {doing} runner {runner.name!r}")


def _taken_back(runner: Runner) -> InvalidTransition:
    return InvalidTransition(f"Another command has started runner {runner.name!r}, or taken its drain back")


def _not_started(runner: Runner) -> BackendFailed:
    return BackendFailed(
        f"Runner {runner.name!r} did not start: {runner.reason or 'no reason was given'}",
        hint=f"{{logs {runner.name}}} shows its log",
    )


class _EndsProcesses(_OfLiving):
    """What ends processes: after the job that runs, or ``now``."""

    def __init__(
        self,
        services: Services,
        name: str,
        *,
        now: bool = False,
        limits: TokenLimits | None = None,
        by: str = "command",
    ) -> None:
        super().__init__(services, name, limits=limits, by=by)
        self._now = now
        self._may = MayStart(services, limits)


class StopRunner(_EndsProcesses):
    """Stops the processes and keeps registration and directory. A job that runs is finished first, unless ``now``.

    ``limits`` are the caller's, if it is not the operator: a runner that it must not see is not found.
    Raises ``InvalidTransition`` for one that is being removed: nothing of it would be kept.
    """

    def begin(self) -> None:
        runner = self._found()
        self._worked = self._now and has_job(self.services, runner)
        how = How.NOW if self._now else How.DRAIN
        # One that rested would have been started again; from now on it is this command that keeps it as it is.
        rested = runner.state is RunnerState.STOPPED and runner.desired is Desired.RUNNING
        self.already = runner.state is RunnerState.STOPPED and not rested
        reason = WAS_STOPPED if rested else None
        self.services.store.want(runner.id, desired=Desired.STOPPED, how=how, by=self._by, reason=reason)

    def outcome(self) -> Stop | None:
        runner = self._current()
        if not runner.live or runner.state is RunnerState.STOPPED:
            return Stop(runner=runner, draining=False, warning=self._warning(runner))
        if runner.desired is Desired.GONE or runner.state in UNLAUNCHED:
            return None
        if runner.desired is Desired.RUNNING:
            raise _taken_back(runner)
        if not self._now and runner.state is RunnerState.STOPPING and is_at_work(self.services, runner):
            return Stop(runner=runner, draining=True)
        if (failure := failures.raised(runner.last_error)) is not None:
            raise failure
        return None


class RestartRunner(_EndsProcesses):
    """Ends its processes, after a job that runs unless ``now``, and starts it again: same registration and directory.

    One that is stopped is started. Raises what ``start`` raises, and ``InvalidTransition`` where a job would be
    cancelled for nothing: an ephemeral runner has no other.
    """

    def begin(self) -> Question | None:
        runner = self._found()
        if runner.state in UNLAUNCHED:
            raise InvalidTransition(f"Runner {self._name!r} is still being created")
        rests = runner.state is RunnerState.STOPPED
        if (question := self._may.question(runner, registered=rests)) is not None:
            return question
        if rests:
            self._may.check_registered(runner)
        self._worked = self._now and has_job(self.services, runner)
        if self._worked and runner.ephemeral:
            raise InvalidTransition(
                f"Runner {self._name!r} is ephemeral and runs its only job",
                hint="Let the job finish, or remove the runner and create it again",
            )
        how = How.NOW if self._now else How.DRAIN
        self.services.store.want_restart(runner.id, how=how, by=self._by)
        return None

    def outcome(self) -> Stop | None:
        runner = self._current()
        if not runner.live:
            raise _gone(runner)
        if runner.desired is not Desired.RUNNING:
            raise _countermanded(runner)
        wished = is_wished(runner)
        if runner.state in WITH_PROCESS and runner.started_at is not None and not wished:
            return Stop(runner=runner, draining=False, warning=self._warning(runner))
        if wished and runner.how is How.GENTLE:
            raise _taken_back(runner)
        if (failure := failures.raised(runner.last_error)) is not None:
            raise failure
        if not self._now and runner.state is RunnerState.STOPPING and is_at_work(self.services, runner):
            return Stop(runner=runner, draining=True)
        if runner.state is RunnerState.STOPPED and not wished:
            raise _not_started(runner)
        return None


_ENDED_BY_ITSELF = frozenset({RunnerState.COMPLETED, RunnerState.FAILED})


def _end_of(runner: Runner) -> RunnerState | None:
    """Of one that is over, or is being cleared away because it is."""
    return runner.ending if runner.live else runner.state


def _ended_soon(runner: Runner) -> Runner:
    """One that was started and whose life was over before anybody looked: its only job is done, or it failed."""
    if _end_of(runner) is RunnerState.FAILED:
        raise _not_started(runner)
    return runner


class StartRunner(Operation[Runner]):
    """Starts the processes of a stopped runner again; one that runs is left as it is.

    ``register``: a persistent one whose registration is gone gets another; else that is ``InvalidTransition``.
    Raises ``Forbidden`` for one that was withdrawn because its repository became public, while it is.
    """

    def __init__(
        self,
        services: Services,
        name: str,
        *,
        register: bool = False,
        limits: TokenLimits | None = None,
        by: str = "command",
    ) -> None:
        super().__init__(services)
        self._name = name
        self._register = register
        self._limits = limits
        self._by = by
        self._may = MayStart(services, limits)

    def begin(self) -> Question | None:
        runner = find_runner(self.services, self._name, self._limits)
        if not runner.live or _is_lost(self.services, runner):
            raise _gone(runner)
        check_seen(self.services, runner)
        self.runner_id = runner.id
        if runner.state in WITH_PROCESS and runner.state is not RunnerState.STOPPING:
            if runner.desired is not Desired.RUNNING:
                raise InvalidTransition(f"Runner {self._name!r} is being stopped and cannot be started now")
            self.already = True
            return None
        if runner.state is not RunnerState.STOPPED:
            raise InvalidTransition(f"Runner {self._name!r} is {runner.state} and cannot be started now")
        if (question := self._may.question(runner)) is not None:
            return question
        if not self._register:
            self._may.check_registered(runner)
        anew = not self._may.is_registered(runner)
        self.services.store.want_running(runner.id, by=self._by, anew=anew)
        return None

    def outcome(self) -> Runner | None:
        runner = self.services.store.get(self.runner_id or "")
        if runner is not None and runner.started_at is not None and _end_of(runner) in _ENDED_BY_ITSELF:
            return _ended_soon(runner)
        if runner is None or runner.state not in LIVE:
            raise RunnerNotFound(f"Runner {self._name!r} has ended", hint="Create it again")
        failure = failures.raised(runner.last_error)
        if failure is not None and runner.started_at is None:
            raise failure
        if runner.state in WITH_PROCESS and runner.started_at is not None:
            return runner
        if runner.desired is not Desired.RUNNING:
            raise _countermanded(runner)
        if runner.state is RunnerState.STOPPED and not is_wished(runner):
            raise _not_started(runner)
        return None


def stop_runner(
    services: Services, name: str, *, now: bool = False, limits: TokenLimits | None = None, by: str = "command"
) -> Operation[Stop]:
    """See ``StopRunner``."""
    return StopRunner(services, name, now=now, limits=limits, by=by)


def restart_runner(
    services: Services, name: str, *, now: bool = False, limits: TokenLimits | None = None, by: str = "command"
) -> Operation[Stop]:
    """See ``RestartRunner``."""
    return RestartRunner(services, name, now=now, limits=limits, by=by)


def start_runner(
    services: Services,
    name: str,
    *,
    register: bool = False,
    limits: TokenLimits | None = None,
    by: str = "command",
) -> Operation[Runner]:
    """See ``StartRunner``."""
    return StartRunner(services, name, register=register, limits=limits, by=by)
