"""The streams that are open: each ends when its caller goes or may not have it any more, and when the server stops."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum

from aiohttp import web

from runnerctl.core import Action

from ..allowances import Allowance
from ..auth.standing import stands
from ..keys import ACTOR
from ..listening.connections import when_lost

log = logging.getLogger("runnerctl.server")

WRITE_SECONDS = 30.0
"""For a caller to take what it was sent before."""
_AT_ONCE = 32
CHECK_SECONDS = 5.0
"""How often it is looked whether who streams may still do so."""


class Ending(Enum):
    HUNG_UP = "hung_up"
    STOPPING = "stopping"
    UNAUTHORIZED = "unauthorized"
    TOO_SLOW = "too_slow"


class Stream:
    """One of them, for the loop's thread alone."""

    def __init__(self, request: web.Request, action: Action) -> None:
        self.request = request
        self.action = action
        self.ending: Ending | None = None
        self._happened = asyncio.Event()
        self._writing = False

    def notify(self) -> None:
        """There is something to tell."""
        self._happened.set()

    def end(self, ending: Ending) -> None:
        """The first reason counts. Who may not have it any more is not waited for."""
        self.ending = self.ending or ending
        self._happened.set()
        if self._writing and ending is Ending.UNAUTHORIZED:
            self._abort()

    async def happened(self, seconds: float) -> bool:
        """Whether there is anything to tell or it ends, within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._happened.wait()
        except TimeoutError:
            return False
        self._happened.clear()
        return True

    async def write(self, answer: web.StreamResponse, data: bytes) -> bool:
        """Whether it was taken; who takes nothing for a while is hung up on."""
        self._writing = True
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await answer.write(data)
        except (TimeoutError, ConnectionError):
            self.break_off()
        finally:
            self._writing = False
        return self.ending is not Ending.HUNG_UP

    def break_off(self) -> None:
        """What was told is not all, and nothing can be said of it."""
        self.end(Ending.HUNG_UP)
        self._abort()

    def _abort(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()


class OpenStreams:
    """For the loop's thread alone."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._open: set[Stream] = set()
        self._counts: Counter[Action] = Counter()
        self._stopping = False

    def of(self, action: Action) -> int:
        """How many do that."""
        return self._counts[action]

    @contextmanager
    def opened(self, request: web.Request, action: Action) -> Iterator[Stream]:
        """Raises ``TooManyRequests`` or ``Overloaded``."""
        stream = Stream(request, action)
        with self._allowance.held(request[ACTOR]), when_lost(request, lambda: stream.end(Ending.HUNG_UP)):
            self._open.add(stream)
            self._counts[action] += 1
            if self._stopping:
                stream.end(Ending.STOPPING)
            try:
                yield stream
            finally:
                self._open.discard(stream)
                self._counts[action] -= 1

    def stop(self) -> None:
        """Each says its last word and ends; so does one that begins now."""
        self._stopping = True
        for stream in self._open:
            stream.end(Ending.STOPPING)

    async def keep_checking(self) -> None:
        """Ends those whose token was revoked, has expired or may do something else now."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await asyncio.gather(*[task async for task in _checks(tuple(self._open))])


async def _checks(streams: Sequence[Stream]) -> AsyncIterator[asyncio.Task[None]]:
    """Begun some at a time, for others have their turn between."""
    for number, stream in enumerate(streams, start=1):
        yield asyncio.ensure_future(_check(stream))
        if not number % _AT_ONCE:
            await asyncio.sleep(0)


async def _check(stream: Stream) -> None:
    """By itself, so that an issuer who takes its time holds up nobody else's end."""
    try:
        if not await stands(stream.request, stream.action):
            stream.end(Ending.UNAUTHORIZED)
    except Exception:
        log.exception("whether a stream may go on could not be found out")
