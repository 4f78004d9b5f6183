"""Users of jobs that are given to no other runner, because something of them is left on the host that would not go.

A file for each below the state directory says why. It is tried again before a create, when its time has come.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..domain.errors import BackendFailed
from .base import Problem

log = logging.getLogger("runnerctl.core")

_RETRY_SECONDS = 60.0
_HINT = "Delete what is named; the next create tries again"


class KeptUsers:
    """``roots`` holds directories of runners whose jobs may gain privileges, as by a set-user-id program that another's
    job made where they let it; None: there are none such.
    """

    def __init__(self, directory: Path, *, roots: Path | None, now: Callable[[], float]) -> None:
        self._directory = directory
        self._roots = roots
        self._now = now

    def clear(self, user: tuple[int, int], *, shared_tmp: bool, unless: Path | None = None) -> None:
        """What of that (uid, gid) would not go keeps it from other runners. Raises ``OSError`` when that is not noted.

        ``shared_tmp``: its jobs saw the host's ``/tmp``; ``unless``: the root that is about to be deleted.
        """
        from ..host import job_traces

        uid, gid = user
        others = [root for root in self._open_roots() if root != unless]
        try:
            job_traces.clear(uid, gid, shared_tmp=shared_tmp, others=others)
        except BackendFailed as exc:
            log.warning("user %d is given to no other runner: %s", uid, exc.message)
            self._put(uid, {"gid": gid, "shared_tmp": shared_tmp, "reason": exc.message})
        else:
            self._path(uid).unlink(missing_ok=True)

    def _open_roots(self) -> list[Path]:
        if self._roots is None or not self._roots.is_dir():
            return []
        return [path for path in self._roots.iterdir() if not path.name.startswith(".")]

    def reasons(self) -> dict[int, str]:
        """Why, by uid."""
        return {uid: str(self._read(uid).get("reason") or "unknown") for uid in self._uids()}

    def problems(self) -> list[Problem]:
        return [
            Problem(f"User {uid} of run_as is given to no runner: {why}", _HINT, fatal=False)
            for uid, why in self.reasons().items()
        ]

    def retry(self, *, unless: Collection[int]) -> None:
        """Once for each whose time has come, ``unless`` it has processes; what is met is noted again."""
        for uid in self._uids():
            told = self._read(uid)
            if uid in unless or 0 <= float(told.get("next_try") or 0) - self._now() <= _RETRY_SECONDS:
                continue
            with suppress(OSError):
                self.clear((uid, int(told.get("gid") or uid)), shared_tmp=told.get("shared_tmp") is True)

    def _uids(self) -> list[int]:
        try:
            names = os.listdir(self._directory)  # noqa: PTH208 - names are all that is wanted
        except OSError:
            return []
        return sorted(int(name) for name in names if name.isdigit())

    def _path(self, uid: int) -> Path:
        return self._directory / str(uid)

    def _read(self, uid: int) -> dict[str, Any]:
        try:
            told = json.loads(self._path(uid).read_bytes())
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _put(self, uid: int, told: dict[str, Any]) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        new = self._directory / f".{uid}.new"
        new.write_text(json.dumps({**told, "next_try": self._now() + _RETRY_SECONDS}))
        new.rename(self._path(uid))
