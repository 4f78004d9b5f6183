"""What a sequence of events tells of how long things took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runnerctl.core.domain.life_times import SETTLE_SECONDS, LifeTime, LifeTimes
from runnerctl.core.domain.models import EventType, StoredEvent

Told = list[tuple[str, float, str]]


class Follower:
    """Is told events of one runner, and answers what they came to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.times = LifeTimes([], monotonic=lambda: self.now)
        self._seq = 0

    def take(self, type_: EventType, at: float, **more: Any) -> Told:
        self._seq += 1
        known = {"old": None, "new": None, "reason": None, "data": {}} | more
        event = StoredEvent(seq=self._seq, at=at, type=type_, runner_id="r", **known)
        return [(each.what, each.seconds, each.label) for each in self.times.take(event)]

    def moves(self, *steps: tuple[float, str]) -> Told:
        """From state to state, from none on."""
        old, told = None, []
        for at, new in steps:
            if new.startswith("="):  # where it is already
                old = new[1:]
                continue
            told += self.take(EventType.STATE, at, old=old, new=new)
            old = new
        return told

    def wants(self, at: float, desired: str, how: str = "gentle", by: str = "request") -> Told:
        return self.take(EventType.WANTED, at, data={"desired": desired, "how": how, "by": by})

    def job(self, at: float, **data: Any) -> Told:
        return self.take(EventType.JOB, at, data={"id": 7, "name": "build", **data})

    def ends_job(self, at: float, result: str | None, by: str | None) -> Told:
        return self.job(at, ended_at=at, seconds=60.0, result=result, result_from=by)

    def settled(self) -> Told:
        return [(each.what, each.seconds, each.label) for each in self.times.settled()]


@pytest.fixture
def runner() -> Follower:
    return Follower()


ONLINE = ((0.0, "pending"), (1.0, "registered"), (2.0, "starting"), (5.0, "idle"))


def online(runner: Follower) -> None:
    runner.moves(*ONLINE)


def test_a_create_is_timed_from_its_row_and_a_start_from_its_processes(runner: Follower) -> None:
    assert runner.moves(*ONLINE) == [
        (LifeTime.CREATED, 0.0, ""),
        (LifeTime.START_TO_ONLINE, 3.0, ""),
        (LifeTime.CREATE_TO_ONLINE, 5.0, ""),
    ]


def test_a_later_start_is_a_restart_and_no_create(runner: Follower) -> None:
    online(runner)
    assert runner.moves((0, "=idle"), (9.0, "starting"), (11.0, "idle")) == [
        (LifeTime.RESTARTED, 0.0, "crash"),
        (LifeTime.START_TO_ONLINE, 2.0, ""),
    ]


@pytest.mark.parametrize(
    ("by", "cause"), [("request", "asked"), ("command", "asked"), ("tenant a", "asked"), ("policy offline", "policy")]
)
def test_a_restart_says_who_wanted_it_and_the_next_one_does_not(runner: Follower, by: str, cause: str) -> None:
    online(runner)
    runner.wants(6.0, "running", "drain", by)
    again = ((0, "=idle"), (7.0, "starting"), (8.0, "idle"), (9.0, "starting"))
    assert [label for what, _, label in runner.moves(*again) if what == LifeTime.RESTARTED] == [cause, "crash"]


@pytest.mark.parametrize(("how", "drained"), [("gentle", False), ("drain", True), ("now", False)])
def test_a_removal_is_timed_by_how_it_was_wanted(runner: Follower, how: str, drained: bool) -> None:
    online(runner)
    runner.wants(10.0, "gone", how)
    told = runner.moves((0, "=idle"), (11.0, "removing"), (14.0, "removed"))
    assert told == [
        *([(LifeTime.DRAIN, 4.0, "")] if drained else []),
        (LifeTime.ENDED, 0.0, "removed"),
        (LifeTime.REMOVE, 4.0, how),
    ]


def test_a_removal_counts_from_the_last_wish_for_a_refused_one_leaves_no_event(runner: Follower) -> None:
    online(runner)
    runner.wants(10.0, "gone")
    runner.wants(500.0, "gone", "drain")
    assert (LifeTime.REMOVE, 2.0, "drain") in runner.moves((0, "=idle"), (501.0, "removing"), (502.0, "removed"))


@pytest.mark.parametrize(
    "wish",
    [
        lambda runner: runner.wants(10.0, "gone", "now", "its creation"),
        lambda runner: (runner.wants(10.0, "gone", "drain"), runner.wants(11.0, "running")),
        lambda _: None,
    ],
    ids=["its making failed", "taken back", "nobody's"],
)
def test_what_nobody_removed_is_no_removal(runner: Follower, wish: Callable[[Follower], object]) -> None:
    online(runner)
    wish(runner)
    told = runner.moves((0, "=idle"), (12.0, "removing"), (13.0, "failed"))
    assert told == [(LifeTime.ENDED, 0.0, "failed")]


def test_a_drain_that_only_stops_ends_when_it_is_stopped(runner: Follower) -> None:
    online(runner)
    runner.wants(10.0, "stopped", "drain")
    assert runner.moves((0, "=idle"), (11.0, "stopping"), (17.0, "stopped")) == [(LifeTime.DRAIN, 7.0, "")]


def test_a_job_counts_once_and_its_listener_has_the_last_word(runner: Follower) -> None:
    online(runner)
    assert runner.job(25.0) == [(LifeTime.IDLE_BEFORE_JOB, 20.0, "")]
    assert runner.ends_job(85.0, "succeeded", "log") == []
    assert runner.ends_job(85.0, "failed", "listener") == [(LifeTime.JOB, 60.0, "failed")]
    assert runner.ends_job(85.0, "succeeded", "log") == runner.settled() == []


def test_a_job_of_which_nothing_better_comes_counts_after_a_while_or_at_its_runners_end(runner: Follower) -> None:
    online(runner)
    runner.job(25.0)
    runner.ends_job(85.0, "succeeded", "log")
    assert runner.settled() == []
    runner.now = SETTLE_SECONDS
    assert runner.settled() == [(LifeTime.JOB, 60.0, "succeeded")]
    runner.take(EventType.JOB, 90.0, data={"id": 8, "name": "next"})
    runner.take(EventType.JOB, 150.0, data={"id": 8, "name": "next", "ended_at": 150.0, "seconds": 60.0})
    told = runner.moves((0, "=busy"), (160.0, "removing"), (161.0, "completed"))
    assert told == [(LifeTime.ENDED, 0.0, "completed"), (LifeTime.JOB, 60.0, "unknown")]


def test_a_job_that_was_there_first_found_no_idle_runner(runner: Follower) -> None:
    runner.moves(*ONLINE[:3])
    assert runner.job(4.0) == [(LifeTime.IDLE_BEFORE_JOB, 0.0, "")]


def test_a_clock_that_was_set_back_makes_no_time_negative(runner: Follower) -> None:
    runner.moves(*ONLINE[:3])
    assert {seconds for _, seconds, _ in runner.moves((0, "=starting"), (-50.0, "idle"))} == {0.0}


def test_nothing_is_kept_of_lives_that_ended(runner: Follower) -> None:
    for _ in range(3):
        runner.moves(*ONLINE, (6.0, "removing"), (7.0, "removed"))
        runner.ends_job(8.0, "succeeded", "log")  # found out afterwards
    assert runner.times._lives == {}
