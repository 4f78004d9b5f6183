"""Keeps the store true to the runners: hears the supervisors' pokes, notices deaths, and observes all now and then.

What it hears or finds goes on the engine's queue. A poke is a hint; a lost one is made good by the next sweep.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from functools import partial

from runnerctl.core import (
    KeptModes,
    Reconciler,
    RegistrationPoller,
    Services,
    ask_github,
    finish_orphans,
    observe_runners,
    prune,
    renew_ahead,
    replace_lost,
    routed,
    version_warnings,
)
from runnerctl.core.domain.errors import RunnerctlError

from .offload import Offload
from .process_watcher import ProcessWatcher

log = logging.getLogger("runnerctl.server")

SWEEP_SECONDS = 10.0
PRUNE_SECONDS = 3600.0
SILENT_SECONDS = 60.0
"""A thread that did nothing for so long is not well."""
_KEEPS_HOUSE_SECONDS = 1800.0
"""The same for the one that waits for GitHub, scope by scope."""
_MAX_POKE = 4096
_FAILED_SECONDS = 1.0


class Watcher:
    """Three threads: what is heard, what is found by looking, and what GitHub is asked for all."""

    def __init__(self, services: Services, offload: Offload, loop: asyncio.AbstractEventLoop) -> None:
        self._services = services
        self._offload = offload
        self._loop = loop
        self._socket = _bind(services)
        self._processes = ProcessWatcher(self._socket.fileno())
        self._poller = RegistrationPoller(services)
        self.engine = Reconciler(services, absences=self._poller.absences, after=self._follow)
        offload.engine = self.engine
        self._unsubscribe = services.runner_events.subscribe(self._notify)
        self._stopped = threading.Event()
        self._beats: dict[str, float] = {}
        self._next_prune = 0.0
        self._warned: list[str] = []
        self._modes = KeptModes()
        self._threads = [
            threading.Thread(target=self._repeat, args=(name, act), name=name, daemon=True)
            for name, act in (("watcher", self._hear), ("sweep", self._sweep), ("housekeeping", self._keep_house))
        ]

    def start(self) -> None:
        """Observes every live runner once, so that what outlived the last server is known again; then watches."""
        self.engine.start()
        for runner in self._services.store.live():
            self._guarded(partial(self._follow, runner.id))
        self._guarded(self._observe)
        for thread in self._threads:
            self._beats[thread.name] = self._services.clock.monotonic()
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._services.events_socket.unlink(missing_ok=True)
        _wake(self._socket)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5)
        self.engine.stop()
        self._unsubscribe()
        self._processes.close()
        self._socket.close()

    def heard(self) -> list[str]:
        """The names of all that ``silent`` looks at."""
        return [*dict(self._beats), *self.engine.PARTS]

    def silent(self) -> list[str]:
        """The threads of which nothing was heard for longer than can be."""
        now = self._services.clock.monotonic()
        patience = {"housekeeping": _KEEPS_HOUSE_SECONDS}
        threads = [name for name, at in dict(self._beats).items() if now - at > patience.get(name, SILENT_SECONDS)]
        return [*threads, *self.engine.silent(SILENT_SECONDS)]

    def _repeat(self, name: str, act: Callable[[], None]) -> None:
        """Whatever happens in it, a thread goes on."""
        while not self._stopped.is_set():
            self._beats[name] = self._services.clock.monotonic()
            if not self._guarded(act):
                self._stopped.wait(_FAILED_SECONDS)

    def _guarded(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except RunnerctlError as exc:
            log.warning("%s: %s", threading.current_thread().name, exc.message)
        except Exception:
            self.engine.beat.errors += 1
            log.exception("the thread %s continues after an error", threading.current_thread().name)
        else:
            return True
        return False

    # -- what is heard

    def _hear(self) -> None:
        poked, lost = self._processes.wait(SWEEP_SECONDS)
        for runner_id in lost:
            self._changed(runner_id)
        if poked and not self._stopped.is_set():
            self._receive()

    def _receive(self) -> None:
        """All that was poked so far."""
        while True:
            try:
                poke = self._socket.recv(_MAX_POKE)
            except BlockingIOError:
                return
            try:
                runner_id = str(json.loads(poke)["id"])
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # anybody of our user can write into it
            self._changed(runner_id)

    def _changed(self, runner_id: str) -> None:
        self._services.runner_events.notify(runner_id)
        self.engine.enqueue(runner_id)

    def _notify(self, runner_id: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._offload.waits.notify, runner_id)

    def _follow(self, runner_id: str) -> None:
        """Its processes may be others now. One that died before it could be followed is looked at again."""
        if self._stopped.is_set():
            return
        runner = self._services.store.get(runner_id)
        # Whose life has ended has no process that matters.
        named = routed.processes(self._services, runner) if runner is not None and runner.live else ()
        if self._processes.follow(runner_id, named):
            self.engine.enqueue(runner_id)

    # -- what is found

    def _sweep(self) -> None:
        self._stopped.wait(SWEEP_SECONDS)
        if not self._stopped.is_set():
            self._observe()

    def _observe(self) -> None:
        began = self._services.clock.monotonic()
        findings = observe_runners(self._services, self._services.store.live(), self._poller)
        self._services.meter.sweep(self._services.clock.monotonic() - began)
        for finding in findings:
            if finding.error is not None:
                log.warning("runner %s could not be observed: %s", finding.runner.name, finding.error.message)
            else:
                self.engine.enqueue(finding.runner.id)

    # -- what GitHub is asked for all

    def _keep_house(self) -> None:
        """One at a time: an answer that takes long is waited for by this thread only."""
        own = (self._restore_modes, self._ask_github, self._renew_ahead, self._finish_orphans)
        for act in (*own, self._replace_lost, self._prune):
            if not self._stopped.is_set():
                self._guarded(act)
        self._stopped.wait(SWEEP_SECONDS)

    def _restore_modes(self) -> None:
        for told in self._modes.restore(self._services.settings):
            log.error("%s", told)

    def _ask_github(self) -> None:
        runners = self._services.store.live()
        for runner_id in ask_github(self._services, self._poller, runners):
            self.engine.enqueue(runner_id)

    def _renew_ahead(self) -> None:
        """What ends soon is said once a day: its words count the days."""
        for runner in renew_ahead(self._services, self._services.store.live()):
            log.info("runner %r is renewed: %s", runner.name, runner.reason)
            self.engine.enqueue(runner.id)
        warnings = version_warnings(self._services, self._services.store.live())
        for warning in warnings:
            if warning not in self._warned:
                log.warning("%s", warning)
        self._warned = warnings

    def _finish_orphans(self) -> None:
        if self._services.store.orphans(due_at=self._services.clock.now()):
            for runner in finish_orphans(self._services):
                self.engine.enqueue(runner.id)

    def _replace_lost(self) -> None:
        if self._services.store.replacements():
            replace_lost(self._services)

    def _prune(self) -> None:
        if self._services.clock.monotonic() >= self._next_prune:
            self._next_prune = self._services.clock.monotonic() + PRUNE_SECONDS
            prune(self._services)


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
