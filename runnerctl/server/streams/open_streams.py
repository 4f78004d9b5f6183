"""The streams that are open: each ends when its caller goes or may not have it any more, and when the server stops."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

from aiohttp import web

from runnerctl.core import Action

from ..allowances import Allowance
from ..auth.standing import is_asked_for, stands
from ..keys import ACTOR
from ..listening.connections import when_lost

log = logging.getLogger("runnerctl.server")

CHECK_SECONDS = 5.0
"""How often all streams are gone through: one timer for all, since one for each costs more than its events."""
HEARTBEAT_SECONDS = 3 * CHECK_SECONDS
_WRITE_SECONDS = 30.0
"""For a caller to take what it was sent before."""
_STOP_SECONDS = 5.0
"""For the last words."""
_AT_ONCE = 32
"""Gone through before it is the others' turn."""


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
        self._beat = False
        self._writing_since: float | None = None

    def notify(self) -> None:
        """There is something to tell."""
        self._happened.set()

    def end(self, ending: Ending) -> None:
        """The first reason counts. Who may not have it any more is not waited for."""
        self.ending = self.ending or ending
        self._happened.set()
        if self._writing_since is not None and ending is Ending.UNAUTHORIZED:
            self._abort()

    async def happened(self, seconds: float | None = None) -> None:
        """Waits until there is anything to tell, a heartbeat is due or it ends; no longer than that."""
        if seconds is None:
            await self._happened.wait()
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._happened.wait()
        self._happened.clear()

    def beat(self) -> None:
        self._beat = True
        self._happened.set()

    def take_beat(self) -> bool:
        """Whether a heartbeat is due."""
        due, self._beat = self._beat, False
        return due

    async def write(self, answer: web.StreamResponse, data: bytes) -> bool:
        """Whether it was taken; who takes nothing for a while is hung up on."""
        self._writing_since = time.monotonic()
        try:
            await answer.write(data)
        except ConnectionError:
            self.end(Ending.HUNG_UP)
        finally:
            self._writing_since = None
        return self.ending is not Ending.HUNG_UP

    def break_off_if_stuck(self, now: float) -> None:
        if self._writing_since is not None and now - self._writing_since > _WRITE_SECONDS:
            self.break_off()

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
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._asking: set[asyncio.Task[None]] = set()

    def of(self, action: Action) -> int:
        """How many do that."""
        return self._counts[action]

    @contextmanager
    def opened(self, request: web.Request, action: Action) -> Iterator[Stream]:
        """Raises ``TooManyRequests`` or ``Overloaded``."""
        stream = Stream(request, action)
        with self._allowance.held(request[ACTOR]), when_lost(request, lambda: stream.end(Ending.HUNG_UP)):
            self._open.add(stream)
            self._all_ended.clear()
            self._counts[action] += 1
            if self._stopping:
                stream.end(Ending.STOPPING)
            try:
                yield stream
            finally:
                self._open.discard(stream)
                self._counts[action] -= 1
                if not self._open:
                    self._all_ended.set()

    async def stop(self) -> None:
        """Each says its last word and ends; so does one that begins now. Who does not take it is hung up on."""
        self._stopping = True
        for stream in self._open:
            stream.end(Ending.STOPPING)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._all_ended.wait()
        for stream in tuple(self._open):
            stream.break_off()

    async def keep_going_through(self) -> None:
        """Ends those whose token was revoked, has expired or may do something else now, and those who take nothing."""
        for number in itertools.count(1):
            await asyncio.sleep(CHECK_SECONDS)
            await self._go_through(beats=not number % int(HEARTBEAT_SECONDS / CHECK_SECONDS))

    async def _go_through(self, *, beats: bool) -> None:
        now = time.monotonic()
        for number, stream in enumerate(tuple(self._open), start=1):
            stream.break_off_if_stuck(now)
            if beats:
                stream.beat()
            if is_asked_for(stream.request):
                asked = asyncio.ensure_future(_check(stream))
                self._asking.add(asked)
                asked.add_done_callback(self._asking.discard)
            else:
                await _check(stream)
            if not number % _AT_ONCE:
                await asyncio.sleep(0)


async def _check(stream: Stream) -> None:
    try:
        if stream.ending is None and not await stands(stream.request, stream.action):
            stream.end(Ending.UNAUTHORIZED)
    except Exception:
        log.exception("whether a stream may go on could not be found out")
