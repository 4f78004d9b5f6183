"""Scripts that runners run around their jobs: where every job's user can read them, and none can change them."""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..domain.errors import ConfigInvalid
from .directories import check_directory, disk_errors

_FORK_GUARD = Path(__file__).with_name("refuse-forks.sh")
_CLEAN_UP = Path(__file__).with_name("clean-up.sh")


def fork_guard(package_dir: Path) -> Path:
    """The script that fails jobs of pull requests from forks, put beside the packages unless it is there.

    Raises ``DiskFull``, ``ConfigInvalid`` or ``BackendFailed``.
    """
    return _put(package_dir, "refuse-forks", _FORK_GUARD.read_bytes())


def started(package_dir: Path, *, guard: bool, clean: Sequence[str] = (), then: str | None) -> str | None:
    """What runs before each job: the guard, the clean-up, and after them the operator's own script; None for nothing.

    ``clean`` says what is emptied: ``tmp``, ``home``, ``work``. Raises as ``fork_guard`` does, and ``ConfigInvalid``
    for a script that cannot follow another.
    """
    ours = [_FORK_GUARD.read_text()] if guard else []
    ours += ["\n".join((_CLEAN_UP.read_text(), *clean, ":"))] if clean else []  # what is left fails no job
    if not ours:
        return then
    if guard and not clean and then is None:
        return str(fork_guard(package_dir))
    if then is not None:
        check_may_follow(then)
    return str(_put(package_dir, "job-started", _chain(ours, then).encode()))


def check_may_follow(script: str) -> None:
    """Raises ``ConfigInvalid`` unless a shell can run it: another kind is the runner's own to start."""
    if not script.endswith(".sh"):
        raise ConfigInvalid(
            f"The job-started hook {script!r} cannot run after runnerctl's own: it is no shell script",
            hint="Name a .sh script that starts it",
        )


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
