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
    """So many, while a ``with`` lasts. Every request has one, and a generator would cost it five times as much."""

    __slots__ = ("_allowance", "_count", "_holder")

    def __init__(self, allowance: Allowance, holder: str | None, count: int) -> None:
        self._allowance = allowance
        self._holder = holder
        self._count = count

    def __enter__(self) -> None:
        self._allowance.take(self._holder, self._count)

    def __exit__(self, *_: object) -> None:
        self._allowance.give_back(self._holder, self._count)


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

    def held(self, actor: Actor, count: int = 1) -> Held:
        """So many of it. Raises ``TooManyRequests`` beyond what one may hold, ``Overloaded`` beyond what all may."""
        return Held(self, caller(actor), count)

    def take(self, holder: str | None, count: int = 1) -> None:
        """As ``held``, until it is given back."""
        self._check(holder, count)
        self._held[holder] += count

    def give_back(self, holder: str | None, count: int = 1) -> None:
        self._held[holder] -= count
        if not self._held[holder]:
            del self._held[holder]

    def _check(self, holder: str | None, count: int) -> None:
        if holder is not None and self._held[holder] + count > self._of_one:
            raise TooManyRequests(
                f"This caller has {self._of_one} {self._what} under way, the most that one may have",
                hint="End some of them first",
                retry_after=_RETRY_SECONDS,
            )
        room = self._in_all if holder is None else self._in_all * 3 // 4
        if self._held.total() + count > room:
            raise Overloaded(f"Too many {self._what} are under way", retry_after=_RETRY_SECONDS)
