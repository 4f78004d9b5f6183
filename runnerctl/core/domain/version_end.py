"""When a version of actions/runner ends, as far as it is known."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import NamedTuple, TypedDict

from .shape import Time
from .timestamps import timestamp

_DAY = 86400.0


class ToldBy(StrEnum):
    GITHUB = "github"
    AGE = "age"
    """GitHub does not tell: by when the package was unpacked here, once GitHub offers a newer one."""


class VersionEnd(NamedTuple):
    """Times are seconds since the epoch."""

    version: str
    runtime_at: float | None = None
    """From then on GitHub gives no jobs to it; None: no end is known."""
    registration_at: float | None = None
    """From then on no runner of it can register; None: no end is known."""
    told_by: ToldBy | None = None
    """None: nothing is known."""
    newer: str | None = None
    """The newest version that GitHub is known to offer, if that is newer."""

    def days_left(self, now: float) -> int | None:
        """Whole days until it gets no more jobs, negative once it gets none; None: no end is known."""
        return None if self.runtime_at is None else int((self.runtime_at - now) // _DAY)


class VersionDocument(TypedDict):
    """When a version of actions/runner ends, as far as it is known."""

    version: str
    runtime_deprecates_at: Time | None
    """From then on GitHub gives no jobs to it."""
    registration_deprecates_at: Time | None
    """From then on no runner of it can register."""
    days_left: int | None
    """Until it gets no more jobs; negative once it gets none."""
    told_by: ToldBy | None
    """``age``: GitHub does not tell, the age of the package does."""
    newer: str | None
    """The newest version that GitHub offers, if that is newer."""


def version_document(end: VersionEnd, now: float) -> VersionDocument:
    return {
        "version": end.version,
        "runtime_deprecates_at": timestamp(end.runtime_at),
        "registration_deprecates_at": timestamp(end.registration_at),
        "days_left": end.days_left(now),
        "told_by": end.told_by,
        "newer": end.newer,
    }


def version_text(end: VersionEnd, now: float) -> str:
    """``2.336.0, jobs until 2026-11-05 (12 days left)``; the version alone where no end is known."""
    days = end.days_left(now)
    if end.runtime_at is None or days is None:
        return end.version
    if days < 0:
        return f"{end.version}, no jobs since {date(end.runtime_at)}"
    return f"{end.version}, jobs until {date(end.runtime_at)} ({counted_days(days)} left)"


def counted_days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def date(seconds: float) -> str:
    """``2026-11-05``, in UTC as GitHub tells it."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
