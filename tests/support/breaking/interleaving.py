"""Several actors on one thing, in an order that the test chooses: every order that there is, with deaths in between.

An actor is a thread, and only one of them ever runs. It stops before each step that it takes at a gated port (a commit,
a call to GitHub, an act of a backend), and goes on when it is chosen. What it has to wait for is a condition or the
test's own clock, so nothing sleeps. Threads that an actor starts are not seen.

A death is a SIGKILL: whatever an actor does on its way out, no gated port acts for it any more.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeVar, cast

PATIENCE = 30.0
"""Seconds that an actor has from one step to the next, before it is said to be stuck."""
MOST_STEPS = 1000
"""Of all actors together: more are a loop that does not end."""
_here = threading.local()
Port = TypeVar("Port")


class Died(BaseException):
    """This actor is no more. Not an ``Exception``: nothing may take it for an error to be handled."""


class Stuck(AssertionError):
    """An actor waits for something that no schedule can give."""


class Choice(NamedTuple):
    """Who goes on until its next step, or dies where it stands."""

    actor: str
    dies: bool = False

    def __str__(self) -> str:
        return f"{self.actor}†" if self.dies else self.actor


class Schedule:
    """Which choices are made: first those of ``beginning``, then whoever ran last goes on as long as it can.

    ``deaths``: how many actors may die. ``switches``: how often one may be interrupted by another though it could go
    on; None for any number. Two find nearly everything, and keep the orders few.
    """

    def __init__(self, beginning: Sequence[Choice] = (), *, deaths: int = 0, switches: int | None = None) -> None:
        self._beginning = list(beginning)
        self._most = (deaths, switches)
        self._deaths, self._switches = deaths, switches
        self._last = ""
        self.made: list[Choice] = []
        self._others: list[list[Choice]] = []

    @classmethod
    def of(cls, text: str) -> Schedule:
        """As a failure printed it."""
        choices = [Choice(word.removesuffix("†"), word.endswith("†")) for word in text.split()]
        return cls(choices, deaths=len(choices))

    def choose(self, able: Sequence[str], mortal: Sequence[str]) -> Choice:
        """``able``: who can go on. ``mortal``: who has begun, and so can die."""
        choices = self._choices(able, mortal)
        number = len(self.made)
        chosen = self._beginning[number] if number < len(self._beginning) else choices[0]
        assert chosen in choices, f"{chosen} cannot be chosen after {self}: the actors do not do the same each time"
        self._count(chosen, able)
        self.made.append(chosen)
        self._others.append(choices[choices.index(chosen) + 1 :])
        return chosen

    def following(self) -> Schedule | None:
        """The next one of all that there are, once this one has been played; None after the last."""
        for number in reversed(range(len(self.made))):
            if self._others[number]:
                beginning = [*self.made[:number], self._others[number][0]]
                return Schedule(beginning, deaths=self._most[0], switches=self._most[1])
        return None

    def _choices(self, able: Sequence[str], mortal: Sequence[str]) -> list[Choice]:
        ordered = sorted(able, key=lambda name: name != self._last)
        if self._last in able and self._switches == 0:
            ordered = [self._last]
        dying = [Choice(name, dies=True) for name in mortal] if self._deaths else []
        return [*map(Choice, ordered), *dying]

    def _count(self, chosen: Choice, able: Sequence[str]) -> None:
        if chosen.dies:
            self._deaths -= 1
            return
        if self._switches is not None and chosen.actor != self._last and self._last in able:
            self._switches -= 1
        self._last = chosen.actor

    def __str__(self) -> str:
        return " ".join(map(str, self.made))


class Actor:
    """What one of them does, and what came of it."""

    def __init__(self, name: str, act: Callable[[], Any], refusals: tuple[type[Exception], ...]) -> None:
        self.name = name
        self.step = "begin"
        self.begun = self.ended = self.died = False
        self.result: Any = None
        self.error: Exception | None = None
        self.condition: Callable[[], bool] = lambda: True
        self._act, self._refusals = act, refusals
        self._turn, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def go_on(self) -> None:
        """Until its next step or its end. Called by the test's thread."""
        if self.begun:
            self._turn.release()
        else:
            self.begun = True
            self._thread.start()
        if not self._stopped.acquire(timeout=PATIENCE):
            frame = sys._current_frames()[cast("int", self._thread.ident)]
            where = "".join(traceback.format_stack(frame)[-4:])
            raise Stuck(f"{self.name} comes to no gate after {self.step!r}; it is at\n{where}")
        if self.ended:
            self._thread.join()

    def stop_before(self, step: str, condition: Callable[[], bool]) -> None:
        """Called by its own thread."""
        if self.died:
            raise Died
        self.step, self.condition = step, condition
        self._stopped.release()
        self._turn.acquire()
        if self.died:
            raise Died

    def unexpected(self) -> Exception | None:
        return None if isinstance(self.error, self._refusals) else self.error

    def _run(self) -> None:
        _here.actor = self
        try:
            self.result = self._act()
        except Died:
            pass
        except Exception as exc:  # of the test's own thread, when it asks
            self.error = exc
        finally:
            self.ended = True
            self._stopped.release()


