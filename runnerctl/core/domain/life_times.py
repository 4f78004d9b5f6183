"""What the sequence of events tells of how long things take: a create, a start, a job, a drain, a removal.

It tells of whatever was done, by a server, a command or a reaper alike. Follows lives from event to event, and keeps
nothing of those that have ended.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from .jobs import LISTENER
from .models import EventType, Runner, StoredEvent
from .states import SERVING, TERMINAL, UNLAUNCHED, Desired, How, RunnerState

SETTLE_SECONDS = 10.0
"""A job's log tells its result first; the Listener's exit status outweighs it, and comes within this time or never."""
_MOST_ENDED = 4096
"""Jobs that are remembered after their end: what is learned of them later is not another job."""
_OF_ITS_MAKING = "its creation"
"""Who wants a runner gone whose making failed."""


class LifeTime(StrEnum):
    CREATED = "created"
    CREATE_TO_ONLINE = "create to online"
    START_TO_ONLINE = "start to online"
    RESTARTED = "restarted"
    """``label``: ``asked``, ``policy`` or ``crash``."""
    IDLE_BEFORE_JOB = "idle before job"
    JOB = "job"
    """``label``: its result, or ``unknown``."""
    DRAIN = "drain"
    """From the wish until it is stopped or gone."""
    REMOVE = "remove"
    """From the last wish for it; ``label``: in which way."""
    ENDED = "ended"
    """``label``: the state in which its life ended."""


class Measured(NamedTuple):
    """Something that came to its end, or happened."""

    what: LifeTime
    runner_id: str
    seconds: float = 0.0
    label: str = ""


class _Job(NamedTuple):
    """One that has ended, and whose result may still become another."""

    runner_id: str
    seconds: float
    result: str | None
    settles_at: float

    @property
    def measured(self) -> Measured:
        return Measured(LifeTime.JOB, self.runner_id, self.seconds, self.result or "unknown")


@dataclass(kw_only=True)
class _Life:
    runner_id: str
    created_at: float
    was_online: bool = False
    starting_at: float | None = None
    idle_at: float | None = None
    drain_at: float | None = None
    remove_at: float | None = None
    remove_how: str = How.GENTLE
    cause: str = "crash"
    """Of its next start, if nobody says anything."""
    jobs: dict[int, _Job] = field(default_factory=dict)


class LifeTimes:
    """For one thread. ``live`` are the runners whose life began before the first event that is told.

    ``monotonic`` times how long a job's result is waited for, and nothing else: all durations are between events.
    """

    def __init__(self, live: Iterable[Runner], *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lives = {runner.id: _of_row(runner) for runner in live}
        self._ended: OrderedDict[int, None] = OrderedDict()

    def take(self, event: StoredEvent) -> Iterator[Measured]:
        """What came to its end by that event; events are told in their order."""
        if event.runner_id is None:
            return
        known = self._lives.get(event.runner_id)
        life = known or _Life(runner_id=event.runner_id, created_at=event.at)
        if known is None and event.type is EventType.STATE and event.old is None:
            self._lives[event.runner_id] = life
        if event.type is EventType.STATE:
            yield from _moved(life, event)
        elif event.type is EventType.WANTED:
            _wanted(life, event.at, event.data)
        elif event.type is EventType.JOB:
            yield from self._job(life, event.data, event.at)
        if event.new in TERMINAL:
            self._lives.pop(event.runner_id, None)
        if event.runner_id not in self._lives:  # nothing better is to come of its jobs
            yield from [self._end(life, job_id) for job_id in list(life.jobs)]

    def settled(self) -> Iterator[Measured]:
        """Jobs of whose result nothing better is to come."""
        now = self._monotonic()
        for life in self._lives.values():
            for job_id in [job_id for job_id, job in life.jobs.items() if job.settles_at <= now]:
                yield self._end(life, job_id)

    def _job(self, life: _Life, data: Mapping[str, Any], at: float) -> Iterator[Measured]:
        job_id = int(data["id"])
        if job_id in self._ended:
            return
        if "ended_at" not in data:
            idle = 0.0 if life.idle_at is None else _between(life.idle_at, at)
            yield Measured(LifeTime.IDLE_BEFORE_JOB, life.runner_id, idle)
            life.idle_at = None
            return
        known = life.jobs.get(job_id)
        settles_at = self._monotonic() + SETTLE_SECONDS if known is None else known.settles_at
        life.jobs[job_id] = _Job(life.runner_id, float(data.get("seconds") or 0.0), data.get("result"), settles_at)
        if data.get("result_from") == LISTENER:
            yield self._end(life, job_id)

    def _end(self, life: _Life, job_id: int) -> Measured:
        self._ended[job_id] = None
        if len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)
        return life.jobs.pop(job_id).measured


def _of_row(runner: Runner) -> _Life:
    wanted = runner.wanted_at if runner.desired is Desired.GONE else None
    return _Life(
        runner_id=runner.id,
        created_at=runner.created_at,
        was_online=not (runner.state in UNLAUNCHED or (runner.state is RunnerState.STARTING and runner.ephemeral)),
        starting_at=runner.changed_at if runner.state is RunnerState.STARTING else None,
        idle_at=runner.changed_at if runner.state is RunnerState.IDLE else None,
        drain_at=runner.wanted_at if runner.how is How.DRAIN and runner.desired is not Desired.RUNNING else None,
        remove_at=None if runner.wanted_by == _OF_ITS_MAKING else wanted,
        remove_how=runner.how,
    )


def _wanted(life: _Life, at: float, data: Mapping[str, Any]) -> None:
    """Each wish counts from itself on: one that was refused leaves no event of that."""
    desired, how, by = data.get("desired"), str(data.get("how")), str(data.get("by"))
    if desired == Desired.RUNNING:
        life.drain_at = life.remove_at = None
        life.cause = "policy" if by.startswith("policy") else "asked"
        return
    life.drain_at = at if how == How.DRAIN else None
    if desired == Desired.GONE and by != _OF_ITS_MAKING:
        life.remove_at, life.remove_how = at, how


def _moved(life: _Life, event: StoredEvent) -> Iterator[Measured]:
    at, new = event.at, event.new
    if event.old is None:
        yield Measured(LifeTime.CREATED, life.runner_id)
    elif new == RunnerState.STARTING:
        if event.old not in UNLAUNCHED:
            yield Measured(LifeTime.RESTARTED, life.runner_id, label=life.cause)
        life.starting_at, life.cause, life.idle_at = at, "crash", None
    elif new in SERVING:
        yield from _online(life, at)
        life.idle_at = at if new == RunnerState.IDLE else life.idle_at
    elif new == RunnerState.STOPPED or new in TERMINAL:
        yield from _rests(life, at, str(new))


def _online(life: _Life, at: float) -> Iterator[Measured]:
    if life.starting_at is not None:
        yield Measured(LifeTime.START_TO_ONLINE, life.runner_id, _between(life.starting_at, at))
        if not life.was_online:
            yield Measured(LifeTime.CREATE_TO_ONLINE, life.runner_id, _between(life.created_at, at))
        life.starting_at, life.was_online = None, True


def _rests(life: _Life, at: float, state: str) -> Iterator[Measured]:
    if life.drain_at is not None:
        yield Measured(LifeTime.DRAIN, life.runner_id, _between(life.drain_at, at))
        life.drain_at = None
    if state == RunnerState.STOPPED:
        return
    yield Measured(LifeTime.ENDED, life.runner_id, label=state)
    if life.remove_at is not None and state == RunnerState.REMOVED:
        yield Measured(LifeTime.REMOVE, life.runner_id, _between(life.remove_at, at), life.remove_how)


def _between(start: float, end: float) -> float:
    """A clock that was set back meanwhile makes no time negative."""
    return max(0.0, end - start)
