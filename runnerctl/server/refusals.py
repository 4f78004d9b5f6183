"""Who was refused: the first times in a minute are told one by one, of all that follow how many there were.

So strangers cannot fill the disk, nor push out of a log what others did.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from runnerctl.core import Services, audit

log = logging.getLogger("runnerctl.server")

MINUTE = 60.0
TOLD_OF_ONE = 30
TOLD_IN_ALL = 300
_MOST_KNOWN = 1024
_MOST_SUMS = 20
NOBODY = "nobody"


class Caller(NamedTuple):
    """By its name, if we know it, whatever its address; else by where it is."""

    actor: str
    source: str


OTHERS = Caller("others", "others")
Monotonic = Callable[[], float]
Summed = Callable[[Caller, int], None]


class Refusals:
    """For the loop's thread alone. ``summed`` is told who was refused how many times more than was told."""

    def __init__(self, monotonic: Monotonic, summed: Summed) -> None:
        self._monotonic = monotonic
        self._summed = summed
        self._began = monotonic()
        self._seen: dict[Caller, int] = {}
        self._untold: dict[Caller, int] = {}
        self._told = 0

    def is_told(self, caller: Caller) -> bool:
        """Counts one more of that caller; whether it is to be told by itself."""
        if self._monotonic() - self._began >= MINUTE:
            self.sum_up()
        if caller not in self._seen and len(self._seen) >= _MOST_KNOWN:
            caller = OTHERS
        seen = self._seen[caller] = self._seen.get(caller, 0) + 1
        if seen <= TOLD_OF_ONE and self._told < TOLD_IN_ALL:
            self._told += 1
            return True
        self._untold[caller] = self._untold.get(caller, 0) + 1
        return False

    def sum_up(self) -> None:
        """The minute is over. Who was refused most is named."""
        most = sorted(self._untold.items(), key=lambda each: each[1], reverse=True)
        self._seen.clear()
        self._untold.clear()
        self._told, self._began = 0, self._monotonic()
        for caller, count in most[:_MOST_SUMS]:
            self._summed(caller, count)
        if rest := sum(count for _, count in most[_MOST_SUMS:]):
            self._summed(OTHERS, rest)


def refusals(services: Services) -> Refusals:
    """Whose sums are told to the server's log and to the audit log."""

    def summed(caller: Caller, count: int) -> None:
        who = caller.source if caller.actor in {NOBODY, OTHERS.actor} else caller.actor
        log.warning("%d more requests of %s were refused within a minute", count, who)
        entry = audit.AuditEntry(
            actor=caller.actor,
            source=caller.source,
            action="refused",
            object=f"{count} more",
            result="too_many_to_list",
        )
        services.audit.write(entry)

    return Refusals(services.clock.monotonic, summed)
