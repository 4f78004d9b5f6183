"""What ran here, summed up over jobs."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypedDict

from .shape import Time
from .timestamps import timestamp


class UsageBy(StrEnum):
    """What the sums are about."""

    REPO = "repo"
    """Of a repository's runner that one; of an organization's where its job says that it is from."""
    TENANT = "tenant"
    """In whose name the runner was made; None: the operator's."""


class UsageQuery(NamedTuple):
    by: UsageBy = UsageBy.REPO
    since: float | None = None
    until: float | None = None
    """Jobs that began in that time."""
    tenant: str | None = None
    """Only those of this tenant's runners."""
    limit: int = 1000


class Usage(NamedTuple):
    """The jobs of one of them, or of all."""

    of: str | None
    jobs: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    seconds: float


class UsageReport(NamedTuple):
    items: list[Usage]
    """The most seconds first."""
    total: Usage
    left_out: int
    """How many there are beyond the limit; they are in the total."""


class UsageSums(TypedDict):
    """What some jobs come to."""

    jobs: int
    running: int
    """Those of whose end nothing is known."""
    succeeded: int
    failed: int
    cancelled: int
    """Also those that were abandoned."""
    seconds: float
    """Of those that ended."""
    waiting_seconds: float | None
    """How long they waited at GitHub; null while GitHub does not tell."""


class RepoUsage(UsageSums):
    """What the jobs of one repository come to."""

    repo: str
    """In small letters; an organization where its runners' jobs do not say where they are from."""


class TenantUsage(UsageSums):
    """What the jobs of one tenant's runners come to."""

    tenant: str | None
    """Null for the operator's."""


class UsageDocument(TypedDict):
    """What ran here, summed up over jobs."""

    by: UsageBy
    since: Time | None
    until: Time | None
    items: list[RepoUsage | TenantUsage]
    """The most seconds first."""
    total: UsageSums
    left_out: int
    """How many items there are beyond the limit; they are in the total."""


def document(report: UsageReport, query: UsageQuery) -> UsageDocument:
    return {
        "by": query.by,
        "since": timestamp(query.since),
        "until": timestamp(query.until),
        "items": [_item(item, query.by) for item in report.items],
        "total": _sums(report.total),
        "left_out": report.left_out,
    }


def _item(usage: Usage, by: UsageBy) -> RepoUsage | TenantUsage:
    if by is UsageBy.TENANT:
        return {"tenant": usage.of, **_sums(usage)}
    return {"repo": usage.of or "", **_sums(usage)}


def _sums(usage: Usage) -> UsageSums:
    return {
        "jobs": usage.jobs,
        "running": usage.running,
        "succeeded": usage.succeeded,
        "failed": usage.failed,
        "cancelled": usage.cancelled,
        "seconds": round(usage.seconds, 3),
        "waiting_seconds": None,
    }
