"""An upgrade of the database: nothing is lost, nothing is half done, nobody is surprised by it."""

from __future__ import annotations

import fcntl
import random
import sqlite3
import stat
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.domain.models import EventType, RunnerSpec, Scope
from runnerctl.core.domain.observation import Observation, Phase
from runnerctl.core.domain.states import Desired, How, RunnerState
from runnerctl.core.engine.plan import Deadlines, Now, Seen, plan
from runnerctl.core.engine.table import Step
from runnerctl.core.store import Store, migrations
from runnerctl.core.store.connection import SCHEMA_VERSION

DATA = Path(__file__).parents[1] / "data"
OLDER = range(1, SCHEMA_VERSION)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runnerctl.db"


def opened(path: Path, *, make: bool = True) -> Store:
    return Store(path, clock=SystemClock(), rng=random.Random(), host="here", make=make)


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def filled(path: Path, number: int) -> Path:
    """A database as runnerctl left it when that version was the newest, with all kinds of rows."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript((DATA / f"database_of_version_{number}.sql").read_text())
    return path


def rows_of(path: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(f"SELECT * FROM {table} ORDER BY rowid")]


def schema(path: Path) -> set[tuple[str, str]]:
    """By name: what SQLite keeps of each statement, blanks aside."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(name, " ".join(sql.replace('"', "").split())) for name, sql in found}


def columns(path: Path, table: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"PRAGMA table_info({table})").fetchall()


@pytest.fixture
def first_version(path: Path) -> Path:
    return filled(path, 1)


def test_the_files_make_one_version_after_another_up_to_that_of_the_code() -> None:
    assert [each.version for each in migrations.all_of_them()] == list(range(1, SCHEMA_VERSION + 1))


def test_a_new_database_has_the_newest_version_and_no_copy_of_an_older_one(path: Path) -> None:
    opened(path).close()
    assert version(path) == SCHEMA_VERSION
    assert not list(path.parent.glob("*.before-*"))


def test_the_version_before_is_kept_whole_for_its_owner_alone(first_version: Path) -> None:
    opened(first_version).close()
    copy = first_version.with_name(f"runnerctl.db.before-{SCHEMA_VERSION}")
    assert (version(first_version), version(copy)) == (SCHEMA_VERSION, 1)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(each.name for each in copy.parent.iterdir() if "before" in each.name) == [copy.name]


def test_a_copy_of_an_upgrade_that_came_to_nothing_is_replaced(first_version: Path) -> None:
    copy = first_version.with_name(f"runnerctl.db.before-{SCHEMA_VERSION}")
    for each in (copy, copy.with_name(f"{copy.name}.new")):
        each.write_text("half of a database")
    opened(first_version).close()
    assert rows_of(copy, "runner")
    assert not copy.with_name(f"{copy.name}.new").exists()


