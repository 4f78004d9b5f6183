"""``python -m runnerctl`` as a process of its own, forked from one that has imported it: to start an interpreter and to
import costs three times what most commands do.

All else is as at a start: arguments, environment and streams, also in ``/proc``; signals, groups, exit status.
What an interpreter does before ``main()`` is shown by ``test_commands_as_processes``, ``test_light_imports`` and e2e.
"""

from __future__ import annotations

import array
import atexit
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.places import REPOSITORY

_ROOM = 16384
"""Bytes for a command's arguments, and as many for its environment, as ``/proc`` shows them."""
_LOCALE = ("LC_", "LANG", "PYTHON", "LD_")
"""Variables that an interpreter reads before its first line: with one of them, one is started."""


class _Stem:
    """The process that has imported all, and what is asked of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = "from tests.support.hosts.stem import main; main()"
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, str(theirs.fileno()), "." * _ROOM],
            pass_fds=(theirs.fileno(),),
            env={**kept, "ROOM": "." * _ROOM},
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        atexit.register(self._close, os.getpid())

    def _close(self, pid: int) -> None:
        if os.getpid() == pid:
            self._socket.close()
            self._process.wait()

    def fork(self, wanted: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        with self._lock:
            passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            self._socket.sendmsg([json.dumps(wanted).encode()], passed)
            return int(self._answer())

    def status(self, pid: int) -> int:
        """Of one that has ended; asked once, for it is gone then."""
        with self._lock:
            self._socket.send(json.dumps({"status": pid}).encode())
            return int(self._answer())

    def _answer(self) -> bytes:
        answer = self._socket.recv(64)
        assert answer, "the process that others are forked from has ended"
        return answer


@cache
def _stem_of(_: int) -> _Stem:
    return _Stem()


def _stem() -> _Stem:
    """One for this process; one that was forked has none of its parent's."""
    return _stem_of(os.getpid())


class Warm(subprocess.Popen[str]):
    """One of runnerctl's. Who forked it has to tell how it ended; else it is as any other."""

    def _execute_child(self, args: Any, *given: Any) -> None:
        (_, _, _, _, cwd, env, _, _, _, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *_) = given
        session, group = given[-2:]
        streams = [own if each == -1 else each for own, each in enumerate((p2cread, c2pwrite, errwrite))]
        wanted = {"argv": list(args), "env": dict(env), "cwd": str(cwd), "session": session, "group": group}
        try:
            self._stem = _stem()
            self.pid = self._stem.fork(wanted, streams)
            self._over = os.pidfd_open(self.pid)
            self._child_created = True
        finally:
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]

    def _internal_poll(self, _deadstate: Any = None) -> int | None:
        with self._waitpid_lock:  # type: ignore[attr-defined]
            return self._ended(0)

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._over, select.POLLIN)
            if not poll.poll(None if timeout is None else max(0.0, timeout) * 1000):
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self._internal_poll()
        return self.returncode

    def _ended(self, milliseconds: int) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._over, select.POLLIN)
            if poll.poll(milliseconds):
                self.returncode = os.waitstatus_to_exitcode(self._stem.status(self.pid))
                os.close(self._over)
        return self.returncode


def start(*argv: str, env: Mapping[str, str], cwd: Path, **streams: Any) -> subprocess.Popen[str]:
    """``python -m runnerctl`` with these arguments; ``streams`` as ``Popen`` takes them."""
    if any(name.startswith(_LOCALE) for name in env):
        return subprocess.Popen([sys.executable, "-m", "runnerctl", *argv], env=env, cwd=cwd, text=True, **streams)
    return Warm([sys.executable, "-m", "runnerctl", *argv], env=env, cwd=cwd, text=True, **streams)


def run(
    *argv: str, env: Mapping[str, str], cwd: Path, input: str | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` does, with what was said."""
    streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    stdin = None if input is None else subprocess.PIPE
    with start(*argv, env=env, cwd=cwd, stdin=stdin, **streams) as process:
        try:
            stdout, stderr = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
