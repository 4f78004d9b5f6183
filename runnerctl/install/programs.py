"""The programs of the host that an installation calls."""

from __future__ import annotations

import subprocess
from pathlib import Path

from runnerctl.core.domain.errors import BackendFailed

_SECONDS = 150
"""More than a start or a stop may take by our unit."""


def run(program: str, *arguments: str) -> str:
    """What it says on standard output. Raises ``BackendFailed`` with its own words when it fails or is not there."""
    command = " ".join((program, *arguments[:2]))
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError as exc:
        raise BackendFailed(f"{program!r} is not installed on this host") from exc
    except subprocess.TimeoutExpired as exc:
        raise BackendFailed(f"`{command}` did not end in {_SECONDS} s") from exc
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
        raise BackendFailed(f"`{command}` failed: {said[0]}")
    return done.stdout


def says_yes(program: str, *arguments: str) -> bool:
    try:
        return subprocess.run([program, *arguments], capture_output=True, timeout=_SECONDS, check=False).returncode == 0
    except FileNotFoundError:
        return False


def systemd_runs() -> bool:
    """As sd_booted(3) tells it."""
    return Path("/run/systemd/system").is_dir()