class Interleaving:
    """One world, its actors, and one order of their steps."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.clock = SharedClock(self)
        self.history: list[str] = []
        """What was done: ``actor: port.method``, and ``actor: †``."""
        self._actors: dict[str, Actor] = {}

    def actor(self, name: str, act: Callable[[], Any], *, refusals: tuple[type[Exception], ...] = ()) -> Actor:
        """``act`` begins when it is chosen. An error of ``refusals`` is kept with it, any other ends the play."""
        self._actors[name] = Actor(name, act, refusals)
        return self._actors[name]

    def gated(self, port: Port, name: str, *, only: Collection[str] | None = None) -> Port:
        """The same port, at whose methods (or ``only`` at those) actors stop before they act."""
        return cast("Port", _Gated(self, port, name, only))

    def wait_for(self, step: str, condition: Callable[[], bool]) -> None:
        """The actor that calls this stops here, and cannot be chosen before the condition holds; nobody else stops."""
        actor: Actor | None = getattr(_here, "actor", None)
        if actor is None or self._actors.get(actor.name) is not actor:
            return
        actor.stop_before(step, condition)

    def play(self) -> None:
        """Until all have ended or died. Raises what an actor raised and was not expected to."""
        while living := [actor for actor in self._actors.values() if not actor.ended]:
            able = [actor.name for actor in living if actor.condition()]
            if not able:
                self.clock.let_pass(living)
                continue
            self._take(self.schedule.choose(able, [actor.name for actor in living if actor.begun]))
            assert len(self.history) < MOST_STEPS, f"more than {MOST_STEPS} steps: {self.history[-20:]}"

    def _take(self, choice: Choice) -> None:
        actor = self._actors[choice.actor]
        actor.died = choice.dies
        self.history.append(f"{actor.name}: {'†' if choice.dies else actor.step}")
        actor.go_on()
        if error := actor.unexpected():
            raise error

    def close(self) -> None:
        """Ends whoever still stands at a gate."""
        for actor in self._actors.values():
            if actor.begun and not actor.ended:
                actor.died = True
                actor.go_on()


class SharedClock:
    """Stands still while anybody can go on; then it is as late as the first one waits for."""

    def __init__(self, interleaving: Interleaving) -> None:
        self._interleaving = interleaving
        self._now = 1_000_000.0
        self._alarms: dict[str, float] = {}

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def boottime(self) -> float:
        return self._now

    def boot_id(self) -> str:
        return "this boot"

    def sleep(self, seconds: float) -> None:
        until = self._now + seconds
        actor: Actor | None = getattr(_here, "actor", None)
        if actor is None:
            self._now = until
            return
        self._alarms[actor.name] = until
        self._interleaving.wait_for(f"sleep {seconds:g}", lambda: self._now >= until)
        del self._alarms[actor.name]

    def let_pass(self, living: Sequence[Actor]) -> None:
        """Raises ``Stuck`` when no time would help."""
        alarms = [self._alarms[actor.name] for actor in living if actor.name in self._alarms]
        if not alarms:
            raise Stuck("nobody can go on: " + ", ".join(f"{actor.name} waits for {actor.step!r}" for actor in living))
        self._now = min(alarms)


class _Gated:
    def __init__(self, interleaving: Interleaving, port: object, name: str, only: Collection[str] | None) -> None:
        self._interleaving, self._port, self._name, self._only = interleaving, port, name, only

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)
        if not callable(found) or (self._only is not None and method not in self._only):
            return found

        def gated(*args: Any, **options: Any) -> Any:
            self._interleaving.wait_for(f"{self._name}.{method}", lambda: True)
            return found(*args, **options)

        return gated


def explore(scenario: Callable[[Interleaving], None], *, deaths: int = 0, switches: int | None = None) -> int:
    """Plays the scenario in every order, each in a world of its own; how many there were.

    The scenario makes its world and its actors, calls ``play()``, and asserts what must hold in the end. A failure
    prints the order, which ``replay`` takes.
    """
    schedule: Schedule | None = Schedule(deaths=deaths, switches=switches)
    played = 0
    while schedule is not None:
        _play(scenario, schedule)
        played += 1
        schedule = schedule.following()
    return played


def replay(scenario: Callable[[Interleaving], None], order: str) -> list[str]:
    """Plays it in that one order; its history."""
    return _play(scenario, Schedule.of(order)).history


def _play(scenario: Callable[[Interleaving], None], schedule: Schedule) -> Interleaving:
    interleaving = Interleaving(schedule)
    try:
        scenario(interleaving)
    except BaseException as exc:
        exc.add_note(f"in this order: replay(…, {str(schedule)!r})")
        exc.add_note("\n".join(interleaving.history))
        raise
    finally:
        interleaving.close()
    return interleaving
