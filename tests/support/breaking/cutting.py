"""A manager that dies at one of its commits, without a process of its own for each death.

``crashing`` kills a whole process; this is for thousands of deaths. What a SIGKILL would never run must do
nothing here either: once dead, the store neither reads nor writes, so no handler that is passed on the way out can
put anything right.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, NamedTuple

from runnerctl.core.services import Services
from runnerctl.core.store import Store


class When(StrEnum):
    BEFORE = "before"
    AFTER = "after"


class Cut(NamedTuple):
    """At which commit, counted from one, and on which side of it."""

    number: int
    when: When


class Died(BaseException):
    """The manager is no more. Not an ``Exception``: nothing may take it for an error to be handled."""


class MortalStore(Store):
    """Lives until its commit ``cut``; without one, for ever."""

    cut: Cut | None = None
    dead = False
    deaths = 0
    _left = 0

    def doom(self, cut: Cut | None) -> None:
        self.cut, self.dead = cut, False
        self._left = cut.number if cut else 0

    def _read(self, query: str, *values: object) -> list[Any]:
        self._check()
        return super()._read(query, *values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._check()
        with super()._transaction() as db:
            before = db.total_changes
            yield db
            # Counted under the lock of the writers; one that changes nothing writes nothing.
            self._left -= db.total_changes > before
            last = self.cut is not None and self._left == 0 and not self.dead and db.total_changes > before
            if last:
                self.dead = True
            if last and self.cut is not None and self.cut.when is When.BEFORE:
                raise Died
        self._check()

    def _check(self) -> None:
        if self.dead:
            raise Died


@contextmanager
def cut_at(services: Services, cut: Cut | None) -> Iterator[None]:
    """Whatever is done meanwhile ends at that commit, if it comes that far; afterwards a new manager is there."""
    store = services.store
    assert isinstance(store, MortalStore)
    store.doom(cut)
    try:
        yield
    except Died:
        store.deaths += 1
        store._known.clear()
    finally:
        store.doom(None)


def mortal(services: Services) -> MortalStore:
    """Gives the services a store that can die."""
    opened = services.store
    opened.close()
    store = MortalStore(opened._path, clock=services.clock, rng=services.rng, host=opened._host)
    services.__dict__["store"] = store
    return store
