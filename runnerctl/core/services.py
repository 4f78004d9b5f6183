"""What the operations work with, built once and the same for both front ends.

The costly ones (GitHub's client) are built when first asked for: ``status`` needs none of them.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerctl import __version__

from .backends.base import Backend, StopLadder
from .backends.registry import PROCESS, SYSTEMD, Backends
from .domain.clock import Clock, SystemClock
from .domain.errors import ConfigInvalid
from .host import state_directory
from .settings.load import SYSTEMD_CREDENTIAL, Settings
from .store import Store

if TYPE_CHECKING:
    from .audit import Audit
    from .backends.launch_document import LaunchOptions
    from .backends.limits import CgroupLimit
    from .github.client import GitHub
    from .host.worker_pool import WorkerPool
    from .packages.store import PackageStore

_WORKERS = 32
_UNITS_EVENTS = Path("/run/runnerctl/events.sock")
USER_AGENT = f"runnerctl/{__version__}"


@dataclass(kw_only=True)
class Services:
    """The ports of one manager process. Safe for threads."""

    settings: Settings
    existing: bool = False
    clock: Clock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.SystemRandom)
    _building: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def open(cls, settings: Settings, *, existing: bool = False) -> Services:
        """Takes hold of the state directory. Raises ``ConfigInvalid`` when it cannot be used.

        ``existing``: nothing is made; a state directory that was deleted must not come back.
        """
        state_directory.prepare(settings.state_dir, make=not existing)
        return cls(settings=settings, existing=existing)

    @cached_property
    def store(self) -> Store:
        with self._building:
            path = self.settings.state_dir / "runnerctl.db"
            return Store(path, clock=self.clock, rng=self.rng, host=os.uname().nodename, make=not self.existing)

    @cached_property
    def backends(self) -> Backends:
        """All that runners of this manager may belong to. Raises ``ConfigInvalid`` for settings that do not fit."""
        makers: dict[str, Callable[[], Backend]] = {PROCESS: self._process_backend, SYSTEMD: self._systemd_backend}
        default = SYSTEMD if self._wants_units else PROCESS
        return Backends(makers, default=default, runs_dir=self._runs_dir)

    @property
    def backend(self) -> Backend:
        """The one of new runners."""
        return self.backends.named(self.backends.default)

    def _process_backend(self) -> Backend:
        from .backends.process import ProcessBackend

        return ProcessBackend(
            options=self._launch_options(**self._isolation()),
            isolates=self.settings.get("run_as") is not None,
            job_users=self._job_users,
            **self._supervised,
        )

    def _systemd_backend(self) -> Backend:
        from .backends.systemd import SystemdBackend

        groups = self.settings.get("run_as_groups") or ()
        return SystemdBackend(options=self._launch_options(), group_names=groups, **self._supervised)

    @property
    def _supervised(self) -> dict[str, Any]:
        return {
            "runs_dir": self._runs_dir,
            "base_dir": self.settings.base_dir,
            "now": lambda: self.clock.now(),  # noqa: PLW0108 - whichever clock is set then
            "checks": (self.check_fitting, self._check_listable),
        }

    def _job_users(self) -> Sequence[tuple[int, int]] | None:
        from .settings.run_as import check_job_users

        return check_job_users(self.settings)

    def _check_listable(self) -> None:
        from .settings import listable

        listable.check(self)

    @property
    def _runs_dir(self) -> Path:
        return self.settings.state_dir / "runners"

    def _launch_options(self, **isolation: Any) -> LaunchOptions:
        from .backends.launch_document import LaunchOptions

        get = self.settings.get
        return LaunchOptions(
            events=self.events_socket,
            ladder=StopLadder(
                interrupt=get("stop.interrupt"),
                terminate=get("stop.terminate"),
                kill=get("stop.kill"),
                shutdown_grace=get("stop.shutdown_grace"),
                settle=get("remove_settle"),
            ),
            reap_argv=(sys.executable, "-P", "-m", "runnerctl", "reap"),
            reap_environment=self._reap_environment(),
            user_agent=USER_AGENT,
            nice=get("limits.nice"),
            oom_score_adj=get("limits.oom_score_adj"),
            limits=self._limits(),
            job_started=self._job_started,
            **isolation,
        )

    def _job_started(self) -> Path | None:
        if not self.settings.get("fork_guard"):
            return None
        from .host import job_hooks

        return job_hooks.fork_guard(self.settings.package_dir)

    def check_fitting(self) -> None:
        """Raises ``ConfigInvalid`` for settings that do not go together."""
        self._wants_units  # noqa: B018 - found out once

    @cached_property
    def _wants_units(self) -> bool:
        wanted, run_as = self.settings.get("backend"), self.settings.get("run_as")
        units_it_is = self._units_or_processes(wanted, run_as)
        self._check_fitting(units=units_it_is, run_as=run_as)
        return units_it_is

    def _units_or_processes(self, wanted: str, run_as: object) -> bool:
        if wanted == "systemd" and run_as is not None:
            raise ConfigInvalid(
                "run_as does not go together with the systemd backend",
                hint="systemd gives every unit a user of its own: leave run_as out, or set backend to process",
            )
        if wanted == "auto" and run_as is None and _systemd_runs():
            from .backends import units

            return units.installed(self.settings.state_dir)
        return bool(wanted == "systemd")

    def _check_fitting(self, *, units: bool, run_as: object) -> None:
        """What would be ignored is refused."""
        if run_as is None and not self.settings.get("no_new_privs"):
            raise ConfigInvalid(
                "no_new_privs=false goes with run_as",
                hint="A unit's jobs never gain privileges; those of the manager's own user can with landlock=false",
            )
        if run_as is None and not units and self.settings.get("run_as_groups"):
            raise ConfigInvalid("run_as_groups goes with run_as, or with runners that are units")

    def _limits(self) -> tuple[CgroupLimit, ...]:
        get = self.settings.get
        if all(get(f"limits.{name}") is None for name in ("memory_max", "cpu_max", "io_weight", "processes")):
            return ()
        from .backends import limits  # most hosts set none, and a status must be quick

        return limits.asked(get)

    def _isolation(self) -> dict[str, Any]:
        if self.settings.get("run_as") is None:
            if not self.settings.get("landlock"):
                return {}
            return {"hidden": self.settings.files_of_ours(), "package_dir": self.settings.package_dir}
        from .host.job_users import groups

        return {
            "groups": groups(self.settings.get("run_as_groups") or ()),
            "most_processes": self.settings.get("limits.processes"),
            "no_new_privs": self.settings.get("no_new_privs"),
        }

    @cached_property
    def github(self) -> GitHub:
        """Raises ``ConfigInvalid`` when no usable credentials are set."""
        from .github.client import GitHub
        from .github.config import GitHubSettings
        from .settings.credentials import required_key_pem

        with self._building:
            api_url, server_url = self.settings.github_urls
            settings = GitHubSettings(
                api_url=api_url,
                server_url=server_url,
                app_id=self.settings.get("github.app_id"),
                private_key_pem=required_key_pem(self.settings),
                installation_id=self.settings.get("github.installation_id"),
                pat=self.settings.get("github.pat"),
                token_file=self.settings.state_dir / "tokens",
                user_agent=USER_AGENT,
                read_timeout=self.settings.get("github.timeout"),
            )
            return GitHub(settings, clock=self.clock, rng=self.rng)

    @cached_property
    def packages(self) -> PackageStore:
        from .packages.store import PackageStore

        return PackageStore(self.settings.package_dir, clock=self.clock)

    @cached_property
    def worker_pool(self) -> WorkerPool:
        """For what is done to many runners or scopes at the same time."""
        from .host.worker_pool import WorkerPool

        with self._building:
            return WorkerPool(_WORKERS)

    @cached_property
    def audit(self) -> Audit:
        from .audit import Audit

        get = self.settings.get
        path = self.settings.state_dir / "audit.log"
        return Audit(path=path, clock=self.clock, max_bytes=get("audit.size"), files=get("audit.files"))

    @property
    def events_socket(self) -> Path:
        # A unit's supervisor cannot look into the state directory.
        return _UNITS_EVENTS if self._wants_units else self.settings.state_dir / "events.sock"

    @property
    def locks_dir(self) -> Path:
        return self.settings.state_dir / "locks"

    def root(self, name: str) -> Path:
        return self.settings.base_dir / name

    def adopt(self, settings: Settings) -> None:
        """Other settings from now on; store and backend stay as they were opened."""
        self.settings = settings
        for built in ("github", "packages", "audit"):
            self.__dict__.pop(built, None)

    def close(self) -> None:
        if "worker_pool" in self.__dict__:
            self.worker_pool.close()
        if "store" in self.__dict__:
            self.store.close()

    def _reap_environment(self) -> dict[str, str]:
        """Directories, file locations and addresses; no secret: a job of the same user could read them."""
        api_url, server_url = self.settings.github_urls
        by_systemd = self.settings.origin("github.private_key_file") == SYSTEMD_CREDENTIAL
        located = {
            "RUNNERCTL_ENV_FILE": str(self.settings.env_file.absolute()) if self.settings.env_file else None,
            "RUNNERCTL_CONFIG": self.settings.environ.get("RUNNERCTL_CONFIG"),
            "RUNNERCTL_STATE_DIR": str(self.settings.state_dir.absolute()),
            "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(self.settings.base_dir.absolute()),
            "RUNNERCTL_PACKAGE_DIR": str(self.settings.package_dir.absolute()),
            "GITHUB_API_URL": api_url,
            "GITHUB_SERVER_URL": server_url,
            "GITHUB_APP_ID": self.settings.get("github.app_id"),
            "GITHUB_APP_PRIVATE_KEY_FILE": None if by_systemd else self.settings.get("github.private_key_file"),
            # It comes and goes with the server: to be looked for when it is wanted.
            "CREDENTIALS_DIRECTORY": self.settings.environ.get("CREDENTIALS_DIRECTORY"),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
        }
        return {name: value for name, value in located.items() if value}


def _systemd_runs() -> bool:
    return Path("/run/systemd/system").is_dir()
