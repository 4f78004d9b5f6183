"""When versions of actions/runner end: told by the deprecation API, and kept to by those who refuse old ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Seconds since the epoch; None: no end is set, as for the newest."""

    runtime_at: float | None = None
    """From then on a runner of that version gets no messages."""
    registration_at: float | None = None
    """From then on none of that version can register. GitHub has left it out of every answer so far."""


class VersionEnds:
    """By version; one that nobody has set an end for has none."""

    def __init__(self) -> None:
        self._ends: dict[str, Ends] = {}

    def set(self, version: str, ends: Ends) -> None:
        self._ends[version] = ends

    def of(self, version: str) -> Ends:
        return self._ends.get(version, Ends())

    def gets_messages(self, version: str, *, minimum: str, now: float) -> bool:
        at = self.of(version).runtime_at
        return not is_older(version, minimum) and (at is None or now < at)

    def may_register(self, version: str, *, minimum: str, now: float) -> bool:
        at = self.of(version).registration_at
        return not is_older(version, minimum) and (at is None or now < at)


def is_older(version: str, minimum: str) -> bool:
    """What is no version is not older than any."""
    parts = version.split(".")
    return all(part.isdigit() for part in parts) and [int(part) for part in parts] < [
        int(part) for part in minimum.split(".")
    ]
