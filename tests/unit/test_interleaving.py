"""The scheduler of actors: it plays every order once, finds what only some orders show, and says which."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest

from tests.support.breaking.interleaving import Interleaving, Stuck, explore, replay


@dataclass
class Purse:
    """What two actors write to."""

    coins: int = 0
    taken: list[str] = field(default_factory=list)
    locked_by: str = ""

    def read(self) -> int:
        return self.coins

    def write(self, coins: int) -> None:
        self.coins = coins

    def note(self, what: str) -> None:
        self.taken.append(what)


def adds_carelessly(purse: Purse) -> None:
    """As whoever reads a row and writes it without a look at its revision."""
    purse.write(purse.read() + 1)


def adds_under_lock(interleaving: Interleaving, purse: Purse, port: Purse, name: str) -> None:
    interleaving.wait_for("lock", lambda: not purse.locked_by)
    purse.locked_by = name
    try:
        adds_carelessly(port)
    finally:
        purse.locked_by = ""


@pytest.mark.parametrize(("steps", "others"), [(1, 1), (2, 2), (3, 2), (4, 3)])
def test_every_order_is_played_exactly_once(steps: int, others: int) -> None:
    seen: list[tuple[str, ...]] = []

    def scenario(interleaving: Interleaving) -> None:
        purse = Purse()
        port = interleaving.gated(purse, "purse")
        interleaving.actor("a", lambda: [port.note("a") for _ in range(steps)])
        interleaving.actor("b", lambda: [port.note("b") for _ in range(others)])
        interleaving.play()
        seen.append(tuple(interleaving.history))

    # Each also begins, which is a choice of its own.
    orders = math.comb(steps + others + 2, steps + 1)
    assert explore(scenario) == orders
    assert len(set(seen)) == orders


def test_nobody_is_interrupted_more_often_than_is_said() -> None:
    counts = []
    for switches in (0, 1, 2):

        def scenario(interleaving: Interleaving) -> None:
            port = interleaving.gated(Purse(), "purse")
            interleaving.actor("a", lambda: [port.note("a") for _ in range(5)])
            interleaving.actor("b", lambda: [port.note("b") for _ in range(5)])
            interleaving.play()

        counts.append(explore(scenario, switches=switches))
    assert counts[0] == 2  # one after the other, either first
    assert counts[0] < counts[1] < counts[2] < math.comb(12, 6)


def careless(interleaving: Interleaving) -> None:
    purse = Purse()
    port = interleaving.gated(purse, "purse")
    for name in ("command", "sweep"):
        interleaving.actor(name, lambda: adds_carelessly(port))
    interleaving.play()
    assert purse.coins == 2


def test_a_lost_update_is_found_with_one_interruption_and_its_order_can_be_played_again() -> None:
    with pytest.raises(AssertionError) as found:
        explore(careless, switches=1)
    notes = "\n".join(found.value.__notes__)
    order = notes.partition("replay(…, '")[2].partition("'")[0]
    assert "command: purse.read" in notes
    with pytest.raises(AssertionError) as again:
        replay(careless, order)
    assert again.value.__notes__ == found.value.__notes__


def test_under_a_lock_no_order_loses_one() -> None:
    def scenario(interleaving: Interleaving) -> None:
        purse = Purse()
        port = interleaving.gated(purse, "purse")
        for name in ("command", "sweep"):
            interleaving.actor(name, lambda name=name: adds_under_lock(interleaving, purse, port, name))
        interleaving.play()
        assert purse.coins == 2

    assert explore(scenario) > 2


def test_a_death_comes_at_every_step_and_frees_what_the_dead_one_held() -> None:
    deaths: set[str] = set()

    def scenario(interleaving: Interleaving) -> None:
        purse = Purse()
        port = interleaving.gated(purse, "purse")
        actors = [
            interleaving.actor(name, lambda name=name: adds_under_lock(interleaving, purse, port, name))
            for name in ("command", "sweep")
        ]
        interleaving.play()
        died = [actor for actor in actors if actor.died]
        deaths.update(f"{actor.name} before {actor.step}" for actor in died)
        assert len(died) <= 1
        assert purse.coins == 2 - len(died)
        assert purse.locked_by == ""

    explore(scenario, deaths=1)
    steps = ("lock", "purse.read", "purse.write")
    assert deaths == {f"{name} before {step}" for name in ("command", "sweep") for step in steps}


def test_nothing_acts_for_the_dead_whatever_they_do_on_their_way_out() -> None:
    def scenario(interleaving: Interleaving) -> None:
        purse = Purse()
        port = interleaving.gated(purse, "purse")

        def tidy() -> None:
            try:
                port.note("began")
                port.note("went on")
            finally:
                port.note("tidied up")

        actor = interleaving.actor("command", tidy)
        interleaving.play()
        assert ("tidied up" in purse.taken) is not actor.died

    assert explore(scenario, deaths=1) == 4  # alive, and dead before each of the three


def test_time_passes_only_when_nobody_can_go_on() -> None:
    def scenario(interleaving: Interleaving) -> None:
        purse, clock = Purse(), interleaving.clock
        port = interleaving.gated(purse, "purse")
        began = clock.monotonic()

        def waits() -> float:
            while not purse.taken:
                clock.sleep(5)
            return clock.monotonic() - began

        def acts() -> None:
            port.read()
            clock.sleep(12)
            port.note("done")

        waiting = interleaving.actor("waits", waits)
        interleaving.actor("acts", acts)
        interleaving.play()
        assert waiting.result == 15

    assert explore(scenario) > 2


def test_actors_that_wait_for_each_other_are_said_to_be_stuck() -> None:
    def scenario(interleaving: Interleaving) -> None:
        interleaving.actor("a", lambda: interleaving.wait_for("b's lock", lambda: False))
        interleaving.actor("b", lambda: interleaving.wait_for("a's lock", lambda: False))
        interleaving.play()

    with pytest.raises(Stuck, match='a waits for "b\'s lock", b waits for "a\'s lock"'):
        explore(scenario)


def test_an_error_ends_the_play_unless_it_was_expected() -> None:
    def fails() -> None:
        raise KeyError("busy")

    def expecting(interleaving: Interleaving) -> None:
        actor = interleaving.actor("command", fails, refusals=(KeyError,))
        interleaving.play()
        assert isinstance(actor.error, KeyError)

    def not_expecting(interleaving: Interleaving) -> None:
        interleaving.actor("command", fails)
        interleaving.play()

    assert explore(expecting) == 1
    with pytest.raises(KeyError):
        explore(not_expecting)


def test_only_the_named_acts_of_a_port_are_steps() -> None:
    def scenario(interleaving: Interleaving) -> None:
        port = interleaving.gated(Purse(), "purse", only={"write"})
        interleaving.actor("a", lambda: adds_carelessly(port))
        interleaving.play()
        assert interleaving.history == ["a: begin", "a: purse.write"]

    assert explore(scenario) == 1


def test_actors_that_do_not_do_the_same_again_are_refused() -> None:
    lives = iter(range(100))

    def scenario(interleaving: Interleaving) -> None:
        port = interleaving.gated(Purse(), "purse")
        steps = 2 if next(lives) % 2 == 0 else 0
        for name in ("a", "b"):
            interleaving.actor(name, lambda: [port.note("x") for _ in range(steps)])
        interleaving.play()

    with pytest.raises(AssertionError, match="do not do the same each time"):
        explore(scenario)
