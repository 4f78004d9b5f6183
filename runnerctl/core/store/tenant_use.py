"""What each tenant costs at GitHub, kept over restarts: nobody gets a new budget by one."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from ..domain.clock import Clock
from ..domain.states import SERVING, UNLAUNCHED, RunnerState
from .connection import Database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..access.budget import TenantUse

_COLUMNS = "spent, spent_at, failures, failed_at"
_FORGOTTEN_SECONDS = 86400.0
_TOOK_JOBS = SERVING | {RunnerState.COMPLETED}
_MAKING = ", ".join(repr(str(state)) for state in sorted(UNLAUNCHED))
_COUNT_MAKING = f"SELECT count(*) FROM runner WHERE state IN ({_MAKING}) AND tenant = ?"


class TenantUses(Database):
    """Part of the store."""

    _clock: Clock

    def tenant_use(self, tenant: str) -> TenantUse:
        return _use(self._read(f"SELECT {_COLUMNS} FROM tenant_use WHERE tenant = ?", tenant))

    def spend(self, tenant: str, calls: int, *, an_hour: int) -> None:
        """That tenant's runners cost so many calls more."""
        now = self._clock.now()
        with self._transaction() as db:
            # Workflows of any number of repositories may be tenants: what counts no more is not kept.
            db.execute("DELETE FROM tenant_use WHERE max(spent_at, failed_at) < ?", (now - _FORGOTTEN_SECONDS,))
            _keep(db, tenant, _used(db, tenant).with_calls(calls, now, an_hour=an_hour))

    def check_calls(self, tenant: str, *, an_hour: int) -> None:
        """Raises ``TooManyRequests`` unless GitHub may be asked for that tenant now."""
        from ..access import budget

        budget.check_calls(tenant, self.tenant_use(tenant), self._clock.now(), an_hour=an_hour)

    def check_may_create(self, tenant: str, *, an_hour: int) -> None:
        """What an admission will ask, without waiting for others who write: who is refused again and again must not
        have them wait. Raises ``TooManyRequests``.
        """
        (making,) = self._read(_COUNT_MAKING, tenant)[0]
        self._check_create(tenant, self.tenant_use(tenant), making, an_hour)

    def _check_create(self, tenant: str, use: TenantUse, making: int, an_hour: int) -> None:
        from ..access import budget

        now = self._clock.now()
        budget.check_failures(tenant, use, now, making=making)
        budget.check_calls(tenant, use, now, an_hour=an_hour, making=making)

    # -- inside the transactions of others

    def _check_use(self, db: sqlite3.Connection, tenant: str, an_hour: int) -> None:
        """What an admission asks: creates that are on their way count, so that any number at once keep to it."""
        (making,) = db.execute(_COUNT_MAKING, (tenant,)).fetchone()
        self._check_create(tenant, _used(db, tenant), making, an_hour)

    def _note_end(self, db: sqlite3.Connection, tenant: str | None, states: Sequence[RunnerState]) -> None:
        """A runner of that tenant took these states."""
        if tenant is None:
            return
        if RunnerState.FAILED in states:
            _keep(db, tenant, _used(db, tenant).with_failure(self._clock.now()))
        elif _TOOK_JOBS & set(states):
            db.execute("UPDATE tenant_use SET failures = 0 WHERE tenant = ? AND failures > 0", (tenant,))


def _used(db: sqlite3.Connection, tenant: str) -> TenantUse:
    return _use(db.execute(f"SELECT {_COLUMNS} FROM tenant_use WHERE tenant = ?", (tenant,)).fetchall())


def _use(found: list[tuple[float, float, int, float]]) -> TenantUse:
    from ..access.budget import TenantUse

    return TenantUse(*found[0]) if found else TenantUse()


def _keep(db: sqlite3.Connection, tenant: str, use: TenantUse) -> None:
    db.execute(f"INSERT OR REPLACE INTO tenant_use (tenant, {_COLUMNS}) VALUES (?, ?, ?, ?, ?)", (tenant, *use))
