"""The file that all processes of a host share: SQLite, a connection for each thread, one writer at a time.

Writes are ``BEGIN IMMEDIATE``, so that two writers never both believe they saw the newest row.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..domain.errors import ConfigInvalid, DiskFull, Overloaded, RunnerctlError
from .turns import Turns

SCHEMA_VERSION = 7
"""What the newest file in ``migrations`` makes."""
_BUSY_SECONDS = 15.0
_PAUSE_SECONDS = 0.002
_CLOSE_SECONDS = 1.0
_PRIMARY = 0xFF
"""The part of an error's code that tells its kind; the rest tells where it came from."""
_ROOM = 2 * 1024 * 1024
_LOG_PAGES = 400
"""The write-ahead log is used anew from its beginning beyond these, 1.6 MB: less than the room in it."""


class Database:
    """Safe for threads. What SQLite raises comes out as one of our errors."""

    def __init__(self, path: Path, *, make: bool = True, empty: bool = False) -> None:
        """``make``: a file that is missing is made. ``empty``: it is read as one without rows, and not made."""
        self._path = path
        self._address, self._is_uri = _address(path, make=make, empty=empty)
        self._local = threading.local()
        # SQLite's busy handler polls; queueing our own threads first is fair and wakes at once.
        self._writing = threading.Lock()
        self._turns = Turns(path.parent, pause=_PAUSE_SECONDS)
        self._commits = 0
        self._opened: set[_Connection] = set()
        try:
            self._migrate()
        except BaseException:
            self.close()  # nobody else can
            raise

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
        """Closes every thread's connection; the store is not used after that.

        One that is in use just now is left to the end of its thread or process: SQLite would crash.
        """
        for opened in list(self._opened):
            if opened.using.acquire(timeout=_CLOSE_SECONDS):
                opened.close()
                opened.using.release()
        if self._writing.acquire(timeout=_CLOSE_SECONDS):
            self._turns.close()
            self._writing.release()

    @property
    def _mine(self) -> _Connection:
        mine: _ThreadConnection | None = getattr(self._local, "mine", None)
        if mine is None:
            mine = self._local.mine = _ThreadConnection(_Connection(self._connect(), self._opened))
        return mine.opened

    def _connect(self) -> sqlite3.Connection:
        with ExitStack() as refused:
            try:
                connection = sqlite3.connect(
                    self._address,
                    uri=self._is_uri,
                    timeout=_BUSY_SECONDS,
                    isolation_level=None,
                    check_same_thread=False,
                )
                refused.callback(connection.close)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
                connection.execute("PRAGMA foreign_keys = ON")
                # SQLite's own `lower` knows ASCII alone, and indexes need it.
                connection.create_function("lower_unicode", 1, str.lower, deterministic=True)
            except sqlite3.Error as exc:
                raise _meaning(exc, self._path) from exc
            refused.pop_all()
        return connection

    def _read(self, query: str, *values: object) -> list[Any]:
        mine = self._mine
        try:
            with mine.using:
                return mine.connection.execute(query, values).fetchall()
        except sqlite3.Error as exc:
            raise _meaning(exc, self._path) from exc

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        mine = self._mine
        with self._writing, mine.using:
            db = mine.connection
            try:
                _begin(db, self._turns)
                try:
                    yield db
                    db.execute("COMMIT")
                    self._commits += 1
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
                finally:
                    self._turns.wrote()
            except sqlite3.Error as exc:
                raise _meaning(exc, self._path) from exc

    def _migrate(self) -> None:
        """A database of this version is only read: whoever writes meanwhile is not waited for."""
        if self._read("PRAGMA user_version")[0][0] == SCHEMA_VERSION:
            return
        from . import migrations

        with self._transaction() as db:
            migrations.upgrade(db, path=self._path)


def _begin(db: sqlite3.Connection, turns: Turns) -> None:
    """As the one writer of all processes; who waits asks every few milliseconds.

    SQLite's own waiting pauses for up to 100 ms, within which others come and go: among ten busy writers one waited
    12 s of its 15.
    """
    db.execute("PRAGMA busy_timeout = 0")
    try:
        turns.give_way()
        if not _begun(db):
            with turns.waiting():
                _begin_when_free(db)
    finally:
        db.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")


def _begin_when_free(db: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _BUSY_SECONDS
    while not _begun(db, last=time.monotonic() > deadline):
        time.sleep(_PAUSE_SECONDS)


def _begun(db: sqlite3.Connection, *, last: bool = False) -> bool:
    """False while another process writes; ``last``: that is raised."""
    try:
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as exc:
        if last or exc.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


class _Connection:
    """A connection, for as long as it is open."""

    def __init__(self, connection: sqlite3.Connection, all_of_them: set[_Connection]) -> None:
        self.connection = connection
        self.using = threading.RLock()
        """By its thread; another one closes it only in between."""
        self._all = all_of_them
        all_of_them.add(self)

    def close(self) -> None:
        self._all.discard(self)
        with self.using:
            self.connection.close()


class _ThreadConnection:
    """One thread's: it ends with its thread, and pools come and go."""

    def __init__(self, opened: _Connection) -> None:
        self.opened = opened

    def __del__(self) -> None:
        self.opened.close()


def _address(path: Path, *, make: bool, empty: bool) -> tuple[str, bool]:
    """What SQLite is told, and whether that is a URI."""
    if make:
        return str(path), False
    from urllib.parse import quote

    if empty and not os.path.lexists(path):
        # Named, so that all threads have the same one: https://www.sqlite.org/inmemorydb.html
        return f"file:{quote(str(path))}?mode=memory&cache=shared", True
    return f"file:{quote(str(path))}?mode=rw", True


_NO_DATABASE = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
    }
)
_IN_USE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})


def _meaning(exc: sqlite3.Error, path: Path) -> RunnerctlError:
    # What Python itself refuses, such as a closed connection, has no code.
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code == sqlite3.SQLITE_FULL:
        return DiskFull(f"No space is left for the database {str(path)!r}", hint="Free some space and try again")
    if code in _NO_DATABASE:
        return ConfigInvalid(f"The database {str(path)!r} cannot be used: {exc}")
    if code in _IN_USE:
        return Overloaded(f"The database {str(path)!r} stayed locked for {_BUSY_SECONDS:.0f} s", hint="Try again")
    return RunnerctlError(f"The database {str(path)!r} failed: {exc}")
