"""Starting a supervisor, in one step or in two, and hearing its report."""

from __future__ import annotations

import json
import select
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import subprocess

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_RUN_VARIABLE = "RUNNERCTL_RUN"
"""Which run directory is meant: everybody on the host can read a command line."""
_REPORT_SECONDS = 30.0
_CANCEL_SECONDS = 5.0
_MAX_REPORT = 64 * 1024


class Started(NamedTuple):
    """How a start went: the exit status of the process that was started, and what the supervisor says of itself."""

    status: int
    report: dict[str, Any]


def start(argv: list[str], *, runner_id: str, kept: tuple[int, ...] = ()) -> Started:
    """It supervises when this returns, or says why not; it inherits the descriptors ``kept``."""
    try:
        process = _spawn(argv, runner_id, kept=kept)
    except OSError as exc:
        return Started(1, {"error": f"its supervisor was not started: {exc.strerror}"})
    with process:
        report = _report(process)
    return Started(process.returncode, report)


class Waiting:
    """A supervisor that has everything ready for what ``document`` asks for, and executes nothing until it is told to
    begin; it ends with us.
    """

    def __init__(self, argv: list[str], document: dict[str, Any], *, runner_id: str) -> None:
        """Its run directory holds that document."""
        self._document = document
        try:
            self._process: subprocess.Popen[bytes] | None = _spawn([*argv, "--wait"], runner_id, told=True)
        except OSError:
            self._process = None

    def begin(self, document: dict[str, Any]) -> Started | None:
        """As ``start``; None if it was lost meanwhile, or if something else is asked for by now: nothing was begun
        then."""
        if document != self._document:
            self.cancel()
        process, self._process = self._process, None
        if process is None:
            return None
        with process:
            try:
                stdin = _pipe(process.stdin)
                stdin.write(b"\n")
                stdin.close()
            except OSError:
                return None
            report = _report(process)
        return Started(process.returncode, report)

    def cancel(self) -> None:
        """It has ended when this returns, unless it was told to begin."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            with suppress(OSError):
                _pipe(process.stdin).close()
            stdout = _pipe(process.stdout)
            _wait_for(stdout, _CANCEL_SECONDS)  # says nothing more, or why it could not wait


def _wait_for(pipe: IO[bytes], seconds: float) -> bool:
    """Whether it can be read by then. ``select`` knows no descriptor beyond 1023, and a server has more."""
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def _spawn(
    argv: list[str], runner_id: str, *, kept: tuple[int, ...] = (), told: bool = False
) -> subprocess.Popen[bytes]:
    import subprocess  # only a start needs it, and a status must be quick

    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if told else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**_ENVIRONMENT, _RUN_VARIABLE: runner_id},
        cwd=Path("/"),
        pass_fds=kept,
    )


def _report(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The supervisor's one line, with a deadline."""
    stdout = _pipe(process.stdout)
    ready = _wait_for(stdout, _REPORT_SECONDS)
    line = stdout.readline(_MAX_REPORT) if ready else b""
    try:
        report = json.loads(line)
    except ValueError:
        process.kill()
        return {"error": "its supervisor did not report"}
    return report if isinstance(report, dict) else {"error": "its supervisor's report is not understood"}


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 - it was asked for
    return stream
