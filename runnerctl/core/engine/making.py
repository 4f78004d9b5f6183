"""What whoever makes a runner holds until its processes run: its row, and a supervisor that was made ready."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..host.row_locks import RowLock

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..services import Services

Progress = Callable[[int, int | None], None]
"""Hears of a download: bytes so far, bytes in all."""


class Making:
    """Held by one driver at a time; ``close`` gives all of it up and may be called twice."""

    def __init__(self, services: Services, runner_id: str, *, progress: Progress | None = None) -> None:
        """Raises ``RowHeld``."""
        self.runner_id = runner_id
        self.progress = progress
        self._held = ExitStack()
        self._held.callback(RowLock(services.row_locks, runner_id).close)
        self._prepared = False

    def prepare(self, backend: Backend, handle: str) -> None:
        """A launch is near: what can be done ahead is."""
        if not self._prepared:
            self._prepared = True
            self._held.enter_context(backend.prepare(handle))

    def close(self) -> None:
        self._held.close()
