"""How many there are of what, without reading one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import rows
from .connection import Database

if TYPE_CHECKING:
    from ..access.budget import TenantUse


class Counts(Database):
    """Part of the store."""

    def count_by_state(self) -> Mapping[str, int]:
        """Of the runners that live; states that none is in are missing."""
        return dict(self._read(f"SELECT state, count(*) FROM runner WHERE {rows.LIVE_SQL} GROUP BY state"))

    def count_by_tenant(self, *, most: int) -> Mapping[str, int]:
        """Of the runners that live, those of the tenants that have most of them."""
        query = (
            f"SELECT tenant, count(*) FROM runner WHERE {rows.LIVE_SQL} AND tenant IS NOT NULL"
            " GROUP BY tenant ORDER BY count(*) DESC LIMIT ?"
        )
        return dict(self._read(query, most))

    def count_of_tenant(self, tenant: str) -> int:
        """The same of one."""
        found = self._read(f"SELECT count(*) FROM runner WHERE {rows.LIVE_SQL} AND tenant = ?", tenant)
        return int(found[0][0])

    def count_orphans(self) -> Mapping[str, int]:
        """By kind."""
        return dict(self._read("SELECT kind, count(*) FROM orphan GROUP BY kind"))

    def tenant_uses(self, *, most: int) -> Mapping[str, TenantUse]:
        """What tenants cost at GitHub, of those that cost something last."""
        from ..access.budget import TenantUse

        query = "SELECT tenant, spent, spent_at, failures, failed_at FROM tenant_use ORDER BY spent_at DESC LIMIT ?"
        return {tenant: TenantUse(*use) for tenant, *use in self._read(query, most)}
