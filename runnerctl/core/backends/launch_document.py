"""What a supervisor is told of the runner that it is to start, ``launch.json``; and what that runner's jobs inherit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..host import cgroups, processes
from .base import StopLadder
from .place import Place

if TYPE_CHECKING:
    from .limits import CgroupLimit

_TMP, _VAR_TMP = "/tmp", "/var/tmp"  # noqa: S108 - a runner with a user of its own sees others in their place
_JOB_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_XDG = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state"}
"""https://specifications.freedesktop.org/basedir-spec: the defaults, also where a step sets another ``HOME``."""
_PASSED_ON = ("TZ",)


def _no_script() -> Path | None:
    return None


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """What the runners of one manager have in common."""

    events: Path
    """Where supervisors tell that something happened."""
    ladder: StopLadder
    reap_argv: tuple[str, ...]
    reap_environment: Mapping[str, str]
    user_agent: str
    network: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Proxies and certificates, as variables: the Listener is behind the same ones as we are."""
    hidden: tuple[Path, ...] = ()
    """Kept from jobs that run as ourselves, where the kernel has Landlock."""
    package_dir: Path | None = None
    """What those jobs may read of it."""
    groups: tuple[int, ...] = ()
    """What jobs with a user of their own may use beside what is theirs."""
    most_processes: int | None = None
    no_new_privs: bool = True
    """No program can give those users' jobs rights, be it ``sudo``."""
    limits: tuple[CgroupLimit, ...] = ()
    """What a runner may take of the host, as far as the kernel's cgroups can tell it so here."""
    nice: int = 0
    oom_score_adj: int = 0
    job_started: Callable[[], Path | None] = field(default=_no_script, repr=False)
    """A script that the runner runs before each job, which fails if that does."""

    def document(self, place: Place, run_dir: Path, environment: Mapping[str, str]) -> dict[str, Any]:
        """``runnerctl/supervisor/launch.py`` reads it."""
        return {
            "id": place.runner_id,
            "name": place.name,
            "root": str(place.root),
            "argv": [str(place.root / "bin" / "Runner.Listener"), "run", "--startuptype", "service"],
            "env": environment,
            "user": self._user(place),
            "confine": self._confinement(place),
            "ephemeral": place.ephemeral,
            "pid_file": str(run_dir / "runner.pid"),
            "events": str(self.events),
            "cgroup": cgroups.place_for(place.runner_id),
            "limits": self._cgroup_files,
            "priority": {"nice": self.nice, "oom_score_adj": self.oom_score_adj},
            "reap": {"argv": [*self.reap_argv, place.runner_id], "env": dict(self.reap_environment)},
            "restart": {"seconds": 5, "limit": 10},
            "stop": self._stop,
            "log": {"max_bytes": 10 * 1024 * 1024, "keep": 3},
        }

    def environment(self, place: Place, *, job_started: Path | None = None) -> dict[str, str]:
        """All that the Listener and its jobs inherit: an allow-list, nothing of ours."""
        return {
            **{name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)},
            **self.network,
            "PATH": _JOB_PATH,
            "LANG": "C.UTF-8",
            "HOME": str(home := place.root / "home"),
            **{f"XDG_{name}_HOME": str(home / directory) for name, directory in _XDG.items()},
            # Where it has a /tmp of its own, that is it, and short: a socket's path ends at 107 bytes.
            "TMPDIR": _TMP if place.user and _may_hide_tmp(place.root) else str(place.root / "tmp"),
            "USER": "runner",
            "LOGNAME": "runner",
            "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": "1",
            # The job's result as exit status; to one that is to go on it would mean one job only.
            **({"ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED": "1"} if place.ephemeral else {}),
            "GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT": self.user_agent,
            processes.LIFE_VARIABLE: place.runner_id,
            **({"ACTIONS_RUNNER_HOOK_JOB_STARTED": str(job_started)} if job_started else {}),
            **({"RUNNER_ALLOW_RUNASROOT": "1"} if place.user is None and os.geteuid() == 0 else {}),
        }

    @property
    def _stop(self) -> dict[str, float]:
        return {
            "interrupt_seconds": self.ladder.interrupt,
            "terminate_seconds": self.ladder.terminate,
            "kill_seconds": self.ladder.kill,
            "shutdown_grace": self.ladder.shutdown_grace,
            "settle_seconds": self.ladder.settle,
        }

    @cached_property
    def _cgroup_files(self) -> dict[str, str]:
        if not self.limits:
            return {}
        from . import limits

        files = {limit.file: limit.value for limit in limits.enforceable(self.limits)}
        # What does not fit must not be swapped out instead, at the cost of the host.
        return {**files, **({"memory.swap.max": "0"} if "memory.max" in files else {})}

    def _confinement(self, place: Place) -> dict[str, Any] | None:
        if place.user is not None or self.package_dir is None:
            return None
        return {
            "hidden": list(map(str, self.hidden)),
            "home": str(place.root),
            "shared": str(self.package_dir),
        }

    def _user(self, place: Place) -> dict[str, Any] | None:
        if place.user is None:
            return None
        uid, gid = place.user
        return {
            "uid": uid,
            "gid": gid,
            "groups": list(self.groups),
            "private_tmp": str(place.root / "tmp") if _may_hide_tmp(place.root) else None,
            "processes": self.most_processes,
            "no_new_privs": self.no_new_privs,
        }


def _may_hide_tmp(root: Path) -> bool:
    """Whether nothing that the runner needs lies below the directories that it would see others in the place of."""
    needed = (root, (root / "externals").resolve())
    return not any(path.is_relative_to(hidden) for path in needed for hidden in (_TMP, _VAR_TMP))
