"""What is known of every runner: SQLite, guarded transitions, an event log.

All processes of a host share one file (command line, server, reap). Each thread has its own connection; writes are
``BEGIN IMMEDIATE``, so that two writers never both believe they saw the newest row.
"""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from . import rows
from .clock import Clock
from .errors import ConfigInvalid, DiskFull, InvalidTransition, Overloaded, QuotaExceeded, RunnerctlError, RunnerExists
from .models import Event, Listed, Orphan, Runner, RunnerPage, RunnerQuery, RunnerSpec, Sighting
from .states import TERMINAL, Desired, RunnerState, may_follow

SCHEMA_VERSION = 1
_BUSY_SECONDS = 15.0
_MOST_KNOWN = 4096
_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
T = TypeVar("T", Runner, Listed)
_LIVE_SQL = f"state NOT IN ({', '.join(repr(str(state)) for state in sorted(TERMINAL))})"


class Store:
    """The runners of one state directory. Safe for threads; each has a connection of its own."""

    def __init__(self, path: Path, *, clock: Clock, rng: random.Random, host: str, make: bool = True) -> None:
        self._path = path
        self._make = make
        self._clock = clock
        self._rng = rng
        self._host = host
        self._local = threading.local()
        # SQLite's busy handler polls; queueing our own threads first is fair and wakes at once.
        self._writing = threading.Lock()
        self._commits = 0
        self._opened: list[sqlite3.Connection] = []
        self._known: dict[str, Runner] = {}
        self._migrate()

    # -- reading

    def latest(self, name: str) -> Runner | None:
        """The current or last life of that name."""
        query = "SELECT id, revision FROM runner WHERE lower(name) = ? ORDER BY seq DESC LIMIT 1"
        found = self._read(query, name.lower())
        if not found:
            return None
        runner_id, revision = found[0]
        # Most looks find a row that nobody has touched: reading and making it whole again costs more than the query.
        known = self._known.get(runner_id)
        return known if known is not None and known.revision == revision else self.get(runner_id)

    def mark(self) -> tuple[int, int]:
        """Stays the same, within one thread, for as long as nobody commits anything to the database."""
        # SQLite counts what others than this connection commit.
        return self._commits, int(self._read("PRAGMA data_version")[0][0])

    def get(self, runner_id: str) -> Runner | None:
        found = self._read(f"{rows.SELECT} WHERE id = ?", runner_id)
        if not found:
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        runner = self._known[runner_id] = rows.runner(found[0])
        return runner

    def live(self) -> list[Runner]:
        """Every runner whose life has not ended, oldest first."""
        return [rows.runner(row) for row in self._read(f"{rows.SELECT} WHERE {_LIVE_SQL} ORDER BY seq")]

    def previous_github_id(self, runner: Runner) -> int | None:
        """GitHub's id of the last registration of that name in that scope, made by an earlier life."""
        found = self._read(
            "SELECT github_id FROM runner WHERE lower(name) = ? AND lower(scope) = ? AND seq < ?"
            " AND github_id IS NOT NULL ORDER BY seq DESC LIMIT 1",
            runner.name.lower(),
            str(runner.scope).lower(),
            runner.seq,
        )
        return int(found[0][0]) if found else None

    def page(self, query: RunnerQuery) -> RunnerPage[Runner]:
        """The runners that fit, oldest first, up to the query's limit."""
        return self._page(query, rows.SELECT, rows.runner)

    def listed(self, query: RunnerQuery) -> RunnerPage[Listed]:
        """The same for who only wants to tell them: half the time of a page."""
        return self._page(query, rows.SELECT_LISTED, rows.listed)

    def _page(self, query: RunnerQuery, select: str, make: Callable[[tuple[Any, ...]], T]) -> RunnerPage[T]:
        wanted = ["seq > ?"]
        values: list[object] = [query.after]
        if query.state is not None:
            wanted.append("state = ?")
            values.append(str(query.state))
        elif not query.every:
            wanted.append(_LIVE_SQL)
        if query.scope is not None:
            wanted.append("lower(scope) = ?")
            values.append(query.scope.lower())
        if query.label is not None:
            wanted.append("instr(',' || lower(labels) || ',', ',' || ? || ',') > 0")
            values.append(query.label.lower())
        statement = f"{select} WHERE {' AND '.join(wanted)} ORDER BY seq LIMIT ?"
        found = self._read(statement, *values, query.limit + 1)
        items = [make(row) for row in found[: query.limit]]
        return RunnerPage(items=items, next=items[-1].seq if len(found) > query.limit else None)

    def history(self, runner_id: str) -> list[Event]:
        query = "SELECT runner_id, at, old, new, reason FROM runner_event WHERE runner_id = ? ORDER BY id"
        return [rows.event(row) for row in self._read(query, runner_id)]

    # -- writing

    def admit(self, spec: RunnerSpec, *, root: Path, most: int | None = None) -> Runner:
        """A new life in ``pending``, if its name is free on this host and fewer than ``most`` live.

        Raises ``RunnerExists`` or ``QuotaExceeded``.
        """
        now = self._clock.now()
        runner_id = self._new_id()
        values = {
            "id": runner_id,
            "host": self._host,
            "state": RunnerState.PENDING,
            "desired": Desired.RUNNING,
            "revision": 1,
            "root": str(root),
            "created_at": now,
            "changed_at": now,
            **rows.of_spec(spec),
        }
        columns = rows.encoded(values)
        marks = ", ".join("?" * len(columns))
        with self._transaction() as db:
            self._check_quota(db, most)
            try:
                db.execute(f"INSERT INTO runner ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))
            except sqlite3.IntegrityError as exc:
                raise RunnerExists(f"Runner {spec.name!r} exists already", hint=REMOVE_FIRST) from exc
            first = Event(runner_id=runner_id, at=now, old=None, new=RunnerState.PENDING, reason=None)
            self._record(db, first)
        return self._must_get(runner_id)

    def transition(self, runner: Runner, *states: RunnerState, why: str | None = None, **changes: Any) -> Runner:
        """Moves ``runner`` along the table (through ``states`` in order) and writes ``changes`` with it, in one commit.

        ``why`` goes into the history.
        Raises ``InvalidTransition`` when the table forbids it or when the row moved on since ``runner`` was read.
        """
        now = self._clock.now()
        old = runner.state
        with self._transaction() as db:
            for new in states:
                if not may_follow(old, new):
                    raise InvalidTransition(f"Runner {runner.name!r} cannot go from {old} to {new}")
                self._record(db, Event(runner_id=runner.id, at=now, old=old, new=new, reason=why))
                old = new
            ended = {"ended_at": now} if old in TERMINAL else {}
            self._update(db, runner, {"state": old, "changed_at": now, **ended, **changes})
        return self._must_get(runner.id)

    def amend(self, runner: Runner, **changes: Any) -> Runner:
        """Writes ``changes`` without a change of state; refused like a transition when the row moved on."""
        with self._transaction() as db:
            self._update(db, runner, changes)
        return self._must_get(runner.id)

    def note_sightings(self, sightings: Iterable[Sighting]) -> None:
        """What GitHub listed, in one commit; no change of the rows that any writer could mind."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE runner SET github_status = ?, github_busy = ?, github_seen_at = ? WHERE id = ?",
                [(seen.status, int(seen.busy), seen.at, seen.runner_id) for seen in sightings],
            )
        # The revision stays, so what is remembered by it must go.
        self._known.clear()

    # -- forgetting

    def ended_before(self, when: float, *, limit: int) -> list[str]:
        """The lives that ended before then and that no orphan task needs, oldest first."""
        query = (
            f"SELECT id FROM runner WHERE NOT ({_LIVE_SQL}) AND ended_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM orphan WHERE orphan.runner_id = runner.id) ORDER BY seq LIMIT ?"
        )
        return [str(row[0]) for row in self._read(query, when, limit)]

    def forget(self, runner_ids: Sequence[str]) -> int:
        """Deletes lives that have ended, with their history; says how many events that were."""
        marks = ", ".join("?" * len(runner_ids))
        ended = f"(SELECT id FROM runner WHERE id IN ({marks}) AND NOT ({_LIVE_SQL}))"
        with self._transaction() as db:
            events = db.execute(f"DELETE FROM runner_event WHERE runner_id IN {ended}", tuple(runner_ids)).rowcount
            db.execute(f"DELETE FROM runner WHERE id IN {ended}", tuple(runner_ids))
        return events

    # -- orphaned registrations

    def keep_orphan(self, runner: Runner, *, reason: str) -> None:
        """Remembers that a registration may be left at GitHub. Twice for one life is once."""
        now = self._clock.now()
        with self._transaction() as db:
            db.execute(
                "INSERT INTO orphan (runner_id, scope, name, labels, github_id, reason, created_at, next_try_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (runner_id) DO NOTHING",
                rows.orphan_values(runner, reason=reason, now=now),
            )

    def orphans(self, *, due_at: float | None = None) -> list[Orphan]:
        """The registrations still to be cleared; only those due, if a time is given."""
        query = "SELECT id, runner_id, scope, name, labels, github_id, reason, tries, next_try_at FROM orphan"
        if due_at is None:
            return [rows.orphan(row) for row in self._read(f"{query} ORDER BY id")]
        return [rows.orphan(row) for row in self._read(f"{query} WHERE next_try_at <= ? ORDER BY id", due_at)]

    def has_orphan(self, runner_id: str) -> bool:
        return bool(self._read("SELECT 1 FROM orphan WHERE runner_id = ?", runner_id))

    def postpone_orphan(self, orphan: Orphan, *, until: float) -> None:
        with self._transaction() as db:
            db.execute("UPDATE orphan SET tries = tries + 1, next_try_at = ? WHERE id = ?", (until, orphan.id))

    def forget_orphan(self, runner_id: str) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM orphan WHERE runner_id = ?", (runner_id,))

    # -- inside

    def close(self) -> None:
        """Closes every thread's connection; the store is not used after that."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()

    @property
    def _db(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            self._opened.append(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path if self._make else _existing(self._path),
                uri=not self._make,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error as exc:
            raise _meaning(exc, self._path) from exc
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

    @staticmethod
    def _check_quota(db: sqlite3.Connection, most: int | None) -> None:
        if most is None:
            return
        living = db.execute(f"SELECT count(*) FROM runner WHERE {_LIVE_SQL}").fetchone()[0]
        if living >= most:
            raise QuotaExceeded(
                f"This host has {living} runners, and max_runners allows {most}",
                hint="Remove a runner or wait for one to end, or raise max_runners",
            )

    def _update(self, db: sqlite3.Connection, runner: Runner, changes: dict[str, Any]) -> None:
        columns = rows.encoded(changes)
        assignments = ", ".join(f"{column} = ?" for column in columns)
        done = db.execute(
            f"UPDATE runner SET {assignments}, revision = revision + 1 WHERE id = ? AND revision = ?",
            (*columns.values(), runner.id, runner.revision),
        )
        if done.rowcount != 1:
            raise InvalidTransition(f"Runner {runner.name!r} was changed by someone else meanwhile", hint="Try again")

    @staticmethod
    def _record(db: sqlite3.Connection, event: Event) -> None:
        db.execute(
            "INSERT INTO runner_event (runner_id, at, old, new, reason) VALUES (?, ?, ?, ?, ?)",
            (event.runner_id, event.at, event.old, event.new, event.reason),
        )

    def _must_get(self, runner_id: str) -> Runner:
        runner = self.get(runner_id)
        assert runner is not None, runner_id  # noqa: S101 - rows are deleted long after their end only
        return runner

    def _new_id(self) -> str:
        return "".join(self._rng.choice(_ID_ALPHABET) for _ in range(10))

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


REMOVE_FIRST = "Choose another name, or remove that runner first"


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
