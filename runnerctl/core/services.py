"""What the operations work with, built once and the same for both front ends.

The costly ones (GitHub's client) are built when first asked for: ``status`` needs none of them.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerctl import __version__

from .backends.registry import PROCESS, SYSTEMD, Backends
from .built_once import built_once
from .domain.clock import Clock, SystemClock
from .domain.errors import ConfigInvalid
from .domain.meter import Meter
from .host import state_directory
from .host.whose import Whose
from .settings.load import Settings
from .store import Store
from .store.runner_events import RunnerEvents

if TYPE_CHECKING:
    from .audit import Audit
    from .backends.base import Backend, StopLadder
    from .github.client import GitHub
    from .host.worker_pool import WorkerPool
    from .launching import Launching
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
            options=self.launching.options(**self.launching.isolation()),
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
            options=self.launching.options(), group_names=groups, **self._supervised, **self._in_progress(SYSTEMD)
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

    @property
    def launching(self) -> Launching:
        """By the settings as they are now."""
        from .launching import Launching

        return Launching(
            settings=self.settings,
            events=self.events_socket,
            user_agent=USER_AGENT,
            hidden_before=self._hidden_before,
        )

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
        other._former, other._hidden_before = self.backends, self.launching.hidden()
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


def _systemd_runs() -> bool:
    return Path("/run/systemd/system").is_dir()
