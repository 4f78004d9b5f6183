"""Operations that must wait are generators: they yield a ``Pause`` and hold no lock and no thread meanwhile.

The command line drives them by observing again and again (``finish``), the server by events (``server/offload.py``);
both run the very same operation.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from ..domain.clock import Clock

_LOOK_SECONDS = 0.02

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A wait: the operation is resumed with True once ``until()`` holds, with False after ``seconds``."""

    runner_id: str
    until: Callable[[], bool]
    """Cheap, without side effects; asked again whenever that runner may have changed."""
    seconds: float


Operation = Generator[Pause, bool, T]


def finish(operation: Operation[T], *, clock: Clock) -> T:
    """Runs it to its end in this thread and returns its result."""
    try:
        pause = next(operation)
        while True:
            pause = operation.send(_wait(pause, clock))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        operation.close()


def _wait(pause: Pause, clock: Clock) -> bool:
    deadline = clock.monotonic() + pause.seconds
    while not pause.until():
        left = deadline - clock.monotonic()
        if left <= 0:
            return False
        clock.sleep(min(_LOOK_SECONDS, left))
    return True
