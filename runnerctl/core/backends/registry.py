"""The backends of this manager by name, and the one that a runner belongs to.

A row is its backend's for its whole life, whatever the settings say now.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from ..errors import BackendFailed
from ..models import Runner
from .base import Backend

PROCESS, SYSTEMD = "process", "systemd"


class Backends:
    """Each is built when it is first asked for. Safe for threads."""

    def __init__(self, makers: Mapping[str, Callable[[], Backend]], *, default: str) -> None:
        self.default = default
        """For new runners."""
        self._makers = makers
        self._made: dict[str, Backend] = {}
        self._making = threading.Lock()

    def named(self, name: str) -> Backend:
        """Raises ``BackendFailed`` for one that this manager does not have."""
        return self._made.get(name) or self._make(name)

    def _make(self, name: str) -> Backend:
        with self._making:
            if name not in self._makers:
                raise BackendFailed(f"There is no backend {name!r} here", hint="The runner was made by another manager")
            if name not in self._made:
                self._made[name] = self._makers[name]()
            return self._made[name]

    def of(self, runner: Runner) -> Backend:
        """The one that runner was made by."""
        return self.named(_name(runner.handle) or self.default)

    def reach(self, runner: Runner) -> tuple[Backend, str]:
        """The same, with the handle that it wants."""
        return self.of(runner), handle_of(runner)

    def __iter__(self) -> Iterator[Backend]:
        """All that runners may belong to."""
        return map(self.named, self._makers)


def handle_of(runner: Runner) -> str:
    """The row's; one that an earlier version wrote, or that was not committed yet, is completed from the row."""
    name = _name(runner.handle)
    return _completed(
        runner.handle, name, runner.id, runner.name, runner.root, runner.root_inode, runner.ephemeral, runner.job_user
    )


@lru_cache(maxsize=8192)
def _completed(
    handle: str | None,
    backend: str | None,
    runner_id: str,
    name: str,
    root: str,
    inode: tuple[int, int] | None,
    ephemeral: bool,
    user: tuple[int, int] | None,
) -> str:
    known = _decoded(handle)
    if "id" in known:
        return str(handle)
    place = {"name": name, "root": root, "inode": inode, "ephemeral": ephemeral, "user": user}
    return json.dumps({"backend": backend, "id": runner_id, **place})


@lru_cache(maxsize=8192)
def _name(handle: str | None) -> str | None:
    known = _decoded(handle)
    return SYSTEMD if "unit" in known else known.get("backend")


def _decoded(handle: str | None) -> dict[str, Any]:
    try:
        known = json.loads(handle or "{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}
