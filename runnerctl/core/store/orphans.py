"""What could not be cleared yet when a runner went, and runners that lost their registration and are made again."""

from __future__ import annotations

from ..domain.clock import Clock
from ..domain.models import Orphan, OrphanKind, Runner
from ..domain.paging import Page, Place
from . import rows
from .connection import Database

LONGEST_WAIT = 3600.0
"""Between two tries at one, in seconds."""
_INSERT = (
    "INSERT INTO orphan"
    " (runner_id, scope, name, labels, github_id, kind, path, reason, hint, created_at, next_try_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_OF_NAME = "runner_id IN (SELECT id FROM runner WHERE lower(name) = ?)"


class Orphans(Database):
    """Part of the store."""

    _clock: Clock

    # -- orphans

    def keep_orphan(self, runner: Runner, *, reason: str, seconds: float = 0.0) -> None:
        """Remembers that a registration may be left at GitHub. Twice for one life is once.

        It is due in so many ``seconds``.
        """
        now = self._clock.now()
        with self._transaction() as db:
            db.execute(
                f"{_INSERT} ON CONFLICT (runner_id, kind) DO NOTHING",
                (*rows.whose_orphan(runner), OrphanKind.REGISTRATION, None, reason, None, now, now + seconds),
            )

    def keep_directory(self, runner: Runner, *, path: str, reason: str, hint: str | None, seconds: float) -> Orphan:
        """Remembers where its directory stands that could not be deleted, and why; twice for one life is once."""
        now = self._clock.now()
        with self._transaction() as db:
            db.execute(
                f"{_INSERT} ON CONFLICT (runner_id, kind)"
                " DO UPDATE SET path = excluded.path, reason = excluded.reason, hint = excluded.hint",
                (*rows.whose_orphan(runner), OrphanKind.DIRECTORY, path, reason, hint, now, now + seconds),
            )
        return next(kept for kept in self.orphans_of(runner.id) if kept.kind is OrphanKind.DIRECTORY)

    def orphans_page(self, *, after: Place | None = None, limit: int) -> Page[Orphan]:
        """Oldest first."""
        beyond = 0 if after is None else after.number
        found = self._read(f"{rows.ORPHAN} WHERE id > ? ORDER BY id LIMIT ?", beyond, limit + 1)
        items = [rows.orphan(row) for row in found[:limit]]
        return Page(items=items, next=Place(items[-1].id) if len(found) > limit else None)

    def orphans(self, *, due_at: float | None = None) -> list[Orphan]:
        """What is still to be cleared, oldest first; only what is due, if a time is given."""
        if due_at is None:
            return [rows.orphan(row) for row in self._read(f"{rows.ORPHAN} ORDER BY id")]
        # One that is due later than any can be was put off before the clock was set back.
        due = f"{rows.ORPHAN} WHERE next_try_at <= ? OR next_try_at > ? ORDER BY id"
        return [rows.orphan(row) for row in self._read(due, due_at, due_at + LONGEST_WAIT)]

    def orphan(self, orphan_id: int) -> Orphan | None:
        found = self._read(f"{rows.ORPHAN} WHERE id = ?", orphan_id)
        return rows.orphan(found[0]) if found else None

    def orphans_of(self, runner_id: str) -> list[Orphan]:
        return [rows.orphan(row) for row in self._read(f"{rows.ORPHAN} WHERE runner_id = ? ORDER BY id", runner_id)]

    def has_orphan(self, runner_id: str, kind: OrphanKind | None = None) -> bool:
        """One of that kind, or any."""
        return bool(
            self._read("SELECT 1 FROM orphan WHERE runner_id = ? AND kind = coalesce(?, kind)", runner_id, kind)
        )

    def hasten_orphan(self, runner_id: str) -> None:
        """What is kept of that runner is due now."""
        if self.has_orphan(runner_id):
            with self._transaction() as db:
                db.execute("UPDATE orphan SET next_try_at = ? WHERE runner_id = ?", (self._clock.now(), runner_id))

    def is_orphan_due(self, runner_id: str) -> bool:
        now = self._clock.now()
        query = "SELECT 1 FROM orphan WHERE runner_id = ? AND (next_try_at <= ? OR next_try_at > ?)"
        return bool(self._read(query, runner_id, now, now + LONGEST_WAIT))

    def postpone_orphan(self, orphan: Orphan, *, until: float) -> None:
        """For ``LONGEST_WAIT`` at the most."""
        until = min(until, self._clock.now() + LONGEST_WAIT)
        with self._transaction() as db:
            db.execute("UPDATE orphan SET tries = tries + 1, next_try_at = ? WHERE id = ?", (until, orphan.id))

    def explain_orphan(self, orphan: Orphan, *, path: str, reason: str, hint: str | None) -> None:
        """What the last try met, and where the directory is by now."""
        with self._transaction() as db:
            db.execute("UPDATE orphan SET path = ?, reason = ?, hint = ? WHERE id = ?", (path, reason, hint, orphan.id))

    def forget_orphan(self, runner_id: str, kind: OrphanKind = OrphanKind.REGISTRATION) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM orphan WHERE runner_id = ? AND kind = ?", (runner_id, kind))

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
