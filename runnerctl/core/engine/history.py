"""What happened to a runner from its create on, and how long each part of its making took."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..domain.errors import BackendFailed
from ..domain.event_sentences import sentence
from ..domain.models import EventType, Runner, StoredEvent
from ..domain.states import RunnerState
from .operations.find_runner import find_runner

if TYPE_CHECKING:
    from ..access.grants import TokenLimits
    from ..services import Services


class Took(NamedTuple):
    """Seconds of each part of its first start; None for one that did not come, or is not known any more."""

    provision: float | None
    """Its package and its directory."""
    github: float | None
    """Its registration."""
    launch: float | None
    """Until its processes run."""
    listener: float | None
    """Until it takes jobs."""


class Happened(NamedTuple):
    event: StoredEvent
    seconds: float
    """Since what happened before."""
    text: str


class History(NamedTuple):
    runner: Runner
    took: Took
    happened: tuple[Happened, ...]


def history(services: Services, name: str, *, limits: TokenLimits | None = None) -> History:
    """Of the last life of that name. Raises ``RunnerNotFound``."""
    runner = find_runner(services, name, limits)
    events = services.store.events_of(runner.id)
    return History(runner, took(runner, events, _online_at(services, runner)), tuple(_happened(runner, events)))


def _online_at(services: Services, runner: Runner) -> float | None:
    """Kept beside its log."""
    backend, handle = services.backends.reach(runner)
    try:
        return backend.observe(handle).online_at
    except BackendFailed:
        return None


def took(runner: Runner, events: list[StoredEvent], online_at: float | None) -> Took:
    """``online_at`` is its supervisor's word, to the millisecond; without it, when its row said so counts."""
    registered = _first(events, RunnerState.REGISTERED)
    starts = sum(event.new == RunnerState.STARTING for event in events)
    # What the row says of its start is of the last one.
    started = runner.started_at if starts == 1 else None
    online = (online_at if starts == 1 else None) or _first(events, RunnerState.IDLE, RunnerState.BUSY)
    return Took(
        provision=_between(runner.created_at, runner.asked_at),
        github=_between(runner.asked_at, registered),
        launch=_between(registered, started),
        listener=_between(started, online),
    )


def _first(events: list[StoredEvent], *states: RunnerState) -> float | None:
    return next((event.at for event in events if event.type is EventType.STATE and event.new in states), None)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None or end < start else end - start


def _happened(runner: Runner, events: list[StoredEvent]) -> list[Happened]:
    """In the order in which it was written down: what a supervisor tells is written later than it happened."""
    befores = [runner.created_at, *(event.at for event in events)]
    pairs = zip(events, befores, strict=False)
    return [Happened(event, max(0.0, event.at - before), _text(runner, event)) for event, before in pairs]


def _text(runner: Runner, event: StoredEvent) -> str:
    told = sentence(event, scope=runner.scope.text)
    if told is not None:
        return told.text
    return f"{event.new}: {event.reason}" if event.reason else str(event.new or event.type)
