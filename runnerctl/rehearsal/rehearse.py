"""A host proved with real jobs on a local GitHub, by the operator's own settings.

``Rehearsal.play`` yields what happens as it happens; it prints nothing. It changes nothing but its own: a state
directory, runners and, where needed, a package store of its own, which are gone when it ends, however it ends.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runnerctl import core
from runnerctl.core import Runner, Services
from runnerctl.core.checks import FrontEnd, Subject, findings
from runnerctl.core.domain.errors import ConfigInvalid, InvalidRequest, RunnerctlError

from . import actions, packages
from .causes import checked
from .look_around import Expected
from .place import Place
from .proofs import Began, Failed, Level, Progress, Proof, failed, skipped
from .runners import Runners
from .stages import NEEDED, STAGES, Scene

if TYPE_CHECKING:
    from runnerctl.sandbox import Sandbox

_HTTP_PORT = 80
_ADDRESSES = tuple(f"127.0.0.{last}" for last in range(2, 10))
_STATE_FILES = ("runnerctl.db", "runnerctl.env", "tokens")
_IDENTITY = (".credentials", ".credentials_rsaparams")
_HOOKS = ("ACTIONS_RUNNER_HOOK_JOB_STARTED", "ACTIONS_RUNNER_HOOK_JOB_COMPLETED")


def open_listener() -> socket.socket:
    """Where the local GitHub is to listen: on a port 80, which config.sh needs, if this user may have one."""
    for address in _ADDRESSES:
        try:
            return socket.create_server((address, _HTTP_PORT), backlog=128)
        except OSError:
            continue
    return socket.create_server(("127.0.0.1", 0), backlog=128)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which runner package is to be tried."""

    package: str | None = None
    """A file or a version; None: the newest that is here, else the newest that GitHub has."""
    stand_in: bool = False
    progress: Callable[[int, int | None], None] | None = None


