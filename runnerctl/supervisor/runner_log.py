"""``runner.log``: every line with its time, rotated by size; a full disk costs lines and nothing else."""

from __future__ import annotations

import os
import time

_OURS = "[runnerctl] "
"""Begins what is our word; a job can write all else."""


class RunnerLog:
    """Rotated files are ``PATH.1`` (the youngest) to ``PATH.<keep>``."""

    def __init__(self, path: str, *, max_bytes: int, keep: int, mode: int = 0o600) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._mode = mode
        self._descriptor = -1
        self._size = 0
        self._dropped = 0

    def note(self, text: str) -> None:
        """A line of our own."""
        self._write([_OURS + text])

    def hear(self, lines: list[str]) -> None:
        """What the Listener says, or a job in its name: none of it passes for a line of our own."""
        self._write([f"> {line}" if line.startswith(_OURS.strip()) else line for line in lines])

    def _write(self, lines: list[str]) -> None:
        """Writes all of them or, when there is no space, counts them as dropped."""
        try:
            if self._dropped:
                self._append([f"{_OURS}{self._dropped} lines were dropped: they could not be written"])
                self._dropped = 0
            self._append(lines)
        except OSError:
            self._dropped += len(lines)

    def _append(self, lines: list[str]) -> None:
        now = time.time()
        prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03}Z "
        data = "".join(f"{prefix}{line}\n" for line in lines).encode()
        if self._descriptor < 0:
            self._open()
        if self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        self._write_whole(data)

    def _write_whole(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            # No half lines: what comes after would be taken for their end.
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        self._descriptor = os.open(self._path, flags, self._mode)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._keep + 1))]
        if self._keep == 0:
            os.unlink(self._path)
        for older, younger in zip(reversed(names), reversed(names[:-1]), strict=False):
            if os.path.lexists(younger):
                os.rename(younger, older)
        self._open()
