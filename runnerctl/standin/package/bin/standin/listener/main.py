"""``Runner.Listener``: commands, and the exit status of each way to fail."""

from __future__ import annotations

import os

from .. import identity
from ..host import runtime, waiting
from ..host.ancestors import Unreadable, require_readable
from ..host.terminal import DiagnosticLog, complain, say
from ..release import COMMIT, VERSION
from .broker import VersionTooOld
from .command_line import CommandLine
from .connecting import CannotConnect, Occupied
from .polling import NotToBeRetried
from .session import OK, Session

_TERMINATED, _RETRYABLE, _SESSION_CONFLICT, _VERSION_TOO_OLD = 1, 2, 5, 7
_USAGE = """\
Commands:
 ./config.sh         Configures the runner
 ./config.sh remove  Unconfigures the runner
 ./run.sh            Runs the runner interactively

This is the stand-in runner of runnerctl: it imitates GitHub's and talks plain http only."""


def main(program: str, words: list[str]) -> int:
    """``program`` is the real path of ``bin/Runner.Listener``: the directory above ``bin`` is the runner's root."""
    runtime.begin()
    binaries = os.path.dirname(program)
    root = os.path.dirname(binaries)
    _load_environment(f"{root}/.env")
    try:
        require_readable(root)
    except Unreadable as exc:
        complain(f"An error occurred: {exc}")
        return _TERMINATED
    line = CommandLine(words, os.environ)  # type: ignore[arg-type]  # os.environ is a mapping of str to str
    for flag, text in (("version", VERSION), ("commit", COMMIT), ("help", _USAGE)):
        if line.flag(flag):
            say(text)
            return OK
    if line.command == "run":
        return _run(line, root=root, program=f"{binaries}/Runner.Worker")
    if line.command in ("configure", "remove"):
        from ..configuring import configure

        return configure.main(line, root)
    if line.command == "warmup":
        return OK
    say(_USAGE)
    return _TERMINATED if words else OK


def _run(line: CommandLine, *, root: str, program: str) -> int:
    log = DiagnosticLog(root, "Runner")
    try:
        return _session(line, root=root, program=program, log=log)
    except VersionTooOld as exc:
        complain(f"An error occurred: {exc}")
        asked = os.environ.get("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "").lower() in ("1", "true")
        return _VERSION_TOO_OLD if asked else _TERMINATED
    except CannotConnect:
        return _TERMINATED
    except Occupied:
        return _SESSION_CONFLICT
    except (NotToBeRetried, identity.NotConfigured) as exc:
        complain(f"An error occurred: {exc}")
        return _TERMINATED
    except Exception as exc:
        # The real one, too, calls everything else "retryable".
        log.write(f"{type(exc).__name__}: {exc}")
        complain(f"An error occurred: {exc}")
        return _RETRYABLE


def _session(line: CommandLine, *, root: str, program: str, log: DiagnosticLog) -> int:
    log.write(f"Version: {VERSION}; startup type: {line.argument('startuptype') or 'manual'}")
    blob = line.argument("jitconfig")
    if blob and not _unpack(root, blob):
        return _TERMINATED
    runner = identity.Identity(root)
    try:
        os.makedirs(runner.work_folder, exist_ok=True)
        require_readable(runner.work_folder)
    except (OSError, Unreadable) as exc:
        log.write(str(exc))
        complain(f"Fail to create and validate runner's work directory '{runner.work_folder}'.")
        return _TERMINATED
    signals = waiting.Signals(lambda: say("Exiting..."))
    return Session(runner, signals, once=line.flag("once"), program=program, log=log).run()


def _unpack(root: str, blob: str) -> bool:
    try:
        identity.unpack_jitconfig(root, blob)
    except (ValueError, AttributeError, TypeError) as exc:
        complain(f"An error occurred: The JIT configuration cannot be read: {exc}")
        return False
    return True


def _load_environment(path: str) -> None:
    """``K=V`` lines without quoting; they win over what was inherited."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and name.strip():
            os.environ[name.strip()] = value
