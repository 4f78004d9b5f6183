"""A server's engine: whatever happens in a step, every row is worked on, by one thread at a time, and none waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import BackendFailed, DeadlineExceeded, GitHubUnavailable
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import LIVE, Desired, How
from runnerctl.core.domain.states import RunnerState as S
from runnerctl.core.engine import failures
from runnerctl.core.engine.lanes import THREADS, Lane
from runnerctl.core.engine.making import Making
from runnerctl.core.engine.reconciler import Reconciler
from runnerctl.core.host.row_locks import RowLock, is_held
from runnerctl.core.packages.store import REMOVAL_SECONDS
from tests.support.toy_host import RUNS, STOPPED, VERSION, WORKS, Hands, ToyServices

SECONDS = 20.0
"""A test that waits for so long has failed."""


class LeapingClock(SystemClock):
    """Goes on by itself, and leaps when told to."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Engine:
    """A reconciler that works, and what a test wants to hear of it."""

    def __init__(self, services: ToyServices) -> None:
        self.services = services
        self._changed = threading.Condition()
        self._looks: dict[str, int] = {}
        self.after: Callable[[str], None] = lambda _: None
        self.reconciler = Reconciler(services, absences=lambda _: 0, after=self._followed)  # type: ignore[arg-type]

    def _followed(self, runner_id: str) -> None:
        with self._changed:
            self._looks[runner_id] = self._looks.get(runner_id, 0) + 1
            self._changed.notify_all()
        self.after(runner_id)

    def looked_at(self, runner: Runner, times: int = 1) -> None:
        """Returns when that row was in a thread's hands so many times."""
        self.until(lambda: self._looks.get(runner.id, 0) >= times)

    def looks(self, runner: Runner) -> int:
        return self._looks.get(runner.id, 0)

    def rests(self, runner: Runner) -> bool:
        """It waits for another's fetch, in no thread's hands."""
        row = self.reconciler._rows[runner.id]
        return not row.at_work and any(runner.id in waiting for waiting in self.reconciler._fetching.values())

    def reaches(self, runner: Runner, *states: S) -> None:
        self.until(lambda: self.services.state(runner) in states)

    def until(self, holds: Callable[[], bool]) -> None:
        """Asked again after each look of the engine, and now and then: not everything is followed by a look."""
        deadline = time.monotonic() + SECONDS
        with self._changed:
            while not holds():
                assert time.monotonic() < deadline
                self._changed.wait(0.05)

    def leap(self, seconds: float, *, by_way_of: Runner) -> None:
        """Time passes; whoever is put on the queue makes it look at the clock."""
        self.services.clock.ahead += seconds  # type: ignore[attr-defined]
        self.reconciler.enqueue(by_way_of.id)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[ToyServices]:
    made = ToyServices(tmp_path, clock=LeapingClock())
    yield made
    made.store.close()


@pytest.fixture
def engine(services: ToyServices) -> Iterator[Engine]:
    made = Engine(services)
    made.reconciler.start()
    yield made
    made.reconciler.stop()


def removed(services: ToyServices, name: str, how: How = How.DRAIN) -> Runner:
    """One that runs, and that somebody wants to be gone."""
    runner = services.running(name)
    return services.store.want(runner.id, desired=Desired.GONE, how=how, by="command")


