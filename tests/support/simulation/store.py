"""The real store; each commit is a gate, and is told to the rules before anybody else goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runnerctl.core.domain.models import Runner
from runnerctl.core.store import Store

if TYPE_CHECKING:
    from .rules import Rules
    from .schedule import Schedule


class WatchedStore(Store):
    schedule: Schedule
    rules: Rules

    def get(self, runner_id: str) -> Runner | None:
        found = super().get(runner_id)
        if found is not None:
            self.schedule.running.seen[runner_id] = found.revision
        return found

    def _read(self, query: str, *values: object) -> list[Any]:
        self.schedule._check(self.schedule.running)
        return super()._read(query, *values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self.schedule.gate("commit")
        with super()._transaction() as db:
            yield db
        self.schedule.changed()

    def _changed(self, runner_id: str) -> None:
        self.rules.row_changed(super().get(runner_id))
        super()._changed(runner_id)
        self.schedule.gate(f"committed {runner_id}")
