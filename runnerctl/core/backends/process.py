"""Runners as plain process trees of this host, each under a supervisor of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.errors import BackendFailed, DiskFull
from ..domain.models import ProcessId
from ..domain.observation import Observation, Phase
from ..host import cgroups, processes
from . import supervisors
from .base import Backend, Configured, Launch
from .records import Records

if TYPE_CHECKING:
    from .limits import CgroupLimit

_SUPERVISOR = Path(__file__).resolve().parents[2] / "supervisor" / "__main__.py"
_REMOVE_SECONDS = 1.0
_ALREADY, _NOTHING_LIVES = 5, 6
"""Exit statuses of a supervisor that is not needed."""
_TMP, _VAR_TMP = "/tmp", "/var/tmp"  # noqa: S108 - a runner with a user of its own sees others in their place
_JOB_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_XDG = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state"}
"""https://specifications.freedesktop.org/basedir-spec: the defaults, also where a step sets another ``HOME``."""
_PASSED_ON = (
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "TZ",
)  # fmt: skip


class StopLadder(NamedTuple):
    """Patience on each rung, in seconds."""

    interrupt: float = 30.0
    terminate: float = 10.0
    kill: float = 5.0
    shutdown_grace: float = 60.0
    settle: float = 3.0
    """How long one that just began to wait for a job is not stopped: a job may be on its way."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ProcessBackend(Backend):
    """``runs_dir`` holds one run directory per life; it belongs to the manager, mode 0700."""

    runs_dir: Path
    events: Path
    ladder: StopLadder
    reap_argv: tuple[str, ...]
    reap_environment: Mapping[str, str]
    user_agent: str
    hidden: tuple[Path, ...] = ()
    """Kept from jobs that run as ourselves, where the kernel has Landlock."""
    package_dir: Path | None = None
    """What those jobs may read of it."""
    isolates: bool = False
    """Jobs run as users of their own."""
    groups: tuple[int, ...] = ()
    """What those users' jobs may use beside what is theirs."""
    most_processes: int | None = None
    no_new_privs: bool = True
    """No program can give those users' jobs rights, be it ``sudo``."""
    limits: tuple[CgroupLimit, ...] = ()
    """What a runner may take of the host, as far as the kernel's cgroups can tell it so here."""
    nice: int = 0
    oom_score_adj: int = 0
    supervisor: Path = _SUPERVISOR
    """The program that each runner's processes are left to."""
    name: str = "process"
    _leases: dict[str, int] = field(default_factory=dict, repr=False)
    _waiting: dict[str, supervisors.Waiting] = field(default_factory=dict, repr=False)

    def run_dir(self, runner_id: str) -> Path:
        return self.runs_dir / runner_id

    def log(self, runner_id: str) -> Path:
        return self.run_dir(runner_id) / "runner.log"

    def links(self, runner_id: str) -> tuple[Path, Path]:
        return self.run_dir(runner_id) / "runner.log", self.run_dir(runner_id) / "runner.pid"

    @contextmanager
    def prepare(self, runner_id: str) -> Iterator[None]:
        waiting = supervisors.Waiting(self._supervisor_argv(self.run_dir(runner_id)))
        self._waiting[runner_id] = waiting
        try:
            yield
        finally:
            self._waiting.pop(runner_id, None)
            waiting.cancel()

    def configure(self, launch: Launch, arguments: tuple[str, ...], *, token: str, seconds: float) -> Configured:
        from . import config_sh

        return config_sh.run(launch, arguments, self.listener_environment(launch), token=token, seconds=seconds)

    def launch(self, launch: Launch) -> str:
        run_dir = self.run_dir(launch.runner_id)
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (run_dir / "drain").unlink(missing_ok=True)
        self._write(run_dir / "launch.json", self._launch_document(run_dir, launch))
        report = self._start(run_dir, launch)
        if "error" in report:
            raise BackendFailed(f"Runner {launch.name!r} could not be started: {report['error']}")
        return json.dumps({"backend": self.name, **report})

    def adopt(self, runner_id: str) -> bool:
        status, report = supervisors.start([*self._supervisor_argv(self.run_dir(runner_id)), "--adopt"])
        if status not in (0, _ALREADY, _NOTHING_LIVES) or (status == 0 and "error" in report):
            raise BackendFailed(f"Runner {runner_id} could not be adopted: {report.get('error')}")
        return status != _NOTHING_LIVES

    def poll(self, runner_id: str) -> Observation:
        seen = self._records.observe(runner_id)
        record = None if seen.running or seen.ended else self._records.read(runner_id)
        if record is None or record.phase is not Phase.BUSY or (worker := self._worker(runner_id)) is None:
            return seen
        # A Worker outlives its Listener; and its supervisor, if that was killed too.
        job, since = (record.job.name, record.job.started_at) if record.job else (None, None)
        return seen._replace(running=True, pid=worker.pid, phase=Phase.BUSY, job=job, job_started_at=since)

    def processes(self, runner_id: str) -> tuple[ProcessId, ...]:
        seen = self._records.read(runner_id)
        if seen is None or seen.ended:
            return ()
        return (seen.supervisor,) if seen.listener is None else (seen.supervisor, seen.listener)

    def forget(self, runner_id: str) -> None:
        self._records.forget(runner_id)

    def supervised(self, runner_id: str) -> bool:
        return self._records.supervised(runner_id)

    def working(self, runner_id: str) -> bool:
        try:
            return self._worker(runner_id) is not None
        except OSError as exc:
            raise BackendFailed(f"The processes of runner {runner_id} could not be looked at: {exc.strerror}") from exc

    def _worker(self, runner_id: str) -> ProcessId | None:
        seen = self._records.read(runner_id)
        listener = seen.listener if seen else None
        alive = listener is not None and processes.alive(listener)
        cgroup = self._cgroup(runner_id)
        for pid in [] if cgroup is None else cgroups.pids(cgroup):
            if processes.comm(pid) == processes.WORKER_COMM and (worker := processes.identify(pid)) is not None:
                return worker
        return processes.worker(listener.pid if listener and alive else None, runner_id)

    def drain(self, runner_id: str) -> None:
        (self.run_dir(runner_id) / "drain").touch(mode=0o600)
        self._signal_supervisor(runner_id, signal.SIGHUP)

    def interrupt(self, runner_id: str) -> None:
        if not self._signal_supervisor(runner_id, signal.SIGINT):
            seen = self._records.read(runner_id)
            listener = seen.listener if seen else None
            if listener is not None:
                _signal(listener, signal.SIGINT)

    def kill(self, runner_id: str) -> None:
        """The supervisor goes first: it would take the deaths for exits and act on them."""
        deadline = time.monotonic() + self.ladder.kill
        cgroup = self._cgroup(runner_id)
        self._signal_supervisor(runner_id, signal.SIGKILL)
        if cgroup is not None:
            cgroups.kill(cgroup)
        user = _launched(self.run_dir(runner_id)).user
        if user is not None:
            from ..host import user_processes

            user_processes.kill_all(user, seconds=self.ladder.kill)
        while tree := self._tree(runner_id, cgroup):
            for pid in tree:
                _kill(pid)
            if time.monotonic() > deadline:
                raise BackendFailed(f"Processes {tree} of runner {runner_id} survive SIGKILL")
            time.sleep(0.01)
        if cgroup is not None:
            cgroups.remove(cgroup, seconds=_REMOVE_SECONDS)

    @cached_property
    def degraded(self) -> str | None:
        root = ", which is root" if os.geteuid() == 0 else ""
        shared = f"Jobs run as the manager's own user{root}: its files cannot be kept from them"
        return "; ".join(filter(None, (None if self.isolates else shared, self.unenforced))) or None

    @cached_property
    def unenforced(self) -> str | None:
        """What jobs are not kept from here, also those with a user of their own, in words."""
        gained = None if self.no_new_privs else "Jobs may gain privileges, as by sudo (no_new_privs=false)"
        if not self.limits:
            return gained
        from . import limits

        return "; ".join(filter(None, (gained, limits.unenforced(self.limits, isolates=self.isolates)))) or None

    @cached_property
    def _cgroup_files(self) -> dict[str, str]:
        if not self.limits:
            return {}
        from . import limits

        files = {limit.file: limit.value for limit in limits.enforceable(self.limits)}
        # What does not fit must not be swapped out instead, at the cost of the host.
        return {**files, **({"memory.swap.max": "0"} if "memory.max" in files else {})}

    def leased(self) -> tuple[str, ...]:
        """The lives that end with this process."""
        return tuple(self._leases)

    def release(self, runner_id: str) -> None:
        """Gives up the lease on a runner launched as ``leased``: its stop ladder begins."""
        descriptor = self._leases.pop(runner_id, None)
        if descriptor is not None:
            os.close(descriptor)

    def _tree(self, runner_id: str, cgroup: str | None) -> list[int]:
        seen = self._records.read(runner_id)
        tops = [] if seen is None else [seen.supervisor, seen.listener]
        living = [top.pid for top in tops if top is not None and processes.alive(top)]
        below = [pid for top in living for pid in processes.descendants(top)]
        inside = [] if cgroup is None else cgroups.pids(cgroup)
        return list(dict.fromkeys([*living, *below, *inside, *processes.marked(runner_id)]))

    def _cgroup(self, runner_id: str) -> str | None:
        """Where its processes are, by its supervisor's word; before it has spoken, where they were to be."""
        seen = self._records.read(runner_id)
        named = seen.cgroup if seen is not None and seen.cgroup else _launched(self.run_dir(runner_id)).cgroup
        return named if cgroups.belongs_to(named, runner_id) else None

    @cached_property
    def _records(self) -> Records:
        return Records(str(self.runs_dir))

    def _signal_supervisor(self, runner_id: str, number: signal.Signals) -> bool:
        seen = self._records.read(runner_id)
        return seen is not None and not seen.ended and _signal(seen.supervisor, number)

    def _launch_document(self, run_dir: Path, launch: Launch) -> dict[str, Any]:
        return {
            "id": launch.runner_id,
            "name": launch.name,
            "root": str(launch.root),
            "argv": [str(launch.root / "bin" / "Runner.Listener"), "run", "--startuptype", "service"],
            "env": self.listener_environment(launch),
            "user": self._user(launch),
            "confine": self._confinement(launch),
            "ephemeral": launch.ephemeral,
            "pid_file": str(run_dir / "runner.pid"),
            "events": str(self.events),
            "cgroup": cgroups.place_for(launch.runner_id),
            "limits": self._cgroup_files,
            "priority": {"nice": self.nice, "oom_score_adj": self.oom_score_adj},
            "reap": {"argv": [*self.reap_argv, launch.runner_id], "env": dict(self.reap_environment)},
            "restart": {"seconds": 5, "limit": 10},
            "stop": {
                "interrupt_seconds": self.ladder.interrupt,
                "terminate_seconds": self.ladder.terminate,
                "kill_seconds": self.ladder.kill,
                "shutdown_grace": self.ladder.shutdown_grace,
                "settle_seconds": self.ladder.settle,
            },
            "log": {"max_bytes": 10 * 1024 * 1024, "keep": 3},
        }

    def _write(self, path: Path, document: dict[str, Any]) -> None:
        temporary = path.with_name(f"{path.name}.new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(document, stream)
            temporary.rename(path)
        except OSError as exc:
            raise DiskFull(f"Runner {document['name']!r} could not be started: {exc.strerror}") from exc

    def _confinement(self, launch: Launch) -> dict[str, Any] | None:
        if launch.user is not None or self.package_dir is None:
            return None
        return {
            "hidden": list(map(str, self.hidden)),
            "home": str(launch.root),
            "shared": str(self.package_dir),
        }

    def _user(self, launch: Launch) -> dict[str, Any] | None:
        if launch.user is None:
            return None
        uid, gid = launch.user
        return {
            "uid": uid,
            "gid": gid,
            "groups": list(self.groups),
            "private_tmp": str(launch.root / "tmp") if _may_hide_tmp(launch.root) else None,
            "processes": self.most_processes,
            "no_new_privs": self.no_new_privs,
        }

    def listener_environment(self, launch: Launch) -> dict[str, str]:
        """All that the Listener and its jobs inherit: an allow-list, nothing of ours."""
        return {
            **{name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)},
            "PATH": _JOB_PATH,
            "LANG": "C.UTF-8",
            "HOME": str(home := launch.root / "home"),
            **{f"XDG_{name}_HOME": str(home / place) for name, place in _XDG.items()},
            # Where it has a /tmp of its own, that is it, and short: a socket's path ends at 107 bytes.
            "TMPDIR": _TMP if launch.user and _may_hide_tmp(launch.root) else str(launch.root / "tmp"),
            "USER": "runner",
            "LOGNAME": "runner",
            "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": "1",
            # The job's result as exit status; to one that is to go on it would mean one job only.
            **({"ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED": "1"} if launch.ephemeral else {}),
            "GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT": self.user_agent,
            processes.LIFE_VARIABLE: launch.runner_id,
            **({"ACTIONS_RUNNER_HOOK_JOB_STARTED": str(launch.job_started)} if launch.job_started else {}),
            **({"RUNNER_ALLOW_RUNASROOT": "1"} if launch.user is None and os.geteuid() == 0 else {}),
        }

    def _start(self, run_dir: Path, launch: Launch) -> dict[str, Any]:
        argv = self._supervisor_argv(run_dir)
        if launch.leased:
            return self._start_leased(argv, launch.runner_id)
        waiting = self._waiting.pop(launch.runner_id, None)
        started = None if waiting is None else waiting.begin()
        return (started or supervisors.start(argv)).report

    def _start_leased(self, argv: list[str], runner_id: str) -> dict[str, Any]:
        lease_end = self._lease(runner_id)
        try:
            return supervisors.start([*argv, "--lease-fd", str(lease_end)], kept=(lease_end,)).report
        finally:
            os.close(lease_end)

    def _lease(self, runner_id: str) -> int:
        """The end of a pipe for the supervisor; ours stays open until released or until this process ends."""
        theirs, ours = os.pipe2(os.O_CLOEXEC)
        self._leases[runner_id] = ours
        return theirs

    def _supervisor_argv(self, run_dir: Path) -> list[str]:
        return [sys.executable, "-I", "-S", "-B", str(self.supervisor), str(run_dir)]


class _Launched(NamedTuple):
    """What was asked of its last supervisor."""

    cgroup: str | None = None
    user: tuple[int, int] | None = None


def _launched(run_dir: Path) -> _Launched:
    """Read from our own file; nothing is known where there is none."""
    try:
        document = json.loads((run_dir / "launch.json").read_bytes())
        user = document.get("user")
        return _Launched(document.get("cgroup"), None if user is None else (int(user["uid"]), int(user["gid"])))
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return _Launched()


def _may_hide_tmp(root: Path) -> bool:
    """Whether nothing that the runner needs lies below the directories that it would see others in the place of."""
    needed = (root, (root / "externals").resolve())
    return not any(path.is_relative_to(hidden) for path in needed for hidden in (_TMP, _VAR_TMP))


def _signal(process: ProcessId, number: signal.Signals) -> bool:
    """Signals that very process, never another that got its pid. False when it is gone."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        # The pidfd is held now; if the identity fits, the signal cannot reach a stranger.
        if not processes.alive(process):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
