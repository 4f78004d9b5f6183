"""Actors of which one runs at a time, chosen by the seed, and a clock that moves when none can go on.

An actor is a thread that stops at gates: before and after commits, calls to GitHub, acts of a backend, and where it
sleeps. Only there can another go on, or the actor's process die.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import threading
from collections.abc import Callable

SWITCH = 0.15
"""How often a gate lets another go on that could."""
_MOST_STRETCH = 5.0
_SHORT = 1.0
"""Who sleeps for less only looks whether something has changed: as long as nothing does, it may look later."""
BOOTED_AT = 1_000.0


class Died(BaseException):
    """The process of this actor is no more. Not an ``Exception``: nothing may take it for an error to be handled."""


class Broken(BaseException):
    """A rule was broken, or something was raised that should not be: the simulation is over."""


class Stuck(AssertionError):
    """Nobody can go on, and no time would help."""


class Actor:
    """One thread of a process."""

    def __init__(self, schedule: Schedule, name: str, act: Callable[[], object], process: Mortal | None) -> None:
        self.name = name
        self.process = process
        self.seen: dict[str, int] = {}
        """By runner: the revision that it read last."""
        self.unknown: set[str] = set()
        """Runners that it looked at last and could not see."""
        self.frozen_until = 0.0
        self.wakes_at = 0.0
        self.looks_at = math.inf
        """When it wakes if anything changes meanwhile."""
        self.version = 0
        self.looks = 0
        self.begun = self.ended = False
        self.leaving: threading.Semaphore | None = None
        self._schedule, self._act = schedule, act
        self._turn = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def ready_at(self, version: int) -> float:
        at = self.looks_at if version != self.version and self.looks_at < self.wakes_at else self.wakes_at
        return max(at, self.frozen_until)

    def resume(self) -> None:
        if self.begun:
            self._turn.release()
        else:
            self.begun = True
            self._thread.start()

    def stop(self) -> None:
        self._turn.acquire()

    def wake(self) -> None:
        self.wakes_at = 0.0

    def _run(self) -> None:
        try:
            self._act()
        except Died:
            pass
        except BaseException as exc:
            self._schedule.fail(exc)
        finally:
            self.ended = True
            self._schedule.left(self)


class Mortal:
    """A process as the schedule knows it."""

    def __init__(self) -> None:
        self.dead = False
        self.actors: list[Actor] = []

    def meets(self, actor: Actor) -> None:
        """What befalls it at a gate: it may raise, or freeze the actor."""

    def gone(self) -> None:
        """Its last actor has left."""


class Schedule:
    """``main`` is the thread that made it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.now = BOOTED_AT
        """Seconds that only grow."""
        self.version = 0
        """Counts all that anybody could wait for."""
        self.failure: BaseException | None = None
        self.trace: list[str] = []
        self.tracing = False
        self.main = Actor(self, "world", lambda: None, None)
        self.main.begun = True
        self.running = self.main
        self._actors = [self.main]
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    # -- what happens by itself

    def after(self, seconds: float, event: Callable[[], object]) -> None:
        """It happens then, in no actor's hands, and must not stop at a gate."""
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), event))

    def changed(self) -> None:
        self.version += 1

    def note(self, text: str) -> None:
        if self.tracing:
            self.trace.append(f"{self.now - BOOTED_AT:10.3f} {self.running.name}: {text}")

    # -- actors

    def spawn(self, name: str, act: Callable[[], object], process: Mortal | None = None) -> Actor:
        actor = Actor(self, name, act, process)
        self._actors.append(actor)
        if process is not None:
            process.actors.append(actor)
        return actor

    def gate(self, label: str, *, switch: float = SWITCH) -> None:
        """Another may go on here, and the process of who runs may die."""
        actor = self.running
        self._check(actor)
        self.note(label)
        if actor.process is not None:
            actor.process.meets(actor)
        if actor.frozen_until > self.now or self.rng.random() < switch:
            self._switch(actor)

    def sleep(self, seconds: float) -> None:
        """As long as it says; who only looks again and again may be woken later while nothing changes."""
        actor = self.running
        self._check(actor)
        if actor.process is not None:
            actor.process.meets(actor)
        if seconds <= _SHORT:
            actor.looks = actor.looks + 1 if actor.version == self.version else 0
            actor.looks_at = self.now + seconds
            actor.wakes_at = self.now + min(max(_MOST_STRETCH, seconds), seconds * 2.0 ** min(actor.looks, 12))
        else:
            actor.looks_at, actor.wakes_at = math.inf, self.now + seconds
        actor.version = self.version
        self._switch(actor)

    def wait(self, *, until: float = math.inf) -> None:
        """Until somebody wakes it, or until then."""
        actor = self.running
        self._check(actor)
        actor.looks_at, actor.wakes_at = math.inf, until
        self._switch(actor)

    def _switch(self, actor: Actor) -> None:
        self._hand_over(self._next(), actor)
        self._check(actor)

    def _hand_over(self, following: Actor, actor: Actor | None) -> None:
        if following is actor:
            return
        self.running = following
        following.resume()
        if actor is not None:
            actor.stop()

    def _check(self, actor: Actor) -> None:
        if self.failure is not None and actor is self.main:
            raise self.failure
        if self.failure is not None or (actor.process is not None and actor.process.dead):
            raise Died

    def _next(self) -> Actor:
        while self.failure is None:
            ready = [actor for actor in self._actors if actor.ready_at(self.version) <= self.now]
            if ready:
                return ready[0] if len(ready) == 1 else self.rng.choice(ready)
            self._let_time_pass()
        return self.main

    def _let_time_pass(self) -> None:
        first = min(actor.ready_at(self.version) for actor in self._actors)
        if self._events and self._events[0][0] <= first:
            at, _, event = heapq.heappop(self._events)
            self.now = max(self.now, at)
            try:
                event()
            except BaseException as exc:
                self.fail(exc)
        elif first == math.inf:
            self.fail(Stuck(", ".join(actor.name for actor in self._actors)))
        else:
            self.now = max(self.now, first)

    # -- ends

    def fail(self, exc: BaseException) -> None:
        if self.failure is None:
            self.failure = exc

    def broken(self, what: str) -> None:
        """A rule was broken by whoever runs."""
        self.fail(AssertionError(what))
        raise Broken(what)

    def left(self, actor: Actor) -> None:
        """The last thing that an actor's thread does."""
        if actor in self._actors:
            self._actors.remove(actor)
        process = actor.process
        if actor.leaving is not None:
            actor.leaving.release()
            return
        if process is not None:
            try:
                self._bury(process, actor)
            except BaseException as exc:
                self.fail(exc)
        self._hand_over(self._next(), None)

    def kill(self, process: Mortal) -> None:
        """By whoever is not one of its actors."""
        process.dead = True
        self._bury(process, None)

    def _bury(self, process: Mortal, last: Actor | None) -> None:
        """Whoever else is in it leaves; nothing that is passed on the way out has any effect."""
        if last is not None:
            process.actors.remove(last)
        if process.dead:
            for actor in list(process.actors):
                self._leave(actor)
            process.actors.clear()
        if not process.actors:
            process.gone()

    def _leave(self, actor: Actor) -> None:
        running = self.running
        if actor.begun and not actor.ended:
            actor.leaving = threading.Semaphore(0)
            self.running = actor
            actor.resume()
            actor.leaving.acquire()
        elif actor in self._actors:
            self._actors.remove(actor)
        self.running = running

    def close(self) -> None:
        """Ends all that still run."""
        self.fail(Died())
        for actor in list(self._actors):
            if actor is not self.main:
                self._leave(actor)
                if actor in self._actors:
                    self._actors.remove(actor)


class VirtualClock:
    """A host's clocks: what is stored and shown can be set, what only grows begins anew with each start."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.wrong_by = 0.0
        self._booted_at, self._boots = 0.0, 1

    def now(self) -> float:
        return 1_800_000_000.0 + self._schedule.now + self.wrong_by

    def monotonic(self) -> float:
        return self._schedule.now - self._booted_at

    def boottime(self) -> float:
        return self._schedule.now - self._booted_at

    def boot_id(self) -> str:
        return f"boot-{self._boots}"

    def sleep(self, seconds: float) -> None:
        self._schedule.sleep(seconds)

    def reboot(self) -> None:
        self._booted_at, self._boots = self._schedule.now - 10.0, self._boots + 1
