"""The systemd units that runners are, one each, of a fixed template; and the few verbs we may use on them.

systemd asks polkit whether we may; the rule that is shipped allows these verbs on these units.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from ..domain.errors import BackendFailed
from ..host import cgroups
from .limits import CgroupLimit

TEMPLATE = Path("/etc/systemd/system/runnerctl-runner@.service")
SLICE = "runnerctl.slice"
ADOPTING = "--adopt-unit"
"""What the program of ``ExecReload=`` is told."""
_NAMES = {"memory": "MemoryMax", "io": "IOWeight", "pids": "TasksMax"}
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0


def unit(runner_id: str) -> str:
    return f"runnerctl-runner@{runner_id}.service"


def installed(state_dir: Path) -> bool:
    """Whether this host's systemd is set up to run runners for the manager of that state directory."""
    named = _options("--state-dir")
    return bool(named) and all(Path(each) == state_dir for each in named)


def places() -> dict[str, set[str]]:
    """What the programs in the template that is installed are told: where runners are, and whose. Empty without one."""
    told = {name: _options(name) for name in ("--base-dir", "--state-dir", "--manager")}
    return told if all(told.values()) else {}


def _options(name: str) -> set[str]:
    """The values of an option of the programs in the template that is installed."""
    try:
        words = TEMPLATE.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return set()
    return {after for word, after in pairwise(words) if word == name}


def limit_lines(limits: Iterable[CgroupLimit]) -> tuple[str, ...]:
    """What stands for them in the template."""
    return tuple(line for limit in limits for line in _lines(limit))


def _lines(limit: CgroupLimit) -> tuple[str, ...]:
    if limit.controller == "cpu":
        quota, period = map(int, limit.value.split())
        return (f"CPUQuota={100 * quota // period}%",)
    line = f"{_NAMES[limit.controller]}={limit.value}"
    # What does not fit must not be swapped out instead, at the cost of the host.
    return (line, "MemorySwapMax=0") if limit.controller == "memory" else (line,)


def has_lines(lines: Iterable[str]) -> bool:
    """Whether the template that is installed has them."""
    try:
        return set(lines) <= set(TEMPLATE.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return False


def groups_option(names: Iterable[str]) -> str:
    """What tells ``privileged/chown_to_job.py`` which supplementary groups jobs get; empty for none."""
    given = ",".join(names)
    return f"--groups {given}" if given else ""


def gives_groups(names: Iterable[str]) -> bool:
    """Whether the template that is installed gives jobs those, and no others."""
    return _options("--groups") == {",".join(names)} - {""}


def start(runner_id: str) -> bool:
    """Whether it has started: its Listener runs. Raises ``BackendFailed`` where systemd cannot be asked."""
    return _systemctl("start", unit(runner_id), seconds=_START_SECONDS).returncode == 0


def stop(runner_id: str) -> None:
    """Returns when all that follows its end is done, too."""
    _systemctl("stop", unit(runner_id), seconds=_STOP_SECONDS)


def can_adopt() -> bool:
    """Whether the template that is installed knows how a supervisor that died is replaced; older ones did not."""
    try:
        return ADOPTING in TEMPLATE.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def adopt(runner_id: str) -> bool:
    """Has its supervisor replaced; whether it has one now.

    Not of a unit that has failed in any way: systemd would kill what is left of it behind the reload
    (``service_enter_running`` of systemd 252).
    """
    result = _systemctl("show", "--property=Result", "--value", unit(runner_id)).stdout.strip()
    return result == "success" and _systemctl("reload", unit(runner_id), seconds=_START_SECONDS).returncode == 0


def kill(runner_id: str, signal: str, *, main: bool) -> bool:
    """To its main process or to all of its processes; False if there is none."""
    whom = "main" if main else "all"
    return _systemctl("kill", f"--signal={signal}", f"--kill-whom={whom}", unit(runner_id)).returncode == 0


def is_ending(runner_id: str) -> bool:
    """All of its processes have ended, and its directory is just being reclaimed."""
    state = _systemctl("show", "--property=SubState", "--value", unit(runner_id)).stdout.strip()
    return state in {"stop-post", "final-sigterm", "final-sigkill", "final-watchdog"}


def cgroup(runner_id: str) -> str | None:
    """Where its processes are while it is active; None if it is not, or the kernel has no cgroup v2 for us to see."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:
        return None
    place = cgroups.locate(f"0::/{SLICE}/{unit(runner_id)}", mounts)
    return str(place) if place is not None and place.is_dir() else None


def _systemctl(*words: str, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
    argv = ["systemctl", "--no-ask-password", "--quiet", *words]
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise BackendFailed(f"systemd could not be asked to {words[0]} a runner: {exc}") from exc
    if "uthentication" in done.stderr or "ccess denied" in done.stderr:
        raise BackendFailed(
            f"systemd does not let us {words[0]} runners: {done.stderr.strip()}",
            hint="`sudo runnerctl service install` installs the polkit rule",
        )
    return done
