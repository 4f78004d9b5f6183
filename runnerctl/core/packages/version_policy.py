"""How old a runner may be before GitHub gives it no work, so that it can be said ahead."""

from __future__ import annotations

# https://docs.github.com/en/actions/reference/runners/self-hosted-runners: "Runner software updates" asks for each
# release within 30 days of its being available; the oldest version that may register is announced in
# https://github.com/orgs/community/discussions/194762
MINIMUM_VERSION = "2.329.0"
"""Older runners cannot register."""
UPDATE_DAYS = 30
"""So long after a newer release a runner goes on getting jobs."""
WARN_DAYS = 25
"""From then on we say so."""

_DAY = 86400.0


def order(version: str) -> list[int]:
    """A key to sort versions by."""
    return [int(part) for part in version.split(".")]


def doubt(version: str, *, unpacked_at: float, offered: str | None, now: float) -> str | None:
    """What speaks against using that version much longer; None if nothing does.

    ``offered`` is the newest version that GitHub is known to offer. When a release came out is not in that offer: our
    own unpacking stands for it, and comes after it.
    """
    if order(version) < order(MINIMUM_VERSION):
        return f"Runner {version} is older than {MINIMUM_VERSION}, the oldest that GitHub lets register"
    days = int((now - unpacked_at) // _DAY)
    if offered is not None and order(offered) > order(version) and days > WARN_DAYS:
        return (
            f"Runner {version} was unpacked {days} days ago and GitHub offers {offered}: "
            f"it gives no jobs to runners that are not updated within {UPDATE_DAYS} days of a release"
        )
    return None
