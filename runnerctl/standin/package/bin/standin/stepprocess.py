"""The process of one step: its output line by line, its end, and the ladder that ends it early."""

from __future__ import annotations

import os
import time

from . import orphans, waiting
from .waiting import SIGINT, SIGKILL, SIGTERM

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from collections.abc import Callable

_NEVER = float("inf")
_LADDER = ((SIGINT, 7.5), (SIGTERM, 2.5), (SIGKILL, _NEVER))
_DRAIN_SECONDS = 5.0  # for output that background children of an ended step hold open


class StepProcess:
    """Started by its constructor; ``output`` is called with every line. Its owner waits for ``fd``, SIGCHLD and
    ``due()``, and asks ``running()`` after each of them.
    """

    def __init__(
        self, argv: list[str], *, directory: str, environment: dict[str, str], output: Callable[[str], None]
    ) -> None:
        self.exit_code: int | None = None
        self._mark = environment["RUNNER_TRACKING_ID"]
        self._output = output
        self._held = b""
        self._rungs = iter(_LADDER)
        self._due = _NEVER
        self._ends_early = False
        self.fd, write_end = os.pipe()
        self._pid = waiting.fork()
        if self._pid == 0:
            _become(argv, directory, environment, write_end)
        os.close(write_end)

    def end_early(self) -> None:
        """SIGINT now; SIGTERM, and SIGKILL for all it started, when that was not enough."""
        if self.exit_code is None and not self._ends_early:
            self._ends_early = True
            self._climb()

    def due(self) -> float:
        return self._due

    def read(self) -> None:
        """Take what is there on ``fd``; at its end ``fd`` is -1."""
        data = os.read(self.fd, 65536)
        *lines, self._held = (self._held + data).split(b"\n")
        for line in lines:
            self._output(line.decode("utf-8", "replace").rstrip("\r"))
        if not data:
            self._close()

    def running(self) -> bool:
        """False once it has ended and its output was read, or nobody wanted to wait for more of it."""
        now = time.monotonic()
        if self.exit_code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.exit_code = 128 - code if code < 0 else code  # as .NET and shells count a signal
                self._due = now if self._ends_early else now + _DRAIN_SECONDS
            elif now >= self._due:
                self._climb()
            return True if self.exit_code is None else self.fd >= 0
        if self.fd >= 0 and now >= self._due:
            self._close()
        return self.fd >= 0

    def _climb(self) -> None:
        number, patience = next(self._rungs)
        # A factor, to make a rehearsal of stubborn steps short; the real runner has no such variable.
        self._due = time.monotonic() + patience * float(os.environ.get("RUNNER_STANDIN_PATIENCE") or 1)
        if number == SIGKILL:
            # Everything that carries the job's mark: a killed shell would leave its children behind.
            list(orphans.kill(self._mark))
        try:
            os.kill(self._pid, number)
        except ProcessLookupError:
            return

    def _close(self) -> None:
        if self._held:
            self._output(self._held.decode("utf-8", "replace"))
        os.close(self.fd)
        self.fd = -1


def _become(argv: list[str], directory: str, environment: dict[str, str], output: int) -> None:
    """The child's side of the fork; does not return."""
    try:
        waiting.restore_defaults()
        os.chdir(directory)
        _offer_to_the_oom_killer()
        null = os.open("/dev/null", os.O_RDONLY)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.execvpe(argv[0], argv, environment)
    except BaseException as exc:
        os.write(output, f"An error occurred trying to start process '{argv[0]}': {exc}\n".encode())
    finally:
        os._exit(127)


def _offer_to_the_oom_killer() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(os.environ.get("PIPELINE_JOB_OOMSCOREADJ", "500"))
    except OSError:
        return
