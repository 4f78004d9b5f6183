"""How an operation is driven by the thread of whoever asked: its own steps, a row that others hold, interruptions."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import BackendFailed, ConfigInvalid, InvalidRequest, RunnerBusy
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import Desired, How
from runnerctl.core.domain.states import RunnerState as S
from runnerctl.core.engine.making import Making
from runnerctl.core.engine.operations.operation import (
    HELD_SECONDS,
    OBSERVE_SECONDS,
    Operation,
    Question,
    drive_to_end,
    finish,
)
from runnerctl.core.host.row_locks import RowLock, row_lock
from tests.support.toy_host import ToyServices


class CountingClock(SystemClock):
    """Time passes only while somebody sleeps; a test may let something happen then."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile()


class Awaited(Operation[str]):
    """Has come when its runner is in one of those states."""

    def __init__(self, services: ToyServices, runner: Runner | None, *states: S) -> None:
        super().__init__(services)  # type: ignore[arg-type]
        self.runner_id = None if runner is None else runner.id
        self._states = states
        self.looks = 0
        self.heard: list[str] = []

    def begin(self) -> None:
        self.heard.append("begin")

    def outcome(self) -> str | None:
        self.looks += 1
        runner = self.services.store.get(self.runner_id or "")
        return None if runner is None or runner.state not in self._states else str(runner.state)

    def interrupted(self, exc: BaseException) -> None:
        self.heard.append(f"interrupted by {type(exc).__name__}")

    def close(self) -> None:
        self.heard.append("close")
        super().close()


@pytest.fixture
def clock() -> CountingClock:
    return CountingClock()


@pytest.fixture
def services(tmp_path: Path, clock: CountingClock) -> Iterator[ToyServices]:
    made = ToyServices(tmp_path, clock=clock)
    yield made
    made.store.close()


def test_what_has_come_already_takes_no_step(services: ToyServices, clock: CountingClock) -> None:
    operation = Awaited(services, services.running("a"), S.STARTING)
    assert finish(operation) == "starting"
    assert (operation.looks, clock.slept, operation.heard) == (1, [], ["begin", "close"])


def test_it_takes_the_steps_that_are_to_be_taken(services: ToyServices, clock: CountingClock) -> None:
    assert finish(Awaited(services, services.running("a"), S.IDLE)) == "idle"
    assert clock.slept == []


def test_what_nothing_is_to_be_done_about_is_looked_at_again_and_again(
    services: ToyServices, clock: CountingClock
) -> None:
    runner = services.running("a")
    finish(Awaited(services, runner, S.IDLE))

    def end() -> None:
        if len(clock.slept) == 5:
            services.backend.shown[runner.id] = services.backend.shown[runner.id]._replace(phase="busy", working=True)

    clock.meanwhile = end
    assert finish(Awaited(services, runner, S.BUSY)) == "busy"
    assert clock.slept == [OBSERVE_SECONDS] * 5


def test_a_refusal_begins_nothing_and_is_told(services: ToyServices) -> None:
    class Refused(Awaited):
        def begin(self) -> None:
            raise InvalidRequest("no such label")

    operation = Refused(services, services.running("a"), S.STARTING)
    with pytest.raises(InvalidRequest, match="no such label"):
        finish(operation)
    assert (operation.looks, operation.heard) == (0, ["interrupted by InvalidRequest", "close"])


class Asking(Awaited):
    """Asks twice, and notes it."""

    def begin(self) -> Question | None:
        self.heard.append("begin")
        return (lambda: self.heard.append("asked")) if self.heard.count("asked") < 2 else None


def test_it_begins_anew_until_nothing_is_left_to_be_asked(services: ToyServices) -> None:
    operation = Asking(services, services.running("a"), S.STARTING)
    assert finish(operation) == "starting"
    assert operation.heard == ["begin", "asked", "begin", "asked", "begin", "close"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BackendFailed("it would not")])
