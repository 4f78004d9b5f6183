"""How many requests went to GitHub in a block, whoever sent them on its behalf in that thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class CallCount:
    def __init__(self) -> None:
        self.calls = 0


_counting: ContextVar[CallCount | None] = ContextVar("_counting", default=None)


@contextmanager
def calls_counted() -> Iterator[CallCount]:
    """Tries and redirects count, as they do for GitHub."""
    count = CallCount()
    token = _counting.set(count)
    try:
        yield count
    finally:
        _counting.reset(token)


def note_call() -> None:
    count = _counting.get()
    if count is not None:
        count.calls += 1
