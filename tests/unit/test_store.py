"""The store: one name one life, guarded transitions, an event for each step."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import ConfigInvalid, InvalidTransition, RunnerctlError, RunnerExists
from runnerctl.core.domain.models import Absence, Runner, RunnerQuery, Sighting
from runnerctl.core.domain.states import LIVE, TERMINAL, TRANSITIONS, Desired, RunnerState
from runnerctl.core.store import Store
from tests.support.hosts.stores import opened, spec

S = RunnerState


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runnerctl.db"


@pytest.fixture
def store(path: Path):  # type: ignore[no-untyped-def]
    made = opened(path)
    yield made
    made.close()


def admit(store: Store, name: str, **options: str) -> Runner:
    return store.admit(spec(name, **options), root=Path("/x") / name)


def end(store: Store, runner: Runner, ending: RunnerState = S.REMOVED) -> Runner:
    return store.transition(store.transition(runner, S.REMOVING, ending=ending), ending)


def test_every_state_can_reach_an_end() -> None:
    reached = set(TERMINAL)
    while more := {state for state, following in TRANSITIONS.items() if following & reached} - reached:
        reached |= more
    assert reached == set(RunnerState)
    assert not any(TRANSITIONS[state] for state in TERMINAL)


def test_absences_end_with_the_life_that_was_missed(store: Store) -> None:
    runner, missed = admit(store, "a"), Absence(times=1, counted_at=5.0)
    store.note_absences({runner.id: missed}, seen=[])
    assert store.absences() == {runner.id: missed}
    end(store, runner)
    assert store.absences() == {}
    store.note_absences({runner.id: missed}, seen=[])
    assert store.absences() == {}


def test_a_runner_is_read_back_whole(store: Store) -> None:
    runner = admit(store, "a", labels="linux,gpu")
    assert store.latest("A") == runner == store.get(runner.id)
    assert runner.labels == ("linux", "gpu", "a")
    assert (runner.scope.owner, runner.scope.repo) == ("o", "r")


def test_a_live_name_is_taken_whatever_its_case_and_scope(store: Store) -> None:
    admit(store, "Build")
    with pytest.raises(RunnerExists):
        admit(store, "build", repo="other/repo")


@pytest.mark.parametrize("ending", sorted(TERMINAL))
def test_a_name_is_free_again_after_a_life(store: Store, ending: RunnerState) -> None:
    first = end(store, admit(store, "a"), ending)
    second = admit(store, "a")
    assert second.id != first.id
    assert store.latest("a") == second


@pytest.mark.parametrize(
    ("old", "new"),
    [(S.PENDING, S.IDLE), (S.PENDING, S.COMPLETED), (S.REGISTERED, S.BUSY), (S.REMOVED, S.PENDING)],
)
def test_a_step_outside_the_table_is_refused_and_nothing_is_written(
    store: Store, old: RunnerState, new: RunnerState
) -> None:
    runner = admit(store, "a")
    if old is S.REGISTERED:
        runner = store.transition(runner, S.REGISTERED)
    if old is S.REMOVED:
        runner = end(store, runner)
    events = store.history(runner.id)
    with pytest.raises(InvalidTransition):
        store.transition(runner, new)
    assert store.get(runner.id) == runner
    assert store.history(runner.id) == events


def test_a_writer_who_saw_an_older_row_is_refused(store: Store) -> None:
    seen = admit(store, "a")
    store.amend(seen, version="2.336.0")
    with pytest.raises(InvalidTransition):
        store.transition(seen, S.REGISTERED)
    assert store.latest("a").state is S.PENDING  # type: ignore[union-attr]


def test_each_step_is_in_the_history_also_of_two_in_one_commit(store: Store) -> None:
    runner = store.transition(admit(store, "a"), S.REGISTERED, S.STARTING, why="why", github_id=7)
    assert [(event.old, event.new) for event in store.history(runner.id)] == [
        (None, S.PENDING),
        (S.PENDING, S.REGISTERED),
        (S.REGISTERED, S.STARTING),
    ]
    assert runner.github_id == 7


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (RunnerQuery(), ["a", "b"]),
        (RunnerQuery(every=True), ["a", "b", "gone"]),
        (RunnerQuery(state=S.REMOVED), ["gone"]),
        (RunnerQuery(scope="O/Other"), ["b"]),
        (RunnerQuery(label="GPU"), ["b"]),
        (RunnerQuery(label="gp"), []),
        (RunnerQuery(label="GRÖSSE"), ["b"]),
        (RunnerQuery(label="grösse"), ["b"]),
        (RunnerQuery(label="röss"), []),
    ],
)
def test_lists_are_filtered(store: Store, query: RunnerQuery, found: list[str]) -> None:
    admit(store, "a")
    admit(store, "b", repo="o/other", labels="gpu,Grösse")
    end(store, admit(store, "gone"))
    assert [runner.name for runner in store.page(query).items] == found


def test_live_runners_are_those_whose_life_has_not_ended(store: Store) -> None:
    admit(store, "a")
    end(store, admit(store, "b"))
    assert [runner.name for runner in store.live()] == ["a"]
    assert {runner.state for runner in store.live()} <= LIVE


def test_an_orphan_task_is_kept_once_and_forgotten_when_done(store: Store) -> None:
    runner = admit(store, "a")
    store.keep_orphan(runner, reason="GitHub is down")
    store.keep_orphan(runner, reason="again")
    (orphan,) = store.orphans()
    assert (orphan.name, orphan.reason) == ("a", "GitHub is down")
    now = time.time()
    store.postpone_orphan(orphan, until=now + 600)
    assert store.orphans(due_at=now) == []
    assert len(store.orphans(due_at=now + 601)) == 1
    store.forget_orphan(runner.id)
    assert store.orphans() == []


def test_a_newer_database_is_refused(path: Path, store: Store) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigInvalid, match="newer"):
        opened(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runnerctl.db"
    path.write_text("this is not a database, whatever its name says" * 30)
    with pytest.raises(ConfigInvalid):
        opened(path)


def test_what_another_process_noted_is_seen_by_the_next_look(path: Path, store: Store) -> None:
    runner = admit(store, "a")
    assert store.latest("a") == runner
    other = opened(path)
    other.note_exposures({runner.id: 5.0})
    assert store.latest("a").exposed_at == 5.0  # type: ignore[union-attr]
    other.note_sightings([Sighting(runner_id=runner.id, status="online", busy=True, at=6.0)])
    assert store.latest("a").github_busy is True  # type: ignore[union-attr]
    other.note(runner.id, due=7.0)
    assert store.latest("a").due == 7.0  # type: ignore[union-attr]
    other.want(runner.id, desired=Desired.GONE, by="command")
    assert store.latest("a").desired is Desired.GONE  # type: ignore[union-attr]
    assert store.latest("a").revision == runner.revision  # type: ignore[union-attr]
    other.close()


def test_what_anybody_writes_to_a_row_is_seen_also_without_this_code(path: Path, store: Store) -> None:
    admit(store, "a")
    assert store.latest("a").reason is None  # type: ignore[union-attr]
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE runner SET reason = 'by hand'")
        db.commit()
    assert store.latest("a").reason == "by hand"  # type: ignore[union-attr]


def test_a_row_that_nobody_wrote_to_is_not_read_again(store: Store) -> None:
    runner = admit(store, "a")
    admit(store, "b")
    assert store.latest("a") is store.latest("a")
    assert store.latest("a") == runner


@pytest.mark.parametrize("column", ["full", "locked", "readonly", "malformed"])
def test_an_error_of_ours_is_none_of_the_disk_whatever_its_words(path: Path, column: str) -> None:
    opened(path).close()
    with sqlite3.connect(path) as db:
        db.execute("DROP INDEX runner_by_name")
        db.execute(f"CREATE TRIGGER t BEFORE INSERT ON runner BEGIN SELECT {column} FROM missing; END")
    db.close()
    store = opened(path)
    with pytest.raises(RunnerctlError) as failed:
        admit(store, "a")
    assert failed.value.code == "internal_error"
    store.close()


def test_a_row_that_is_refused_for_another_reason_than_its_name_is_not_told_to_exist(path: Path, store: Store) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TRIGGER t BEFORE INSERT ON runner BEGIN SELECT raise(ABORT, 'no more'); END")
    db.close()
    with pytest.raises(RunnerctlError) as failed:
        admit(store, "a")
    assert failed.value.code == "internal_error"


def test_the_connection_of_a_thread_ends_with_it(store: Store) -> None:
    def after_another_thread() -> int:
        thread = threading.Thread(target=store.latest, args=("a",))
        thread.start()
        thread.join()
        return len(list(Path("/proc/self/fd").iterdir()))

    # SQLite keeps a descriptor for the next connection while others hold locks.
    warm = after_another_thread()
    assert max(after_another_thread() for _ in range(5)) <= warm


def test_a_store_is_closed_only_between_what_its_threads_do(path: Path) -> None:
    """SQLite does not survive a connection that is closed while another thread uses it: the process would be gone."""
    for _ in range(5):
        store, reading = opened(path), threading.Barrier(5)
        met: list[str] = []

        def read(store: Store = store, reading: threading.Barrier = reading, met: list[str] = met) -> None:
            store.live()
            reading.wait(10)
            try:
                while True:
                    store.live()
            except RunnerctlError as exc:
                met.append(exc.message)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        reading.wait(10)
        store.close()
        for thread in threads:
            thread.join(10)
        assert len(met) == 4
        assert all("closed" in message for message in met)


def test_a_store_that_is_closed_while_a_thread_reads_lets_it_come_to_its_end(tmp_path: Path) -> None:
    """As at a server's end, whose threads have not all come to theirs. SQLite would crash."""
    store = opened(tmp_path / "db")
    reads, goes_on, seen = threading.Event(), threading.Event(), []

    def hold() -> int:
        reads.set()
        goes_on.wait(30)
        return 7

    def read() -> None:
        store._mine.connection.create_function("hold", 0, hold)
        seen.append(store._read("SELECT hold()")[0][0])

    reader = threading.Thread(target=read)
    reader.start()
    assert reads.wait(30)
    store.close()
    goes_on.set()
    reader.join(30)
    assert seen == [7]


def test_rows_that_nobody_touched_are_not_made_anew_and_others_are(store: Store, path: Path) -> None:
    first, second = admit(store, "one"), admit(store, "two")
    before = store.live()
    assert all(now is then for now, then in zip(store.live(), before, strict=True))
    with closing(opened(path)) as other:
        other.note(second.id, github_id=7)
    after = store.live()
    assert [(each.name, each.github_id) for each in after] == [("one", None), ("two", 7)]
    end(store, first)
    assert [each.name for each in store.live()] == ["two"]
