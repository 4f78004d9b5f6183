"""Whether anybody has committed anything, asked of the store once in each turn of the event loop.

Requests that are handled in one turn had all arrived before it began: what was committed before one of them was sent is
seen by that one question. Each question lets another thread have the interpreter, and the loop waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class TurnMark:
    """For the loop's thread alone. ``mark``: the store's."""

    def __init__(self, mark: Callable[[], object]) -> None:
        self._read = mark
        self._mark: object = None

    def current(self) -> object:
        """Stays the same for as long as nobody commits anything."""
        if self._mark is None:
            self._mark = self._read()
            # Runs before the loop reads from any connection again.
            asyncio.get_running_loop().call_soon(self._forget)
        return self._mark

    def _forget(self) -> None:
        self._mark = None
