"""Scripts that runners run around their jobs: where every job's user can read them, and none can change them."""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..domain.errors import ConfigInvalid, RunnerctlError
from .directories import check_directory, disk_errors

_CHAIN = "job-started"
_FORK_GUARD = Path(__file__).with_name("refuse-forks.sh")
_CLEAN_UP = Path(__file__).with_name("clean-up.sh")
_TELL_ORIGIN = Path(__file__).with_name("tell-origin.sh")


def started(package_dir: Path, *, guard: bool, clean: Sequence[str] = (), then: str | None) -> str | None:
    """What runs before each job: where it comes from is written down, then the guard, the clean-up, and after them the
    operator's own script.

    ``clean`` says what is emptied: ``tmp``, ``home``, ``work``. Raises ``DiskFull``, ``BackendFailed`` or
    ``ConfigInvalid``, the last also for a script that cannot follow another. Only to write down where jobs come from,
    nothing is refused: then it is the operator's own, or None.
    """
    wanted = [_FORK_GUARD.read_text()] if guard else []
    wanted += ["\n".join((_CLEAN_UP.read_text(), *clean, ":"))] if clean else []  # what is left fails no job
    script = _chain([_TELL_ORIGIN.read_text(), *wanted], then).encode()
    if wanted:
        if then is not None:
            check_may_follow(then)
        return str(_put(package_dir, _CHAIN, script))
    if then is not None and not _may_follow(then):
        return then
    try:
        return str(_put(package_dir, _CHAIN, script))
    except RunnerctlError:
        return then


def check_may_follow(script: str) -> None:
    """Raises ``ConfigInvalid`` unless a shell can run it: another kind is the runner's own to start."""
    if not _may_follow(script):
        raise ConfigInvalid(
            f"The job-started hook {script!r} cannot run after runnerctl's own: it is no shell script",
            hint="Name a .sh script that starts it",
        )


def _may_follow(script: str) -> bool:
    return script.endswith(".sh")


def _chain(ours: Sequence[str], then: str | None) -> str:
    """Ours in subshells, so that they leave the environment as it was; their parent is the Worker all the same."""
    lines = ["#!/bin/sh", "# Made by runnerctl: what it runs before each job, and then the operator's own."]
    lines += [f"(\n{each}\n) || exit 1" for each in ours]
    if then is not None:
        script = shlex.quote(then)
        lines += [f"if command -v bash > /dev/null; then exec bash -e {script}; else exec sh -e {script}; fi"]
    return "\n".join([*lines, ""])


def _put(package_dir: Path, name: str, content: bytes) -> Path:
    # Named by what is in it: a runner keeps the one that it was started with.
    path = package_dir.absolute() / ".hooks" / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.sh"
    with disk_errors(path):
        if not _is_there(path, content):
            check_directory(path.parent)
            _write(path, content)
    return path


def _is_there(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def _write(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), 0o555)
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
