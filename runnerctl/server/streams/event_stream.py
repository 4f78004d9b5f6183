"""One answer that tells events: what is kept beyond an id first, then what happens, without a gap and nothing twice."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from typing import NamedTuple

from aiohttp import web

from runnerctl.core import Store
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.domain.event_queries import EventQuery

from ..allowances import caller
from ..answers import PROTECTION
from ..keys import ACTOR, EVENT_HUB, ID, OFFLOAD, SERVICES
from .event_hub import EventHub, Listener, View
from .open_streams import Ending, Stream

log = logging.getLogger("runnerctl.server")

_PAGE = 500
_SEND_BUFFER = 64 * 1024
"""In the kernel, for one stream: who takes nothing is noticed, and costs no more than that."""
_UNACKNOWLEDGED_MS = 30_000
"""After which a connection whose other side is gone without a word is given up."""


class EventStream:
    """``after``: None for what happens from now on."""

    def __init__(self, stream: Stream, view: View, *, after: int | None, follow: bool) -> None:
        self._stream = stream
        self._view = view
        self._after = after
        self._follow = follow
        self._last = 0
        """The newest event that there was when it began."""
        self._request = stream.request
        self._hub: EventHub = stream.request.app[EVENT_HUB]
        self._answer = web.StreamResponse(headers=_headers(stream.request, view))

    async def send(self) -> web.StreamResponse:
        await self._answer.prepare(self._request)
        if self._request.method != "HEAD":
            _bound(self._request)
            await self._tell_all()
        return self._answer

    async def _tell_all(self) -> None:
        try:
            told = await self._begin() and await self._catch_up()
            if told and self._follow:
                await self._tell_on()
            await self._say_last()
        except RunnerctlError as exc:
            log.warning("a stream of events ended: %s", exc.message, extra={"request_id": self._request[ID]})
            last = self._view.format.word("end", reason=exc.code, text=exc.message)
            await self._stream.write(self._answer, last)

    async def _begin(self) -> bool:
        """Says where it begins."""
        store, offload = self._request.app[SERVICES].store, self._request.app[OFFLOAD]
        # What others have just committed, the hub may not know yet.
        last = self._last = await offload.call(store.last_event)
        why = None
        if self._after is not None:
            why = await offload.call_slow(caller(self._request[ACTOR]), store.resync, self._after, last=last)
        self._after = last if self._after is None else min(self._after, last)
        first = self._view.format.position(self._after)
        return await self._write(first if why is None else first + self._view.format.resync(why, self._after))

    async def _catch_up(self) -> bool:
        """What is kept, page by page; joins the listeners, if it follows, when it is where they are."""
        through = self._last
        while await self._tell_kept(through):
            if self._hub.position <= through or not self._follow:
                return True
            through = self._hub.position
        return False

    async def _tell_kept(self, through: int) -> bool:
        assert self._after is not None  # noqa: S101 - it has begun
        store, offload = self._request.app[SERVICES].store, self._request.app[OFFLOAD]
        while self._after < through and self._stream.ending is None:
            query = self._view.query(after=self._after, through=through, limit=_PAGE)
            kept = await offload.call_slow(caller(self._request[ACTOR]), _kept, store, query, self._view)
            if kept.data and not await self._write(kept.data):
                return False
            self._after = kept.last or through
        return self._stream.ending is None

    async def _tell_on(self) -> None:
        assert self._after is not None  # noqa: S101 - it has begun
        listener = Listener(self._stream, self._view, after=self._after)
        self._hub.join(listener)
        try:
            stream, answer = self._stream, self._answer
            while stream.ending is None:
                if chunk := listener.take():
                    await stream.write(answer, chunk)
                elif stream.take_beat():
                    await stream.write(answer, self._view.format.heartbeat)
                else:
                    await stream.happened()
        finally:
            self._hub.leave(listener)

    async def _say_last(self) -> None:
        ending = self._stream.ending
        if ending is Ending.HUNG_UP:
            return
        if ending is not None and not await self._write(self._view.format.end(ending)):
            return
        with suppress(ConnectionError):
            await self._answer.write_eof()

    async def _write(self, data: bytes) -> bool:
        return await self._stream.write(self._answer, data)


class _Kept(NamedTuple):
    data: bytes
    last: int | None
    """None: there are no more."""


def _kept(store: Store, query: EventQuery, view: View) -> _Kept:
    """In a thread: a page is made into bytes in milliseconds."""
    events = store.runner_events(query)
    return _Kept(view.encoded(events), events[-1].event.seq if len(events) == query.limit else None)


def _headers(request: web.Request, view: View) -> dict[str, str]:
    return {
        **PROTECTION,
        "Content-Type": f"{view.format.value}; charset=utf-8",
        "X-Accel-Buffering": "no",  # proxies are to pass it on as it comes
        "X-Request-Id": request[ID],
    }


def _bound(request: web.Request) -> None:
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is None:
        return
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if connection.family in {socket.AF_INET, socket.AF_INET6}:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
