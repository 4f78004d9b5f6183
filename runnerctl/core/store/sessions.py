"""Sessions of browsers in the store: they outlive a restart of the server, and their cookies are not in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..domain.clock import Clock
from .connection import Database

_COLUMNS = "id, token_id, proof, source, browser, created_at, last_used_at, expires_at"
USE_SECONDS = 60.0
"""How exact the time of the last use is."""


class Session(NamedTuple):
    """All that is kept of a session, its cookie's digest aside."""

    id: str
    token_id: str | None
    """Of the API token that it was begun with; None: the operator's."""
    proof: str | None
    """Which token of the operator's it was, for who has the cookie."""
    source: str
    browser: str
    """As it calls itself."""
    created_at: float
    last_used_at: float
    expires_at: float

    @property
    def actor_id(self) -> str:
        return "operator" if self.token_id is None else f"token:{self.token_id}"

    def has_ended(self, now: float, *, idle: float) -> bool:
        return self.expires_at <= now or self.last_used_at + idle <= now


class Sessions(Database):
    """Part of the store."""

    _clock: Clock

    def keep_session(self, session: Session, *, digest: str, most: int, idle: float) -> None:
        """Of one caller ``most`` are kept, the last used; those that have ended go."""
        now = self._clock.now()
        with self._transaction() as db:
            db.execute("DELETE FROM session WHERE expires_at <= ? OR last_used_at <= ?", (now, now - idle))
            db.execute(
                "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE token_id IS ?"
                " ORDER BY last_used_at DESC, rowid DESC LIMIT -1 OFFSET ?)",
                (session.token_id, most - 1),
            )
            values = (*session, digest)
            db.execute(f"INSERT INTO session ({_COLUMNS}, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def session_of(self, digest: str) -> Session | None:
        """Also one that has ended."""
        found = self._read(f"SELECT {_COLUMNS} FROM session WHERE digest = ?", digest)
        return _session(found[0]) if found else None

    def sessions(self, *, idle: float) -> list[Session]:
        """Those that have not ended, the last used first."""
        now = self._clock.now()
        query = f"SELECT {_COLUMNS} FROM session WHERE expires_at > ? AND last_used_at > ? ORDER BY last_used_at DESC"
        return [_session(row) for row in self._read(query, now, now - idle)]

    def end_session(self, session_id: str) -> bool:
        """Whether there was one."""
        with self._transaction() as db:
            return db.execute("DELETE FROM session WHERE id = ?", (session_id,)).rowcount > 0

    def end_operators_sessions(self) -> int:
        """Another token is the operator's now; says how many."""
        with self._transaction() as db:
            return db.execute("DELETE FROM session WHERE token_id IS NULL").rowcount

    def note_session_use(self, session_id: str, at: float) -> None:
        """Written at most once in ``USE_SECONDS``, whoever asks."""
        with self._transaction() as db:
            query = "UPDATE session SET last_used_at = ? WHERE id = ? AND last_used_at <= ?"
            db.execute(query, (at, session_id, at - USE_SECONDS))


def _session(row: tuple[Any, ...]) -> Session:
    return Session(*row)
