"""The file that all processes of a host share: SQLite, a connection for each thread, one writer at a time.

Writes are ``BEGIN IMMEDIATE``, so that two writers never both believe they saw the newest row.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..domain.errors import ConfigInvalid, DiskFull, Overloaded, RunnerctlError

SCHEMA_VERSION = 1
_BUSY_SECONDS = 15.0
_ROOM = 2 * 1024 * 1024
_LOG_PAGES = 400
"""The write-ahead log is used anew from its beginning beyond these, 1.6 MB: less than the room in it."""


class Database:
    """Safe for threads. What SQLite raises comes out as one of our errors."""

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self._path = path
        self._make = make
        self._local = threading.local()
        # SQLite's busy handler polls; queueing our own threads first is fair and wakes at once.
        self._writing = threading.Lock()
        self._commits = 0
        self._opened: set[_Connection] = set()
        self._migrate()

    def mark(self) -> tuple[int, int]:
        """Stays the same, within one thread, for as long as nobody commits anything to the database."""
        # SQLite counts what others than this connection commit.
        return self._commits, int(self._read("PRAGMA data_version")[0][0])

    def keep_room(self) -> None:
        """For as long as this process lives, a job that fills the disk does not keep us from writing down what happens.

        The room is inside the files: free pages of the database, and a log of its length that is used over and over.
        Raises ``DiskFull``, and takes nothing, where there is no such room.
        """
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < 4 * _ROOM:
            raise DiskFull(f"Less than 8 MiB are free for the database {str(self._path)!r}", hint="Free some space")
        with self._transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS room (filler BLOB)")
            db.execute("INSERT INTO room VALUES (zeroblob(?))", (_ROOM,))
        self._read("PRAGMA wal_checkpoint")
        with self._transaction() as db:
            db.execute("DROP TABLE room")

    def close(self) -> None:
        """Closes every thread's connection; the store is not used after that."""
        for opened in list(self._opened):
            opened.close()

    @property
    def _db(self) -> sqlite3.Connection:
        mine: _ThreadConnection | None = getattr(self._local, "mine", None)
        if mine is None:
            mine = self._local.mine = _ThreadConnection(_Connection(self._connect(), self._opened))
        return mine.opened.connection

    def _connect(self) -> sqlite3.Connection:
        with ExitStack() as refused:
            try:
                connection = sqlite3.connect(
                    self._path if self._make else _existing(self._path),
                    uri=not self._make,
                    timeout=_BUSY_SECONDS,
                    isolation_level=None,
                    check_same_thread=False,
                )
                refused.callback(connection.close)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
                connection.execute("PRAGMA foreign_keys = ON")
            except sqlite3.Error as exc:
                raise _meaning(exc, self._path) from exc
            refused.pop_all()
        return connection

    def _read(self, query: str, *values: object) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as exc:
            raise _meaning(exc, self._path) from exc

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            db = self._db
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                    db.execute("COMMIT")
                    self._commits += 1
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as exc:
                raise _meaning(exc, self._path) from exc

    def _migrate(self) -> None:
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise ConfigInvalid(
                    f"The database {str(self._path)!r} was written by a newer runnerctl",
                    hint="Upgrade runnerctl, or name another state directory",
                )
            if version == 0:
                for statement in _statements(Path(__file__).with_name("schema.sql").read_text()):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


class _Connection:
    """A connection, for as long as it is open."""

    def __init__(self, connection: sqlite3.Connection, all_of_them: set[_Connection]) -> None:
        self.connection = connection
        self._all = all_of_them
        all_of_them.add(self)

    def close(self) -> None:
        self._all.discard(self)
        self.connection.close()


class _ThreadConnection:
    """One thread's: it ends with its thread, and pools come and go."""

    def __init__(self, opened: _Connection) -> None:
        self.opened = opened

    def __del__(self) -> None:
        self.opened.close()


def _existing(path: Path) -> str:
    """The address of a database that must be there already."""
    from urllib.parse import quote

    return f"file:{quote(str(path))}?mode=rw"


def _statements(script: str) -> list[str]:
    """Its single statements: ``executescript`` would commit the transaction around them."""
    plain = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    return [statement for statement in plain.split(";") if statement.strip()]


def _meaning(exc: sqlite3.Error, path: Path) -> RunnerctlError:
    text = str(exc)
    if "full" in text:
        return DiskFull(f"No space is left for the database {str(path)!r}", hint="Free some space and try again")
    if "unable to open" in text or "readonly" in text or "not a database" in text or "malformed" in text:
        return ConfigInvalid(f"The database {str(path)!r} cannot be used: {text}")
    if "locked" in text:
        return Overloaded(f"The database {str(path)!r} stayed locked for {_BUSY_SECONDS:.0f} s", hint="Try again")
    return RunnerctlError(f"The database {str(path)!r} failed: {text}")
