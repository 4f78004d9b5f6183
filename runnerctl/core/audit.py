"""Who asked for what, and what came of it: one JSON object a line, only ever added to.

``audit.log`` holds what was changed; ``refused.log`` who was refused, and who asked for what was so already. Each is
rotated by itself: however much strangers are refused, it pushes out nothing that was granted.

A line is one write in append mode, so that any number of processes may write at once. No secret is ever in it.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from .domain.clock import Clock
from .host.locks import LockHeld, file_lock
from .redact import redact

log = logging.getLogger("runnerctl.core")

OK = "ok"
_LONGEST = 256
_MOST_READ = 4 * 1024
"""Of a field, to be masked: strangers choose how long it is."""
REFUSED = "refused.log"
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One line. ``result`` is ``ok`` or the error's code."""

    actor: str
    """``operator``, ``token:ID``, ``uid:NUMBER``, ``oidc:REPOSITORY@REF``, ``nobody``."""
    source: str
    """An address, ``unix`` or ``local``."""
    action: str
    """Such as ``runner.create``."""
    object: str
    result: str
    request_id: str | None = None
    changed: bool = True
    """Not written: whether there was anything to do, if it was granted."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The log of one state directory. A line that cannot be written is told to the server's log, and fails nobody."""

    path: Path
    clock: Clock
    max_bytes: int
    files: int
    """How many are kept, the current one included."""

    @property
    def paths(self) -> tuple[Path, Path]:
        """Of what was granted, and of what was not."""
        return self.path, self.path.with_name(REFUSED)

    def write(self, entry: AuditEntry) -> None:
        granted, refused = self.paths
        path = granted if entry.result == OK and entry.changed else refused
        try:
            if self._append(path, _line(entry, self.clock.now())) > self.max_bytes:
                self._rotate(path)
        except OSError as exc:
            log.error("the audit log %s cannot be written: %s", path, exc.strerror)

    def _append(self, path: Path, line: bytes) -> int:
        """Returns the log's size now."""
        descriptor = os.open(path, _FLAGS, 0o600)
        try:
            os.write(descriptor, line)
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def _rotate(self, path: Path) -> None:
        """Whoever still writes to the file that is renamed loses nothing by it."""
        try:
            with file_lock(path.with_suffix(".lock"), wait=0):
                if path.stat().st_size <= self.max_bytes:
                    return  # somebody else did meanwhile
                for number in reversed(range(self.files - 1)):
                    if _numbered(path, number).exists():
                        _numbered(path, number).rename(_numbered(path, number + 1))
                if self.files == 1:
                    path.unlink()
        except (LockHeld, FileNotFoundError):
            return  # somebody else is at it, or was


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


def _line(entry: AuditEntry, now: float) -> bytes:
    at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}Z"
    told = {
        "time": at,
        "request_id": entry.request_id,
        "actor": entry.actor,
        "source": entry.source,
        "action": entry.action,
        "object": entry.object,
        "result": entry.result,
    }
    # Masked before it is cut: half a secret has no form to be known by.
    masked = {name: None if text is None else redact(text[:_MOST_READ])[:_LONGEST] for name, text in told.items()}
    return json.dumps(masked).encode() + b"\n"
