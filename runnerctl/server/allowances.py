"""How much of one thing one caller may hold at once, and all together, so that nobody takes it from the others."""

from __future__ import annotations

from collections import Counter

from runnerctl.core import Actor
from runnerctl.core.domain.errors import Overloaded, TooManyRequests

REQUESTS_OF_ONE = 128
"""Under way, also those whose caller has hung up: what they began goes on."""
MOST_REQUESTS = 1024
STREAMS_OF_ONE = 32
MOST_STREAMS = 600
_RETRY_SECONDS = 2.0


def caller(actor: Actor) -> str | None:
    """In whose name it is held: a tenant's tokens share. None: the operator's."""
    return None if actor.limits is None else actor.tenant or actor.id


class Held:
    """One of them, while a ``with`` lasts. Every request has one, and a generator would cost it five times as much."""

    __slots__ = ("_allowance", "_holder")

    def __init__(self, allowance: Allowance, holder: str | None) -> None:
        self._allowance = allowance
        self._holder = holder

    def __enter__(self) -> None:
        self._allowance.take(self._holder)

    def __exit__(self, *_: object) -> None:
        self._allowance.give_back(self._holder)


class Allowance:
    """Of ``what``. A quarter of ``in_all`` is the operator's alone, who may hold any number up to that."""

    def __init__(self, what: str, *, of_one: int, in_all: int) -> None:
        self._what = what
        self._of_one = of_one
        self._in_all = in_all
        self._held: Counter[str | None] = Counter()

    @property
    def count(self) -> int:
        """Of all."""
        return self._held.total()

    def held(self, actor: Actor) -> Held:
        """Raises ``TooManyRequests`` for who holds as many as one may, ``Overloaded`` when all together do."""
        return Held(self, caller(actor))

    def take(self, holder: str | None) -> None:
        """As ``held``, until it is given back."""
        self._check(holder)
        self._held[holder] += 1

    def give_back(self, holder: str | None) -> None:
        self._held[holder] -= 1
        if not self._held[holder]:
            del self._held[holder]

    def _check(self, holder: str | None) -> None:
        if holder is not None and self._held[holder] >= self._of_one:
            raise TooManyRequests(
                f"This caller has {self._of_one} {self._what} under way, the most that one may have",
                hint="End some of them first",
                retry_after=_RETRY_SECONDS,
            )
        room = self._in_all if holder is None else self._in_all * 3 // 4
        if self._held.total() >= room:
            raise Overloaded(f"Too many {self._what} are under way", retry_after=_RETRY_SECONDS)
