"""Who waits for a runner is woken by what happens to it, and by nothing else."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.states import Desired, RunnerState
from runnerctl.core.store import Store
from runnerctl.core.store.runner_events import RunnerEvents

LONG = 20.0


@pytest.fixture
def events() -> RunnerEvents:
    return RunnerEvents()


def waiting(events: RunnerEvents, runner_id: str, outcomes: list[bool]) -> threading.Thread:
    """A thread that listens by now, and waits."""
    listens = threading.Event()

    def wait() -> None:
        with events.listening(runner_id) as happened:
            listens.set()
            outcomes.append(happened(LONG))

    thread = threading.Thread(target=wait)
    thread.start()
    assert listens.wait(LONG)
    return thread


def test_all_who_wait_for_a_runner_are_woken(events: RunnerEvents) -> None:
    outcomes: list[bool] = []
    threads = [waiting(events, "a", outcomes) for _ in range(4)]
    events.notify("a")
    for thread in threads:
        thread.join(LONG)
    assert outcomes == [True] * 4


def test_who_waits_for_another_runner_is_not_woken(events: RunnerEvents) -> None:
    with events.listening("b") as happened:
        events.notify("a")
        assert not happened(0.0)


def test_what_happens_while_somebody_looks_is_not_missed_and_is_told_once(events: RunnerEvents) -> None:
    with events.listening("a") as happened:
        events.notify("a")
        events.notify("a")
        assert happened(LONG)
        assert not happened(0.0)


def test_what_happened_before_is_not_waited_for(events: RunnerEvents) -> None:
    events.notify("a")
    assert not events.wait("a", 0.0)


def test_a_subscriber_hears_of_every_runner_until_it_ends(events: RunnerEvents) -> None:
    heard: list[str] = []
    end = events.subscribe(heard.append)
    events.notify("a")
    events.notify("b")
    end()
    end()
    events.notify("c")
    assert heard == ["a", "b"]


def test_nothing_is_left_of_those_who_waited(events: RunnerEvents) -> None:
    for number in range(50):
        events.wait(f"r{number}", 0.0)
    assert events._waiting == {}


@pytest.fixture
def store(tmp_path: Path, events: RunnerEvents) -> Iterator[Store]:
    path = tmp_path / "runnerctl.db"
    made = Store(path, clock=SystemClock(), rng=random.Random(), host="here", notify=events.notify)
    yield made
    made.close()


def test_whatever_is_written_about_a_runner_is_told_once_it_can_be_read(store: Store, events: RunnerEvents) -> None:
    read: list[int] = []
    spec = RunnerSpec.of(name="a", scope=Scope.of(repo="o/r"), labels="linux")
    runner = store.admit(spec, root=Path("/x/a"))
    events.subscribe(lambda runner_id: read.append(store.get(runner_id).changes))  # type: ignore[union-attr]
    runner = store.amend(runner, reason="why")
    store.want(runner.id, desired=Desired.GONE, by="command")
    store.want_running(runner.id, by="command")
    store.note(runner.id, attempts=1)
    store.note_exposures({runner.id: 1.0})
    runner = store.transition(runner, RunnerState.REGISTERED)
    assert read == [1, 2, 3, 4, 5, 6]
    job = SeenJob(name="build", started_at=1.0)
    for said in (job, job, job._replace(ended_at=2.0, result="succeeded", result_from="log")):
        store.note_job(runner.id, said)
    assert read[6:] == [6, 6]


def test_a_write_that_is_refused_is_not_told(store: Store, events: RunnerEvents) -> None:
    spec = RunnerSpec.of(name="a", scope=Scope.of(repo="o/r"), labels="linux")
    runner = store.admit(spec, root=Path("/x/a"))
    heard: list[str] = []
    events.subscribe(heard.append)
    with pytest.raises(Exception, match="cannot go"):
        store.transition(runner, RunnerState.BUSY)
    assert heard == []
