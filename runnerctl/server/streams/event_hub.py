"""What the one reader has read, handed to all who listen over HTTP: made into bytes once for those who want the same.

Nobody is waited for. Who takes too little of it loses its place, and is told so.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from runnerctl.core.domain.event_queries import EventQuery, RunnerEvent
from runnerctl.core.domain.models import EventType

from ..keys import ACTOR, ID
from .formats import Format
from .open_streams import Ending, Stream

log = logging.getLogger("runnerctl.server")

Notify = Callable[[], None]

MOST_UNTAKEN = 512 * 1024
"""Bytes that wait for one listener, beside what its connection holds; over a thousand events."""
_AT_ONCE = 32
"""Listeners that are woken before it is the others' turn."""


class View(NamedTuple):
    """What a listener wants, and how; those with the same one share their bytes."""

    format: Format
    tenant: str | None = None
    runner: str | None = None
    """In small letters."""
    types: tuple[EventType, ...] = ()

    def wants(self, told: RunnerEvent) -> bool:
        return (
            (self.tenant is None or told.tenant == self.tenant)
            and (self.runner is None or (told.runner or "").lower() == self.runner)
            and (not self.types or told.event.type in self.types)
        )

    def query(self, *, after: int, through: int, limit: int) -> EventQuery:
        return EventQuery(
            after=after, through=through, runner=self.runner, types=self.types, tenant=self.tenant, limit=limit
        )

    def encoded(self, events: Iterable[RunnerEvent]) -> bytes:
        return b"".join(self.format.event(told, for_tenant=self.tenant) for told in events)


class Batch:
    """Some events in a row, as bytes for each view."""

    def __init__(self, events: Sequence[RunnerEvent]) -> None:
        self._events = events
        self._documents: dict[tuple[int, Format, str | None], bytes] = {}
        self._chunks: dict[View, bytes] = {}

    @property
    def first(self) -> int:
        return self._events[0].event.seq

    @property
    def last(self) -> int:
        return self._events[-1].event.seq

    @property
    def runner_ids(self) -> set[str]:
        return {told.event.runner_id for told in self._events if told.event.runner_id is not None}

    def chunk(self, view: View, *, after: int = 0) -> bytes:
        """Those that it wants, beyond that one."""
        if after >= self.first:
            return self._joined(view, after)
        if view not in self._chunks:
            self._chunks[view] = self._joined(view, 0)
        return self._chunks[view]

    def _joined(self, view: View, after: int) -> bytes:
        return b"".join(
            self._document(told, view) for told in self._events if told.event.seq > after and view.wants(told)
        )

    def _document(self, told: RunnerEvent, view: View) -> bytes:
        key = told.event.seq, view.format, view.tenant
        if key not in self._documents:
            self._documents[key] = view.format.event(told, for_tenant=view.tenant)
        return self._documents[key]


class Listener:
    """Of one stream: what waits to be sent there. For the loop's thread alone."""

    def __init__(self, stream: Stream, view: View, *, after: int) -> None:
        self.stream = stream
        self.view = view
        self.after = after
        """It knows all up to this one."""
        self._untaken: deque[bytes] = deque()
        self._size = 0

    def put(self, chunk: bytes) -> bool:
        """Whether it takes any more."""
        if self.stream.ending is not None:
            return False
        if self._size and self._size + len(chunk) > MOST_UNTAKEN:
            self._drop()
            return False
        self._untaken.append(chunk)
        self._size += len(chunk)
        return True

    def _drop(self) -> None:
        """What it was to be told it gets when it comes back."""
        self._untaken.clear()
        self._size = 0
        self.stream.end(Ending.TOO_SLOW)
        request = self.stream.request
        extra = {"request_id": request[ID], "actor": request[ACTOR].id}
        log.warning("a listener of events was dropped: it took too little of them", extra=extra)

    def take(self) -> bytes:
        """The next piece; empty when there is none for now."""
        chunk = self._untaken.popleft() if self._untaken else b""
        self._size -= len(chunk)
        return chunk


class EventHub:
    """``position``: the last event that was handed to the listeners."""

    def __init__(self) -> None:
        self.position = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._listeners: dict[View, set[Listener]] = {}
        self._of_runners: dict[str, dict[object, Notify]] = {}
        self._waiting: deque[Stream] = deque()

    def begin(self, loop: asyncio.AbstractEventLoop, *, position: int) -> None:
        """Before the reader does, who stands there."""
        self._loop = loop
        self.position = position

    # -- the reader's thread

    def hear(self, events: Sequence[RunnerEvent]) -> None:
        batch = Batch(events)
        with self._lock:
            views = tuple(self._listeners)
        for view in views:
            batch.chunk(view)  # so that the loop has little to do
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, batch)

    # -- the loop's

    def join(self, listener: Listener) -> None:
        """Is told all that comes after ``position``, but for what it knows."""
        with self._lock:
            self._listeners.setdefault(listener.view, set()).add(listener)

    def leave(self, listener: Listener) -> None:
        with self._lock:
            others = self._listeners.get(listener.view, set())
            others.discard(listener)
            if not others:
                self._listeners.pop(listener.view, None)

    @contextmanager
    def watched(self, runner_id: str, notify: Notify) -> Iterator[None]:
        """Calls it whenever something happened to that runner."""
        mine = object()
        self._of_runners.setdefault(runner_id, {})[mine] = notify
        try:
            yield
        finally:
            others = self._of_runners[runner_id]
            del others[mine]
            if not others:
                del self._of_runners[runner_id]

    def _deliver(self, batch: Batch) -> None:
        self.position = batch.last
        idle = not self._waiting
        for view, listeners in self._listeners.items():
            chunk, first = batch.chunk(view), batch.first
            for listener in listeners if chunk else ():
                new = chunk if listener.after < first else batch.chunk(view, after=listener.after)
                if new and listener.put(new):
                    self._waiting.append(listener.stream)
        if idle:
            self._wake_some()
        for runner_id in batch.runner_ids if self._of_runners else ():
            for notify in tuple(self._of_runners.get(runner_id, {}).values()):
                notify()

    def _wake_some(self) -> None:
        """Each writes to its connection as soon as it is woken."""
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            self._waiting.popleft().notify()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._wake_some)
