"""``config.sh`` as a child of ours, for runners that are plain processes."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

from ..domain.errors import BackendFailed
from .base import ConfigSh, Configured
from .place import Place


def run(place: Place, asked: ConfigSh, environment: dict[str, str]) -> Configured:
    """Raises ``BackendFailed`` when it cannot be run, or has not ended in time; then nothing of it is left."""
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
        except BaseException as exc:
            os.killpg(process.pid, signal.SIGKILL)  # it is a shell: what it has started is what takes so long
            if isinstance(exc, subprocess.TimeoutExpired):
                raise out_of_time(place.name, asked.seconds) from exc
            raise
    return Configured(process.returncode, output.decode(errors="replace"))


def out_of_time(name: str, seconds: float) -> BackendFailed:
    return BackendFailed(f"config.sh of runner {name!r} did not end in {seconds:.0f} s")


def _as_user(user: tuple[int, int] | None) -> dict[str, Any]:
    """No job of that user runs yet: nobody else can look into the environment."""
    if user is None:
        return {}
    uid, gid = user
    return {"user": uid, "group": gid, "extra_groups": (), "umask": 0o077}
