"""What is wanted of a runner: it only goes further, whoever asks, and disturbs nobody who is at work on the row."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import FieldError, InvalidTransition, RunnerNotFound
from runnerctl.core.domain.models import EventType, LastError, Runner, RunnerSpec, Scope
from runnerctl.core.domain.states import Desired, How, RunnerState
from runnerctl.core.store import Store

S = RunnerState


class HeldClock(SystemClock):
    at = 1000.0

    def now(self) -> float:
        return self.at


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def store(tmp_path: Path, clock: HeldClock) -> Iterator[Store]:
    made = Store(tmp_path / "runnerctl.db", clock=clock, rng=random.Random(), host="here")
    yield made
    made.close()


@pytest.fixture
def runner(store: Store) -> Runner:
    spec = RunnerSpec.of(name="a", scope=Scope.of(repo="o/r"), labels="linux")
    return store.admit(spec, root=Path("/x/a"), by="tenant acme", backend="docker", host_id="h1")


def wanted(runner: Runner) -> tuple[Desired, How]:
    return runner.desired, runner.how


def test_a_runner_is_wanted_to_run_by_who_made_it_where_it_was_made(runner: Runner) -> None:
    assert wanted(runner) == (Desired.RUNNING, How.GENTLE)
    assert (runner.wanted_at, runner.wanted_by, runner.wants) == (1000.0, "tenant acme", 0)
    assert (runner.backend, runner.host_id) == ("docker", "h1")


@pytest.mark.parametrize(
    ("first", "then", "both"),
    [
        (("stopped", "gentle"), ("gone", "gentle"), ("gone", "gentle")),
        (("gone", "gentle"), ("stopped", "gentle"), ("gone", "gentle")),
        (("gone", "gentle"), ("gone", "drain"), ("gone", "drain")),
        (("gone", "now"), ("gone", "drain"), ("gone", "now")),
        (("stopped", "drain"), ("gone", "gentle"), ("gone", "drain")),
        (("gone", "drain"), ("stopped", "now"), ("gone", "now")),
        (("gone", "drain"), ("running", "now"), ("gone", "drain")),
    ],
)
def test_of_two_callers_the_one_who_goes_further_is_heeded(
    store: Store, runner: Runner, first: tuple[str, str], then: tuple[str, str], both: tuple[str, str]
) -> None:
    for desired, how in (first, then):
        store.want(runner.id, desired=Desired(desired), how=How(how), by="command")
    assert wanted(store.latest("a")) == both  # type: ignore[arg-type]


def test_a_start_takes_back_what_was_wanted_and_how(store: Store, runner: Runner) -> None:
    store.want(runner.id, desired=Desired.GONE, how=How.NOW, by="pool p", ending=S.FAILED)
    back = store.want_running(runner.id, by="command")
    assert (*wanted(back), back.wanted_by, back.wants, back.ending) == ("running", "gentle", "command", 2, None)
    assert wanted(store.want(runner.id, desired=Desired.STOPPED, by="command")) == ("stopped", "gentle")


def test_a_want_makes_the_runner_due_at_once_and_forgets_its_failures(
    store: Store, runner: Runner, clock: HeldClock
) -> None:
    failed = LastError(
        code="github_unavailable",
        message="GitHub is down",
        hint="Wait",
        retry_after=3.5,
        errors=(FieldError("repo", "It cannot be asked about"),),
    )
    noted = store.note(runner.id, due=2000.0, attempts=4, last_error=failed)
    assert (noted.due, noted.attempts, noted.last_error) == (2000.0, 4, failed)
    clock.at = 1500.0
    now = store.want(runner.id, desired=Desired.GONE, by="command", reason="Not needed")
    assert (now.due, now.attempts, now.last_error) == (None, 0, None)
    assert (now.wanted_at, now.wants, now.reason) == (1500.0, 1, "Not needed")
    store.note(runner.id, due=2000.0)
    again = store.want(runner.id, desired=Desired.GONE, by="policy idle")
    assert (again.due, again.wanted_by, again.wants) == (None, "command", 1)


def test_the_first_who_says_how_a_life_ends_is_heeded(store: Store, runner: Runner) -> None:
    store.want(runner.id, desired=Desired.GONE, by="policy lost", ending=S.FAILED)
    assert store.want(runner.id, desired=Desired.GONE, how=How.NOW, by="command", ending=S.REMOVED).ending is S.FAILED


def test_what_is_wanted_never_conflicts_with_who_takes_a_step(store: Store, runner: Runner) -> None:
    store.want(runner.id, desired=Desired.GONE, by="command")
    store.note(runner.id, github_busy=True, attempts=1)
    stepped = store.transition(runner, S.REGISTERED, github_id=7)
    assert (stepped.state, stepped.desired, stepped.github_busy) == (S.REGISTERED, Desired.GONE, True)


def test_each_change_of_what_is_wanted_is_an_event_and_a_repetition_is_none(store: Store, runner: Runner) -> None:
    known = store.last_event()
    for _ in range(2):
        store.want(runner.id, desired=Desired.STOPPED, how=How.DRAIN, by="command", reason="maintenance")
    store.want_running(runner.id, by="tenant t")
    events = store.events_after(known)
    assert [(event.type, event.runner_id, event.reason, event.data) for event in events] == [
        (EventType.WANTED, runner.id, "maintenance", {"desired": "stopped", "how": "drain", "by": "command"}),
        (EventType.WANTED, runner.id, None, {"desired": "running", "how": "gentle", "by": "tenant t"}),
    ]
    assert [event.new for event in store.history(runner.id)] == [S.PENDING]


def test_nothing_is_wanted_of_a_life_that_has_ended(store: Store, runner: Runner) -> None:
    ended = store.transition(runner, S.REMOVING, S.REMOVED)
    known = store.last_event()
    assert store.want(runner.id, desired=Desired.GONE, how=How.NOW, by="command") == ended
    assert store.want_running(runner.id, by="command") == ended
    assert store.last_event() == known


def test_a_runner_that_never_was_is_not_found(store: Store) -> None:
    with pytest.raises(RunnerNotFound):
        store.want("nobody", desired=Desired.GONE, by="command")
    with pytest.raises(RunnerNotFound):
        store.want_running("nobody", by="command")


@pytest.mark.parametrize("field", ["state", "desired", "revision", "name = name --"])
def test_what_a_revision_guards_cannot_be_noted(store: Store, runner: Runner, field: str) -> None:
    with pytest.raises(TypeError):
        store.note(runner.id, **{field: "idle"})
    assert store.get(runner.id) == runner


@pytest.mark.parametrize("desired", [Desired.STOPPED, Desired.GONE])
def test_a_drain_is_taken_back_and_nothing_else(store: Store, runner: Runner, desired: Desired) -> None:
    store.want(runner.id, desired=desired, how=How.DRAIN, by="command")
    assert wanted(store.want_back(runner.id, by="tenant acme")) == (Desired.RUNNING, How.GENTLE)
    for how in (How.NOW, How.GENTLE):
        store.want(runner.id, desired=desired, how=how, by="command")
        before = store.latest("a")
        assert store.want_back(runner.id, by="command") == before


def test_a_drain_is_not_taken_back_once_github_has_let_go(store: Store, runner: Runner) -> None:
    running = store.transition(runner, S.REGISTERED, S.STARTING, S.IDLE, asked_at=1.0, started_at=1.0)
    store.want(runner.id, desired=Desired.GONE, how=How.DRAIN, by="command")
    store.transition(store.latest("a") or running, S.REMOVING, back_to=S.IDLE, deregistered_at=2.0)
    with pytest.raises(InvalidTransition, match="deregistered already"):
        store.want_back(runner.id, by="command")
    assert wanted(store.latest("a")) == (Desired.GONE, How.DRAIN)  # type: ignore[arg-type]
