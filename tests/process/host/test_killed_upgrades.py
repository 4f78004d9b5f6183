"""An upgrade of the database by a process that is killed in the midst of it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from runnerctl.core.store.connection import SCHEMA_VERSION

pytestmark = pytest.mark.long

DATA = Path(__file__).parents[2] / "data"


def test_an_upgrade_that_is_killed_leaves_the_old_version_or_the_new_one(tmp_path: Path) -> None:
    """At each statement there is; whoever comes next brings it to its end, and nothing else lies around."""
    first_version = tmp_path / "runnerctl.db"
    with closing(sqlite3.connect(first_version)) as db:
        db.executescript((DATA / "database_of_version_1.sql").read_text())  # all in one file, to be copied
    original = shutil.copy(first_version, tmp_path / "original")
    argv = [sys.executable, "-m", "tests.support.dying_upgrade", str(first_version), str(original)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    old, new = told[0], told[-1]
    assert (old.split()[0], new.split()[0]) == ("1", str(SCHEMA_VERSION))
    killed, finished = told[::2], told[1::2]
    assert set(killed) == {old, new}
    assert set(finished) == {new}
    assert killed.count(old) > 20, "it did not die in the midst of it"
    left = {each.name.removeprefix(first_version.name) for each in tmp_path.glob("runnerctl.db*")}
    assert left <= {"", "-wal", "-shm", f".before-{SCHEMA_VERSION}"}
