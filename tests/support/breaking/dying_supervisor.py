"""The supervisor, killed at one of the moments at which it changes the world outside of its own memory.

These moments are found by the interpreter's profiler while the real program runs, so that none can be forgotten: just
after each system call that changes something, and just before it if the supervisor had waited, for in between it does
nothing. Each is written to a file that outlives the run directory; ``rest`` means that it waits, ``died …`` that it was
killed. Imports nothing of runnerctl but the supervisor's own modules, as the supervisor does.
"""

from __future__ import annotations

import os
import signal
import sys

import start

CHANGES = frozenset({
    "fork", "setsid", "mkdir", "rmdir", "mkfifo", "rename", "unlink", "flock", "pidfd_send_signal", "sendto", "write",
})  # fmt: skip
"""What is called of the C library; the log's own calls are left out, for it decides nothing."""


class Dying:
    """Counts the moments and ends this process at one: that number, or the first that is called so.

    Counted from the point ``since``, if one is named. Once there is a file of that name and ``.spared``, it lives.
    """

    def __init__(self, points: str, *, at: int | str, since: str | None) -> None:
        self._points = points
        self._spared = f"{points}.spared"
        self._at = at
        self._passed_so_far = 0
        self._counting = since is None
        self._since = since
        self._waited = True
        self._pid = os.getpid()

    def __call__(self, frame: object, event: str, arg: object) -> None:
        code = frame.f_code  # type: ignore[attr-defined]
        if event not in ("c_call", "c_return"):  # a call that failed changed nothing
            return
        name = arg.__name__  # type: ignore[attr-defined]
        if name == "poll" and code.co_name == "_wait" and event == "c_call":
            self._waits()
        elif name in CHANGES and (name != "write" or _is_of_the_system(arg)) and not _is_of_the_log(code):
            self._changes(event, name, code)

    def _changes(self, event: str, name: str, code: object) -> None:
        if name == "fork" and event == "c_return" and code.co_name == "main":  # type: ignore[attr-defined]
            # The child is the supervisor from here on, and whoever was started has nothing more to do.
            self._pid = os.getpid() if os.getpid() != self._pid else 0
        if event != "c_call":
            self._passed("after", name, code)
        elif self._waited:
            self._passed("before", name, code)

    def _waits(self) -> None:
        if not self._waited:
            self._note("rest")
        self._waited = True

    def _passed(self, when: str, name: str, code: object) -> None:
        if os.getpid() != self._pid or os.access(self._spared, os.F_OK):
            return
        self._waited = False
        where = code.co_filename.rpartition("/")[2].removesuffix(".py")  # type: ignore[attr-defined]
        point = f"{when} {name} in {where}.{code.co_name}"  # type: ignore[attr-defined]
        self._passed_so_far += self._counting
        if self._counting and self._at in (self._passed_so_far, point):
            self._note(f"died {point}")
            os.kill(os.getpid(), signal.SIGKILL)
        self._note(point)
        self._counting = self._counting or point == self._since

    def _note(self, line: str) -> None:
        # Opened each time: a supervisor closes all descriptors that it does not know.
        descriptor = os.open(self._points, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)


def _is_of_the_system(function: object) -> bool:
    return getattr(function, "__module__", None) == "posix"


def _is_of_the_log(code: object) -> bool:
    return code.co_filename.endswith("runner_log.py")  # type: ignore[attr-defined, no-any-return]


def main(points: str, at: int | str, since: str | None) -> None:
    """Never returns. The command line is the supervisor's."""
    sys.setprofile(Dying(points, at=at, since=since))
    os._exit(start.main(sys.argv[1:]))
