"""The newest version that GitHub was ever heard to offer, read from what ``releases`` remembers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..file_version import file_version
from .version_policy import order


class Offers:
    """Safe for threads: whoever reads while the file changes reads it again next time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_version: tuple[int, ...] | None = None
        self._versions: dict[str, str] = {}

    def newest(self, *, platform: str, key: str) -> str | None:
        """Under a ``key`` that begins so; None if none is known."""
        version = file_version(self.path)
        if version != self._read_version:
            self._versions, self._read_version = _read(self.path), version
        ending = f" {platform}"
        offers = (each for name, each in self._versions.items() if name.startswith(key) and name.endswith(ending))
        return max(offers, key=order, default=None)


def _read(path: Path) -> dict[str, str]:
    try:
        entries: dict[str, Any] = json.loads(path.read_bytes())
        found = {name: str(entry["release"]["version"]) for name, entry in entries.items()}
        return {name: version for name, version in found.items() if order(version)}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}
