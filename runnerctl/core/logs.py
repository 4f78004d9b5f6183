"""A runner's log as its supervisor wrote it, read piece by piece, secrets masked.

Each line begins with its time, ``2026-11-24T03:57:14.123Z``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .redact import redact

_BLOCK = 64 * 1024
_MAX_TAIL = 4 * 1024 * 1024


class LogReader:
    """Reads ``runner.log`` on from where it stopped; follows it through a rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """The whole lines that were added since the last call."""
        while True:
            block = self._read()
            if not block:
                return
            *whole, self._rest = (self._rest + block).split(b"\n")
            for line in whole:
                yield redact(line.decode(errors="replace"))

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self) -> bytes:
        if self._descriptor is None and not self._open():
            return b""
        assert self._descriptor is not None  # noqa: S101 - just opened
        block = os.read(self._descriptor, _BLOCK)
        if block or not self._rotated():
            return block
        # The old file was read to its end; the new one begins where it left off.
        self.close()
        return self._read()

    def _open(self) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        return True

    def _rotated(self) -> bool:
        assert self._descriptor is not None  # noqa: S101 - called while it is open
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False


def read(path: Path, *, tail: int | None = None, since: str | None = None) -> tuple[list[str], LogReader]:
    """The log so far (its last ``tail`` lines, from time ``since`` on) and a reader for what follows."""
    reader = LogReader(path)
    lines = [*_rotated_lines(path), *reader.lines()] if tail is None or tail else list(reader.lines())
    if since is not None:
        lines = [line for line in lines if line[: len(since)] >= since]
    return (lines if tail is None else lines[len(lines) - tail :] if tail < len(lines) else lines), reader


def _rotated_lines(path: Path) -> list[str]:
    """Of the file that was rotated away last; older ones are left to those who look for them."""
    older = path.with_name(path.name + ".1")
    try:
        text = older.read_bytes()[-_MAX_TAIL:]
    except FileNotFoundError:
        return []
    return [redact(line) for line in text.decode(errors="replace").splitlines()]
