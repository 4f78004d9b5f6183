"""The only bridge between the event loop and the blocking core.

Calls run in a pool of threads, and none of them waits: what an operation waits for is a future on the loop, and its
steps and questions to GitHub are the engine's. A thread cannot be cancelled: what was wanted goes on to its end though
its caller is gone.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

from runnerctl.core import Operation, Question, Reconciler
from runnerctl.core.domain.errors import Overloaded

from .fair_turns import FairTurns

THREADS = 32  # more of them cost event-loop latency
_MAX_QUEUED = 512
_OBSERVE_SECONDS = 0.5
_MOST_ASKED = 16
"""Questions to GitHub at the same time: the engine's own steps find half of its threads free."""
_MOST_QUESTIONS = 256
_MOST_SLOW = 2
"""Pieces of logs, long lists: each has the interpreter for itself for milliseconds, and the loop waits for its turn."""
_MOST_WAITING = 2048
"""For one of those."""

T = TypeVar("T")


class RunnerWaits:
    """Wakes, on the loop, whoever waits for a runner; they then look."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, runner_id: str) -> None:
        for event in self._waiting.get(runner_id, ()):
            event.set()

    async def first(self, runner_id: str, event: asyncio.Event, seconds: float) -> None:
        """Until ``event`` is set, which is done whenever that runner may have changed, or the time is over."""
        self._waiting[runner_id].add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        finally:
            event.clear()
            self._waiting[runner_id].discard(event)
            if not self._waiting[runner_id]:
                del self._waiting[runner_id]


class PoolUse(NamedTuple):
    """How full what requests wait for is."""

    room: int
    in_use: int
    waiting: int


class Offload:
    """Runs core calls and operations for the routes."""

    def __init__(self) -> None:
        self.waits = RunnerWaits()
        self.engine: Reconciler | None = None
        """Takes the operations' steps; set before the first request is served."""
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="core")
        self._under_way: set[asyncio.Task[Any]] = set()
        self._queued = 0
        self._questions = 0
        self._asked = asyncio.Semaphore(_MOST_ASKED)
        self._slow = FairTurns(_MOST_SLOW)
        self.refused = 0
        """What was turned away since there was too much already."""

    async def call(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """One blocking call that waits for nothing. Raises ``Overloaded`` when too many are under way already."""
        if self._queued >= _MAX_QUEUED:
            raise self._overloaded()
        return await self._call(function, *args, **kwargs)

    async def call_slow(self, caller: str | None, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """One that takes long, though it waits for nothing: a few at a time, one of each caller.

        Raises ``Overloaded``.
        """
        if self._slow.asked >= _MOST_WAITING:
            raise self._overloaded()
        async with self._slow.turn(caller):
            return await self._call(function, *args, **kwargs)

    async def _call(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        self._queued += 1
        try:
            context = contextvars.copy_context()
            work = partial(context.run, partial(function, *args, **kwargs))
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, work))
        finally:
            self._queued -= 1

    async def run(self, operation: Operation[T]) -> T:
        """A whole operation, waits included. Raises ``Overloaded`` before it has begun, and never later."""
        return await asyncio.shield(self.begin(operation))

    def begin(self, operation: Operation[T]) -> asyncio.Task[T]:
        """The same in the background: the task goes on though nobody awaits it."""
        task = asyncio.ensure_future(self._drive(operation))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def run_for(self, operation: Operation[T], seconds: float) -> T | None:
        """What came of it in that time. None: it goes on without anybody who waits, for the engine does it."""
        await asyncio.shield(asyncio.ensure_future(self._begin(operation)))
        try:
            async with asyncio.timeout(seconds):
                return await self._watch(operation)
        except TimeoutError:
            return None

    async def _drive(self, operation: Operation[T]) -> T:
        await self._begin(operation)
        return await self._watch(operation)

    async def _begin(self, operation: Operation[T]) -> None:
        while (question := await self.call(operation.begin)) is not None:
            await self._ask(question)
        self._hand_over(operation)

    async def _watch(self, operation: Operation[T]) -> T:
        event, now = asyncio.Event(), asyncio.get_running_loop().time
        handed_over = -math.inf
        while True:
            # What the engine has just told of is due when it says so: handed to it again at each word, it never rests.
            if now() - handed_over >= _OBSERVE_SECONDS:
                self._hand_over(operation)
                handed_over = now()
            runner_id = operation.runner_id or ""
            result = await self._call(operation.outcome)
            if result is not None:
                return result
            if (operation.runner_id or "") == runner_id and operation.making is None:
                left = operation.seconds_left()
                seconds = _OBSERVE_SECONDS if left is None else min(left, _OBSERVE_SECONDS)
                await self.waits.first(runner_id, event, seconds)
            else:
                handed_over = -math.inf

    async def _ask(self, question: Question) -> None:
        """Raises ``Overloaded`` when too many wait for an answer already: nothing was changed yet."""
        if self.engine is None or self._questions >= _MOST_QUESTIONS:
            raise self._overloaded()
        self._questions += 1
        try:
            async with self._asked:
                answer = self.engine.ask(partial(contextvars.copy_context().run, question))
                await asyncio.shield(asyncio.wrap_future(answer))
        finally:
            self._questions -= 1

    def _hand_over(self, operation: Operation[T]) -> None:
        """The engine takes the steps, and holds what the operation held to make a runner."""
        if self.engine is None or operation.runner_id is None:
            return
        making, operation.making = operation.making, None
        if making is not None:
            self.engine.make(making)
        else:
            self.engine.enqueue(operation.runner_id)

    async def finish(self, *, seconds: float) -> None:
        """Waits for what is under way, at most that long; then lets go of it."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)
        for task in self._under_way:
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def use(self) -> Mapping[str, PoolUse]:
        """Of its threads, of the turns of what takes long, and of the questions to GitHub that requests wait for."""
        return {
            "threads": _use(THREADS, self._queued),
            "slow": _use(_MOST_SLOW, self._slow.asked),
            "questions": _use(_MOST_ASKED, self._questions),
        }

    def _overloaded(self) -> Overloaded:
        self.refused += 1
        return Overloaded("Too many requests are under way", retry_after=2)


def _use(room: int, asked: int) -> PoolUse:
    return PoolUse(room, min(room, asked), max(0, asked - room))
