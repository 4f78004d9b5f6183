"""What happened to the runners, in one sequence: whoever follows it asks for what comes after the last one it knows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from ..domain.clock import Clock
from ..domain.event_queries import PRUNED, UNKNOWN_ID, EventPage, EventQuery, Resync, RunnerEvent
from ..domain.models import Event, EventType, StoredEvent
from ..domain.request_id import REQUEST_ID
from . import rows
from .connection import Database

_COLUMNS = "seq, at, type, runner_id, old, new, reason, data"


class Events(Database):
    """Part of the store."""

    _clock: Clock
    _notify: Callable[[str], None] | None = None

    def events_after(self, seq: int, *, limit: int = 100) -> list[StoredEvent]:
        """Those beyond that one, oldest first. What was forgotten is missing: see ``first_event``."""
        query = f"SELECT {_COLUMNS} FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
        return [rows.stored_event(row) for row in self._read(query, seq, limit)]

    def runner_events(self, query: EventQuery) -> list[RunnerEvent]:
        """The same with whose they are; those that fit the query."""
        wanted, values = ["event.seq > ?"], [query.after, *query.types]
        if query.types:
            wanted.append(f"event.type IN ({', '.join('?' * len(query.types))})")
        for condition, value in (
            ("event.seq <= ?", query.through),
            ("event.runner_id IN (SELECT id FROM runner WHERE lower(name) = ?)", query.runner and query.runner.lower()),
            ("runner.tenant = ?", query.tenant),
        ):
            if value is not None:
                wanted.append(condition)
                values.append(value)
        columns = ", ".join(f"event.{column}" for column in _COLUMNS.split(", "))
        statement = (
            f"SELECT {columns}, runner.name, runner.scope, runner.tenant FROM event"
            " LEFT JOIN runner ON runner.id = event.runner_id"
            f" WHERE {' AND '.join(wanted)} ORDER BY event.seq LIMIT ?"
        )
        found = self._read(statement, *values, query.limit)
        return [RunnerEvent(rows.stored_event(row[:-3]), *row[-3:]) for row in found]

    def events_page(self, query: EventQuery) -> EventPage:
        last = self.last_event()
        items = self.runner_events(query._replace(through=last))
        after = items[-1].event.seq if len(items) == query.limit else last
        return EventPage(items, after, self.resync(query.after, last=last))

    def resync(self, after: int, *, last: int) -> Resync | None:
        """Why who knows all up to that one cannot be told all that came since; ``last``: the newest that there is."""
        if after > last:
            return UNKNOWN_ID
        # Whoever begins anew is told what there is. Numbers are given without gaps: what is missing was forgotten.
        if not after:
            return None
        kept = self._read("SELECT count(*) FROM event WHERE seq > ? AND seq <= ?", after, last)[0][0]
        return PRUNED if kept < last - after else None

    def events_of(self, runner_id: str) -> list[StoredEvent]:
        """All of that runner's, oldest first."""
        query = f"SELECT {_COLUMNS} FROM event WHERE runner_id = ? ORDER BY seq"
        return [rows.stored_event(row) for row in self._read(query, runner_id)]

    def first_event(self) -> int:
        """The oldest that is kept; 0 when there is none."""
        return int(self._read("SELECT coalesce(min(seq), 0) FROM event")[0][0])

    def last_event(self) -> int:
        """The newest that there ever was, also when it was forgotten; 0 before the first."""
        found = self._read("SELECT seq FROM sqlite_sequence WHERE name = 'event'")
        return int(found[0][0]) if found else 0

    def history(self, runner_id: str, *, last: int = -1) -> list[Event]:
        """The steps of its state, oldest first; only so many of the ``last``, if given."""
        query = (
            "SELECT runner_id, at, old, new, reason FROM event WHERE runner_id = ? AND type = 'state'"
            " ORDER BY seq DESC LIMIT ?"
        )
        return [rows.event(row) for row in reversed(self._read(query, runner_id, last))]

    def tell(self, runner_id: str, what: str, **data: Any) -> None:
        """A note that is worth remembering, beside the steps of its state."""
        with self._transaction() as db:
            self._insert_event(db, EventType.NOTE, at=self._clock.now(), runner_id=runner_id, data=data, reason=what)
        self._changed(runner_id)

    def _changed(self, runner_id: str) -> None:
        """After the commit of what was written about it."""
        if self._notify is not None:
            self._notify(runner_id)

    # -- inside the transaction of whoever makes it happen

    @staticmethod
    def _insert_step(db: sqlite3.Connection, event: Event, *, by: str | None = None) -> None:
        """A step of a runner's state."""
        data = _with_request({} if by is None else {"by": by})
        db.execute(
            "INSERT INTO event (at, type, runner_id, old, new, reason, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (event.at, EventType.STATE, event.runner_id, event.old, event.new, event.reason, _encoded(data)),
        )

    @staticmethod
    def _insert_event(
        db: sqlite3.Connection,
        type_: EventType,
        *,
        at: float,
        runner_id: str,
        data: Mapping[str, Any],
        reason: str | None = None,
    ) -> None:
        """Anything else that happened to a runner."""
        db.execute(
            "INSERT INTO event (at, type, runner_id, reason, data) VALUES (?, ?, ?, ?, ?)",
            (at, type_, runner_id, reason, _encoded(_with_request(data))),
        )


def _with_request(data: Mapping[str, Any]) -> Mapping[str, Any]:
    request_id = REQUEST_ID.get()
    return data if request_id is None else {**data, "request_id": request_id}


def _encoded(data: Mapping[str, Any]) -> str | None:
    return json.dumps(data) if data else None
