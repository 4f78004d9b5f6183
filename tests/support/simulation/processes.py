"""The processes of managers: commands, what a supervisor leaves behind, and a server with the real engine's queue."""

from __future__ import annotations

import os
import random
import socket
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from runnerctl.core.backends.registry import PROCESS, Backends
from runnerctl.core.built_once import built_once
from runnerctl.core.domain.errors import ConfigInvalid, Overloaded, RunnerctlError
from runnerctl.core.engine import sweep
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.github_side.rolling import renew_ahead
from runnerctl.core.engine.lanes import Lane
from runnerctl.core.engine.making import Making
from runnerctl.core.engine.operations.operation import Operation, finish
from runnerctl.core.engine.operations.replacing import replace_lost
from runnerctl.core.engine.orphans import finish_orphans
from runnerctl.core.engine.reap import reap
from runnerctl.core.engine.reconciler import Reconciler
from runnerctl.core.services import Services

from .backend import FakeBackend
from .github import FakeGitHub
from .packages import FakePackages
from .schedule import Actor, Died, Mortal
from .store import WatchedStore

if TYPE_CHECKING:
    from .world import World

T = TypeVar("T")
R = TypeVar("R")
_NEVER_TOLD = (ConfigInvalid, Overloaded)
"""Nothing is wrong with settings, directories or the database here."""
_SWEEP_SECONDS = 10.0


class OneAfterTheOther:
    """In place of a ``WorkerPool``: in the same thread."""

    def map(self, step: Callable[[T], R], items: Iterable[T]) -> list[R]:
        return [step(item) for item in items]

    def close(self) -> None:
        """It has nothing to end."""


@dataclass(kw_only=True)
class SimulatedServices(Services):
    """The ports of one process, but for time, row locks and what is in the database, simulated."""

    world: World

    @built_once
    def store(self) -> WatchedStore:
        opened = WatchedStore.__new__(WatchedStore)
        opened.schedule, opened.rules = self.world.schedule, self.world.rules
        path = self.settings.state_dir / "runnerctl.db"
        opened.__init__(path, clock=self.clock, rng=self.rng, host="host", notify=self.runner_events.notify)
        return opened

    @built_once
    def backends(self) -> Backends:
        backend = FakeBackend(self.world.host, self.world.rules, self.rng)
        return Backends({PROCESS: lambda: backend}, default=PROCESS, runs_dir=self._runs_dir)

    @built_once
    def github(self) -> Any:
        return FakeGitHub(self.world.github, self.world.rules, self.clock.monotonic, self.rng)

    @built_once
    def packages(self) -> Any:
        return FakePackages(self.world.github, self.world.unpacked, self.rng)

    @built_once
    def worker_pool(self) -> Any:
        return OneAfterTheOther()


class Process(Mortal):
    """``dies_at``, ``interrupted_at``, ``frozen_at``: at which of its gates; None for never."""

    def __init__(
        self,
        world: World,
        name: str,
        *,
        dies_at: int | None = None,
        interrupted_at: int | None = None,
        frozen_at: int | None = None,
    ) -> None:
        super().__init__()
        self.world, self.name = world, name
        self._gates = 0
        self._dies_at, self._interrupted_at, self._frozen_at = dies_at, interrupted_at, frozen_at
        self.services = SimulatedServices(settings=world.settings, clock=world.clock, rng=world.rng, world=world)
        world.processes.append(self)

    def meets(self, actor: Actor) -> None:
        self._gates += 1
        if self._gates == self._dies_at:
            self.world.schedule.note(f"{self.name} dies")
            self.world.deaths += 1
            self.dead = True
            raise self.world.died
        if self._gates == self._frozen_at:
            actor.frozen_until = self.world.schedule.now + self.world.rng.uniform(0.5, 90.0)
            self.world.schedule.note(f"frozen until {actor.frozen_until:.1f}")
        if self._gates == self._interrupted_at:
            self.world.schedule.note("Ctrl-C")
            raise KeyboardInterrupt

    def begin(self, name: str, act: Callable[[], object]) -> Actor:
        return self.world.schedule.spawn(f"{self.name} {name}".strip(), act, self)

    def gone(self) -> None:
        if "store" in self.services.__dict__:
            self.services.store.close()
        if self in self.world.processes:
            self.world.processes.remove(self)

    def attempt(self, act: Callable[[], object]) -> None:
        """Done, refused, or interrupted."""
        try:
            act()
        except RunnerctlError as exc:
            self.world.schedule.note(f"refused: {type(exc).__name__}: {_without_our_pid(exc.message)}")
            if type(exc) is RunnerctlError or isinstance(exc, _NEVER_TOLD):
                self.world.rules.broken(f"{self.name}: {exc.code}: {exc.message}")
        except KeyboardInterrupt:
            self.world.schedule.note("interrupted")


def _without_our_pid(message: str) -> str:
    """Whoever holds a row is an actor of this one process, whose number no seed decides."""
    return message.replace(f"Process {os.getpid()} ", "A process ")


