"""What runners take of the host, counted at most once in a while, however many look."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from runnerctl import core
from runnerctl.core import Services
from runnerctl.core.domain.usage_document import RunnerUsage

from .offload import Offload

_SECONDS = 2.0
"""To count may be a walk through all processes."""


class Usages:
    """For the loop's thread alone."""

    def __init__(self, services: Services, offload: Offload) -> None:
        self._services = services
        self._offload = offload
        self._counted_at = float("-inf")
        self._counting: asyncio.Task[Sequence[RunnerUsage]] | None = None

    async def current(self) -> Sequence[RunnerUsage]:
        """A caller that goes away does not end it for the others."""
        now = self._services.clock.monotonic()
        if self._counting is None or (self._counting.done() and self._is_old(now)):
            self._counted_at = now
            self._counting = asyncio.ensure_future(self._count())
        return await asyncio.shield(self._counting)

    def _is_old(self, now: float) -> bool:
        return now - self._counted_at >= _SECONDS

    async def _count(self) -> Sequence[RunnerUsage]:
        return await self._offload.call_slow("usages", core.runner_usages, self._services)