@dataclass(kw_only=True)
class Rehearsal:
    services: Services
    """The operator's, opened for reading."""
    listener: socket.socket
    asked: Asked
    version: str = ""
    source: str = ""
    left: list[str] = field(default_factory=list)
    """What could not be cleared, and what clears it."""
    _checks: list[Proof] = field(default_factory=list)
    _runners: Runners | None = None

    @property
    def memory(self) -> int:
        return 0 if self._runners is None else self._runners.memory

    def play(self) -> Generator[Progress, None, None]:
        """All of it. Raises ``ConfigInvalid`` or ``InvalidRequest`` where it cannot be tried here."""
        yield Began(title="This host is checked")
        cause = None
        for found in findings(FrontEnd.REHEARSE, Subject(self.services)):
            proof = Proof(check=found.check, level=Level(found.level), message=found.message, hint=found.hint)
            cause = cause or (proof if found.error is not None else None)
            self._checks.append(proof)
            yield proof
        if cause is not None:
            yield from (skipped(check, f"{cause.check} failed") for check, _, _ in STAGES[:-1])
            return
        yield from self._clear_left_behind()
        place = Place(self.services.settings, secrets.token_hex(3))
        opened = ExitStack()
        try:
            yield from self._staged(place, opened)
        finally:
            with _undisturbed():
                opened.close()
                self._clear(place)
        yield from (failed("clean-up", sentence) for sentence in self.left)

    def _staged(self, place: Place, opened: ExitStack) -> Iterator[Progress]:
        place.make()
        opened.enter_context(place.held())
        began = time.monotonic()
        yield Began(title="A runner package is got ready")
        package, own = self._package(place, opened)
        yield Proof(
            check="package",
            level=Level.OK,
            message=f"Runner package {self.version}: {self.source}",
            seconds=time.monotonic() - began,
        )
        sandbox = opened.enter_context(self._sandbox(place, package))
        services = self._services(place, sandbox, own=own)
        opened.callback(services.close)
        self._runners = Runners(services=services, sandbox=sandbox, mark=place.mark, version=self.version)
        opened.callback(self._end_runners, self._runners)
        scene = Scene(
            runners=self._runners,
            expected=lambda runner, neighbour: self._expected(services, sandbox, runner, neighbour),
            stand_in=self.asked.stand_in,
            hooks={name: text for name in _HOOKS if (text := core.job_variables.of(services.settings).get(name))},
        )
        cause: str | None = None
        for check, title, stage in STAGES:
            if cause is not None and check != STAGES[-1][0]:
                yield skipped(check, f"{cause} failed")
                continue
            yield Began(title=title)
            began = time.monotonic()
            try:
                yield from stage(scene)
            except (Failed, RunnerctlError) as exc:
                hint = checked(str(exc), self._checks) or exc.hint or ""
                yield failed(check, str(exc), hint, seconds=time.monotonic() - began)
                cause = check if check in NEEDED else cause

    # -- what it is played with

    def _package(self, place: Place, opened: ExitStack) -> tuple[packages.ServedPackage | None, bool]:
        """(what the local GitHub is to offer, whether it goes into a store of the rehearsal's own)."""
        stored = None if self.asked.stand_in else self._stored()
        if stored is not None:
            self.version, self.source = stored.version, f"unpacked in {self.services.settings.package_dir}"
            opened.enter_context(self.services.packages.kept(stored.version, stored.platform))
            return None, False
        package = packages.stand_in(place.top) if self.asked.stand_in else self._fetched(place.top)
        self.version, self.source = package.version, package.source
        return package, True

    def _stored(self) -> core.Package | None:
        """The newest of the operator's store, or the one that was asked for."""
        found = [each for each in self.services.packages.list() if each.platform == core.platform_of_machine()]
        wanted = self.asked.package
        return next((each for each in reversed(found) if wanted in {None, each.version}), None)

    def _fetched(self, directory: Path) -> packages.ServedPackage:
        asked = self.asked.package or "latest"
        settings, progress = self.services.settings, self.asked.progress
        try:
            return packages.package_of(asked, directory, settings=settings, progress=progress)
        except (InvalidRequest, ConfigInvalid):
            raise
        except RunnerctlError as exc:
            raise ConfigInvalid(
                f"No runner package is at hand: {exc.message}",
                hint="Name a file: --package FILE; or try the host with a stand-in: --stand-in",
            ) from exc

    def _sandbox(self, place: Place, package: packages.ServedPackage | None) -> Sandbox:
        from runnerctl.sandbox import Sandbox

        used = actions.write(place.top / "actions")
        archive = place.top / "nothing.tar.gz" if package is None else package.archive
        if package is None:
            archive.touch()  # nothing but what is there may ever get into the operator's own store
        return Sandbox(listener=self.listener, archive=archive, version=self.version, actions=used)

    def _services(self, place: Place, sandbox: Sandbox, *, own: bool) -> Services:
        settings = self.services.settings
        changes = {
            "state_dir": str(place.state),
            "defaults.base_dir": str(settings.base_dir),
            "package_dir": str(place.packages if own else settings.package_dir),
            "backend": self.services.backends.default,
            "run_as": self._free_users(),
            "max_runners": None,
            "replace_lost": "false",
            "remove_settle": "0.5",
            "drain_settle": "1",
        }
        place.link_runs(settings.state_dir, units=self.services.backends.default == "systemd")
        variables = {**sandbox.environment(), **_network(self.services, sandbox.server_url)}
        copied = core.copy_settings(settings, place.state, changes=changes, variables=variables)
        return Services.open(copied, also_hidden=settings.files_of_ours())

    def _free_users(self) -> str | None:
        """Nobody else's: neither of a runner here that lives, nor of one that rests."""
        users = self.services.backend.users()
        if users is None:
            return None
        taken = {runner.job_uid for runner in self.services.store.live()}
        # From the end: the operator's own creates take the first that is free.
        free = [str(uid) for uid, _ in reversed(users) if uid not in taken]
        if not free:
            raise ConfigInvalid(
                "All users of run_as are in use", hint="Wait for a runner to end, or name more users in run_as"
            )
        return ",".join(free)

    def _expected(self, services: Services, sandbox: Sandbox, runner: Runner, neighbour: Runner | None) -> Expected:
        settings = self.services.settings
        units = services.backends.default == "systemd"
        variables = core.job_variables.of(services.settings)
        proxy = core.proxy_for(settings.github_urls[1], settings.http)
        return Expected(
            manager=os.geteuid(),
            user=runner.job_uid,
            units=units,
            confined=units or (settings.run_as is not None and settings.no_new_privs),
            ours=tuple(self._files_of_ours(services)),
            neighbour=tuple(Path(neighbour.root, name) for name in _IDENTITY) if neighbour else (),
            github=sandbox.server_url,
            variables={name: text for name, text in variables.items() if name not in _HOOKS and "${{" not in text},
            proxy=proxy,
            target=_target(settings.github_urls[1]),
            certificates=settings.http.ca_path is not None or "NODE_EXTRA_CA_CERTS" in variables,
        )

    def _files_of_ours(self, services: Services) -> Iterator[Path]:
        """Those that are there."""
        settings = self.services.settings
        states = [each / name for each in (settings.state_dir, services.settings.state_dir) for name in _STATE_FILES]
        key = Path(core.DEFAULT_ENV_FILE).with_name("app-key.pem")
        for path in dict.fromkeys((*core.secret_files(settings), key, *states)):
            if os.path.lexists(path):
                yield path

    # -- and how it is cleared

    def _clear_left_behind(self) -> Iterator[Progress]:
        """What a rehearsal that was killed could not."""
        for place in Place.left_behind(self.services.settings):
            try:
                with place.held():
                    yield Began(title=f"What an earlier rehearsal left is cleared: {place.top}")
                    self._clear_one(place)
            except core.LockHeld:
                continue  # it goes on

    def _clear_one(self, place: Place) -> None:
        try:
            services = Services.open(core.read_copy(place.state), existing=True)
        except RunnerctlError:  # it was killed before it made a runner
            services = None
        if services is not None:
            try:
                self._remove(services)
            finally:
                services.close()
        self.left += place.clear(hooks=False)

    def _remove(self, services: Services) -> None:
        for runner in services.store.live():
            try:
                operation = core.remove_runner(services, runner.name, force=True)
                core.finish(operation, clock=services.clock)
            except RunnerctlError as exc:
                self.left.append(f"Runner {runner.name} is not cleared: {exc}. Its directory: {runner.root}")

    def _end_runners(self, runners: Runners) -> None:
        self._remove(runners.services)
        for runner in runners.made:
            try:
                _ = [backend.forget(runner.id) for backend in runners.services.backends]
            except (RunnerctlError, OSError) as exc:
                self.left.append(f"The log of runner {runner.name} is not deleted: {exc}")
        self.left += [f"Process {pid} of a runner lives on. End it: kill -KILL {pid}" for pid in runners.processes()]

    def _clear(self, place: Place) -> None:
        hooks = not (self.services.settings.state_dir / "runnerctl.db").exists() or not self.services.store.live()
        self.left += place.clear(hooks=hooks)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Another Ctrl-C does not keep from clearing up what the first one broke off."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _network(services: Services, github: str) -> dict[str, str]:
    """The operator's proxies and certificates; the local GitHub is reached without."""
    http = services.settings.http
    here = urlsplit(github).hostname or ""
    return {
        "HTTPS_PROXY": http.https_proxy or "",
        "HTTP_PROXY": http.http_proxy or "",
        "NO_PROXY": ",".join([*http.no_proxy, here]) if http.https_proxy or http.http_proxy else "",
        http.ca_variable: http.ca_path or "",
    }


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}" if parts.scheme == "https" else ""
