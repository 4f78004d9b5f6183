"""Which requests were made already, what they make, and what they were answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ..domain.clock import Clock
from ..domain.errors import IdempotencyMismatch
from ..domain.idempotency import KEPT_SECONDS, MOST_BYTES, MOST_KEPT, Asked, KeptAnswer
from .connection import Database

_IS = "caller = ? AND key = ?"
_DROP_BEYOND = """
    DELETE FROM idempotency WHERE status IS NOT NULL AND (caller, key) IN (
        SELECT caller, key FROM (
            SELECT caller, key, row_number() OVER newest AS number, sum(length(answer)) OVER newest AS bytes
            FROM idempotency WINDOW newest AS (PARTITION BY caller ORDER BY at DESC, key)
        ) WHERE number > ? OR bytes > ?
    )
"""


class Idempotencies(Database):
    """Part of the store."""

    _clock: Clock

    def claim(self, asked: Asked, *, runner_ids: Sequence[str]) -> KeptAnswer | tuple[str, ...]:
        """The answer that was given, or the runners that are to be made: these, or those of a try that was cut short.

        Raises ``IdempotencyMismatch`` for another body.
        """
        with self._transaction() as db:
            self._drop_expired(db)
            where = "SELECT body, runner_ids, status, location, answer FROM idempotency WHERE caller = ? AND key = ?"
            row = db.execute(where, asked[:2]).fetchone()
            if row is None:
                values = (*asked, " ".join(runner_ids), self._clock.now())
                db.execute("INSERT INTO idempotency (caller, key, body, runner_ids, at) VALUES (?, ?, ?, ?, ?)", values)
                return tuple(runner_ids)
        body, ids, status, location, answer = row
        if body != asked.body:
            message = "This Idempotency-Key was used for another request"
            raise IdempotencyMismatch(message, hint="Use another key, or send the first body again")
        return tuple(ids.split()) if status is None else KeptAnswer(status, location, answer)

    def keep_answer(self, asked: Asked, answer: KeptAnswer) -> None:
        """It is given again from now on."""
        values = (answer.status, answer.location, answer.body, *asked[:2])
        with self._transaction() as db:
            db.execute(f"UPDATE idempotency SET status = ?, location = ?, answer = ? WHERE {_IS}", values)

    def forget_request(self, asked: Asked) -> None:
        """Nothing came of it: whoever asks again is the first."""
        with self._transaction() as db:
            db.execute(f"DELETE FROM idempotency WHERE {_IS} AND status IS NULL", asked[:2])

    def forget_requests(self) -> int:
        """Those of more than a day ago, and the oldest of who has too many; says how many."""
        with self._transaction() as db:
            return self._drop_expired(db) + db.execute(_DROP_BEYOND, (MOST_KEPT, MOST_BYTES)).rowcount

    def _drop_expired(self, db: sqlite3.Connection) -> int:
        """Also those that a clock which was set back has put into the future."""
        now = self._clock.now()
        done = db.execute("DELETE FROM idempotency WHERE at < ? OR at > ?", (now - KEPT_SECONDS, now + KEPT_SECONDS))
        return done.rowcount