def test_no_upgrade_under_a_server_that_does_not_know_it(first_version: Path) -> None:
    with first_version.with_name("serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigInvalid) as refused:
            opened(first_version)
        assert "Restart the server first" in (refused.value.hint or "")
        assert version(first_version) == 1
    opened(first_version).close()
    assert version(first_version) == SCHEMA_VERSION


@pytest.mark.parametrize("make", [True, False])
def test_opening_and_reading_wait_for_no_writer(path: Path, *, make: bool) -> None:
    opened(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        began = SystemClock().monotonic()
        store = opened(path, make=make)
        assert store.latest("a") is None
        store.close()
        assert SystemClock().monotonic() - began < 5
        writer.execute("ROLLBACK")


@pytest.mark.parametrize("number", OLDER)
def test_an_upgraded_database_is_like_a_new_one(path: Path, tmp_path: Path, number: int) -> None:
    opened(filled(path, number)).close()
    new = tmp_path / "new.db"
    opened(new).close()
    assert schema(path) == schema(new)
    for table in ("runner", "event", "job"):
        assert columns(path, table) == columns(new, table)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("number", OLDER)
def test_an_upgrade_loses_nothing(path: Path, number: int) -> None:
    filled(path, number)
    tables = ["runner", "orphan", "replacement", "own_registration", "backoff", "absence", "api_token"]
    before = {table: rows_of(path, table) for table in tables}
    assert all(before.values()), "the data has nothing of a kind"
    assert {row["state"] for row in before["runner"]} == set(RunnerState)
    opened(path).close()
    for table, rows in before.items():
        kept = [
            {column: after[column] for column in row} for row, after in zip(rows, rows_of(path, table), strict=True)
        ]
        assert kept == rows


def test_the_history_of_every_life_goes_on_where_it_was(first_version: Path) -> None:
    before = rows_of(first_version, "runner_event")
    store = opened(first_version)
    events = store.events_after(0, limit=1000)
    told = [(event.runner_id, event.at, event.old, event.new, event.reason) for event in events]
    assert told == [tuple(row[name] for name in ("runner_id", "at", "old", "new", "reason")) for row in before]
    assert [event.type for event in events] == [EventType.STATE] * len(before)
    for runner in store.live():
        last = store.history(runner.id)[-1]
        assert last.new is runner.state
    store.close()


def test_what_was_under_way_goes_on_and_a_job_is_finished_first(first_version: Path) -> None:
    store = opened(first_version)
    removing = {runner.name: runner for runner in store.live() if runner.state is RunnerState.REMOVING}
    assert {name: (runner.desired, runner.how, runner.ending) for name, runner in removing.items()} == {
        "removing-1": (Desired.GONE, How.DRAIN, RunnerState.REMOVED),
        "removing-failed": (Desired.GONE, How.DRAIN, RunnerState.FAILED),
    }
    assert {runner.wanted_at == runner.changed_at for runner in removing.values()} == {True}
    assert {(runner.due, runner.attempts, runner.wanted_by) for runner in store.live()} == {(None, 0, None)}
    store.close()


def test_nothing_that_was_under_way_can_be_taken_back_to_what_nobody_knows(first_version: Path) -> None:
    """Where a removal goes back to stands in no row of the first version."""
    store = opened(first_version)
    now = Now(wall=1_800_000_000.0, boot=1.0, boot_id="this boot")
    for runner in store.live():
        for working, refused in product((False, True), repeat=2):
            phase = Phase.BUSY if working else Phase.LISTENING
            processes = Observation(running=True, supervised=True, pid=1, phase=phase, working=working)
            seen = Seen(runner=runner, processes=processes, supervised=True, working=working, refused=refused)
            step = plan(seen, now=now, deadlines=Deadlines()).step
            assert runner.state is not RunnerState.REMOVING or step is not Step.REFUSE, (runner, working, refused)
    store.close()


def test_each_runner_stays_with_the_backend_that_started_it(first_version: Path) -> None:
    store = opened(first_version)
    assert {runner.name for runner in store.live() if runner.backend == "systemd"} == {"idle-unit"}
    assert {runner.backend for runner in store.live()} == {"systemd", "process"}
    store.close()


def test_the_number_of_a_life_is_not_used_again_after_an_upgrade(first_version: Path) -> None:
    with closing(sqlite3.connect(first_version)) as db:
        (highest,) = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'runner'").fetchone()
    store = opened(first_version)
    spec = RunnerSpec.of(name="new", scope=Scope.of(repo="o/r"), labels="linux")
    assert store.admit(spec, root=Path("/x/new")).seq == highest + 1
    store.close()


def test_results_of_jobs_are_words_of_ours_and_such_as_were_kept_before_are_the_logs(path: Path) -> None:
    opened(filled(path, 3)).close()
    told = [(job["name"], job["result"], job["result_from"]) for job in rows_of(path, "job")]
    assert told == [
        ("build", "succeeded", "log"),
        ("lint", "cancelled", "log"),
        ("test", "succeeded", "log"),
        ("odd", None, None),
        ("build", None, None),
    ]
