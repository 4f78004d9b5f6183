"""Runners as units of systemd: each in a sandbox and with a user of its own, under the same supervisor.

We are no part of it: what a unit may do is fixed by its template, which is root's. We build the runner's directory, ask
by a file, and systemd has it given to the unit's user (``runnerctl/privileged``). A supervisor that dies is replaced
within its unit (``ExecReload=``), and systemd watches the rest until it has ended, and has the directory reclaimed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..domain.errors import BackendFailed, NotVisible
from ..domain.models import ProcessId
from ..domain.observation import Observation, Phase
from ..host import cgroups, processes
from ..host.visibility import SEE_ALL, Unseen
from . import run_directory, units
from .base import Capabilities, ConfigSh, Configured, Problem, Usage
from .place import Place, place_of
from .records import Records
from .supervised import SupervisedBackend

_A_UNITS = -1
"""A user who is not us, nor anybody: what is of a unit is in its cgroup."""
_CONFIGURE_SECONDS = 80.0
"""Of the 90 that the template gives a unit to start."""
_REQUESTED = ("id", "name", "root", "ephemeral", "env", "restart", "stop", "log", "priority")
_CAPABILITIES = Capabilities(persistent=True, isolation=True, limits=True, adoption=True, package=True)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SystemdBackend(SupervisedBackend):
    """``live_dir`` is root's: the records of what runs are there, and go to ``runs_dir``. ``manager_dir`` is ours."""

    group_names: tuple[str, ...] = ()
    """Supplementary groups that jobs are to get; the template gives them."""
    live_dir: Path = Path("/run/runnerctl-runners")
    manager_dir: Path = Path("/run/runnerctl")

    name = "systemd"
    _asked_by = "request.json"

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    def check(self) -> Sequence[Problem]:
        if units.TEMPLATE.exists():
            return ()
        missing = f"Runners are to be systemd units, and their template {str(units.TEMPLATE)!r} is not installed"
        return (Problem(missing, "sudo runnerctl service install", fatal=False),)

    @cached_property
    def degraded(self) -> str | None:
        return self.unenforced

    @cached_property
    def unenforced(self) -> str | None:
        """What the template that is installed does not say as the settings do, or this host cannot keep."""
        told, limits = [], self.options.limits
        if not units.has_lines(units.limit_lines(limits)):
            told.append(f"Not enforced: {', '.join(limit.key for limit in limits)}")
        if not units.gives_groups(self.group_names):
            told.append("Jobs get other groups than run_as_groups")
        if told:
            return f"{'; '.join(told)}: `sudo runnerctl service install` updates the runners' units"
        left = [limit for limit in limits if not cgroups.host_has(limit.controller, limit.file)]
        keys = ", ".join(f"{limit.key} ({limit.controller})" for limit in left)
        return f"Not enforced: {keys}: this host's cgroups lack the controllers" if left else None

    # -- starting

    def _links(self, runner_id: str) -> tuple[Path, Path]:
        return self.live_dir / runner_id / "runner.log", self.live_dir / runner_id / "runner.pid"

    def _configure(self, place: Place, asked: ConfigSh) -> Configured:
        """In the runner's unit, which ends with it: the server's is too narrow for it (``supervisor/config_sh.py``)."""
        seconds = min(asked.seconds, _CONFIGURE_SECONDS)
        told = {"arguments": asked.arguments, "seconds": seconds}
        self._prepare_root(place, None)
        environment = _in_unit(self.options.configuring_environment(place))
        self._ask(place, environment, leased=False, configure=told)
        path = self._token_file(place.runner_id)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(asked.token)
            units.start(place.runner_id)
            units.stop(place.runner_id)  # so that the directory is ours again
        finally:
            path.unlink(missing_ok=True)
        return self._configured(place)._replace(seconds=seconds)

    def _configured(self, place: Place) -> Configured:
        told = run_directory.read(self.run_dir(place.runner_id) / "configured")
        try:
            status, output = told["status"], str(told["output"])
            ended = None if status is None else int(status)
        except (KeyError, TypeError, ValueError):
            why = self._error(place.runner_id)
            raise BackendFailed(f"config.sh of runner {place.name!r} could not be run: {why}") from None
        return Configured(ended, output)

    def launch(self, handle: str, *, leased: bool = False) -> str:
        place = place_of(handle)
        environment = _in_unit(self.options.environment(place))
        self._prepare_root(place, None)  # ours until the unit gives it to its user
        self._ask(place, environment, leased=leased)
        if leased:
            self._hold_lease(place.runner_id)
        started = units.start(place.runner_id)
        self._lease_file(place.runner_id).unlink(missing_ok=True)
        if not started:
            self._leases.release(place.runner_id)
            units.stop(place.runner_id)  # so that what follows its end is done when this is raised
            raise BackendFailed(f"Runner {place.name!r} could not be started: {self._error(place.runner_id)}")
        return handle

    def _ask(self, place: Place, environment: dict[str, str], *, leased: bool, **more: Any) -> None:
        """What the unit reads when it starts; what an earlier start left is gone."""
        run_dir = self.run_dir(place.runner_id)
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in ("supervisor.json", "error", "configured"):
            (run_dir / old).unlink(missing_ok=True)
        self._drain_file(place.runner_id).unlink(missing_ok=True)
        (run_dir / run_directory.UNIT).touch(mode=0o600)
        document = self.options.document(place, run_dir, environment)
        asked = {name: document[name] for name in _REQUESTED}
        run_directory.write(run_dir / self._asked_by, {**asked, "leased": leased, **more})

    def _error(self, runner_id: str) -> str:
        told = run_directory.read(self.run_dir(runner_id) / "error")
        return str(told.get("error") or f"`journalctl -u {units.unit(runner_id)}` shows why")

    def _hold_lease(self, runner_id: str) -> None:
        """Its supervisor hears when the FIFO has nobody left who could write to it: when we let go, or end."""
        path = self._lease_file(runner_id)
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o640)
        # For both, so that the open waits for nobody.
        self._leases.hold(runner_id, os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))

    def adopt(self, handle: str) -> bool:
        """systemd never let go of it. Raises ``BackendFailed`` where its supervisor could not be replaced."""
        if self.observe(handle).running is not True:
            return False
        runner_id = place_of(handle).runner_id
        if units.can_adopt() and not units.adopt(runner_id) and not self._live.supervised(runner_id):
            raise BackendFailed(f"Runner {runner_id} could not be adopted: `systemctl status {units.unit(runner_id)}`")
        return True

    # -- seeing

    @cached_property
    def _live(self) -> Records:
        return Records(str(self.live_dir), now=self.now)

    def observe(self, handle: str) -> Observation:
        """systemd watches what its supervisor left, as long as there is a Listener or a Worker.

        With a template that cannot replace a supervisor that is all, and what it said last stands.
        """
        place = place_of(handle)
        seen = self._live.observe(place.runner_id)
        if seen.running is None:
            return self._by_cgroup(place.runner_id, seen)
        if seen.phase is None:
            seen = self._records.observe(place.runner_id)  # it has ended, and its last word was put there
        if seen.supervised or seen.ended:
            return seen
        if seen.running:
            return seen._replace(supervised=not units.can_adopt())
        if seen.phase is None or not self.working(handle):
            return self._with_traces(place, seen)
        return seen._replace(running=True, supervised=not units.can_adopt(), phase=Phase.BUSY, working=True)

    def _by_cgroup(self, runner_id: str, unseen: Observation) -> Observation:
        """Which pids are in its unit is shown by the kernel though ``/proc`` hides them: they are other users'."""
        inside = units.cgroup(runner_id)
        record = self._live.read(runner_id)
        if inside is None or record is None or record.listener is None:
            return unseen
        if record.listener.pid not in cgroups.pids(inside):
            return unseen
        return self._live.told(runner_id, began=unseen.began)

    def processes(self, handle: str) -> tuple[ProcessId, ...]:
        return self._live.processes(place_of(handle).runner_id)

    def supervised(self, handle: str) -> bool:
        return self.observe(handle).supervised is True

    def working(self, handle: str) -> bool:
        runner_id = place_of(handle).runner_id
        try:
            inside = units.cgroup(runner_id)
            pids = [] if inside is None else cgroups.pids(inside)
            if any(processes.identify(pid) and processes.comm(pid) == processes.WORKER_COMM for pid in pids):
                return True
            seen = self._live.read(runner_id)
            listener = seen.listener if seen else None
            alive = listener is not None and processes.alive(listener)
            found = processes.worker(listener.pid if listener and alive else None, runner_id, uid=_A_UNITS)
            return found is not None
        except Unseen as exc:
            why = f"Whether runner {runner_id} runs a job cannot be seen from here: {exc.strerror}"
            raise NotVisible(why, hint=SEE_ALL) from exc
        except OSError as exc:
            raise BackendFailed(f"The processes of runner {runner_id} could not be observed: {exc.strerror}") from exc

    def logs(self, handle: str) -> Path:
        runner_id = place_of(handle).runner_id
        live = self.live_dir / runner_id / "runner.log"
        return live if live.exists() else self.run_dir(runner_id) / "runner.log"

    def usage(self, handle: str) -> Usage | None:
        from . import usage

        inside = units.cgroup(place_of(handle).runner_id)
        return None if inside is None else usage.of_cgroup(inside) or usage.of_processes(cgroups.pids(inside))

    # -- stopping

    def drain(self, handle: str) -> None:
        runner_id = place_of(handle).runner_id
        self._drain_file(runner_id).touch(mode=0o640)
        units.kill(runner_id, "SIGHUP", main=True)

    def undrain(self, handle: str) -> None:
        runner_id = place_of(handle).runner_id
        self._drain_file(runner_id).unlink(missing_ok=True)
        units.kill(runner_id, "SIGHUP", main=True)

    def interrupt(self, handle: str) -> None:
        runner_id = place_of(handle).runner_id
        if not units.kill(runner_id, "SIGINT", main=True) and self.observe(handle).running:
            units.kill(runner_id, "SIGINT", main=False)

    def kill(self, handle: str) -> None:
        runner_id = place_of(handle).runner_id
        if units.cgroup(runner_id) is not None and not self._has_ended(runner_id):
            units.kill(runner_id, "SIGKILL", main=False)
        units.stop(runner_id)
        self._drain_file(runner_id).unlink(missing_ok=True)
        if (inside := units.cgroup(runner_id)) is not None and (left := cgroups.pids(inside)):
            raise BackendFailed(f"Processes {left} of runner {runner_id} survive SIGKILL")
        self._have_reclaimed(runner_id)

    def _has_ended(self, runner_id: str) -> bool:
        """What still runs then is systemd's, to hand it back, and must be let."""
        seen = self._live.read(runner_id)
        return (seen is not None and seen.ended) or units.is_ending(runner_id)

    def _have_reclaimed(self, runner_id: str) -> None:
        """What was cut short, be it by a power cut, is done again: it follows a start that is refused, too."""
        path = self.run_dir(runner_id) / self._asked_by
        request = run_directory.read(path)
        try:
            handed = os.stat(str(request.get("root")), follow_symlinks=False).st_gid != os.getegid()  # noqa: PTH116 - a link must not be followed
        except OSError:
            return
        if handed:
            run_directory.write(path, {**request, "only_back": True})
            units.start(runner_id)

    # -- what is there

    def _forget(self, runner_id: str) -> None:
        self._live.forget(runner_id)
        self._token_file(runner_id).unlink(missing_ok=True)  # of a server that was killed beside its config.sh
        super()._forget(runner_id)

    def _is_mine(self, run_dir: Path) -> bool:
        return (run_dir / run_directory.UNIT).exists()

    def _lease_file(self, runner_id: str) -> Path:
        return self.manager_dir / f"lease-{runner_id}"

    def _token_file(self, runner_id: str) -> Path:
        return self.manager_dir / f"token-{runner_id}"

    def _drain_file(self, runner_id: str) -> Path:
        return self.manager_dir / f"drain-{runner_id}"


def _in_unit(environment: dict[str, str]) -> dict[str, str]:
    """The unit has a ``/tmp`` of its own; and it is never root's."""
    environment.pop("RUNNER_ALLOW_RUNASROOT", None)
    return {**environment, "TMPDIR": "/tmp"}  # noqa: S108 - its own