def test_an_interruption_is_told_and_what_was_held_is_given_up(services: ToyServices, error: BaseException) -> None:
    class Interrupted(Awaited):
        def outcome(self) -> str | None:
            raise error

    runner = services.admitted("a")
    operation = Interrupted(services, runner, S.STARTING)
    operation.making = Making(services, runner.id)  # type: ignore[arg-type]
    with pytest.raises(type(error)):
        finish(operation)
    assert operation.heard == ["begin", f"interrupted by {type(error).__name__}", "close"]
    with row_lock(services.row_locks, runner.id):
        pass


def test_a_row_that_another_holds_is_waited_for_and_its_steps_are_seen(
    services: ToyServices, clock: CountingClock
) -> None:
    runner = services.running("a")
    other = RowLock(services.row_locks, runner.id)

    def taken_by_the_other() -> None:
        if len(clock.slept) == 9:
            services.store.transition(runner, S.IDLE)
            other.close()

    clock.meanwhile = taken_by_the_other
    assert finish(Awaited(services, runner, S.IDLE)) == "idle"
    assert len(clock.slept) == 9


def test_a_row_that_another_holds_for_too_long_is_said_to_be_busy(services: ToyServices, clock: CountingClock) -> None:
    runner = services.running("a")
    with row_lock(services.row_locks, runner.id), pytest.raises(RunnerBusy, match="has not finished its step"):
        finish(Awaited(services, runner, S.IDLE))
    assert HELD_SECONDS <= clock.monotonic() < HELD_SECONDS + 1
    assert services.state(runner) is S.STARTING


def test_what_only_this_process_lacks_is_told_at_once_and_keeps_nobody_else_from_trying(services: ToyServices) -> None:
    def no_credentials(_: str) -> None:
        raise ConfigInvalid("No credentials are set")

    services.github.before_delete = no_credentials
    runner = services.running("a")
    services.store.want(runner.id, desired=Desired.GONE, how=How.DRAIN, by="command")
    with pytest.raises(ConfigInvalid, match="No credentials"):
        finish(Awaited(services, runner, S.REMOVED))
    kept = services.store.get(runner.id)
    assert kept is not None
    assert (kept.state, kept.last_error, kept.due) == (S.REMOVING, None, None)


def test_whoever_suspends_the_command_does_it_between_two_steps(services: ToyServices) -> None:
    blocked: list[bool] = []

    def note(_: str) -> None:
        blocked.append(signal.SIGTSTP in signal.pthread_sigmask(signal.SIG_BLOCK, []))

    services.backend.before_observe = note
    finish(Awaited(services, services.running("a"), S.IDLE))
    assert blocked
    assert all(blocked)
    assert signal.SIGTSTP not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_without_a_runner_it_only_looks(services: ToyServices, clock: CountingClock) -> None:
    class Later(Awaited):
        def outcome(self) -> str | None:
            self.looks += 1
            return "now" if self.looks == 3 else None

    assert finish(Later(services, None)) == "now"
    assert clock.slept == [OBSERVE_SECONDS] * 2


def test_what_is_to_be_undone_is_driven_to_the_end_of_its_life(services: ToyServices) -> None:
    runner = services.running("a")
    services.store.want(runner.id, desired=Desired.GONE, how=How.NOW, by="command")
    services.clock.meanwhile = lambda: services.backend.kill(runner.id)  # type: ignore[attr-defined]
    drive_to_end(Awaited(services, runner, S.REMOVED))
    assert services.state(runner) is S.REMOVED
    assert services.github.deleted == [runner.github_id]


def test_what_keeps_it_ends_the_undoing(services: ToyServices) -> None:
    def down(_: str) -> None:
        raise BackendFailed("a mount is in use")

    runner = services.running("a")
    services.store.want(runner.id, desired=Desired.GONE, how=How.NOW, by="command")
    services.backend.shown.clear()
    services.github.before_delete = down
    drive_to_end(Awaited(services, runner, S.REMOVED))
    assert services.state(runner) is S.REMOVING
