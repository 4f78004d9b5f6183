"""What a job's steps left running: found by the tracking id in its environment, and ended."""

from __future__ import annotations

import os

from ..host.waiting import SIGKILL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def marked(mark: str) -> Iterator[int]:
    """Processes that carry ``RUNNER_TRACKING_ID=<mark>``; a step may have dropped it, then nobody finds it."""
    wanted = f"RUNNER_TRACKING_ID={mark}".encode()
    for name in os.listdir("/proc"):
        if name.isdigit() and wanted in _read(f"/proc/{name}/environ").split(b"\0"):
            yield int(name)


def kill(mark: str, *, but: int) -> Iterator[str]:
    """End them all, one excepted; yields one line about each."""
    for pid in [each for each in marked(mark) if each != but]:
        name = _read(f"/proc/{pid}/comm").decode("utf-8", "replace").strip()
        try:
            os.kill(pid, SIGKILL)
        except ProcessLookupError:
            continue
        yield f"Terminate orphan process: pid ({pid}) ({name})"


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
