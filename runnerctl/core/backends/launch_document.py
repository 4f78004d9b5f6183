"""What a supervisor is told of the runner that it is to start, ``launch.json``; and what that runner's jobs inherit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..domain import job_env
from ..host import cgroups, processes
from .base import StopLadder
from .place import Place

if TYPE_CHECKING:
    from .limits import CgroupLimit

_TMP, _VAR_TMP = "/tmp", "/var/tmp"  # noqa: S108 - a runner with a user of its own sees others in their place
_JOB_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_XDG = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state"}
"""https://specifications.freedesktop.org/basedir-spec: the defaults, also where a step sets another ``HOME``."""
_LONGEST_SOCKET = 107
"""Bytes of a unix socket's path, however deep the file system is: unix(7)."""
_IN_HOME, _IN_TMP = 32, 51
"""What programs add: ``/.gnupg/S.gpg-agent.browser`` (27), ``/.org.chromium.Chromium.XXXXXX/SingletonSocket`` (46),
``/dotnet-diagnostic-PID-TIME-socket`` (44), ``/ssh-XXXXXXXXXXXX/agent.PID`` (31); and a few more.
"""
_PASSED_ON = ("TZ",)
ROW_VARIABLE = "RUNNERCTL_ROW"
"""Which row ``runnerctl reap`` is about: everybody on the host can read a command line."""
ORIGIN_VARIABLE, _ORIGIN_FILE = "RUNNERCTL_JOB_FILE", ".job"
"""Where the script before each job writes down where that comes from; ``runnerctl/supervisor/origin.py`` reads it."""


def _no_variables() -> Mapping[str, str]:
    return {}


def _as_given(given: Mapping[str, str], *, persistent: bool) -> Mapping[str, str]:  # noqa: ARG001 - others regard it
    return {name: given[name] for name in job_env.HOOKS if name in given}


class Hooks(Protocol):
    def __call__(self, given: Mapping[str, str], *, persistent: bool) -> Mapping[str, str]:
        """The scripts around a runner's jobs, by variable, where those are ``given`` that the operator wants."""


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
    """Ours, and kept from jobs that run as ourselves, where the kernel has Landlock."""
    closed: tuple[Path, ...] = ()
    """Our user's, and kept from them likewise, but for what is ``readable`` or ``writable``."""
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    code: tuple[Path, ...] = ()
    """What we run from: those jobs read it and never change it."""
    needed: tuple[Path, ...] = ()
    """Where runners and their packages are."""
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
    job_env: Callable[[], Mapping[str, str]] = field(default=_no_variables, repr=False)
    """What the settings give to every job, now."""
    hooks: Hooks = field(default=_as_given, repr=False)

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
            "reap": {"argv": list(self.reap_argv), "env": {**self.reap_environment, ROW_VARIABLE: place.runner_id}},
            "restart": {"seconds": 5, "limit": 10},
            "stop": self._stop,
            "log": {"max_bytes": 10 * 1024 * 1024, "keep": 3},
        }

    def environment(self, place: Place) -> dict[str, str]:
        """All that the Listener and its jobs inherit: an allow-list, and what the operator gives them."""
        given = job_env.combined(self.job_env(), place.env)
        hooks = self.hooks(given, persistent=not place.ephemeral)
        return {**self._environment(place, given), **hooks, ORIGIN_VARIABLE: str(place.root / _ORIGIN_FILE)}

    def configuring_environment(self, place: Place) -> dict[str, str]:
        """That of ``config.sh``, which is given a registration token: nothing that a create asked for is in it."""
        return self._environment(place, self.job_env())

    def _environment(self, place: Place, given: Mapping[str, str]) -> dict[str, str]:
        added = given.get(job_env.PATH)
        variables = {
            **{name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)},
            **self.network,
            "LANG": "C.UTF-8",
            **{name: value for name, value in given.items() if name not in job_env.HOOKS},
            "PATH": f"{added}:{_JOB_PATH}" if added else _JOB_PATH,
            "HOME": str(home := _short(place, "home", _IN_HOME)),
            **{f"XDG_{name}_HOME": str(home / directory) for name, directory in _XDG.items()},
            "TMPDIR": _TMP if place.user and hides_tmp(place.root) else str(_short(place, "tmp", _IN_TMP)),
            "USER": "runner",
            "LOGNAME": "runner",
            "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": "1",
            # The job's result as exit status; to one that is to go on it would mean one job only.
            **({"ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED": "1"} if place.ephemeral else {}),
            "GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT": self.user_agent,
            processes.LIFE_VARIABLE: place.runner_id,
            **({"RUNNER_ALLOW_RUNASROOT": "1"} if place.user is None and os.geteuid() == 0 else {}),
        }
        return {name: value for name, value in variables.items() if value}

    @property
    def below_tmp(self) -> Path | None:
        """What keeps runners with users of their own from having a ``/tmp`` of their own, too."""
        return next((path for path in self.needed if _is_below_tmp(path)), None)

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
            "closed": list(map(str, self.closed)),
            "readable": list(map(str, self.readable)),
            "writable": list(map(str, self.writable)),
            "code": list(map(str, self.code)),
            "links": [str(place.short_root)],
        }

    def _user(self, place: Place) -> dict[str, Any] | None:
        if place.user is None:
            return None
        uid, gid = place.user
        return {
            "uid": uid,
            "gid": gid,
            "groups": list(self.groups),
            "private_tmp": str(place.root / "tmp") if hides_tmp(place.root) else None,
            "processes": self.most_processes,
            "no_new_privs": self.no_new_privs,
        }


def _short(place: Place, name: str, tail: int) -> Path:
    """That directory of its root, by a name that leaves room for a socket's where it can be had.

    By its own name where that is short enough: caches of jobs know it relative to the work directory.
    """
    usual, short = place.root / name, place.short_root / name
    fits = len(os.fsencode(usual)) + tail <= _LONGEST_SOCKET
    return usual if fits or len(os.fsencode(short)) >= len(os.fsencode(usual)) else short


def is_shortened(place: Place) -> bool:
    """Its jobs know a directory of its root by its short name."""
    return any(_short(place, name, tail).parent != place.root for name, tail in (("home", _IN_HOME), ("tmp", _IN_TMP)))


def hides_tmp(root: Path) -> bool:
    """Whether nothing that the runner needs lies below the directories that it would see others in the place of."""
    return not any(map(_is_below_tmp, (root, root / "externals")))


def _is_below_tmp(path: Path) -> bool:
    return any(path.resolve().is_relative_to(hidden) for hidden in (_TMP, _VAR_TMP))
