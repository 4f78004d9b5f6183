"""Starting a supervisor, in one step or in two, and hearing its report."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import socket
    import subprocess

    from .fork_server import ForkServer

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
        report = _report(_pipe(process.stdout), process.kill)
    return Started(process.returncode, report)


class Waiting:
    """A supervisor that has everything ready for what ``document`` asks for, and executes nothing until it is told to
    begin; it ends with us.
    """

    def __init__(
        self, argv: list[str], document: dict[str, Any], *, runner_id: str, fork_server: ForkServer | None = None
    ) -> None:
        """Its run directory holds that document. Without a ``fork_server`` it is a program that is started anew."""
        self._document = document
        self._pipes = None if fork_server is None else _forked(fork_server, runner_id)
        if self._pipes is None:
            with suppress(OSError):
                self._pipes = _Pipes.of(_spawn([*argv, "--wait"], runner_id, told=True))

    def begin(self, document: dict[str, Any]) -> Started | None:
        """As ``start``; None if it was lost meanwhile, or if something else is asked for by now: nothing was begun
        then."""
        if document != self._document:
            self.cancel()
        pipes, self._pipes = self._pipes, None
        if pipes is None:
            return None
        with pipes:
            try:
                pipes.stdin.write(b"\n")
                pipes.stdin.close()
            except OSError:
                return None
            report = _report(pipes.stdout, pipes.give_up)
        return Started(pipes.status, report)

    def cancel(self) -> None:
        """It has ended when this returns, unless it was told to begin."""
        pipes, self._pipes = self._pipes, None
        if pipes is None:
            return
        with pipes:
            with suppress(OSError):
                pipes.stdin.close()
            _wait_for(pipes.stdout, _CANCEL_SECONDS)  # says nothing more, or why it could not wait


class Ahead:
    """The supervisors of this process that wait, by runner id, and what they come from."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._fork_servers: dict[tuple[str, ...], ForkServer] = {}

    def wait(self, argv: list[str], document: dict[str, Any], *, runner_id: str, lasts: bool) -> None:
        """``lasts``: this process makes many runners, and what makes the next one cheaper is worth being kept."""
        fork_server = self._fork_server(tuple(argv)) if lasts else None
        self._waiting[runner_id] = Waiting(argv, document, runner_id=runner_id, fork_server=fork_server)

    def begin(self, runner_id: str, document: dict[str, Any]) -> Started | None:
        """See ``Waiting.begin``; None if none waits."""
        waiting = self._waiting.pop(runner_id, None)
        return None if waiting is None else waiting.begin(document)

    def cancel(self, runner_id: str) -> None:
        waiting = self._waiting.pop(runner_id, None)
        if waiting is not None:
            waiting.cancel()

    def _fork_server(self, argv: tuple[str, ...]) -> ForkServer:
        """Only a server imports it. Whoever comes second throws away one that has not been started."""
        from .fork_server import ForkServer

        return self._fork_servers.get(argv) or self._fork_servers.setdefault(
            argv, ForkServer(lambda c: _served(argv, c))
        )


class _Pipes:
    """How a supervisor that waits is told, and what it tells; closed at the end of a ``with``."""

    def __init__(
        self,
        stdin: IO[bytes],
        stdout: IO[bytes],
        *,
        give_up: Callable[[], None],
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.give_up = give_up
        """It does not answer: nothing more is to come from there."""
        self._process = process

    @classmethod
    def of(cls, process: subprocess.Popen[bytes]) -> _Pipes:
        return cls(_pipe(process.stdin), _pipe(process.stdout), give_up=process.kill, process=process)

    @property
    def status(self) -> int:
        """That of the process that was started, which forks; 0 where none was."""
        return 0 if self._process is None else self._process.returncode

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.stdin.close()
        self.stdout.close()
        if self._process is not None:
            self._process.wait()


def _forked(fork_server: ForkServer, runner_id: str) -> _Pipes | None:
    forked = fork_server.fork(runner_id)
    if forked is None:
        return None
    # Nothing is buffered: who closes it has nothing to write any more.
    return _Pipes(os.fdopen(forked.stdin, "wb", 0), os.fdopen(forked.stdout, "rb"), give_up=fork_server.close)


def _served(argv: Sequence[str], channel: socket.socket) -> subprocess.Popen[bytes]:
    """What starts supervisors as ``argv`` does; in a session of its own: a Ctrl-C is not meant for it."""
    import subprocess

    return subprocess.Popen(
        [*argv, "--fork-server"],
        stdin=channel.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd=Path("/"),
        start_new_session=True,
    )


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


def _report(stdout: IO[bytes], give_up: Callable[[], None]) -> dict[str, Any]:
    """The supervisor's one line, with a deadline."""
    ready = _wait_for(stdout, _REPORT_SECONDS)
    line = stdout.readline(_MAX_REPORT) if ready else b""
    try:
        report = json.loads(line)
    except ValueError:
        give_up()
        return {"error": "its supervisor did not report"}
    return report if isinstance(report, dict) else {"error": "its supervisor's report is not understood"}


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 - it was asked for
    return stream
