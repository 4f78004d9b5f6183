"""A runner's log as its supervisor wrote it, read piece by piece, secrets masked.

Each line begins with its time, ``2026-11-24T03:57:14.123Z``.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from .redact import redact_lines

_BLOCK = 64 * 1024
_LONGEST_LINE = 64 * 1024
"""Longer ones are given in parts. The supervisor writes none; whoever else does must not fill our memory."""


class LogReader:
    """Reads ``runner.log`` on from where it stopped; follows it through rotations, for as long as those are kept.

    However long the log is, no more than a piece of it is held at once.
    """

    def __init__(self, path: Path, *, since: str | None = None) -> None:
        self._path = path
        self._since = since
        self._earlier: int | None = None
        self._descriptor: int | None = None
        self._rest = b""

    def begin_at(self, tail: int | None) -> None:
        """The last ``tail`` lines come first; without it all, those of the file that was rotated away last included."""
        found = _begin(self._descriptor, tail) if self._open() else 0
        if tail is not None and found >= tail:
            return
        self._earlier = self._opened_earlier()
        _begin(self._earlier, None if tail is None else tail - found)

    def lines(self) -> Iterator[str]:
        """The whole lines that were added since the last call."""
        while (piece := self.piece()) is not None:
            yield from piece

    def piece(self) -> list[str] | None:
        """Some of them: what one read gives; None when there is no more for now."""
        block = self._read()
        if not block:
            return None
        *whole, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        lines = redact_lines(b"\n".join(whole).decode(errors="replace").split("\n")) if whole else []
        since = self._since
        return lines if since is None else [line for line in lines if line[: len(since)] >= since]

    def close(self) -> None:
        for descriptor in (self._earlier, self._descriptor):
            if descriptor is not None:
                os.close(descriptor)
        self._earlier = self._descriptor = None

    def _read(self) -> bytes:
        if self._earlier is not None:
            return self._read_earlier(self._earlier)
        if not self._open():
            return b""
        assert self._descriptor is not None  # noqa: S101 - just opened
        block = os.read(self._descriptor, _BLOCK)
        if block or not self._rotated():
            return block
        # Something may have been added just before it was rotated away; from now on nothing is.
        block = os.read(self._descriptor, _BLOCK)
        if block or not self._go_on():
            return block
        return self._read()

    def _read_earlier(self, descriptor: int) -> bytes:
        block = os.read(descriptor, _BLOCK)
        if block:
            return block
        self._earlier = None
        os.close(descriptor)
        return b"\n" if self._rest else self._read()

    def _open(self) -> bool:
        if self._descriptor is None:
            self._descriptor = _opened(self._path)
        return self._descriptor is not None

    def _opened_earlier(self) -> int | None:
        """The file that was rotated away last, unless that has just been done to the one that is open."""
        earlier = _opened(_rotated_away(self._path, 1))
        if earlier is not None and self._is_open(earlier):
            os.close(earlier)
            return None
        return earlier

    def _go_on(self) -> bool:
        """To the file that was begun after the one that is open, which may have been rotated away itself."""
        successor = _opened(self._path)
        for number in itertools.count(1):
            older = None if successor is None else _opened(_rotated_away(self._path, number))
            if older is None:  # the one that is open is not kept any more
                break
            if self._is_open(older):
                os.close(older)
                break
            os.close(successor)  # type: ignore[arg-type]  # there is none without an older one
            successor = older
        if successor is None:
            return False
        assert self._descriptor is not None  # noqa: S101 - called while it is open
        os.close(self._descriptor)
        self._descriptor = successor
        return True

    def _is_open(self, descriptor: int) -> bool:
        return self._descriptor is not None and os.path.samestat(os.fstat(descriptor), os.fstat(self._descriptor))

    def _rotated(self) -> bool:
        assert self._descriptor is not None  # noqa: S101 - called while it is open
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False


def read(path: Path, *, tail: int | None = None, since: str | None = None) -> tuple[list[str], LogReader]:
    """The log so far (of its last ``tail`` lines those from time ``since`` on) and a reader for what follows."""
    reader = LogReader(path, since=since)
    reader.begin_at(tail)
    return list(reader.lines()), reader


def _rotated_away(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _begin(descriptor: int | None, tail: int | None) -> int:
    """Goes to where the last ``tail`` whole lines of that file begin; returns how many there are of them."""
    if descriptor is None:
        return 0
    begin, found = (0, 0) if tail is None else _start_of_last(descriptor, tail)
    os.lseek(descriptor, begin, os.SEEK_SET)
    return found


def _start_of_last(descriptor: int, count: int) -> tuple[int, int]:
    """Looked for from the end, block by block."""
    position, found = os.lseek(descriptor, 0, os.SEEK_END), 0
    while position > 0:
        start = max(0, position - _BLOCK)
        block = os.pread(descriptor, position - start, start)
        here = block.count(b"\n")
        if found + here > count:
            return start + _after_newline(block, count + 1 - found), count
        position, found = start, found + here
    return 0, found


def _after_newline(block: bytes, number: int) -> int:
    """Behind the newline that is that many from the end."""
    index = len(block)
    for _ in range(number):
        index = block.rfind(b"\n", 0, index)
    return index + 1
