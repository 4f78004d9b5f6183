"""Who is next: a few at a time, and of each caller one, so that nobody waits for all that another asks for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class FairTurns:
    """For the loop's thread alone."""

    def __init__(self, at_once: int) -> None:
        self._all = asyncio.Semaphore(at_once)
        self._own: dict[Hashable, asyncio.Semaphore] = {}
        self._asked: Counter[Hashable] = Counter()

    @property
    def asked(self) -> int:
        """Turns that are taken or waited for."""
        return self._asked.total()

    @asynccontextmanager
    async def turn(self, caller: Hashable) -> AsyncIterator[None]:
        self._asked[caller] += 1
        own = self._own.setdefault(caller, asyncio.Semaphore(1))
        try:
            async with own, self._all:
                yield
        finally:
            self._asked[caller] -= 1
            if not self._asked[caller]:
                del self._asked[caller], self._own[caller]
