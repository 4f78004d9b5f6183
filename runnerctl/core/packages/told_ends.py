"""What GitHub has told of when versions end, kept in one JSON file: it is asked seldom, and remembered for long.

Any damage reads as empty; writers replace the file whole. A date that was told once stays known when a later answer
is none: a permission that was taken away, or a GitHub that is away, is no news about a version.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..file_version import file_version
from .version_policy import Told

if TYPE_CHECKING:
    from ..domain.clock import Clock

CACHE_SECONDS = 6 * 3600.0
"""As long as what a scope is offered is remembered."""
FORGET_SECONDS = 30 * 86400.0
"""What nobody has asked about for so long is dropped."""
RETRY_SECONDS = 600.0
"""After a question that got no answer."""
_LONGEST = 2 * CACHE_SECONDS
"""A time that is further away was written before the clock was set back."""


class ToldEnds:
    """Safe for threads; of two processes that write at once the last one's news is kept."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._read_version: tuple[int, ...] | None = None
        self._entries: dict[str, Any] = {}

    def of(self, key: str) -> Told | None:
        """What was told last, however long ago; ``key`` tells APIs, scopes and versions apart."""
        entry = self._current().get(key, {})
        try:
            return None if entry.get("told") is None else Told(*map(_time, entry["told"]))
        except (TypeError, ValueError, AttributeError):
            return None

    def is_due(self, key: str) -> bool:
        """GitHub is to be asked, again or for the first time."""
        try:
            left = float(self._current()[key]["again_at"]) - self._clock.now()
        except (KeyError, TypeError, ValueError):
            return True
        return not 0 < left <= _LONGEST

    def answered(self, key: str, told: Told | None) -> None:
        """``told``: None where GitHub knows no such version, or no such call, or will not tell us."""
        known = self.of(key) if told is None else told
        self._write(key, known, CACHE_SECONDS)

    def put_off(self, key: str, seconds: float = RETRY_SECONDS) -> None:
        """No answer came, or what followed from one failed."""
        self._write(key, self.of(key), seconds)

    def _write(self, key: str, told: Told | None, seconds: float) -> None:
        now = self._clock.now()
        fresh = {name: entry for name, entry in self._current().items() if _is_fresh(entry, now)}
        fresh[key] = {"again_at": now + seconds, "told": told}
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(fresh))
            temporary.replace(self.path)
        except OSError:  # GitHub is asked again next time
            temporary.unlink(missing_ok=True)

    def _current(self) -> dict[str, Any]:
        version = file_version(self.path)
        if version != self._read_version:
            self._entries, self._read_version = _read(self.path), version
        return self._entries


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}


def _is_fresh(entry: dict[str, Any], now: float) -> bool:
    at = entry.get("again_at")
    return isinstance(at, int | float) and abs(now - at) < FORGET_SECONDS


def _time(told: object) -> float | None:
    return None if told is None else float(told)  # type: ignore[arg-type]  # what is no number raises
