"""One sequence of events for all runners, and the jobs that they ran."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import EventType, Runner, RunnerSpec, Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.store import Store

S = RunnerState


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "runnerctl.db", clock=SystemClock(), rng=random.Random(), host="here")
    yield made
    made.close()


def admit(store: Store, name: str) -> Runner:
    return store.admit(RunnerSpec.of(name=name, scope=Scope.of(repo="o/r"), labels="linux"), root=Path("/x") / name)


def test_who_asks_for_what_comes_after_misses_nothing_and_hears_nothing_twice(store: Store) -> None:
    assert store.last_event() == store.first_event() == 0
    one, two = admit(store, "one"), admit(store, "two")
    store.transition(one, S.REGISTERED, why="GitHub knows it")
    heard, after = [], 0
    while events := store.events_after(after, limit=2):
        heard += events
        after = events[-1].seq
    assert [(event.type, event.runner_id, event.old, event.new, event.reason) for event in heard] == [
        (EventType.STATE, one.id, None, "pending", None),
        (EventType.STATE, two.id, None, "pending", None),
        (EventType.STATE, one.id, "pending", "registered", "GitHub knows it"),
    ]
    assert after == store.last_event()
    assert store.first_event() == heard[0].seq


def test_the_number_of_an_event_that_was_forgotten_is_never_used_again(store: Store) -> None:
    runner = store.transition(admit(store, "one"), S.REMOVING, S.REMOVED)
    last = store.last_event()
    store.forget([runner.id])
    assert (store.first_event(), store.last_event(), store.events_after(0)) == (0, last, [])
    admit(store, "two")
    assert [event.seq for event in store.events_after(last)] == [last + 1]


def test_a_job_that_begins_twice_is_one(store: Store) -> None:
    runner = admit(store, "one")
    known = store.last_event()
    first = store.begin_job(runner.id, "build", 5.0)
    assert store.begin_job(runner.id, "build", 5.0) == first
    assert store.jobs_of(runner.id) == [first]
    assert (first.name, first.started_at, first.ended_at, first.result) == ("build", 5.0, None, None)
    (event,) = store.events_after(known)
    assert (event.type, event.runner_id, event.data["id"]) == (EventType.JOB, runner.id, first.id)


def test_the_end_of_a_job_counts_once_and_a_result_may_come_later(store: Store) -> None:
    runner = admit(store, "one")
    job = store.begin_job(runner.id, "build", 5.0)
    known = store.last_event()
    store.end_job(runner.id, 5.0, ended_at=9.0, result=None, reason="its processes were killed")
    store.end_job(runner.id, 5.0, ended_at=10.0, result=None)
    store.end_job(runner.id, 5.0, ended_at=11.0, result="failed")
    store.end_job(runner.id, 5.0, ended_at=12.0, result="succeeded")
    (ended,) = store.jobs_of(runner.id)
    assert ended == job._replace(ended_at=9.0, result="failed", reason="its processes were killed")
    assert [event.data["result"] for event in store.events_after(known)] == [None, "failed"]


def test_what_a_job_says_of_its_origin_is_kept(store: Store) -> None:
    runner = admit(store, "one")
    job = store.begin_job(runner.id, "build", 5.0)
    store.describe_job(job.id, repository="o/r", workflow="ci.yml", run_id="77")
    (told,) = store.jobs_of(runner.id)
    assert (told.repository, told.workflow, told.run_id) == ("o/r", "ci.yml", "77")


def test_jobs_of_all_runners_are_told_page_by_page_and_go_with_their_runners(store: Store) -> None:
    one, two = admit(store, "one"), admit(store, "two")
    made = [store.begin_job(runner.id, "build", float(at)) for at, runner in enumerate([one, two, one])]
    first = store.jobs(limit=2)
    assert first + store.jobs(after=first[-1].id, limit=2) == made
    store.transition(one, S.REMOVING, S.REMOVED)
    store.forget([one.id])
    assert store.jobs() == [made[1]]
