"""What whoever makes a runner holds until its processes run: its row, its package, a supervisor that was made ready."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

from ..host.row_locks import RowLock

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..services import Services
    from .github_side.registration import TakeOver

Progress = Callable[[int, int | None], None]
"""Hears of a download: bytes so far, bytes in all."""


class Making:
    """Held by one driver at a time; ``close`` gives all of it up and may be called twice."""

    def __init__(
        self,
        services: Services,
        runner_id: str,
        *,
        progress: Progress | None = None,
        take_over: TakeOver | None = None,
    ) -> None:
        """``take_over``: it may have a registration that is not ours. Raises ``RowHeld``."""
        self.runner_id = runner_id
        self.progress = progress
        self.take_over = take_over
        self._held = ExitStack()
        self._held.callback(RowLock(services.row_locks, runner_id).close)
        self._package = ExitStack()
        self._prepared = False
        self._met: tuple[str, float] | None = None

    def prepare(self, backend: Backend, handle: str) -> None:
        """A launch is near: what can be done ahead is."""
        if not self._prepared:
            self._prepared = True
            self._held.enter_context(backend.prepare(handle))

    def keep_package(self, kept: AbstractContextManager[object]) -> None:
        """From its fetching on nobody takes it away, until it is let go."""
        self.let_package_go()
        self._package.enter_context(kept)

    def let_package_go(self) -> None:
        self._package.close()

    def met_for(self, what: str, now: float) -> float:
        """For how many seconds that has been in its way, and nothing else."""
        if self._met is None or self._met[0] != what:
            self._met = what, now
        return now - self._met[1]

    def goes_on(self) -> None:
        """Nothing is in its way any more."""
        self._met = None

    def close(self) -> None:
        self.let_package_go()
        self._held.close()
