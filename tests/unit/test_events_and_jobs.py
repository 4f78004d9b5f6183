"""One sequence of events for all runners, and the jobs that they ran."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import EventType, JobQuery, Runner, RunnerSpec, Scope
from runnerctl.core.domain.observation import SeenJob
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


BUILD = SeenJob(name="build", started_at=5.0)


def test_a_job_that_begins_twice_is_one(store: Store) -> None:
    runner = admit(store, "one")
    known = store.last_event()
    store.note_job(runner.id, BUILD)
    store.note_job(runner.id, BUILD)
    (job,) = store.unfinished_jobs(runner.id)
    assert (job.name, job.started_at, job.ended_at, job.result) == ("build", 5.0, None, None)
    (event,) = store.events_after(known)
    assert (event.type, event.runner_id, event.data["id"]) == (EventType.JOB, runner.id, job.id)


def test_the_end_of_a_job_counts_once_and_a_result_may_come_later(store: Store) -> None:
    runner = admit(store, "one")
    store.note_job(runner.id, BUILD)
    known = store.last_event()
    lost = BUILD._replace(ended_at=9.0, reason="its processes were killed")
    told = BUILD._replace(ended_at=11.0, result="failed", result_from="listener")
    for said in (lost, lost._replace(ended_at=10.0), told, told._replace(ended_at=12.0)):
        store.note_job(runner.id, said)
    ended = store.last_job(runner.id)
    assert ended is not None
    assert (ended.ended_at, ended.seconds, ended.result, ended.result_from) == (9.0, 4.0, "failed", "listener")
    assert [event.data["result"] for event in store.events_after(known)] == [None, "failed"]


@pytest.mark.parametrize("forged", ["log", "listener"])
def test_the_exit_status_of_a_listener_outweighs_all_lines(store: Store, forged: str) -> None:
    runner = admit(store, "one")
    store.note_job(runner.id, BUILD._replace(ended_at=9.0, result="succeeded", result_from="log"))
    store.note_job(runner.id, BUILD._replace(ended_at=9.0, result="failed", result_from="listener"))
    store.note_job(runner.id, BUILD._replace(ended_at=9.0, result="succeeded", result_from=forged))
    (job,) = store.last_jobs([runner.id]).values()
    assert (job.result, job.result_from) == ("failed", "listener")


def test_what_a_job_says_of_its_origin_may_come_later_and_is_kept(store: Store) -> None:
    runner = admit(store, "one")
    store.note_job(runner.id, BUILD)
    store.note_job(runner.id, BUILD._replace(repository="o/r", workflow="ci.yml", run_id="77"))
    store.note_job(runner.id, BUILD._replace(repository="o/other", workflow="other.yml", run_id="78"))
    (told,) = store.unfinished_jobs(runner.id)
    assert (told.repository, told.workflow, told.run_id) == ("o/r", "ci.yml", "77")


def test_jobs_of_all_runners_are_told_page_by_page_and_go_with_their_runners(store: Store) -> None:
    one, two = admit(store, "one"), admit(store, "two")
    for at, runner in enumerate([one, two, one]):
        store.note_job(runner.id, BUILD._replace(started_at=float(at)))
    first = store.jobs_page(JobQuery(limit=2))
    rest = store.jobs_page(JobQuery(limit=2, after=first.next))
    told = [(each.runner, each.job.started_at) for each in (*first.items, *rest.items)]
    assert told == [("one", 2.0), ("two", 1.0), ("one", 0.0)]
    assert rest.next is None
    store.transition(one, S.REMOVING, S.REMOVED)
    store.forget([one.id])
    assert [each.runner for each in store.jobs_page(JobQuery()).items] == ["two"]


def test_jobs_are_found_by_runner_repository_result_time_and_tenant(store: Store) -> None:
    one = admit(store, "one")
    spec = RunnerSpec.of(name="two", scope=Scope.of(repo="O/Other"), labels="linux", tenant="team-a")
    two = store.admit(spec, root=Path("/x/two"))
    store.note_job(one.id, BUILD._replace(ended_at=6.0, result="failed", result_from="listener"))
    store.note_job(two.id, BUILD._replace(started_at=50.0, repository="o/told"))
    store.note_job(two.id, BUILD._replace(started_at=60.0))

    def found(**wanted: object) -> list[float]:
        return [each.job.started_at for each in store.jobs_page(JobQuery(**wanted)).items]  # type: ignore[arg-type]

    assert found(runner="ONE") == found(result="failed") == found(repo="o/r") == [5.0]
    assert (found(repo="O/told"), found(repo="o/other")) == ([50.0], [60.0])
    assert found(since=50.0) == found(tenant="team-a") == [60.0, 50.0]
    assert found(tenant="team-b") == []
