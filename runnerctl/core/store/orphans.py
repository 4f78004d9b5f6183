"""What is still to be done beside the runners' own lives: registrations to clear, runners to make again; and where
nothing is done by ourselves for a while.
"""

from __future__ import annotations

from ..domain.clock import Clock
from ..domain.models import Backoff, Orphan, Runner, Scope
from . import rows
from .connection import Database

LONGEST_WAIT = 3600.0
"""Between two tries at a registration, in seconds."""
_OF_NAME = "runner_id IN (SELECT id FROM runner WHERE lower(name) = ?)"


class Duties(Database):
    """Part of the store."""

    _clock: Clock

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
        # One that is due later than any can be was put off before the clock was set back.
        due = f"{query} WHERE next_try_at <= ? OR next_try_at > ? ORDER BY id"
        return [rows.orphan(row) for row in self._read(due, due_at, due_at + LONGEST_WAIT)]

    def has_orphan(self, runner_id: str) -> bool:
        return bool(self._read("SELECT 1 FROM orphan WHERE runner_id = ?", runner_id))

    def postpone_orphan(self, orphan: Orphan, *, until: float) -> None:
        """For ``LONGEST_WAIT`` at the most."""
        until = min(until, self._clock.now() + LONGEST_WAIT)
        with self._transaction() as db:
            db.execute("UPDATE orphan SET tries = tries + 1, next_try_at = ? WHERE id = ?", (until, orphan.id))

    def forget_orphan(self, runner_id: str) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM orphan WHERE runner_id = ?", (runner_id,))

    # -- runners that lost their registration, to be made again

    def keep_replacement(self, runner: Runner) -> None:
        """Remembers that this life, once it has ended, is to be followed by another of its name."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO replacement (runner_id, created_at) VALUES (?, ?) ON CONFLICT (runner_id) DO NOTHING",
                (runner.id, self._clock.now()),
            )

    def replacements(self) -> list[str]:
        """The lives to be followed by another, oldest first."""
        return [str(row[0]) for row in self._read("SELECT runner_id FROM replacement ORDER BY created_at, runner_id")]

    def has_replacement(self, name: str) -> bool:
        """Whether a life of that name is to be followed by another."""
        return bool(self._read(f"SELECT 1 FROM replacement WHERE {_OF_NAME}", name.lower()))

    def forget_replacement(self, name: str) -> None:
        if self.has_replacement(name):
            with self._transaction() as db:
                db.execute(f"DELETE FROM replacement WHERE {_OF_NAME}", (name.lower(),))

    # -- what we begin by ourselves in a scope

    def begin_registration(self, scope: Scope, *, most: int, window: float) -> float | None:
        """Counts a registration that no command asked for, if fewer than ``most`` were begun in ``window`` seconds.

        Otherwise counts nothing and returns when the next may begin.
        """
        now, key = self._clock.now(), _key(scope)
        with self._transaction() as db:
            db.execute("DELETE FROM own_registration WHERE at <= ? OR at > ?", (now - window, now))
            began = db.execute("SELECT at FROM own_registration WHERE scope = ? ORDER BY at DESC", (key,)).fetchall()
            if len(began) >= most:
                return float(began[most - 1][0]) + window
            db.execute("INSERT INTO own_registration (scope, at) VALUES (?, ?)", (key, now))
        return None

    def back_off(self, scope: Scope, *, until: float, tries: int, reason: str) -> None:
        """Nothing is begun there by ourselves until then."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO backoff (scope, until, tries, reason) VALUES (?, ?, ?, ?) ON CONFLICT (scope)"
                " DO UPDATE SET until = excluded.until, tries = excluded.tries, reason = excluded.reason",
                (_key(scope), until, tries, reason),
            )

    def end_backoff(self, scope: Scope) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM backoff WHERE scope = ?", (_key(scope),))

    def backoffs(self, scope: Scope | None = None) -> list[Backoff]:
        """Those of all scopes, or that of one; also those that are over, which tell how often it was tried."""
        query = "SELECT scope, until, tries, reason FROM backoff"
        found = (
            self._read(f"{query} ORDER BY scope")
            if scope is None
            else self._read(f"{query} WHERE scope = ?", _key(scope))
        )
        return [rows.backoff(row) for row in found]


def _key(scope: Scope) -> str:
    return str(scope).lower()
