"""Opens a database over and over, and is killed a statement later each time; prints what each death left.

A process of its own without threads, for it forks. Arguments: the database, and a copy of it to begin with each time.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.store import (
    Store,
    migrations,  # noqa: F401 - imported once, not after each fork
)


class Dying(Store):
    """Ends its process when SQLite is about to run that statement, counted from one."""

    at = 0

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.set_trace_callback(self._passed)
        return connection

    def _passed(self, _: str) -> None:
        self.at -= 1
        if self.at == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def upgrade(path: Path, at: int) -> bool:
    """Whether it was killed before it came to its end."""
    child = os.fork()
    if child == 0:
        Dying.at = at
        Dying(path, clock=SystemClock(), rng=random.Random(), host="here").close()
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def left(path: Path) -> str:
    """The version, and which tables there are."""
    with closing(sqlite3.connect(path)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        return f"{version} {len(tables)}"


def main(path: Path, original: Path) -> None:
    at, killed = 0, True
    while killed:
        at += 1
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()
        shutil.copy(original, path)
        killed = upgrade(path, at)
        print(left(path))  # noqa: T201
        # Whoever comes next brings it to its end.
        assert not upgrade(path, 0), at
        print(left(path))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
