"""``config.sh`` as a child of ours, for runners that are plain processes."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

from ..domain.errors import BackendFailed
from .base import ConfigSh, Configured
from .place import Place

_LAST_SECONDS = 1.0


def run(place: Place, asked: ConfigSh, environment: dict[str, str]) -> Configured:
    """Raises ``BackendFailed`` when it cannot be run."""
    try:
        process = subprocess.Popen(
            [str(place.root / "config.sh"), *asked.arguments],
            cwd=place.root,
            env={**environment, "ACTIONS_RUNNER_INPUT_TOKEN": asked.token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            **_as_user(place.user),
        )
    except OSError as exc:
        raise BackendFailed(f"config.sh of runner {place.name!r} could not be run: {exc.strerror}") from exc
    with process:
        try:
            output, _ = process.communicate(timeout=asked.seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            return Configured(None, _said(process).decode(errors="replace"))
        except BaseException:
            _kill(process)
            raise
    return Configured(process.returncode, output.decode(errors="replace"))


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)  # it is a shell: what it has started is what takes so long


def _said(process: subprocess.Popen[bytes]) -> bytes:
    """Until then. What left its group may hold the pipe open, and is not waited for."""
    try:
        return process.communicate(timeout=_LAST_SECONDS)[0]
    except subprocess.TimeoutExpired as exc:
        return exc.output or b""


def out_of_time(name: str, seconds: float) -> BackendFailed:
    message = f"config.sh of runner {name!r} did not end in {seconds:.0f} s"
    return BackendFailed(message, hint=f"{{logs {name}}} shows what it said until then")


def _as_user(user: tuple[int, int] | None) -> dict[str, Any]:
    """No job of that user runs yet: nobody else can look into the environment."""
    if user is None:
        return {}
    uid, gid = user
    return {"user": uid, "group": gid, "extra_groups": (), "umask": 0o077}
