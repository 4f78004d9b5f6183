"""The FIFO that the Listener writes to, and where its lines go."""

from __future__ import annotations

import os
import stat

import lines
from runner_log import RunnerLog

_BLOCK = 64 * 1024
_LAST_WORDS = 1024 * 1024
"""Read after the Listener's end: a daemon that writes without end must not keep us."""


class Output:
    """``reader`` is for the poll; ``dry`` when nobody has the FIFO open for writing."""

    def __init__(self, path: str, log: RunnerLog) -> None:
        self._path = path
        self._log = log
        self._splitter = lines.LineSplitter()
        _make_fifo(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.dry = True

    def resume(self) -> None:
        """A Listener from before us has it open: what it wrote meanwhile is still in there."""
        self.dry = False

    def writer(self) -> int:
        """For the Listener. Open for reading too: if we die, its writes go on to succeed, without SIGPIPE."""
        self.dry = False
        return os.open(self._path, os.O_RDWR)

    def read(self, *, to_the_end: bool) -> list[lines.Event]:
        """Logs what is there and tells what it says; one block, or all of it after the Listener's end."""
        found: list[lines.Event] = []
        left = _LAST_WORDS if to_the_end else 1
        while left > 0 and (data := self._block()):
            found += self._take(self._splitter.feed(data))
            left -= len(data)
        if to_the_end:
            found += self._take(self._splitter.end())
        return found

    def _take(self, whole: list[str]) -> list[lines.Event]:
        if whole:
            self._log.hear(whole)
        return [event for line in whole if (event := lines.understand(line)) is not None]

    def _block(self) -> bytes:
        try:
            data = os.read(self.reader, _BLOCK)
        except BlockingIOError:
            return b""
        self.dry = not data
        return data


def _make_fifo(path: str) -> None:
    try:
        if stat.S_ISFIFO(os.lstat(path).st_mode):
            return
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.mkfifo(path, 0o600)
