"""The process of one step: its output by lines, its end, and the ladder that ends it early (``ProcessInvoker.cs``)."""

from __future__ import annotations

import os
import time

from ... import pace
from ...host import waiting
from ...host.waiting import SIGINT, SIGKILL, SIGTERM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NEVER = float("inf")
_LADDER = ((SIGINT, 7.5), (SIGTERM, 2.5), (SIGKILL, _NEVER))
_DRAIN_SECONDS = 5.0  # for output that children of an ended step hold open


class CannotStart(Exception):
    """There is no such program, or it may not be run."""


class StepProcess:
    """Started by its constructor; ``output`` is called with every line. Its owner waits for ``fd``, SIGCHLD and
    ``due()``, and asks ``running()`` after each of them.
    """

    def __init__(
        self, argv: list[str], *, directory: str, environment: dict[str, str], output: Callable[[str], None]
    ) -> None:
        self.exit_code: int | None = None
        self._output = output
        self._held = b""
        self._rungs = iter(_LADDER)
        self._climb_at = _NEVER
        self._abandon_at = _NEVER
        self._ends_early = False
        self.fd, write_end = os.pipe()
        failed, tell = os.pipe()
        self._pid = waiting.fork()
        if self._pid == 0:
            _become(argv, directory, environment, write_end, tell)
        for descriptor in (write_end, tell):
            os.close(descriptor)
        self._require_started(failed, argv[0], directory)
        _offer_to_the_oom_killer(self._pid, environment)

    def end_early(self) -> None:
        """SIGINT now; SIGTERM and SIGKILL when that was not enough. To the process itself, never to its children."""
        if self.running() and not self._ends_early:
            self._ends_early = True
            self._climb()

    def due(self) -> float:
        return min(self._climb_at, self._abandon_at)

    def read(self) -> None:
        """Take what is there on ``fd``; at its end ``fd`` is -1."""
        data = os.read(self.fd, 65536)
        whole = self._held + data
        # A carriage return ends a line, too; what may be the first half of two waits for the other.
        kept = whole[-1:] if data and whole.endswith(b"\r") else b""
        text = whole[: len(whole) - len(kept)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._held = rest + kept
        for line in lines:
            self._output(line.decode("utf-8", "replace"))
        if not data:
            self._close()

    def running(self) -> bool:
        """False once it has ended and its output was read, or was waited for long enough."""
        now = time.monotonic()
        if self.exit_code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.exit_code = 128 - code if code < 0 else code  # as .NET and shells count a signal
                self._abandon_at = now + pace.scaled(_DRAIN_SECONDS)
        if self.exit_code is not None and (self.fd < 0 or now >= self._abandon_at):
            self._close()
            self._climb_at = self._abandon_at = _NEVER
            return False
        if now >= self._climb_at:
            self._climb()
        return True

    def _climb(self) -> None:
        number, patience = next(self._rungs, (0, _NEVER))
        self._climb_at = time.monotonic() + pace.scaled(patience)
        if self.exit_code is None and number:
            os.kill(self._pid, number)

    def _close(self) -> None:
        if self._held:
            self._output(self._held.decode("utf-8", "replace"))
            self._held = b""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _require_started(self, failed: int, program: str, directory: str) -> None:
        with open(failed, "rb") as file:
            why = file.read()
        if why:
            os.waitpid(self._pid, 0)
            os.close(self.fd)
            raise CannotStart(
                f"An error occurred trying to start process '{program}' with working directory '{directory}'. "
                f"{why.decode('utf-8', 'replace')}"
            )


def _become(argv: list[str], directory: str, environment: dict[str, str], output: int, tell: int) -> None:
    """The child's side of the fork; does not return."""
    try:
        waiting.restore_defaults()
        os.chdir(directory)
        null = os.open("/dev/null", os.O_RDONLY)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.execve(argv[0], argv, environment)
    except BaseException as exc:
        os.write(tell, (getattr(exc, "strerror", None) or str(exc)).encode())
    finally:
        os._exit(127)


def _offer_to_the_oom_killer(pid: int, environment: dict[str, str]) -> None:
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:
            file.write(environment.get("PIPELINE_JOB_OOMSCOREADJ") or "500")
    except OSError:
        return
