"""Which of the events of all runners are asked for, and what comes of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from .models import EventType, StoredEvent


class RunnerEvent(NamedTuple):
    """An event with whose it is."""

    event: StoredEvent
    runner: str | None
    """Its name."""
    scope: str | None
    tenant: str | None


class EventQuery(NamedTuple):
    """Which events are asked for, oldest first."""

    after: int = 0
    through: int | None = None
    """Not beyond this one."""
    runner: str | None = None
    types: tuple[EventType, ...] = ()
    """None of them: all."""
    tenant: str | None = None
    """Only those of this tenant's runners."""
    limit: int = 100


class Resync(NamedTuple):
    """That the events which come are not all that there were since then."""

    reason: Literal["pruned", "unknown_id"]
    text: str


class EventPage(NamedTuple):
    items: list[RunnerEvent]
    next: int
    """What to ask for after this page: also when nothing came."""
    resync: Resync | None


PRUNED = Resync("pruned", "Some of the events after that one are not kept any more: read the lists again")
UNKNOWN_ID = Resync("unknown_id", "No event has that number yet: read the lists again")