class Command(Process):
    """One at the command line."""

    def run(self, make: Callable[[Services], Operation[Any]]) -> None:
        self.begin("", lambda: self.attempt(lambda: finish(make(self.services))))

    def reconcile(self, *, listed: bool) -> None:
        def act() -> None:
            poller = RegistrationPoller(self.services) if listed else None
            sweep.sweep(self.services, poller)

        self.begin("", lambda: self.attempt(act))


class Reaper(Process):
    """What a supervisor starts where no server hears of the end."""

    def run(self, runner_id: str) -> None:
        def act() -> None:
            reap(self.services, runner_id)

        self.begin("", lambda: self.attempt(act))


class Pool:
    """In place of a ``ThreadPoolExecutor``: its threads are actors of the server."""

    def __init__(self, server: Server, name: str, threads: int) -> None:
        self._server = server
        self._tasks: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._workers = [server.begin(f"{name}-{number}", self._work) for number in range(threads)]

    def submit(self, act: Callable[..., object], /, *given: Any) -> None:
        self._tasks.append((act, given))
        for worker in self._workers:
            worker.wake()

    def shutdown(self, *, wait: bool, cancel_futures: bool) -> None:
        del wait, cancel_futures

    def _work(self) -> None:
        while True:
            while not self._tasks:
                self._server.world.schedule.wait()
            act, given = self._tasks.popleft()
            act(*given)
            self._server.engine_changed()


class Server(Process):
    """``runnerctl serve``, as far as it acts on runners; what its watcher hears are calls of ``hears``."""

    def __init__(self, world: World, name: str, *, threads: random.Random, **fate: int | None) -> None:
        super().__init__(world, name, **fate)
        self._poller = RegistrationPoller(self.services)
        pools = {
            Lane.LOCAL: Pool(self, "local", threads.choice((1, 2, 3))),
            Lane.GITHUB: Pool(self, "github", threads.choice((1, 2, 4))),
            Lane.PACKAGE: Pool(self, "package", 1),
        }
        self.engine = Reconciler(self.services, absences=self._poller.absences, pools=pools)
        self._makings: list[Making] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.services.events_socket
        path.unlink(missing_ok=True)
        self._socket.bind(str(path))
        self._queue = self.begin("queue", self._hand_out)
        self.begin("sweep", self._sweeps)
        self.begin("house", self._keep_house)

    def hears(self, runner_id: str) -> None:
        if not self.dead:
            self.engine.enqueue(runner_id)
            self.engine_changed()

    def engine_changed(self) -> None:
        self._queue.wake()

    def gone(self) -> None:
        self._socket.close()
        for making in self._makings:  # as the kernel lets go of what a dead process had locked
            making.close()
        if self.world.server is self:
            self.world.server = None
        if self.engine.beat.errors:
            self.world.rules.broken(f"{self.engine.beat.errors} steps of the server failed that should not")
        super().gone()

    def request(self, name: str, make: Callable[[Services], Operation[Any]]) -> None:
        """One over HTTP: the engine takes its steps."""
        self.begin(name, lambda: self.attempt(lambda: self._answer(make(self.services))))

    def _answer(self, operation: Operation[Any]) -> None:
        try:
            while (question := operation.begin()) is not None:
                question()
        except Died:
            operation.close()  # as the kernel does
            raise
        while True:
            making, operation.making = operation.making, None
            if making is not None:
                self._makings.append(making)
                self.engine.make(making)
            elif operation.runner_id is not None:
                self.engine.enqueue(operation.runner_id)
            self.engine_changed()
            if operation.outcome() is not None:
                return
            if operation.making is None:
                self.services.clock.sleep(0.5)

    def _hand_out(self) -> None:
        while True:
            seconds = self.engine.hand_out()
            self.world.schedule.wait(until=self.world.schedule.now + max(seconds, 0.001))

    def _sweeps(self) -> None:
        for runner in self.services.store.live():
            self.engine.enqueue(runner.id)
        while True:
            self.engine_changed()
            self.services.clock.sleep(_SWEEP_SECONDS)
            self.attempt(self._observe)

    def _observe(self) -> None:
        for finding in sweep.observe_runners(self.services, self.services.store.live(), self._poller):
            if finding.error is None:
                self.engine.enqueue(finding.runner.id)

    def _keep_house(self) -> None:
        while True:
            for act in (self._ask_github, self._renew_ahead, self._finish_orphans, lambda: replace_lost(self.services)):
                self.attempt(act)
            self.engine_changed()
            self.services.clock.sleep(_SWEEP_SECONDS)

    def _ask_github(self) -> None:
        for runner_id in sweep.ask_github(self.services, self._poller, self.services.store.live()):
            self.engine.enqueue(runner_id)

    def _renew_ahead(self) -> None:
        for runner in renew_ahead(self.services, self.services.store.live()):
            self.engine.enqueue(runner.id)

    def _finish_orphans(self) -> None:
        if self.services.store.orphans(due_at=self.services.clock.now()):
            for runner in finish_orphans(self.services):
                self.engine.enqueue(runner.id)
