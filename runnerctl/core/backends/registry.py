"""The backends of this manager by name, and the one that a runner belongs to.

A row is its backend's for its whole life, whatever the settings say now.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..domain.errors import BackendFailed
from ..domain.models import Runner
from . import run_directory
from .place import Place

if TYPE_CHECKING:
    from .base import Backend

PROCESS, SYSTEMD = "process", "systemd"


class Backends:
    """Each is built when it is first asked for. Safe for threads."""

    def __init__(self, makers: Mapping[str, Callable[[], Backend]], *, default: str, runs_dir: Path) -> None:
        self.default = default
        """For new runners."""
        self._makers = makers
        self._runs_dir = str(runs_dir)
        self._made: dict[str, Backend] = {}
        self._making = threading.RLock()

    def named(self, name: str) -> Backend:
        """Raises ``BackendFailed`` for one that this manager does not have."""
        return self._made.get(name) or self._make(name)

    def made(self, name: str) -> Backend | None:
        """The one that was built, if it was."""
        return self._made.get(name)

    def _make(self, name: str) -> Backend:
        with self._making:
            if name not in self._makers:
                raise BackendFailed(
                    f"Backend {name!r} is not available here",
                    hint="Use the settings with which that runner was created",
                )
            if name not in self._made:
                self._made[name] = self._makers[name]()
            return self._made[name]

    def of(self, runner: Runner) -> Backend:
        """The one that runner was made by."""
        return self.named(self._name_of(runner))

    def reach(self, runner: Runner) -> tuple[Backend, str]:
        """The same, with the handle that it wants."""
        known = _known(runner.handle)
        if known.whole and known.backend is not None and runner.handle is not None:
            return self.named(known.backend), runner.handle  # nearly always, and a status must be quick
        name = self._name_of(runner)
        return self.named(name), handle_of(runner, backend=name)

    def _name_of(self, runner: Runner) -> str:
        known = _known(runner.handle)
        if known.backend is not None:
            return known.backend
        # Version 1 of the database forgot the handle of one that rested; how it was started has left its trace.
        return run_directory.started_by(f"{self._runs_dir}/{runner.id}") or (runner.backend or self.default)

    def __iter__(self) -> Iterator[Backend]:
        """All that runners may belong to."""
        return map(self.named, self._makers)


class _Known(NamedTuple):
    backend: str | None
    whole: bool


def handle_of(runner: Runner, *, backend: str = PROCESS) -> str:
    """The row's; one that an earlier version wrote, or that was not committed yet, is completed from the row."""
    if runner.handle is not None and _known(runner.handle).whole:
        return runner.handle
    backend = _known(runner.handle).backend or backend
    row = (runner.id, runner.name, runner.root, runner.root_inode, runner.ephemeral, runner.job_user)
    return _completed(_Incomplete(backend, *row))


class _Incomplete(NamedTuple):
    """What a row tells of where its runner is."""

    backend: str
    runner_id: str
    name: str
    root: str
    inode: tuple[int, int] | None
    ephemeral: bool
    user: tuple[int, int] | None


@lru_cache(maxsize=8192)
def _completed(row: _Incomplete) -> str:
    return Place(**{**row._asdict(), "root": Path(row.root)}).handle


@lru_cache(maxsize=8192)
def _known(handle: str | None) -> _Known:
    try:
        told = json.loads(handle or "{}")
        name = SYSTEMD if "unit" in told else told.get("backend")
    except (ValueError, TypeError, AttributeError):
        return _Known(None, whole=False)
    return _Known(name, whole="id" in told)
