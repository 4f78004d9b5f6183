"""The unit of systemd that this process runs in, and whether its end would take runners with it.

Runners that are processes are the server's children to systemd, and a restart of a unit ends all of them unless it says
``KillMode=process`` (systemd.kill(5)).
"""

from __future__ import annotations

import re
from pathlib import Path

from runnerctl.core.domain.errors import BackendFailed

from .programs import run, systemd_runs

_SERVICE = re.compile(r"/([^/]+\.service)(?:/|$)")
_SPARING = {"process", "none"}


def name() -> str | None:
    """By the kernel: ``/proc/self/cgroup``; None where we are in no unit, or in that of a user's session."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    by_systemd = next((line for line in lines if ":name=systemd:" in line or line.startswith("0::")), "")
    found = _SERVICE.findall(by_systemd)
    return found[-1] if found and "/user@" not in by_systemd else None


def kills_runners() -> str | None:
    """What to change, in a sentence; None if a restart leaves runners alone, or nobody can tell."""
    unit = name()
    if unit is None or not systemd_runs():
        return None
    try:
        mode = run("systemctl", "show", "--property=KillMode", "--value", unit).strip()
    except BackendFailed:
        return None
    if not mode or mode in _SPARING:
        return None
    return f"A restart of {unit} kills all runners: add KillMode=process to its [Service] section"
