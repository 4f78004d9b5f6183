"""Runners as plain process trees of this host, each under a supervisor of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..domain.errors import BackendFailed, DiskFull, NotVisible, RunnerctlError
from ..domain.models import ProcessId
from ..domain.observation import UNKNOWN, Observation, Phase
from ..host import cgroups, processes, visibility
from ..host.visibility import SEE_ALL, Unseen
from . import held_files, run_directory, supervisors
from .base import Capabilities, ConfigSh, Configured, Problem, Provision, Usage
from .kept_users import KeptUsers
from .launch_document import hides_tmp
from .place import Place, place_of
from .supervised import SupervisedBackend

_SUPERVISOR = Path(__file__).resolve().parents[2] / "supervisor" / "__main__.py"
_REMOVE_SECONDS = 1.0
_ALREADY, _NOTHING_LIVES = 5, 6
"""Exit statuses of a supervisor that is not needed."""


def _nobody() -> Sequence[tuple[int, int]] | None:
    return None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ProcessBackend(SupervisedBackend):
    """A supervisor is a child of nobody; it outlives us, and another takes the place of one that died."""

    job_users: Callable[[], Sequence[tuple[int, int]] | None] = _nobody
    """Those that jobs may run as; None: as ourselves."""
    isolates: bool = False
    """Jobs run as users of their own."""
    supervisor: Path = _SUPERVISOR
    """The program that each runner's processes are left to."""
    lasts: Callable[[], bool] = lambda: False
    """Whether this process makes many runners."""
    _ahead: supervisors.Ahead = field(default_factory=supervisors.Ahead)

    name = "process"

    @cached_property
    def capabilities(self) -> Capabilities:
        limits = cgroups.own() is not None
        return Capabilities(persistent=True, isolation=self.isolates, limits=limits, adoption=True, package=True)

    def users(self) -> Sequence[tuple[int, int]] | None:
        named = self.job_users()
        if named is None:
            return None
        from ..host.job_users import with_processes

        try:
            in_use = with_processes(zombies=True)
        except Unseen as exc:
            raise NotVisible(
                f"Which users of run_as have processes cannot be seen: {exc.strerror}", hint=SEE_ALL
            ) from exc
        self._kept_users.retry(unless=in_use)
        unusable = in_use | self._kept_users.reasons().keys()
        return [(uid, gid) for uid, gid in named if uid not in unusable]

    @cached_property
    def _kept_users(self) -> KeptUsers:
        shared = None if self.options.no_new_privs else self.base_dir
        return KeptUsers(self.runs_dir.parent / "kept-users", roots=shared, now=self.now)

    def check(self) -> Sequence[Problem]:
        return self._kept_users.problems()

    def provision(self, spec: Provision) -> str:
        if spec.user is not None and (why := self._kept_users.reasons().get(spec.user[0])) is not None:
            raise BackendFailed(f"User {spec.user[0]} left something on the host just now: {why}", hint="Try again")
        return super().provision(spec)

    def _clear_traces(self, place: Place) -> None:
        if place.user is not None:
            self._kept_users.clear(place.user, shared_tmp=not hides_tmp(place.root), unless=place.root)

    @cached_property
    def degraded(self) -> str | None:
        user = "root, the user that runs runnerctl," if os.geteuid() == 0 else "the same user as runnerctl"
        shared = f"Jobs run as {user} and can read its files. Set run_as"
        ours = () if self.isolates else (shared, self._unguarded)
        return "; ".join(filter(None, (*ours, self.unenforced))) or None

    @property
    def _unguarded(self) -> str | None:
        """Beside what a supervisor finds out when it starts a runner."""
        from .confinement import NOT_CONFINED, changeable_code

        return changeable_code() if self.options.package_dir is not None else NOT_CONFINED

    @cached_property
    def unenforced(self) -> str | None:
        return "; ".join(filter(None, (self._gained, self._shared_tmp, self._unlimited))) or None

    @property
    def _gained(self) -> str | None:
        if self.options.no_new_privs:
            return None
        return "Jobs may gain privileges, for example with sudo (no_new_privs=false)"

    @property
    def _shared_tmp(self) -> str | None:
        below = self.options.below_tmp if self.isolates else None
        return None if below is None else f"Jobs share /tmp and /var/tmp, because {str(below)!r} is below them"

    @property
    def _unlimited(self) -> str | None:
        if not self.options.limits:
            return None
        from . import limits

        return limits.unenforced(self.options.limits, isolates=self.isolates)

    # -- starting

    def _links(self, runner_id: str) -> tuple[Path, Path]:
        return self.run_dir(runner_id) / "runner.log", self.run_dir(runner_id) / "runner.pid"

    def _configure(self, place: Place, asked: ConfigSh) -> Configured:
        from . import config_sh

        self._prepare_root(place, place.user)
        return config_sh.run(place, asked, self.options.configuring_environment(place))

    def in_progress(self) -> dict[str, Any]:
        return {**super().in_progress(), "_ahead": self._ahead}

    @contextmanager
    def prepare(self, handle: str) -> Iterator[None]:
        place = place_of(handle)
        with suppress(RunnerctlError, OSError):  # a launch meets it again, and says so
            self._wait(place)
        try:
            yield
        finally:
            self._ahead.cancel(place.runner_id)

    def _wait(self, place: Place) -> None:
        run_dir = self.run_dir(place.runner_id)
        document = self._document(place, run_dir)
        run_directory.write(run_dir / "launch.json", document)
        self._ahead.wait(self._supervisor_argv, document, runner_id=place.runner_id, lasts=self.lasts())

    def _document(self, place: Place, run_dir: Path) -> dict[str, Any]:
        return self.options.document(place, run_dir, self.options.environment(place))

    def launch(self, handle: str, *, leased: bool = False) -> str:
        place = place_of(handle)
        run_dir = self.run_dir(place.runner_id)
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (run_dir / "drain").unlink(missing_ok=True)
        self._prepare_root(place, place.user)
        report = self._start(place.runner_id, self._document(place, run_dir), leased=leased)
        if "error" in report:
            kind = DiskFull if report.get("errno") in DiskFull.ERRNOS else BackendFailed
            raise kind(f"Runner {place.name!r} could not be started: {report['error']}")
        return place._replace(mark=report.get("mark"), cgroup=report.get("cgroup")).handle

    def _start(self, runner_id: str, document: dict[str, Any], *, leased: bool) -> dict[str, Any]:
        if not leased and (started := self._ahead.begin(runner_id, document)) is not None:
            return started.report
        run_dir = self.run_dir(runner_id)
        run_directory.write(run_dir / "launch.json", document)
        if leased:
            return self._start_leased(runner_id)
        return supervisors.start(self._supervisor_argv, runner_id=runner_id).report

    def _start_leased(self, runner_id: str) -> dict[str, Any]:
        theirs, ours = os.pipe2(os.O_CLOEXEC)
        self._leases.hold(runner_id, ours)
        try:
            argv = [*self._supervisor_argv, "--lease-fd", str(theirs)]
            report = supervisors.start(argv, runner_id=runner_id, kept=(theirs,)).report
        finally:
            os.close(theirs)
        if "error" in report:
            self._leases.release(runner_id)
        return report

    def adopt(self, handle: str) -> bool:
        runner_id = place_of(handle).runner_id
        status, report = supervisors.start([*self._supervisor_argv, "--adopt"], runner_id=runner_id)
        if status not in (0, _ALREADY, _NOTHING_LIVES) or (status == 0 and "error" in report):
            raise BackendFailed(f"Runner {runner_id} could not be adopted: {report.get('error')}")
        return status != _NOTHING_LIVES

    @property
    def _supervisor_argv(self) -> list[str]:
        return [sys.executable, "-I", "-S", "-B", str(self.supervisor), str(self.runs_dir)]

    # -- seeing

    def observe(self, handle: str) -> Observation:
        """One small file and two looks into ``/proc``."""
        place = place_of(handle)
        seen = self._records.observe(place.runner_id)
        if seen.running is not False or seen.ended or seen.phase is None:
            return seen  # also where there is no record at all
        record = self._records.read(place.runner_id)
        try:
            worker = None if record is None or record.phase is not Phase.BUSY else self._worker(place)
        except Unseen as exc:
            return UNKNOWN._replace(error=exc.strerror, began=seen.began)
        if record is None or worker is None:
            return self._with_traces(place, seen)
        # A Worker outlives its Listener; and its supervisor, if that was killed too.
        job, since = (record.job.name, record.job.started_at) if record.job else (None, None)
        return seen._replace(
            running=True, pid=worker.pid, phase=Phase.BUSY, job=job, job_started_at=since, working=True
        )

    def processes(self, handle: str) -> tuple[ProcessId, ...]:
        return self._records.processes(place_of(handle).runner_id)

    def supervised(self, handle: str) -> bool:
        return self._records.supervised(place_of(handle).runner_id)

    def working(self, handle: str) -> bool:
        place = place_of(handle)
        with _seen_of(place):
            return self._worker(place) is not None

    def _worker(self, place: Place) -> ProcessId | None:
        """Raises ``Unseen`` where one may live that cannot be seen from here."""
        seen = self._records.read(place.runner_id)
        if seen is not None and seen.supervisor.boot_id == processes.boot_id() and not _counted_here(seen.supervisor):
            # Whoever looked has seen that neither its supervisor nor its Listener is left: no new one can come.
            if held_files.has_worker(place.root):
                raise Unseen("a job writes its log, and its processes are in another namespace")
            return None
        listener = seen.listener if seen else None
        alive = listener is not None and processes.alive(listener)
        cgroup = self._cgroup(place)
        for pid in [] if cgroup is None else cgroups.pids(cgroup):
            if processes.comm(pid) == processes.WORKER_COMM and (worker := processes.identify(pid)) is not None:
                return worker
        uid = None if place.user is None else place.user[0]
        joined = seen is not None and cgroups.belongs_to(seen.cgroup, place.runner_id)
        above = listener.pid if listener and alive else None
        return processes.worker(above, place.runner_id, uid=uid, by_mark=not joined)

    def logs(self, handle: str) -> Path:
        return self.run_dir(place_of(handle).runner_id) / "runner.log"

    def usage(self, handle: str) -> Usage | None:
        from . import usage

        place = place_of(handle)
        cgroup = self._cgroup(place)
        counted = None if cgroup is None else usage.of_cgroup(cgroup)
        if counted is not None:
            return counted
        tree = self._tree(place, cgroup)
        return usage.of_processes(tree) if tree else None

    # -- stopping

    def drain(self, handle: str) -> None:
        runner_id = place_of(handle).runner_id
        try:
            (self.run_dir(runner_id) / "drain").touch(mode=0o600)
        except FileNotFoundError:
            return  # its run directory has gone with its life
        self._signal_supervisor(runner_id, signal.SIGHUP)

    def undrain(self, handle: str) -> None:
        runner_id = place_of(handle).runner_id
        (self.run_dir(runner_id) / "drain").unlink(missing_ok=True)
        self._signal_supervisor(runner_id, signal.SIGHUP)

    def interrupt(self, handle: str) -> None:
        runner_id = place_of(handle).runner_id
        if not self._signal_supervisor(runner_id, signal.SIGINT):
            seen = self._records.read(runner_id)
            listener = seen.listener if seen else None
            if listener is not None:
                _signal(listener, signal.SIGINT)
                _signal(listener, signal.SIGCONT)

    def kill(self, handle: str) -> None:
        """The supervisor goes first: it would take the deaths for exits and act on them.

        Raises ``NotVisible``, and touches nothing, where what is left could not be seen.
        """
        place = place_of(handle)
        with _seen_of(place):
            self._check_visible(place)
            self._kill(place)

    def _check_visible(self, place: Place) -> None:
        """Raises ``Unseen`` unless all that lives of it would be found."""
        seen = self._records.read(place.runner_id)
        if seen is None or seen.supervisor.boot_id != processes.boot_id():
            return  # nothing was ever started, or it was in another boot
        if _counted_here(seen.supervisor):
            for process in filter(None, (seen.supervisor, seen.listener)):
                processes.alive(process)
            visibility.check_all_seen(None if place.user is None else place.user[0])
        elif not self._records.is_certainly_dead(place.runner_id) or held_files.has_worker(place.root):
            visibility.check_same(seen.supervisor.namespaces)

    def _kill(self, place: Place) -> None:
        deadline = time.monotonic() + self.ladder.kill
        cgroup = self._cgroup(place)
        self._signal_supervisor(place.runner_id, signal.SIGKILL)
        if cgroup is not None:
            cgroups.kill(cgroup)
        if (user := self._user(place)) is not None:
            from ..host import user_processes

            user_processes.kill_all(user, seconds=self.ladder.kill)
        while tree := self._tree(place, cgroup):
            for pid in tree:
                _end(pid)
            if time.monotonic() > deadline:
                raise BackendFailed(f"Processes {tree} of runner {place.runner_id} survive SIGKILL")
            time.sleep(0.01)
        if cgroup is not None:
            cgroups.remove(cgroup, seconds=_REMOVE_SECONDS)

    def _tree(self, place: Place, cgroup: str | None) -> list[int]:
        seen = self._records.read(place.runner_id)
        tops = [] if seen is None else [seen.supervisor, seen.listener]
        living = [top.pid for top in tops if top is not None and processes.alive(top)]
        below = [pid for top in living for pid in processes.descendants(top)]
        inside = [] if cgroup is None else cgroups.pids(cgroup)
        owner = os.geteuid() if place.user is None else place.user[0]
        return list(dict.fromkeys([*living, *below, *inside, *processes.marked(place.runner_id, owner=owner)]))

    def _cgroup(self, place: Place) -> str | None:
        """Where its processes are, by its supervisor's word; before it has spoken, where they were to be."""
        seen = self._records.read(place.runner_id)
        named = seen.cgroup if seen is not None and seen.cgroup else self._asked(place).get("cgroup") or place.cgroup
        return named if cgroups.belongs_to(named, place.runner_id) else None

    def _user(self, place: Place) -> tuple[int, int] | None:
        """Whom its last supervisor was told to run it as. Nobody's processes are ended because a row names them."""
        user = self._asked(place).get("user")
        return (int(user["uid"]), int(user["gid"])) if isinstance(user, dict) else None

    def _asked(self, place: Place) -> dict[str, Any]:
        return run_directory.read(self.run_dir(place.runner_id) / self._asked_by)

    def _signal_supervisor(self, runner_id: str, number: signal.Signals) -> bool:
        seen = self._records.read(runner_id)
        return seen is not None and not seen.ended and _signal(seen.supervisor, number)

    # -- what is there

    def _is_mine(self, run_dir: Path) -> bool:
        return not (run_dir / run_directory.UNIT).exists()


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


def _counted_here(process: ProcessId) -> bool:
    """Its pid means the same here as where it was written down."""
    return process.namespaces in {"", visibility.namespaces()}


@contextmanager
def _seen_of(place: Place) -> Iterator[None]:
    try:
        yield
    except Unseen as exc:
        raise NotVisible(
            f"The processes of runner {place.name!r} cannot be seen from here: {exc.strerror}", hint=SEE_ALL
        ) from exc
    except OSError as exc:
        raise BackendFailed(f"The processes of runner {place.runner_id} could not be observed: {exc.strerror}") from exc


def _end(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # what a job started as root is told of when time is over
        os.kill(pid, signal.SIGKILL)
