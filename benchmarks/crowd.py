"""Two hundred clients that ask for statuses while twenty runners a second are made: how long an answer takes, and how
long the server's event loop is late.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import aiohttp

from .figure import Figure, percentile
from .ground import REPO, Ground, ground

_CLIENTS, _CREATES_A_SECOND, _SECONDS = 200, 20, 10
_KNOWN = 8
_PAUSE_SECONDS = 1.0
"""Of a client between two questions."""
_LAG = re.compile(r'^runnerctl_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)', re.MULTILINE)


def measure(top: Path) -> Iterator[Figure]:
    with ground(top) as place:
        for number in range(_KNOWN):
            place.create(f"known-{number}")
        before = _lags(place)
        crowd = asyncio.run(_Crowd(place).play())
        lags = {bound: count - before[bound] for bound, count in _lags(place).items()}
        yield Figure(name="status, 200 clients, 20 creates/s, p50", value=percentile(crowd.statuses, 0.5), unit="ms")
        yield Figure(name="the same, p99", value=percentile(crowd.statuses, 0.99), unit="ms", bound=50)
        yield Figure(name="event loop's lag meanwhile, p99", value=_within(lags, 0.99), unit="ms", bound=20)
        yield Figure(name="creates a second that came to be", value=crowd.made / crowd.seconds, unit="/s")
        yield Figure(name="requests that failed", value=crowd.failed, unit="", bound=0)


class _Crowd:
    def __init__(self, place: Ground) -> None:
        self._place = place
        self._over = asyncio.Event()
        self.statuses: list[float] = []
        """Milliseconds."""
        self.made = self.failed = 0
        self.seconds = 0.0

    async def play(self) -> _Crowd:
        headers = {"Authorization": f"Bearer {self._place.token}"}
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(self._place.url, headers=headers, connector=connector) as session:
            clients = [asyncio.create_task(self._watch(session, number)) for number in range(_CLIENTS)]
            began = time.perf_counter()
            await asyncio.gather(*(self._make(session, number) for number in range(_CREATES_A_SECOND * _SECONDS)))
            self.seconds = time.perf_counter() - began
            self._over.set()
            await asyncio.gather(*clients)
        return self

    async def _watch(self, session: aiohttp.ClientSession, number: int) -> None:
        await asyncio.sleep(_PAUSE_SECONDS * number / _CLIENTS)
        while not self._over.is_set():
            began = time.perf_counter()
            async with session.get(f"/api/v1/runners/known-{number % _KNOWN}/status") as answer:
                await answer.read()
            self.statuses.append(1000 * (time.perf_counter() - began))
            self.failed += answer.status != 200
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _make(self, session: aiohttp.ClientSession, number: int) -> None:
        await asyncio.sleep(number / _CREATES_A_SECOND)
        body = {"repo": REPO, "name": f"made-{number}", "wait": "none"}
        async with session.post("/api/v1/runners", json=body) as answer:
            await answer.read()
        self.made += answer.status == 201
        self.failed += answer.status != 201


def _lags(place: Ground) -> dict[float, float]:
    """How often it was late by at most so many seconds."""
    return {float(bound): float(count) for bound, count in _LAG.findall(place.request("GET", "/metrics").text)}


def _within(counts: dict[float, float], share: float) -> float:
    """Milliseconds below which that share lies, evenly spread within a bucket."""
    bounds = [0.0, *sorted(counts)]
    wanted = share * counts[bounds[-1]]
    for low, high in pairwise(bounds):
        below, inside = counts.get(low, 0.0), counts[high]
        if inside >= wanted:
            # Beyond the last bound nothing is known but that it was more.
            return 1000 * (low if high == float("inf") else low + (high - low) * (wanted - below) / (inside - below))
    raise RuntimeError("the loop's lag was never measured")