@pytest.mark.parametrize("failure", [ValueError("never seen"), RecursionError(), MemoryError(), BackendFailed("gone")])
def test_whatever_a_step_raises_no_thread_dies_of_it_and_its_row_comes_back(
    services: ToyServices, engine: Engine, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [services.running(f"bad{number}") for number in range(THREADS[Lane.LOCAL] + 4)]
    broken = {runner.id for runner in bad}

    def fail(runner_id: str) -> None:
        if runner_id in broken:
            raise failure

    services.backend.before_observe = fail
    with caplog.at_level(logging.CRITICAL):
        for runner in bad:
            engine.reconciler.enqueue(runner.id)
        for runner in bad:
            engine.looked_at(runner)
    good = services.running("good")
    engine.reconciler.enqueue(good.id)
    engine.reaches(good, S.IDLE)
    assert {services.state(runner) for runner in bad} == {S.STARTING}
    assert engine.reconciler.beat.errors == (0 if isinstance(failure, BackendFailed) else len(bad))
    broken.clear()
    engine.leap(11, by_way_of=good)
    for runner in bad:
        engine.reaches(runner, S.IDLE)


def test_a_host_that_lets_us_have_no_thread_now_is_asked_again(
    services: ToyServices, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused = threading.Event()

    def refuse(_: threading.Thread) -> None:
        refused.set()
        raise RuntimeError("can't start new thread")

    runner, other = services.running("a"), services.running("b")
    with monkeypatch.context() as patch, caplog.at_level(logging.CRITICAL):
        patch.setattr(threading.Thread, "start", refuse)
        engine.reconciler.enqueue(runner.id)
        assert refused.wait(SECONDS)
    engine.leap(11, by_way_of=other)
    engine.reaches(runner, S.IDLE)
    engine.reaches(other, S.IDLE)


def test_what_follows_a_step_may_fail_too(services: ToyServices, engine: Engine) -> None:
    def fail(_: str) -> None:
        raise ValueError("a listener of ours")

    engine.after = fail
    for name in ("a", "b"):
        runner = services.running(name)
        engine.reconciler.enqueue(runner.id)
        engine.reaches(runner, S.IDLE)
        engine.reconciler.enqueue(runner.id)
        engine.looked_at(runner, times=2)  # what followed the look before is over then
    assert engine.reconciler.beat.errors >= 2


def test_a_step_that_failed_is_in_its_row_and_is_tried_again_when_it_is_due(
    services: ToyServices, engine: Engine
) -> None:
    runner, other = removed(services, "a"), services.running("b")
    down = True

    def answer(_: str) -> None:
        if down:
            raise GitHubUnavailable("GitHub is down")

    services.github.before_delete = answer
    engine.reconciler.enqueue(runner.id)
    engine.until(lambda: services.store.get(runner.id).last_error is not None)  # type: ignore[union-attr]
    kept = services.store.get(runner.id)
    assert kept is not None
    assert (kept.state, kept.attempts) == (S.REMOVING, 1)
    down = False
    engine.leap(6, by_way_of=other)
    engine.until(lambda: services.github.deleted == [runner.github_id])


def test_a_row_that_a_command_is_at_work_on_comes_back_and_is_waited_for_by_nobody(
    services: ToyServices, engine: Engine
) -> None:
    held, others = (
        services.running("held"),
        [services.running(f"o{number}") for number in range(THREADS[Lane.LOCAL] + 1)],
    )
    lock = RowLock(services.row_locks, held.id)
    engine.reconciler.enqueue(held.id)
    engine.looked_at(held)
    for runner in others:
        engine.reconciler.enqueue(runner.id)
        engine.reaches(runner, S.IDLE)
    assert services.state(held) is S.STARTING
    lock.close()
    engine.reaches(held, S.IDLE)


def test_a_row_is_never_in_two_hands_and_what_is_heard_meanwhile_is_looked_at_after(
    services: ToyServices, engine: Engine
) -> None:
    runner = services.running("a", shown=RUNS)
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: str) -> None:
        inside.set()
        assert go_on.wait(SECONDS)

    hands = services.backend.before_observe = Hands(wait)
    engine.reconciler.enqueue(runner.id)
    assert inside.wait(SECONDS)
    callers = [
        threading.Thread(target=lambda: [engine.reconciler.enqueue(runner.id) for _ in range(50)]) for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(SECONDS)
    services.backend.shown[runner.id] = WORKS  # after that look has begun
    go_on.set()
    engine.reaches(runner, S.BUSY)
    assert hands.most_of_one == 1
    assert hands.calls < 10


def test_many_rows_are_worked_on_side_by_side(services: ToyServices, engine: Engine) -> None:
    together = threading.Barrier(THREADS[Lane.LOCAL])
    services.backend.before_observe = lambda _: together.wait(SECONDS) and None
    runners = [services.running(f"r{number}", shown=STOPPED) for number in range(THREADS[Lane.LOCAL])]
    services.backend.shown.update({runner.id: WORKS for runner in runners})
    for runner in runners:
        engine.reconciler.enqueue(runner.id)
    engine.until(lambda: all(services.state(runner) is S.BUSY for runner in runners) or together.broken)
    assert not together.broken


def test_a_github_that_never_answers_holds_no_row_and_delays_no_local_step(
    services: ToyServices, engine: Engine
) -> None:
    answer, asked = threading.Event(), Hands(lambda _: answer.wait(SECONDS) and None)
    services.github.before_delete = asked
    leaving = [removed(services, f"gone{number}") for number in range(THREADS[Lane.GITHUB] + 8)]
    for runner in leaving:
        engine.reconciler.enqueue(runner.id)
    for runner in leaving:
        engine.reaches(runner, S.REMOVING)
    engine.until(lambda: asked.most == THREADS[Lane.GITHUB])
    # Though GitHub is asked about them.
    engine.until(lambda: not any(is_held(services.row_locks, runner.id) for runner in leaving))
    services.store.want(leaving[0].id, desired=Desired.GONE, how=How.NOW, by="command")
    engine.reconciler.enqueue(leaving[0].id)
    engine.until(lambda: ("interrupt", leaving[0].id) in services.backend.told)
    other = services.running("other")
    engine.reconciler.enqueue(other.id)
    engine.reaches(other, S.IDLE)
    assert services.github.deleted == []
    answer.set()
    engine.until(lambda: len(services.github.deleted) >= len(leaving))
    assert asked.most_of_one == 1


def test_a_runner_is_made_step_by_step_and_its_row_is_free_when_it_runs(services: ToyServices, engine: Engine) -> None:
    runner = services.admitted("a")
    engine.reconciler.make(Making(services, runner.id))  # type: ignore[arg-type]
    engine.reaches(runner, S.STARTING, S.IDLE)
    engine.until(lambda: services.backend.told == [(what, runner.id) for what in ("provision", "accept", "launch")])
    engine.reconciler.enqueue(runner.id)
    engine.reaches(runner, S.IDLE)
    engine.until(lambda: not is_held(services.row_locks, runner.id))


@pytest.mark.parametrize("at", ["before_provision", "before_launch"])
def test_a_creation_that_fails_is_cleared_away_with_its_reason(services: ToyServices, engine: Engine, at: str) -> None:
    def fail(_: str) -> None:
        raise BackendFailed("The disk is full")

    setattr(services.backend, at, fail)
    runner = services.admitted("a")
    engine.reconciler.make(Making(services, runner.id))  # type: ignore[arg-type]
    engine.reaches(runner, S.FAILED)
    ended = services.store.get(runner.id)
    assert ended is not None
    assert ended.reason == "The disk is full"
    assert ("cleanup", runner.id) in services.backend.told
    assert len(services.github.deleted) == (1 if at == "before_launch" else 0)


def test_a_package_is_fetched_by_one_whoever_needs_it_and_others_wait_in_no_thread(
    services: ToyServices, engine: Engine
) -> None:
    answer, fetching = threading.Event(), threading.Event()

    def wait(_: str) -> None:
        fetching.set()
        assert answer.wait(SECONDS)

    services.packages.before_fetch = hands = Hands(wait)
    runners = [services.admitted(f"r{number}") for number in range(10)]
    for runner in runners:
        engine.reconciler.make(Making(services, runner.id))  # type: ignore[arg-type]
    assert fetching.wait(SECONDS)
    for runner in runners:
        engine.looked_at(runner)
    other = services.running("other")
    engine.reconciler.enqueue(other.id)
    engine.reaches(other, S.IDLE)
    answer.set()
    for runner in runners:
        engine.until(lambda runner=runner: ("launch", runner.id) in services.backend.told)  # type: ignore[misc]
    assert (hands.calls, hands.most) == (1, 1)


def test_whoever_waits_for_anothers_fetch_is_called_at_its_end_and_not_looked_at_meanwhile(
    services: ToyServices, engine: Engine
) -> None:
    """Tried ten times a second, forty creates kept a server's processor at half its power for as long as a download."""
    answer, fetching = threading.Event(), threading.Event()

    def wait(_: str) -> None:
        fetching.set()
        assert answer.wait(SECONDS)

    services.packages.before_fetch = wait
    fetched = made(services, engine, "fetched")
    assert fetching.wait(SECONDS)
    waiting = made(services, engine, "waiting")
    engine.until(lambda: engine.rests(waiting))
    looks = engine.looks(waiting)
    other = services.running("other")
    engine.leap(5, by_way_of=other)
    engine.looked_at(other)
    assert engine.looks(waiting) == looks
    answer.set()
    for runner in (fetched, waiting):
        engine.until(lambda runner=runner: is_launched(services, runner))  # type: ignore[misc]


def test_one_that_is_unwanted_while_it_waits_for_anothers_fetch_goes_at_once(
    services: ToyServices, engine: Engine
) -> None:
    answer, fetching = threading.Event(), threading.Event()

    def wait(_: str) -> None:
        fetching.set()
        assert answer.wait(SECONDS)

    services.packages.before_fetch = wait
    made(services, engine, "fetched")
    assert fetching.wait(SECONDS)
    waiting = made(services, engine, "waiting")
    engine.until(lambda: engine.rests(waiting))
    services.store.want(waiting.id, desired=Desired.GONE, how=How.GENTLE, by="command")
    engine.reconciler.enqueue(waiting.id)
    engine.until(lambda: services.state(waiting) not in LIVE)
    assert not answer.is_set()
    answer.set()


def made(services: ToyServices, engine: Engine, name: str, *, version: str = VERSION) -> Runner:
    runner = services.admitted(name, version=version)
    engine.reconciler.make(Making(services, runner.id))  # type: ignore[arg-type]
    return runner


def is_launched(services: ToyServices, runner: Runner) -> bool:
    return ("launch", runner.id) in services.backend.told


def test_a_package_that_another_process_has_locked_is_waited_for_in_no_thread(
    services: ToyServices, engine: Engine
) -> None:
    """It is there, and each create would link it; more of them than threads ask GitHub."""
    services.packages.fetched.append(VERSION)
    services.packages.removed_by_another.add(VERSION)
    locked = [made(services, engine, f"r{number}") for number in range(THREADS[Lane.GITHUB] + 8)]
    for runner in locked:
        engine.looked_at(runner)
    leaving = removed(services, "leaving")
    engine.reconciler.enqueue(leaving.id)
    engine.until(lambda: services.github.deleted == [leaving.github_id])
    other = made(services, engine, "other", version="2.337.0")
    engine.until(lambda: is_launched(services, other))
    assert not any(is_launched(services, runner) for runner in locked)
    services.packages.removed_by_another.clear()
    for runner in locked:
        engine.until(lambda runner=runner: is_launched(services, runner))  # type: ignore[misc]


def test_downloads_of_other_processes_keep_no_thread_that_fetches_packages(
    services: ToyServices, engine: Engine
) -> None:
    versions = [f"2.400.{number}" for number in range(THREADS[Lane.PACKAGE] + 2)]
    services.packages.fetched_by_another.update(versions)
    waiting = [made(services, engine, f"r-{version}", version=version) for version in versions]
    engine.until(lambda: set(services.packages.met) == set(versions))
    other = made(services, engine, "other")
    engine.until(lambda: is_launched(services, other))
    for runner in waiting:
        assert services.state(runner) is S.PENDING
    services.packages.fetched_by_another.clear()
    services.packages.fetched += versions
    for runner in waiting:
        engine.until(lambda runner=runner: is_launched(services, runner))  # type: ignore[misc]


def test_a_package_that_was_removed_just_before_it_was_linked_is_fetched_again(
    services: ToyServices, engine: Engine
) -> None:
    services.packages.fetched.append(VERSION)
    services.packages.before_kept = services.packages.fetched.clear  # as the one who makes it looks for it
    runner = made(services, engine, "a")
    engine.until(lambda: is_launched(services, runner))
    assert services.packages.fetched == [VERSION]


def test_a_package_that_is_never_let_go_fails_its_creates_with_what_is_in_their_way(
    services: ToyServices, engine: Engine
) -> None:
    """Somebody suspended the process that removes it."""
    services.packages.fetched.append(VERSION)
    services.packages.removed_by_another.add(VERSION)
    runner, other = made(services, engine, "a"), services.running("b")
    engine.until(lambda: VERSION in services.packages.met)
    engine.leap(REMOVAL_SECONDS + 1, by_way_of=other)
    engine.reaches(runner, S.FAILED)
    ended = services.store.get(runner.id)
    assert ended is not None
    assert ended.reason == f"Package {VERSION} is locked"
    assert isinstance(failures.raised(ended.last_error), DeadlineExceeded)


def test_what_waits_for_a_time_is_looked_at_then_and_sooner_when_somebody_says_so(
    services: ToyServices, engine: Engine
) -> None:
    runner, other = services.running("a"), services.running("b")
    engine.reconciler.enqueue(runner.id, seconds=60)
    engine.reconciler.enqueue(other.id, seconds=60)
    engine.leap(30, by_way_of=other)
    engine.reaches(other, S.IDLE)
    assert services.state(runner) is S.STARTING
    engine.leap(31, by_way_of=other)
    engine.reaches(runner, S.IDLE)


def test_after_its_end_nothing_is_begun(services: ToyServices, engine: Engine) -> None:
    first = services.running("a")
    engine.reconciler.enqueue(first.id)
    engine.reaches(first, S.IDLE)
    engine.reconciler.stop()
    hands = services.backend.before_observe = Hands()
    later = services.running("b")
    engine.reconciler.enqueue(later.id)
    engine.reconciler.stop()
    assert hands.calls == 0
    assert services.state(later) is S.STARTING


def test_an_engine_that_is_alive_says_so(services: ToyServices, engine: Engine) -> None:
    runner = services.running("a")
    engine.reconciler.enqueue(runner.id)
    engine.reaches(runner, S.IDLE)
    before = engine.reconciler.beat.last
    assert before > 0
    engine.leap(50, by_way_of=runner)
    engine.looked_at(runner, times=2)
    assert engine.reconciler.beat.last >= before + 50
