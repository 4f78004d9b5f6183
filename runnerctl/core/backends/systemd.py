"""Runners as units of systemd: each in a sandbox and with a user of its own, under the same supervisor.

We are no part of it: what a unit may do is fixed by its template, which is root's. We build the runner's directory, ask
by a file, and systemd has it handed over (``runnerctl/privileged``). A supervisor that dies is not replaced: systemd
watches the rest until it has ended, and hands it back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..domain.errors import BackendFailed
from ..domain.models import ProcessId
from ..domain.observation import NOTHING, Observation, Phase
from ..host import cgroups
from . import config_sh, units
from .base import Configured, Launch
from .process import ProcessBackend
from .records import Records

_MARK = "unit"
"""In the run directory of a life that was started as a unit; others are processes of ours, from before."""
_CONFIGURE_SECONDS = 80.0
"""Of the 90 that the template gives a unit to start."""
_REQUESTED = ("id", "name", "root", "ephemeral", "env", "restart", "stop", "log", "priority")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SystemdBackend(ProcessBackend):
    """``live_dir`` is root's: the records of what runs are there, and go to ``runs_dir``. ``manager_dir`` is ours."""

    group_names: tuple[str, ...] = ()
    """Supplementary groups that jobs are to get; the template gives them."""
    live_dir: Path = Path("/run/runnerctl-runners")
    manager_dir: Path = Path("/run/runnerctl")
    name: str = "systemd"

    def log(self, runner_id: str) -> Path:
        live = self.live_dir / runner_id / "runner.log"
        return live if live.exists() else super().log(runner_id)

    def links(self, runner_id: str) -> tuple[Path, Path]:
        return self.live_dir / runner_id / "runner.log", self.live_dir / runner_id / "runner.pid"

    @contextmanager
    def prepare(self, runner_id: str) -> Iterator[None]:  # noqa: ARG002 - nothing of it can be done ahead
        yield

    def configure(self, launch: Launch, arguments: tuple[str, ...], *, token: str, seconds: float) -> Configured:
        """In the runner's unit, which ends with it: the server's is too narrow for it (``supervisor/config_sh.py``)."""
        seconds = min(seconds, _CONFIGURE_SECONDS)
        self._ask(launch, configure={"arguments": arguments, "seconds": seconds})
        path = self._token_file(launch.runner_id)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(token)
            units.start(launch.runner_id)
            units.stop(launch.runner_id)  # so that the directory is ours again
        finally:
            path.unlink(missing_ok=True)
        return self._configured(launch, seconds)

    def _configured(self, launch: Launch, seconds: float) -> Configured:
        try:
            told = json.loads((self.run_dir(launch.runner_id) / "configured").read_bytes())
            status, output = told["status"], str(told["output"])
        except (OSError, ValueError, KeyError, TypeError):
            why = self._error(launch.runner_id)
            raise BackendFailed(f"config.sh of runner {launch.name!r} could not be run: {why}") from None
        if status is None:
            raise config_sh.out_of_time(launch.name, seconds)
        return Configured(int(status), output)

    def _ask(self, launch: Launch, **more: Any) -> None:
        """What the unit reads when it starts; what an earlier start left is gone."""
        run_dir = self.run_dir(launch.runner_id)
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in ("supervisor.json", "error", "configured"):
            (run_dir / old).unlink(missing_ok=True)
        self._drain_file(launch.runner_id).unlink(missing_ok=True)
        (run_dir / _MARK).touch(mode=0o600)
        document = self._launch_document(run_dir, launch)
        asked = {name: document[name] for name in _REQUESTED}
        self._write(run_dir / "request.json", {**asked, "leased": launch.leased, **more})

    def launch(self, launch: Launch) -> str:
        self._ask(launch)
        if launch.leased:
            self._hold_lease(launch.runner_id)
        started = units.start(launch.runner_id)
        self._lease_file(launch.runner_id).unlink(missing_ok=True)
        if not started:
            self.release(launch.runner_id)
            units.stop(launch.runner_id)  # so that what follows its end is done when this is raised
            raise BackendFailed(f"Runner {launch.name!r} could not be started: {self._error(launch.runner_id)}")
        return json.dumps({"backend": self.name, "unit": units.unit(launch.runner_id)})

    def poll(self, runner_id: str) -> Observation:
        if not self._is_unit(runner_id):
            return super().poll(runner_id)
        seen = self._live.observe(runner_id)
        if seen is NOTHING:
            return super().poll(runner_id)  # it has ended, and its last word was put there
        if seen.running or seen.supervised or not self.working(runner_id):
            return seen
        return seen._replace(running=True, phase=Phase.BUSY)

    def processes(self, runner_id: str) -> tuple[ProcessId, ...]:
        if not self._is_unit(runner_id):
            return super().processes(runner_id)
        seen = self._live.read(runner_id)
        if seen is None or seen.ended:
            return ()
        return (seen.supervisor,) if seen.listener is None else (seen.supervisor, seen.listener)

    def forget(self, runner_id: str) -> None:
        self._live.forget(runner_id)
        self._token_file(runner_id).unlink(missing_ok=True)  # of a server that was killed beside its config.sh
        super().forget(runner_id)

    def supervised(self, runner_id: str) -> bool:
        """By its supervisor or, without one, by systemd: as long as there is a Listener or a Worker."""
        if not self._is_unit(runner_id):
            return super().supervised(runner_id)
        return self._live.supervised(runner_id) or self.poll(runner_id).running

    def adopt(self, runner_id: str) -> bool:
        """systemd never let go of it."""
        return self.poll(runner_id).running if self._is_unit(runner_id) else super().adopt(runner_id)

    def drain(self, runner_id: str) -> None:
        if not self._is_unit(runner_id):
            super().drain(runner_id)
            return
        self._drain_file(runner_id).touch(mode=0o640)
        units.kill(runner_id, "SIGHUP", main=True)

    def interrupt(self, runner_id: str) -> None:
        if not self._is_unit(runner_id):
            super().interrupt(runner_id)
        elif not units.kill(runner_id, "SIGINT", main=True) and self.poll(runner_id).running:
            units.kill(runner_id, "SIGINT", main=False)

    def kill(self, runner_id: str) -> None:
        if not self._is_unit(runner_id):
            super().kill(runner_id)
            return
        if units.cgroup(runner_id) is not None and not self._has_ended(runner_id):
            units.kill(runner_id, "SIGKILL", main=False)
        units.stop(runner_id)
        self._drain_file(runner_id).unlink(missing_ok=True)
        if (place := units.cgroup(runner_id)) is not None and (left := cgroups.pids(place)):
            raise BackendFailed(f"Processes {left} of runner {runner_id} survive SIGKILL")
        self._have_handed_back(runner_id)

    def _has_ended(self, runner_id: str) -> bool:
        """What still runs then is systemd's, to hand it back, and must be let."""
        seen = self._live.read(runner_id)
        return (seen is not None and seen.ended) or units.is_ending(runner_id)

    def _have_handed_back(self, runner_id: str) -> None:
        """What was cut short, be it by a power cut, is done again: it follows a start that is refused, too."""
        request = self._requested(runner_id)
        try:
            handed = os.stat(str(request.get("root")), follow_symlinks=False).st_gid != os.getegid()  # noqa: PTH116 - a link must not be followed
        except OSError:
            return
        if handed:
            self._write(self.run_dir(runner_id) / "request.json", {**request, "only_back": True})
            units.start(runner_id)

    @cached_property
    def degraded(self) -> str | None:
        return self.unenforced

    @cached_property
    def unenforced(self) -> str | None:
        """What the template that is installed does not say as the settings do, or this host cannot keep."""
        told = []
        if not units.has_lines(units.limit_lines(self.limits)):
            told.append(f"Not enforced: {', '.join(limit.key for limit in self.limits)}")
        if not units.gives_groups(self.group_names):
            told.append("Jobs get other groups than run_as_groups")
        if told:
            return f"{'; '.join(told)}: `sudo runnerctl service install` has to change the runners' units"
        left = [limit for limit in self.limits if not cgroups.host_has(limit.controller, limit.file)]
        keys = ", ".join(f"{limit.key} ({limit.controller})" for limit in left)
        return f"Not enforced: {keys}: this host's cgroups have no controller that can" if left else None

    @cached_property
    def _live(self) -> Records:
        return Records(str(self.live_dir))

    def _is_unit(self, runner_id: str) -> bool:
        return (self.run_dir(runner_id) / _MARK).exists()

    def _cgroup(self, runner_id: str) -> str | None:
        return units.cgroup(runner_id) if self._is_unit(runner_id) else super()._cgroup(runner_id)

    def _hold_lease(self, runner_id: str) -> None:
        """Its supervisor hears when the FIFO has nobody left who could write to it: when we let go, or end."""
        path = self._lease_file(runner_id)
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o640)
        # For both, so that the open waits for nobody.
        self._leases[runner_id] = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def _lease_file(self, runner_id: str) -> Path:
        return self.manager_dir / f"lease-{runner_id}"

    def _token_file(self, runner_id: str) -> Path:
        return self.manager_dir / f"token-{runner_id}"

    def _drain_file(self, runner_id: str) -> Path:
        return self.manager_dir / f"drain-{runner_id}"

    def _requested(self, runner_id: str) -> dict[str, Any]:
        try:
            document = json.loads((self.run_dir(runner_id) / "request.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def listener_environment(self, launch: Launch) -> dict[str, str]:
        """The unit has a ``/tmp`` of its own; and it is never root's."""
        environment = {**super().listener_environment(launch), "TMPDIR": "/tmp"}  # noqa: S108 - its own
        environment.pop("RUNNER_ALLOW_RUNASROOT", None)
        return environment

    def _error(self, runner_id: str) -> str:
        try:
            document: dict[str, Any] = json.loads((self.run_dir(runner_id) / "error").read_bytes())
            return str(document["error"])
        except (OSError, ValueError, KeyError, TypeError):
            return f"`journalctl -u {units.unit(runner_id)}` tells why"
