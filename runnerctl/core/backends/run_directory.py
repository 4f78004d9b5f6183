"""A runner's run directory: what its supervisor is told and tells, and its log.

Below the state directory, ``runners/<row id>/``: ``launch.json``, ``out.fifo`` and more go with the runner; the log,
its older parts and ``supervisor.json``, its last word, stay for a while.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..domain.errors import DiskFull

UNIT = "unit"
"""A file that is there for a life that was started as a unit."""
_LOG = "runner.log"
_KEPT = frozenset({_LOG, "supervisor.json"})


def started_by(path: str) -> str | None:
    """The backend that has started a runner there; None if none has."""
    if os.path.lexists(f"{path}/{UNIT}"):
        return "systemd"
    return "process" if os.path.lexists(f"{path}/launch.json") else None


def write(path: Path, document: dict[str, Any]) -> None:
    """Replaces it whole. Raises ``DiskFull``."""
    temporary = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(document, stream)
        temporary.rename(path)
    except OSError as exc:
        raise DiskFull(f"Runner {document['name']!r} could not be started: {exc.strerror}") from exc


def read(path: Path) -> dict[str, Any]:
    """Our own document; empty where there is none that can be read."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def clear(path: Path) -> None:
    """Deletes all but the log with its older parts and its supervisor's last word. Raises ``OSError``."""
    with suppress(FileNotFoundError):
        for name in os.listdir(path):  # noqa: PTH208 - names are all that is wanted
            if name not in _KEPT and not name.startswith(f"{_LOG}."):
                with suppress(FileNotFoundError):
                    os.unlink(path / name)  # noqa: PTH108 - as above


def each(runs_dir: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from runs_dir.iterdir()
