"""The only bridge between the event loop and the blocking core.

Steps of an operation run in a pool of threads; its waits are futures on the loop, so that no thread waits for a phase
or an exit. A thread cannot be cancelled: once begun, an operation goes on to its end though its caller is gone.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from runnerctl.core.domain.errors import Overloaded
from runnerctl.core.engine.operation import Operation, Pause

THREADS = 32  # more of them cost event-loop latency
_MAX_QUEUED = 512
_LOOK_SECONDS = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class _Done(Generic[T]):
    value: T


class RunnerEvents:
    """Tells whoever waits for a runner that it may have changed; they then observe it."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, runner_id: str) -> None:
        for event in self._waiting.get(runner_id, ()):
            event.set()

    async def wait(self, pause: Pause) -> bool:
        """True once ``pause.until()`` holds, False after its seconds. A lost notification costs half a second."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + pause.seconds
        event = asyncio.Event()
        self._waiting[pause.runner_id].add(event)
        try:
            while not pause.until():
                left = deadline - loop.time()
                if left <= 0:
                    return False
                event.clear()
                await _first(event, min(left, _LOOK_SECONDS))
            return True
        finally:
            self._waiting[pause.runner_id].discard(event)
            if not self._waiting[pause.runner_id]:
                del self._waiting[pause.runner_id]


async def _first(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


class Offload:
    """Runs core calls and operations for the routes."""

    def __init__(self) -> None:
        self.runner_events = RunnerEvents()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="core")
        self._under_way: set[asyncio.Task[Any]] = set()
        self._queued = 0

    async def call(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """One blocking call. Raises ``Overloaded`` when too many wait already."""
        if self._queued >= _MAX_QUEUED:
            raise Overloaded("Too many requests are under way", retry_after=2)
        self._queued += 1
        try:
            context = contextvars.copy_context()
            work = partial(context.run, partial(function, *args, **kwargs))
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, work))
        finally:
            self._queued -= 1

    async def run(self, operation: Operation[T]) -> T:
        """A whole operation, waits included."""
        return await asyncio.shield(self.begin(operation))

    def begin(self, operation: Operation[T]) -> asyncio.Task[T]:
        """The same in the background: the task goes on though nobody awaits it."""
        task = asyncio.ensure_future(self._drive(operation))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _drive(self, operation: Operation[T]) -> T:
        step = await self.call(_step, operation, None)
        while isinstance(step, Pause):
            came = await self.runner_events.wait(step)
            step = await self.call(_step, operation, came)
        value: T = step.value
        return value

    async def finish(self, *, seconds: float) -> None:
        """Waits for what is under way, at most that long; then lets go of it."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)
        for task in self._under_way:
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _step(operation: Operation[T], came: bool | None) -> Pause | _Done[T]:
    """On to the next wait, or to the end: a StopIteration could not pass through a future."""
    try:
        return next(operation) if came is None else operation.send(came)
    except StopIteration as end:
        return _Done(end.value)
