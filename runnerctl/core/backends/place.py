"""The handle of a supervised runner: what must be known to find its directory, its record and its processes again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..domain.errors import BackendFailed


class Place(NamedTuple):
    """Where a runner is on this host, and whose."""

    backend: str
    runner_id: str
    name: str
    root: Path
    """As it was made, whatever the settings say now."""
    inode: tuple[int, int] | None
    """(device, inode) of the root when it was made; None: whoever made it did not live to tell."""
    ephemeral: bool
    user: tuple[int, int] | None
    mark: str | None = None
    """What its tree is known by when its supervisor is gone: its cgroup, its user, or a walk over all processes."""
    cgroup: str | None = None
    env: Mapping[str, str] = MappingProxyType({})
    """Variables that its create gives to its jobs, beside those of the settings."""

    @property
    def short_root(self) -> Path:
        """A link to the root whose length is not the runner's name's."""
        return self.root.parent / f".{self.runner_id}"

    @property
    def handle(self) -> str:
        document = {**self._asdict(), "root": str(self.root), "env": dict(self.env)}
        document["id"] = document.pop("runner_id")
        return json.dumps(document)


@lru_cache(maxsize=8192)
def place_of(handle: str) -> Place:
    """The inverse of ``Place.handle``. Raises ``BackendFailed`` for what is none."""
    try:
        known = json.loads(handle)
        return Place(
            backend=str(known["backend"]),
            runner_id=str(known["id"]),
            name=str(known["name"]),
            root=Path(known["root"]),
            inode=_pair(known.get("inode")),
            ephemeral=bool(known["ephemeral"]),
            user=_pair(known.get("user")),
            mark=known.get("mark"),
            cgroup=known.get("cgroup"),
            env=dict(known.get("env") or {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BackendFailed(f"A runner's handle is not understood: {handle[:200]!r}") from exc


def _pair(value: Any) -> tuple[int, int] | None:
    return None if value is None else (int(value[0]), int(value[1]))
