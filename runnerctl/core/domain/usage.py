"""What ran here, summed up over jobs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from .timestamps import timestamp

if TYPE_CHECKING:
    from .document_types import RepoUsage, TenantUsage, UsageDocument, UsageSums


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


def document(report: UsageReport, query: UsageQuery) -> UsageDocument:
    return {
        "by": "tenant" if query.by is UsageBy.TENANT else "repo",
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
