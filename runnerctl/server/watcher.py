"""Keeps the store true to the runners: receives the supervisors' pokes, notices deaths, and observes all now and then.

A poke is a hint; a lost one is made good by the next sweep.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from runnerctl import core
from runnerctl.core.domain.errors import RunnerBusy, RunnerctlError
from runnerctl.core.domain.models import ProcessId
from runnerctl.core.engine import sweep
from runnerctl.core.engine.registration_poller import RegistrationPoller
from runnerctl.core.engine.replacing import replace_lost
from runnerctl.core.housekeeping import retention
from runnerctl.core.services import Services

from .offload import Offload
from .process_watcher import ProcessWatcher

log = logging.getLogger("runnerctl.server")

LOOK_SECONDS = 10.0
PRUNE_SECONDS = 3600.0
_BUSY_SECONDS = 0.5
_MAX_POKE = 4096
_HEALERS = 16


class Watcher:
    """A thread of its own, with some more for what it finds to do."""

    def __init__(self, services: Services, offload: Offload, loop: asyncio.AbstractEventLoop) -> None:
        self._services = services
        self._offload = offload
        self._loop = loop
        self._socket = _bind(services)
        self._processes = ProcessWatcher(self._socket.fileno())
        self._poller = RegistrationPoller(services)
        self._healers = ThreadPoolExecutor(_HEALERS, thread_name_prefix="heal")
        self._at_work: set[str] = set()
        self._again: set[str] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._asking = threading.Lock()
        self._replacing = threading.Lock()
        self._next_prune = 0.0

    def start(self) -> None:
        """Observes every live runner once, so that what outlived the last server is known again; then watches."""
        for runner in self._services.store.live():
            self._follow(runner.id)
        self._observe()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._services.events_socket.unlink(missing_ok=True)
        _wake(self._socket)
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._healers.shutdown(wait=False, cancel_futures=True)
        self._processes.close()
        self._socket.close()

    def _watch(self) -> None:
        clock = self._services.clock
        next_look = clock.monotonic() + LOOK_SECONDS
        while not self._stopped.is_set():
            poked, lost = self._processes.wait(max(0.01, next_look - clock.monotonic()))
            for runner_id in lost:
                self._notify(runner_id)
                self._heal(runner_id)
            if poked:
                self._receive()
            if clock.monotonic() >= next_look:
                self._observe()
                next_look = clock.monotonic() + LOOK_SECONDS

    def _receive(self) -> None:
        """All that was poked so far."""
        while True:
            try:
                poke = self._socket.recv(_MAX_POKE)
            except (BlockingIOError, OSError):
                return
            try:
                runner_id = str(json.loads(poke)["id"])
            except (ValueError, KeyError, TypeError):
                continue
            self._notify(runner_id)
            self._heal(runner_id)

    def _notify(self, runner_id: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._offload.runner_events.notify, runner_id)

    def _observe(self) -> None:
        try:
            for finding in sweep.observe_runners(self._services, self._services.store.live(), self._poller):
                self._submit(finding.runner.id, self._reconcile, finding)
            if self._services.store.orphans(due_at=self._services.clock.now()):
                self._healers.submit(self._finish_orphans)
            if self._services.store.replacements():
                self._healers.submit(self._replace_lost)
            self._healers.submit(self._ask_github)
            if self._services.clock.monotonic() >= self._next_prune:
                self._next_prune = self._services.clock.monotonic() + PRUNE_SECONDS
                self._healers.submit(self._prune)
        except (RunnerctlError, OSError) as exc:
            log.warning("look failed: %s", exc)
        except RuntimeError:
            return  # the pool is shut down: the server stops

    def _heal(self, runner_id: str) -> None:
        self._submit(runner_id, self._reap, runner_id)

    def _submit(self, runner_id: str, work: Callable[..., None], *args: object) -> None:
        """Once at a time for a runner, however often it pokes; a poke meanwhile is followed by another observation."""
        with self._lock:
            if self._stopped.is_set():
                return
            if runner_id in self._at_work:
                self._again.add(runner_id)
                return
            self._at_work.add(runner_id)
        self._healers.submit(self._guarded, runner_id, work, *args)

    def _guarded(self, runner_id: str, work: Callable[..., None], *args: object) -> None:
        try:
            work(*args)
        except RunnerBusy:
            self._later(runner_id)  # a command is at work on it; what it leaves is seen to then
        except RunnerctlError as exc:
            log.warning("runner %s could not be brought up to date: %s", runner_id, exc.message)
        except Exception:
            log.exception("runner could not be brought up to date", extra={"runner_id": runner_id})
        finally:
            died = self._follow(runner_id)
            self._notify(runner_id)
            with self._lock:
                self._at_work.discard(runner_id)
                again = died or runner_id in self._again
                self._again.discard(runner_id)
            if again:
                self._heal(runner_id)

    def _later(self, runner_id: str, seconds: float = _BUSY_SECONDS) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds, self._heal, runner_id)

    def _reap(self, runner_id: str) -> None:
        runner = core.reconcile_runner(self._services, runner_id, wait=0)
        seconds = None if runner is None else core.seconds_to_restart(self._services, runner)
        if seconds is not None:
            self._later(runner_id, seconds)

    def _reconcile(self, finding: sweep.Finding) -> None:
        done = sweep.reconcile_finding(self._services, finding, self._poller)
        if done.error is not None:
            raise done.error

    def _follow(self, runner_id: str) -> bool:
        """Whether a process of it died before it could be followed."""
        if self._stopped.is_set():
            return False
        return self._processes.follow(runner_id, self._processes_of(runner_id))

    def _processes_of(self, runner_id: str) -> Sequence[ProcessId]:
        runner = self._services.store.get(runner_id)
        if runner is None or not runner.live:
            return ()  # whose life has ended has no process that matters
        backend, handle = self._services.backends.reach(runner)
        return backend.processes(handle)

    def _ask_github(self) -> None:
        """One at a time: an answer that takes longer than the next sweep is waited for by one thread only."""
        if not self._asking.acquire(blocking=False):
            return
        try:
            for runner_id in sweep.ask_github(self._services, self._poller, self._services.store.live()):
                self._heal(runner_id)
        except RunnerctlError as exc:
            log.warning("GitHub could not be asked for its runners: %s", exc.message)
        finally:
            self._asking.release()

    def _prune(self) -> None:
        try:
            retention.prune(self._services)
        except RunnerctlError as exc:
            log.warning("old logs and history stay for now: %s", exc.message)

    def _replace_lost(self) -> None:
        if not self._replacing.acquire(blocking=False):
            return
        try:
            for runner in replace_lost(self._services):
                log.info("runner %r was made again: GitHub had lost it", runner.name)
        except RunnerctlError as exc:
            log.warning("lost runners wait: %s", exc.message)
        finally:
            self._replacing.release()

    def _finish_orphans(self) -> None:
        try:
            for finding in sweep.released(self._services):
                self._submit(finding.runner.id, self._reconcile, finding)
        except RunnerctlError as exc:
            log.warning("orphan tasks wait: %s", exc.message)


def _wake(hearing: socket.socket) -> None:
    """So that the thread that waits sees the end."""
    hearing.shutdown(socket.SHUT_RDWR)


def _bind(services: Services) -> socket.socket:
    """The datagram socket that supervisors poke; ours alone, since ``serve`` holds the lock."""
    path = services.events_socket
    path.unlink(missing_ok=True)
    hearing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    # A path beyond 107 bytes does not fit into a socket address; through the directory's descriptor any does.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        hearing.bind(f"/proc/self/fd/{directory}/{path.name}")
        path.chmod(0o660)  # a unit's supervisor is of our group; where there are none, the directory is ours alone
    finally:
        os.close(directory)
    return hearing
