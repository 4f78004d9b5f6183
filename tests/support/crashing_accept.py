"""A create that dies while a runner gets its identity, in a process of its own.

The moments are those at which it touches anything outside itself: the interpreter's own audit events (files, processes,
sockets) or, for a backend elsewhere, its API's calls, before and after each.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

from runnerctl import core
from runnerctl.core.backends.base import Accepted, Backend, ConfigSh, Jit
from runnerctl.core.backends.registry import Backends
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from tests.support.breaking.crashing import in_a_process, spec
from tests.support.remote_backend import RemoteBackend

_EVENTS = ("open", "os.", "shutil.", "subprocess.", "socket.", "fcntl.")
TOKEN = "AAT0KEN"
CALLS = ("create", "put_secret", "resume", "ask_to_end", "delete", "get", "find", "list_pods", "now")


class Moments:
    """Counts those that come while it is armed, and dies at one of them."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.armed = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: object) -> None:
        if self.armed and event.startswith(_EVENTS):
            self.pass_()

    def pass_(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    """A backend that dies in ``accept``; all else is the backend's own."""

    def __init__(self, backend: Backend, moments: Moments) -> None:
        self._backend = backend
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def accept(self, handle: str, identity: Jit | ConfigSh) -> Accepted:
        self._moments.armed = True
        self._moments.pass_()
        accepted = self._backend.accept(handle, identity)
        self._moments.pass_()
        self._moments.armed = False
        return accepted


class DyingApi:
    """Passes calls on to a cluster that another process has."""

    def __init__(self, cluster: Any, moments: Moments) -> None:
        self._cluster = cluster
        self._moments = moments

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            # The connection's own events are none of the API's.
            armed, self._moments.armed = self._moments.armed, False
            if armed:
                self._moments.pass_()
            answer = getattr(self._cluster, name)(*given)
            if armed:
                self._moments.pass_()
            self._moments.armed = armed
            return answer

        return call


class ClusterManager(BaseManager):
    """Serves a cluster to processes that die."""


ClusterManager.register("cluster", exposed=CALLS)


def run(name: str, number: int, environment: Mapping[str, str], *, ephemeral: bool, cluster: Any = None) -> int:
    """As ``subprocess`` tells it: 0 when the create ended before that moment was reached, -9 for a kill at it.

    ``cluster`` is (address, key) of one that is served.
    """
    return in_a_process(_create, name, number, dict(environment), ephemeral, cluster)


def _create(name: str, number: int, environment: dict[str, str], ephemeral: bool, cluster: Any) -> None:
    os.environ.clear()
    os.environ.update(environment)
    services = Services.open(settings.load())
    moments = Moments(number)
    if cluster is None:
        backend = services.backend
    else:
        address, key = cluster
        manager = ClusterManager(address=address, authkey=key)
        manager.connect()
        api = DyingApi(manager.cluster(), moments)  # type: ignore[attr-defined]
        backend = RemoteBackend(api, logs=Path(environment["RUNNERCTL_STATE_DIR"]) / "logs")
    dying: Any = Dying(backend, moments)
    runs_dir = services.settings.state_dir / "runners"
    services.__dict__["backends"] = Backends({backend.name: lambda: dying}, default=backend.name, runs_dir=runs_dir)
    core.finish(core.create_runner(services, spec(name, ephemeral=ephemeral)), clock=services.clock)


def configure(name: str, number: int, environment: Mapping[str, str]) -> int:
    """The same for ``config.sh`` alone, of a runner that is there and rests; GitHub is not asked."""
    return in_a_process(_configure, name, number, dict(environment))


def _configure(name: str, number: int, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    services = Services.open(settings.load())
    runner = services.store.latest(name)
    assert runner is not None
    backend, handle = services.backends.reach(runner)
    Dying(backend, Moments(number)).accept(handle, ConfigSh(("--name", name), token=TOKEN, seconds=20.0))
