"""What is begun in a scope without a command: how often, and where nothing is begun for a while."""

from __future__ import annotations

from ..domain.clock import Clock
from ..domain.models import Backoff, Scope
from . import rows
from .connection import Database


class Backoffs(Database):
    """Part of the store."""

    _clock: Clock

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
