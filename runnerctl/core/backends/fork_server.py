"""Where a server's supervisors come from that wait: a process that has all of one imported, and forks."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import subprocess

_TRIES = 2
"""One that has died is followed by another."""


class Forked(NamedTuple):
    """Our ends of a supervisor's stdin and stdout."""

    stdin: int
    stdout: int


class ForkServer:
    """Started when it is first asked, and kept. It ends with us. Safe for threads."""

    def __init__(self, start: Callable[[socket.socket], subprocess.Popen[bytes]]) -> None:
        """``start`` begins the process, which has the given socket as its stdin."""
        self._start = start
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def fork(self, runner_id: str) -> Forked | None:
        """None: there is none to be had, and a process of its own does as well."""
        for _ in range(_TRIES):
            try:
                return self._fork(runner_id)
            except OSError:
                self.close()
        return None

    def _fork(self, runner_id: str) -> Forked:
        theirs_in, ours_in = os.pipe2(os.O_CLOEXEC)
        ours_out, theirs_out = os.pipe2(os.O_CLOEXEC)
        try:
            with self._lock:
                socket.send_fds(self._reached(), [os.fsencode(runner_id)], [theirs_in, theirs_out])
        except OSError:
            os.close(ours_in)
            os.close(ours_out)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        return Forked(ours_in, ours_out)

    def _reached(self) -> socket.socket:
        if self._channel is None:
            self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._channel.setblocking(False)
                self._process = self._start(theirs)
        return self._channel

    def close(self) -> None:
        """It ends; those that it forked live on. The next one that is asked for has another."""
        with self._lock:
            channel, self._channel = self._channel, None
            process, self._process = self._process, None
        if channel is not None:
            channel.close()
        if process is not None:
            with suppress(OSError):
                process.kill()
            process.wait()
