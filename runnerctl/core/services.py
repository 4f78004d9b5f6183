"""What the operations work with, built once and the same for both front ends.

The costly ones (GitHub's client) are built when first asked for: ``status`` needs none of them.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerctl import __version__

from .backends.registry import PROCESS, SYSTEMD, Backends
from .built_once import built_once
from .domain import job_env
from .domain.clock import Clock, SystemClock
from .domain.errors import ConfigInvalid
from .domain.meter import Meter
from .host import state_directory
from .host.whose import Whose
from .settings.load import SYSTEMD_CREDENTIAL, Settings
from .settings.table import OF_LAUNCHES, GithubSection
from .store import Store
from .store.runner_events import RunnerEvents

if TYPE_CHECKING:
    from .audit import Audit
    from .backends.base import Backend, StopLadder
    from .backends.launch_document import LaunchOptions
    from .backends.limits import CgroupLimit
    from .github.client import GitHub
    from .host.worker_pool import WorkerPool
    from .packages.known_ends import KnownEnds
    from .packages.offers import Offers
    from .packages.store import PackageStore
    from .packages.told_ends import ToldEnds

_WORKERS = 32
_UNITS_EVENTS = Path("/run/runnerctl/events.sock")
USER_AGENT = f"runnerctl/{__version__}"


@dataclass(kw_only=True, eq=False, repr=False)
class Services:
    """The ports of one manager process. Safe for threads."""

    settings: Settings
    existing: bool = False
    serving: bool = False
    """This process is the server of the state directory."""
    clock: Clock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.SystemRandom)
    runner_events: RunnerEvents = field(default_factory=RunnerEvents, repr=False)
    meter: Meter = field(default_factory=Meter, repr=False)
    _former: Backends | None = field(default=None, repr=False)
    """What ran the runners until the settings changed."""
    _hidden_before: tuple[Path, ...] = ()
    _reads: bool = False
    """What is not there is read as empty."""
    _building: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def open(cls, settings: Settings, *, existing: bool = False, also_hidden: Sequence[Path] = ()) -> Services:
        """Takes hold of the state directory. Raises ``ConfigInvalid`` when it cannot be used, and
        ``StateOfAnotherHost`` for a copy of another machine's.

        ``existing``: nothing is made; a state directory that was deleted must not come back. ``also_hidden`` is kept
        from jobs like the files that these settings name.
        """
        services = cls.of_any_host(settings, existing=existing)
        services._hidden_before = tuple(also_hidden)
        try:
            services.whose.claim()
        except BaseException:
            services.close()
            raise
        return services

    @classmethod
    def of_any_host(cls, settings: Settings, *, existing: bool = True) -> Services:
        """For whoever decides which machine goes on with it: nothing is acted on."""
        state_directory.prepare(settings.state_dir, make=not existing)
        return cls(settings=settings, existing=existing)

    @classmethod
    def for_reading(cls, settings: Settings) -> Services:
        """Makes nothing: where there is no state directory, or no database in it, an empty one is read.

        That of another machine may be read: ``whose.refusal`` says so.
        """
        from .host.directories import disk_errors

        with disk_errors(settings.state_dir):
            there = settings.state_dir.exists()
        services = cls.of_any_host(settings) if there else cls(settings=settings, existing=True)
        services._reads = True
        return services

    @built_once
    def whose(self) -> Whose:
        """Which machine the state directory belongs to."""
        return Whose(self.settings.state_dir, lambda: self.store.host_ids())  # noqa: PLW0108 - the store is opened if it is asked

    @built_once
    def store(self) -> Store:
        return Store(
            self.settings.state_dir / "runnerctl.db",
            clock=self.clock,
            rng=self.rng,
            host=os.uname().nodename,
            make=not self.existing,
            empty=self._reads,
            notify=self.runner_events.notify,
        )

    @built_once
    def backends(self) -> Backends:
        """All that runners of this manager may belong to. Raises ``ConfigInvalid`` for settings that do not fit."""
        self.check_fitting()
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
            isolates=self.settings.run_as is not None,
            job_users=self._job_users,
            lasts=lambda: self.serving,
            **self._supervised,
            **self._in_progress(PROCESS),
        )

    def _systemd_backend(self) -> Backend:
        from .backends.systemd import SystemdBackend

        groups = self.settings.run_as_groups or ()
        return SystemdBackend(
            options=self._launch_options(), group_names=groups, **self._supervised, **self._in_progress(SYSTEMD)
        )

    def _in_progress(self, name: str) -> dict[str, Any]:
        """What launches hold that began before the settings changed."""
        former = None if self._former is None else self._former.made(name)
        return {} if former is None else former.in_progress()

    @property
    def _supervised(self) -> dict[str, Any]:
        return {
            "runs_dir": self._runs_dir,
            "base_dir": self.settings.base_dir,
            "now": lambda: self.clock.now(),  # noqa: PLW0108 - whichever clock is set then
        }

    def _job_users(self) -> Sequence[tuple[int, int]] | None:
        from .settings.run_as import check_job_users

        return check_job_users(self.settings)

    def check_runnable(self) -> None:
        """Raises ``ConfigInvalid`` naming the first directory that a Listener could not be started in, or list."""
        from .settings import listable, noexec

        noexec.check(self.settings)
        listable.check(self.settings, units=self._wants_units)

    @property
    def ladder(self) -> StopLadder:
        """Patience on each rung of a stop, in seconds."""
        return self.backend.ladder

    @property
    def row_locks(self) -> Path:
        return self.locks_dir / "rows.lock"

    @property
    def _runs_dir(self) -> Path:
        return self.settings.state_dir / "runners"

    def _launch_options(self, **isolation: Any) -> LaunchOptions:
        from .backends.base import StopLadder
        from .backends.launch_document import LaunchOptions

        stop, limits = self.settings.stop, self.settings.limits
        return LaunchOptions(
            events=self.events_socket,
            ladder=StopLadder(
                interrupt=stop.interrupt,
                terminate=stop.terminate,
                kill=stop.kill,
                shutdown_grace=stop.shutdown_grace,
                settle=self.settings.remove_settle,
            ),
            reap_argv=(sys.executable, "-P", "-m", "runnerctl", "reap"),
            reap_environment=self._reap_environment(),
            user_agent=USER_AGENT,
            network=self.settings.http.variables,
            nice=limits.nice,
            oom_score_adj=limits.oom_score_adj,
            limits=self._limits(),
            needed=(self.settings.base_dir, self.settings.package_dir),
            job_env=self._job_env,
            hooks=self._hooks,
            **isolation,
        )

    def _job_env(self) -> Mapping[str, str]:
        if self.settings.job_env_file is None:
            return self.settings.job_env or {}
        from .settings import job_variables

        return job_variables.of(self.settings)

    def _hooks(self, given: Mapping[str, str], *, persistent: bool) -> Mapping[str, str]:
        own = {name: value for name, value in given.items() if name in job_env.HOOKS and value}
        clean = self._cleaned(persistent=persistent)
        from .host import job_hooks

        then = own.get(job_env.STARTED)
        first = job_hooks.started(self.settings.package_dir, guard=self.settings.fork_guard, clean=clean, then=then)
        return {**own, **({job_env.STARTED: first} if first else {})}

    def _cleaned(self, *, persistent: bool) -> tuple[str, ...]:
        """What a job finds emptied: an ephemeral runner's has nobody's before it."""
        return self.settings.clean or () if persistent else ()

    def check_job_env(self, given: Mapping[str, str], *, persistent: bool) -> None:
        """Raises ``ConfigInvalid`` where a runner with those variables beside the settings' could not be started."""
        script = job_env.combined(self._job_env(), given).get(job_env.STARTED)
        if script and (self.settings.fork_guard or self._cleaned(persistent=persistent)):
            from .host import job_hooks

            job_hooks.check_may_follow(script)

    def check_fitting(self) -> None:
        """Raises ``ConfigInvalid`` for settings that do not go together, or would be ignored."""
        run_as = self.settings.run_as
        units = self._wants_units
        if run_as is None and not self.settings.no_new_privs:
            raise ConfigInvalid(
                "no_new_privs=false needs run_as",
                hint="A unit's jobs never gain privileges; those of the manager's own user can with landlock=false",
            )
        for each in self.settings.landlock_allow or ():
            ours = next(
                (path for path in self.settings.files_of_ours() if each.path.resolve().is_relative_to(path)), None
            )
            if ours is not None:
                raise ConfigInvalid(
                    f"landlock_allow names {str(each.path)!r}, and {str(ours)!r} is runnerctl's own",
                    hint="Name what jobs need of the home of runnerctl's user, such as /home/ci/.cargo",
                )
        if run_as is None and not units and self.settings.run_as_groups:
            raise ConfigInvalid("run_as_groups needs run_as, or runners that are systemd units")

    @built_once
    def _wants_units(self) -> bool:
        return self._units_or_processes(self.settings.backend, self.settings.run_as)

    def _units_or_processes(self, wanted: str, run_as: object) -> bool:
        if wanted == "systemd" and run_as is not None:
            raise ConfigInvalid(
                "run_as cannot be combined with the systemd backend",
                hint="systemd gives every unit a user of its own: remove run_as, or set backend to process",
            )
        if wanted == "auto" and run_as is None and _systemd_runs():
            from .backends import units

            return units.installed(self.settings.state_dir)
        return bool(wanted == "systemd")

    def _limits(self) -> tuple[CgroupLimit, ...]:
        wanted = self.settings.limits
        if not any((wanted.memory_max, wanted.cpu_max, wanted.io_weight, wanted.processes)):
            return ()
        from .backends import limits  # most hosts set none, and a status must be quick

        return limits.asked(wanted)

    def _isolation(self) -> dict[str, Any]:
        if self.settings.run_as is None:
            if not self.settings.landlock:
                return {}
            return self._confinement()
        from .host.job_users import groups

        return {
            "groups": groups(self.settings.run_as_groups or ()),
            "most_processes": self.settings.limits.processes,
            "no_new_privs": self.settings.no_new_privs,
        }

    def _confinement(self) -> dict[str, Any]:
        from .host import cgroups, own_code, own_places

        allowed = self.settings.landlock_allow or ()
        return {
            "hidden": self._hidden(),
            "package_dir": self.settings.package_dir,
            "closed": own_places.closed(),
            "readable": tuple(each.path for each in allowed if not each.writable),
            "writable": tuple(each.path for each in allowed if each.writable),
            # Landlock keeps signals away; a cgroup's files would do the same.
            "code": (*own_code.guarded(), *cgroups.mounted()),
        }

    def _hidden(self) -> tuple[Path, ...]:
        """Runners stay where they were made: what was hidden before the settings changed is no less ours now."""
        return tuple(dict.fromkeys((*self.settings.files_of_ours(), *self._hidden_before)))

    @built_once
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
                app_id=self.settings.github.app_id,
                private_key_pem=required_key_pem(self.settings),
                private_key_file=self.settings.github.private_key_file,
                installation_id=self.settings.github.installation_id,
                pat=self.settings.github.pat,
                token_file=self.settings.state_dir / "tokens",
                user_agent=USER_AGENT,
                http=self.settings.http,
                timeout=self.settings.github.timeout,
            )
            return GitHub(settings, clock=self.clock, rng=self.rng, meter=self.meter)

    @built_once
    def packages(self) -> PackageStore:
        from .packages.store import PackageStore

        return PackageStore(self.settings.package_dir, http=self.settings.http, user_agent=USER_AGENT, clock=self.clock)

    @built_once
    def told_ends(self) -> ToldEnds:
        """What GitHub told of when versions of the runner end."""
        from .packages.told_ends import ToldEnds

        return ToldEnds(self.settings.state_dir / "version-ends.json", clock=self.clock)

    @built_once
    def known_ends(self) -> KnownEnds:
        from .packages.known_ends import KnownEnds

        return KnownEnds(self.told_ends.path, self.offers.path, monotonic=self.clock.monotonic)

    @built_once
    def offers(self) -> Offers:
        from .packages.offers import Offers

        return Offers(self.settings.state_dir / "releases.json")

    @built_once
    def worker_pool(self) -> WorkerPool:
        """For what is done to many runners or scopes at the same time."""
        from .host.worker_pool import WorkerPool

        return WorkerPool(_WORKERS)

    @built_once
    def audit(self) -> Audit:
        from .audit import Audit

        kept = self.settings.audit
        path = self.settings.state_dir / "audit.log"
        return Audit(path=path, clock=self.clock, max_bytes=kept.size, files=kept.files)

    @property
    def events_socket(self) -> Path:
        # A unit's supervisor cannot look into the state directory.
        return _UNITS_EVENTS if self._wants_units else self.settings.state_dir / "events.sock"

    @property
    def host_id(self) -> str:
        """Tells this machine from others: a state directory belongs to one."""
        return self.whose.machine or os.uname().nodename

    @property
    def locks_dir(self) -> Path:
        return self.settings.state_dir / "locks"

    def root(self, name: str) -> Path:
        return self.settings.base_dir / name

    def reconfigured(self, settings: Settings) -> Services:
        """What these would be by other settings, to be looked at before ``adopt``. The store and what runs stay."""
        other = Services(settings=settings, existing=True, clock=self.clock, rng=self.rng)
        other.__dict__["store"] = self.store
        other.runner_events = self.runner_events
        other.serving = self.serving
        other._former, other._hidden_before = self.backends, self._hidden()
        now = self.settings
        if (settings.backend, settings.run_as is None) == (now.backend, now.run_as is None):
            # `auto` is found out once: units that were installed meanwhile are for the next start.
            other.__dict__["_wants_units"] = self._wants_units
        return other

    def adopt(self, other: Services) -> None:
        """What ``reconfigured`` made counts from now on. The store stays as it was opened, and what runs as it is."""
        backends, _ = other.backends, other.backend
        self.settings = other.settings
        for built in ("github", "packages", "known_ends", "audit"):
            self.__dict__.pop(built, None)
        self._hidden_before = other._hidden_before
        self.__dict__["backends"] = backends

    def close(self) -> None:
        if "worker_pool" in self.__dict__:
            self.worker_pool.close()
        if "store" in self.__dict__:
            self.store.close()

    def _reap_environment(self) -> dict[str, str]:
        """Directories, file locations and addresses; no secret of ours: a job of the same user could read them.

        Of proxies and certificates only what the environment says: the env file is read again.
        """
        api_url, server_url = self.settings.github_urls
        key_file = self.settings.github.private_key_file
        by_systemd = self.settings.origin(GithubSection.private_key_file) == SYSTEMD_CREDENTIAL
        located = {
            "RUNNERCTL_ENV_FILE": str(self.settings.env_file.absolute()) if self.settings.env_file else None,
            "RUNNERCTL_CONFIG": self.settings.environ.get("RUNNERCTL_CONFIG"),
            "RUNNERCTL_STATE_DIR": str(self.settings.state_dir.absolute()),
            "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(self.settings.base_dir.absolute()),
            "RUNNERCTL_PACKAGE_DIR": str(self.settings.package_dir.absolute()),
            "GITHUB_API_URL": api_url,
            "GITHUB_SERVER_URL": server_url,
            "GITHUB_APP_ID": self.settings.github.app_id,
            "GITHUB_APP_PRIVATE_KEY_FILE": None if by_systemd or key_file is None else str(key_file.absolute()),
            # It comes and goes with the server: to be looked for when it is wanted.
            "CREDENTIALS_DIRECTORY": self.settings.environ.get("CREDENTIALS_DIRECTORY"),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            **{name: self.settings.environ.get(name) for each in OF_LAUNCHES for name in each.variables},
            **self.settings.http.exported,
        }
        return {name: value for name, value in located.items() if value}


def _systemd_runs() -> bool:
    return Path("/run/systemd/system").is_dir()
