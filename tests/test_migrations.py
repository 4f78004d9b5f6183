"""An upgrade of the database: nothing is lost, nothing is half done, nobody is surprised by it."""

from __future__ import annotations

import fcntl
import random
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from runnerctl.core import migrations
from runnerctl.core.clock import SystemClock
from runnerctl.core.database import SCHEMA_VERSION
from runnerctl.core.errors import ConfigInvalid
from runnerctl.core.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runnerctl.db"


def opened(path: Path, *, make: bool = True) -> Store:
    return Store(path, clock=SystemClock(), rng=random.Random(), host="here", make=make)


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture
def first_version(path: Path) -> Path:
    """A database of version 1 with nothing in it."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(migrations.all_of_them()[0].script.read_text())
        db.execute("PRAGMA user_version = 1")
    return path


def test_the_files_make_one_version_after_another_up_to_that_of_the_code() -> None:
    assert [each.version for each in migrations.all_of_them()] == list(range(1, SCHEMA_VERSION + 1))


def test_a_new_database_has_the_newest_version_and_no_copy_of_an_older_one(path: Path) -> None:
    opened(path).close()
    assert version(path) == SCHEMA_VERSION
    assert not list(path.parent.glob("*.before-*"))


def test_the_version_before_is_kept_whole_for_its_owner_alone(first_version: Path) -> None:
    opened(first_version).close()
    copy = first_version.with_name("runnerctl.db.before-2")
    assert (version(first_version), version(copy)) == (SCHEMA_VERSION, 1)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(each.name for each in copy.parent.iterdir() if "before" in each.name) == [copy.name]


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
