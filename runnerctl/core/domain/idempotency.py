"""Requests that are made once, however often they are sent."""

from __future__ import annotations

from typing import NamedTuple

KEPT_SECONDS = 86400.0
"""A day."""
MOST_KEPT = 10_000
"""Of one caller; of more the oldest are forgotten."""
MOST_BYTES = 16 * 1024 * 1024
"""The same for their answers."""


class Asked(NamedTuple):
    """Which request it is. Both are digests: no key and no body is kept."""

    caller: str
    key: str
    body: str


class KeptAnswer(NamedTuple):
    """What the first of its kind was answered, without the variables of jobs."""

    status: int
    location: str | None
    body: bytes
