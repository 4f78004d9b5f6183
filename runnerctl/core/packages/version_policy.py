"""How long a version of actions/runner will do, so that it can be said and seen to ahead. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ..domain.version_end import ToldBy, VersionEnd, counted_days, date

# https://docs.github.com/en/actions/reference/runners/self-hosted-runners: "Runner software updates" asks for each
# release within 30 days of its being available; the oldest version that may register is announced in
# https://github.com/orgs/community/discussions/194762. When a version really ends is told by
# GET …/actions/runners/deprecations/{version}: some 65 days after the next release, by what was seen in 2026.
MINIMUM_VERSION = "2.329.0"
"""Older runners cannot register."""
UPDATE_DAYS = 30
"""Where GitHub does not tell: so long after a newer release a runner goes on getting jobs."""
WARN_DAYS = 14
"""So many days ahead we say so, and begin to renew."""

_DAY = 86400.0


class Told(NamedTuple):
    """GitHub's answer about one version; None: no end is set."""

    runtime_at: float | None
    registration_at: float | None


@lru_cache(maxsize=256)
def order(version: str) -> tuple[int, ...]:
    """A key to sort versions by."""
    return tuple(int(part) for part in version.split("."))


def is_newer(version: str, than: str) -> bool:
    return order(version) > order(than)


def end_of(version: str, *, told: Told | None, unpacked_at: float | None, offered: str | None) -> VersionEnd:
    """``told``: None where GitHub said nothing of that version, or does not know such a call. ``offered``: the newest
    version that GitHub is known to offer. When that came out is not in the offer: our own unpacking of the older one
    stands for it, and comes before it."""
    newer = offered if offered is not None and is_newer(offered, version) else None
    if told is not None:
        return VersionEnd(version, told.runtime_at, told.registration_at, ToldBy.GITHUB, newer)
    if newer is None or unpacked_at is None:
        return VersionEnd(version, newer=newer)
    return VersionEnd(version, unpacked_at + UPDATE_DAYS * _DAY, None, ToldBy.AGE, newer)


def ends_soon(end: VersionEnd, now: float) -> bool:
    """It has ended, or will within the time in which we say so."""
    return end.runtime_at is not None and end.runtime_at - now <= WARN_DAYS * _DAY


def has_ended(end: VersionEnd, now: float) -> bool:
    """By GitHub's own word: our reckoning by age proves nothing."""
    return end.told_by is ToldBy.GITHUB and end.runtime_at is not None and end.runtime_at <= now


def doubt(end: VersionEnd, now: float) -> str | None:
    """What speaks against using that version much longer; None if nothing does."""
    if order(end.version) < order(MINIMUM_VERSION):
        return f"Runner {end.version} is older than {MINIMUM_VERSION}, the oldest that GitHub lets register"
    if end.runtime_at is not None and ends_soon(end, now):
        by_age = end.told_by is ToldBy.AGE
        return _by_age(end, end.runtime_at, now) if by_age else f"{_by_date(end, end.runtime_at, now)}{_instead(end)}"
    if end.registration_at is not None and end.registration_at - now <= WARN_DAYS * _DAY:
        return f"{_by_registration(end, end.registration_at, now)}{_instead(end)}"
    return None


def _by_date(end: VersionEnd, at: float, now: float) -> str:
    if at <= now:
        return f"GitHub gives no jobs to runners of version {end.version} since {date(at)}"
    return f"GitHub gives no more jobs to runners of version {end.version} from {date(at)} on, in {_days(end, now)}"


def _by_registration(end: VersionEnd, at: float, now: float) -> str:
    if at <= now:
        return f"GitHub lets no runner of version {end.version} register since {date(at)}"
    return f"GitHub lets no runner of version {end.version} register from {date(at)} on"


def _by_age(end: VersionEnd, at: float, now: float) -> str:
    days = int((now - at) // _DAY) + UPDATE_DAYS
    return (
        f"Runner {end.version} was unpacked {counted_days(days)} ago and GitHub offers {end.newer}: "
        f"it gives no jobs to runners that are not updated within {UPDATE_DAYS} days of a release"
    )


def _days(end: VersionEnd, now: float) -> str:
    days = end.days_left(now)
    return counted_days(days) if days else "less than a day"


def _instead(end: VersionEnd) -> str:
    return f"; it offers {end.newer}" if end.newer is not None else "; no newer one is known to be offered"
