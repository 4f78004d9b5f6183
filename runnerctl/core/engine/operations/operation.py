"""What a command or a request wants of a runner, and when it has it.

An operation begins with checks and one committed wish; the engine takes the steps, in this process or in another; the
operation only looks whether what it wants is so. So it can be lost at any moment, and the wish goes on.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from ...domain.clock import Clock
from ...domain.errors import ConfigInvalid, NotVisible, RunnerBusy
from ...host.row_locks import RowHeld, holder
from ..advance import Progress, advance
from ..asked import Asked
from ..left_to_server import POKE_SECONDS, Left
from ..making import Making

if TYPE_CHECKING:
    from ...services import Services

T = TypeVar("T")
Question = Callable[[], None]
"""Waits for GitHub's answer, and raises what refuses what was wanted."""

OBSERVE_SECONDS = 0.02
HELD_SECONDS = 10.0
"""A row that another command keeps for longer, without any step being seen, is said to be busy."""


class Operation(ABC, Generic[T]):
    """Used once: ``begin``, then ``outcome`` until there is one. ``runner_id`` is what has to be driven meanwhile."""

    runner_id: str | None = None
    """None: nothing."""
    making: Making | None = None
    """Of one that makes a runner: what it holds until that runs. Whoever drives it closes it."""
    already = False
    """What is wanted was so when it began."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @abstractmethod
    def begin(self) -> Question | None:
        """Checks, and commits what is wanted; never waits. Raises what refuses it: then nothing was changed.

        Neither was anything when it returns what GitHub has to be asked first: it begins anew once that is answered.
        """

    @abstractmethod
    def outcome(self) -> T | None:
        """What came of it; None while it goes on. Cheap. Raises what it met."""

    def seconds_left(self) -> float | None:
        """In how many seconds its outcome may come by time alone, if it may."""
        return None

    def close(self) -> None:
        """Gives up what it holds; may be called twice."""
        if self.making is not None:
            self.making.close()
            self.making = None

    def interrupted(self, exc: BaseException) -> None:
        """Whoever asked is gone, by Ctrl-C for example: what is to be undone is wanted so. By default nothing is."""


def finish(operation: Operation[T], *, clock: Clock | None = None) -> T:
    """Drives it to its end in this thread and returns what came of it. ``clock`` sleeps between the looks."""
    try:
        while (question := operation.begin()) is not None:
            question()
        return _driven(operation, clock or operation.services.clock)
    except BaseException as exc:
        operation.interrupted(exc)
        raise
    finally:
        operation.close()


def drive_to_end(operation: Operation[T]) -> None:
    """Until the life that it is about has ended, or something keeps it: for one that is to be undone."""
    asked = Asked(operation.services.clock)
    while (progress := _step(operation, asked)) is not None and progress.next is not None and progress.error is None:
        if not progress.taken:
            operation.services.clock.sleep(OBSERVE_SECONDS)


def _driven(operation: Operation[T], clock: Clock) -> T:
    held_since: float | None = None
    asked = Asked(clock)
    left: Left | None = None
    while True:
        if (result := operation.outcome()) is not None:
            return result
        try:
            progress = _step(operation, asked)
        except NotVisible as exc:
            left = left or Left(operation.services, operation.runner_id or "")
            left.poke(exc)
            clock.sleep(POKE_SECONDS)
            continue
        if progress is not None and isinstance(progress.error, ConfigInvalid):
            raise progress.error  # it is this process's own, and not in the row
        if progress is None:
            held_since = clock.monotonic() if held_since is None else held_since
            if clock.monotonic() - held_since > HELD_SECONDS:
                raise _held_by_another(operation)
        else:
            held_since = None
        if progress is None or not progress.taken:
            clock.sleep(_pause(progress))


def _pause(progress: Progress | None) -> float:
    if progress is None or not progress.not_now:
        return OBSERVE_SECONDS
    return progress.seconds or OBSERVE_SECONDS


def _held_by_another(operation: Operation[T]) -> RunnerBusy:
    """What was wanted is committed, and done by whoever gets the row next."""
    row_id = operation.runner_id or ""
    runner = operation.services.store.get(row_id)
    pid = holder(operation.services.row_locks, row_id)
    who = "Another process" if pid is None else f"Process {pid}"
    return RunnerBusy(
        f"{who} is changing runner {runner.name if runner else row_id!r} and has not finished its step in"
        f" {HELD_SECONDS:.0f} s",
        hint="Your request is kept and goes on once that process continues or ends",
    )


def _step(operation: Operation[T], asked: Asked) -> Progress | None:
    """None when another command or server is at work on that row: its steps are waited for.

    What a step met is in the row, and the operation tells it.
    """
    if operation.runner_id is None:
        return Progress(runner=None)
    try:
        with not_suspended():
            progress = advance(operation.services, operation.runner_id, making=operation.making, may=asked.may)
    except RowHeld:
        return None
    asked.note(progress)
    return progress


@contextmanager
def not_suspended() -> Iterator[None]:
    """Ctrl-Z takes effect behind the step: whoever is suspended keeps no row from others."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
