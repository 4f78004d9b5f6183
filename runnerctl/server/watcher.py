"""Keeps the store true to the runners: hears the supervisors' pokes, and looks at every live runner now and then.

A poke is a hint; a lost one is made good by the next look.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from runnerctl import core
from runnerctl.core.errors import RunnerBusy, RunnerctlError
from runnerctl.core.models import Runner
from runnerctl.core.services import Services
from runnerctl.core.states import RunnerState

from .offload import Offload

log = logging.getLogger("runnerctl.server")

LOOK_SECONDS = 10.0
_MAX_POKE = 4096
_HEALERS = 4


class Watcher:
    """A thread of its own, with a few more for what a look finds to do."""

    def __init__(self, services: Services, offload: Offload, loop: asyncio.AbstractEventLoop) -> None:
        self._services = services
        self._offload = offload
        self._loop = loop
        self._socket = _bind(services)
        self._healers = ThreadPoolExecutor(_HEALERS, thread_name_prefix="heal")
        self._pending: set[str] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        """Looks at every live runner once, so that what outlived the last server is known again; then watches."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._services.events_socket.unlink(missing_ok=True)
        self._socket.close()
        self._healers.shutdown(wait=False, cancel_futures=True)

    def _watch(self) -> None:
        clock = self._services.clock
        next_look = clock.monotonic() + LOOK_SECONDS
        while not self._stopped.is_set():
            self._socket.settimeout(max(0.01, next_look - clock.monotonic()))
            try:
                self._heard(self._socket.recv(_MAX_POKE))
            except TimeoutError:
                self._look()
                next_look = clock.monotonic() + LOOK_SECONDS
            except OSError:
                return  # closed: the server stops

    def _heard(self, poke: bytes) -> None:
        try:
            runner_id = str(json.loads(poke)["id"])
        except (ValueError, KeyError, TypeError):
            return
        self._ring(runner_id)
        self._heal(runner_id)

    def _ring(self, runner_id: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._offload.bells.ring, runner_id)

    def _look(self) -> None:
        try:
            for runner in self._services.store.live():
                if not core.is_current(self._services, runner):
                    self._heal(runner.id)
            if self._services.store.orphans(due_at=self._services.clock.now()):
                self._healers.submit(self._finish_orphans)
        except (RunnerctlError, RuntimeError) as exc:
            log.warning("look failed: %s", exc)

    def _heal(self, runner_id: str) -> None:
        """Once at a time for a runner, however often it pokes; a poke during that work is not lost."""
        with self._lock:
            if runner_id in self._pending or self._stopped.is_set():
                return
            self._pending.add(runner_id)
        self._healers.submit(self._reap, runner_id)

    def _reap(self, runner_id: str) -> None:
        with self._lock:
            self._pending.discard(runner_id)
        try:
            runner = core.reap(self._services, runner_id, wait=0)
            if runner is not None and runner.state is RunnerState.REMOVING:
                self._resume(runner)
        except RunnerBusy:
            return  # a command is at work on it; it or the next look sees to the rest
        except RunnerctlError as exc:
            log.warning("runner %s could not be brought up to date: %s", runner_id, exc.message)
        except Exception:
            log.exception("runner could not be brought up to date", extra={"runner_id": runner_id})
        finally:
            self._ring(runner_id)

    def _resume(self, runner: Runner) -> None:
        """A removal whose command is gone, once GitHub let go of the runner: taken to its end."""
        quiet = self._services.clock.now() - runner.changed_at > 3 * LOOK_SECONDS
        if quiet and runner.deregistered_at is not None and not self._services.backend.working(runner.id):
            core.finish(core.remove_runner(self._services, runner.name), clock=self._services.clock)

    def _finish_orphans(self) -> None:
        try:
            core.finish_orphans(self._services)
        except RunnerctlError as exc:
            log.warning("orphan tasks wait: %s", exc.message)


def _bind(services: Services) -> socket.socket:
    """The datagram socket that supervisors poke; ours alone, since ``serve`` holds the lock."""
    path = services.events_socket
    path.unlink(missing_ok=True)
    hearing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    # A path beyond 107 bytes does not fit into a socket address; through the directory's descriptor any does.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        hearing.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
    return hearing
