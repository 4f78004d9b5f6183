"""This host as a document: what its operator looks at before a runner fails for want of anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypedDict

from .shape import Time
from .states import RunnerState
from .timestamps import timestamp
from .version_end import VersionEnd

Place = Literal["runners", "state", "packages"]


class DiskFacts(NamedTuple):
    holds: Sequence[Place]
    """What of ours is there."""
    total: int
    available: int


class RateLimitFacts(NamedTuple):
    limit: int
    remaining: int
    reset_at: float


class HostFacts(NamedTuple):
    name: str
    version: str
    backend: str
    degraded: str | None
    now: float
    processors: int
    busy_seconds: float | None
    load: float
    memory: tuple[int, int] | None
    """In all, and available, in bytes."""
    disks: Sequence[DiskFacts]
    max_runners: int | None
    runners: Mapping[RunnerState, int]
    """By state, of those that live."""
    orphans: int
    rate_limit: RateLimitFacts | None
    """As GitHub told it last; None: it has not been asked since the server's start."""
    versions: Sequence[tuple[VersionEnd, int]]
    """Of the runner, with how many live runners have it."""


class ProcessorsDocument(TypedDict):
    """The host's processors."""

    count: int
    busy_seconds: float | None
    """Of all together since the machine was booted; null where the kernel does not say."""
    load: float
    """How many tasks ran or waited to run, over the last minute."""


class SpaceDocument(TypedDict):
    """Room, in bytes."""

    total_bytes: int
    available_bytes: int


class DiskDocument(SpaceDocument):
    """A disk that something of runnerctl's is on."""

    holds: list[Place]


class RateLimitDocument(TypedDict):
    """GitHub's calls that are left to us, as GitHub told it last."""

    limit: int
    remaining: int
    reset_at: Time


class RunnersOfState(TypedDict):
    """How many runners are in a state."""

    state: RunnerState
    count: int


class VersionInUse(TypedDict):
    """A version of actions/runner that runners here have."""

    version: str
    runners: int
    days_left: int | None
    """Until GitHub gives no jobs to it; null: no end is known."""
    ends_at: Time | None
    newer: str | None
    """The newest that GitHub is known to offer, if that is newer."""


class HostDocument(TypedDict):
    """This host."""

    name: str
    version: str
    backend: str
    degraded: str | None
    at: Time
    processors: ProcessorsDocument
    memory: SpaceDocument | None
    disks: list[DiskDocument]
    max_runners: int | None
    """Null: no limit is set."""
    runners: list[RunnersOfState]
    orphans: int
    rate_limit: RateLimitDocument | None
    """Null: GitHub has not been asked since the server's start."""
    versions: list[VersionInUse]


def host_document(facts: HostFacts) -> HostDocument:
    return {
        "name": facts.name,
        "version": facts.version,
        "backend": facts.backend,
        "degraded": facts.degraded,
        "at": timestamp(facts.now),
        "processors": {
            "count": facts.processors,
            "busy_seconds": facts.busy_seconds,
            "load": round(facts.load, 2),
        },
        "memory": None if facts.memory is None else _space(*facts.memory),
        "disks": [{**_space(disk.total, disk.available), "holds": list(disk.holds)} for disk in facts.disks],
        "max_runners": facts.max_runners,
        "runners": [{"state": state, "count": count} for state, count in sorted(facts.runners.items())],
        "orphans": facts.orphans,
        "rate_limit": None if facts.rate_limit is None else _rate_limit(facts.rate_limit),
        "versions": [_version(end, count, facts.now) for end, count in facts.versions],
    }


def _space(total: int, available: int) -> SpaceDocument:
    return {"total_bytes": total, "available_bytes": available}


def _rate_limit(told: RateLimitFacts) -> RateLimitDocument:
    return {"limit": told.limit, "remaining": told.remaining, "reset_at": timestamp(told.reset_at)}


def _version(end: VersionEnd, count: int, now: float) -> VersionInUse:
    return {
        "version": end.version,
        "runners": count,
        "days_left": end.days_left(now),
        "ends_at": timestamp(end.runtime_at),
        "newer": end.newer,
    }
