"""Pages of a list: in which order, and where the next one begins.

A page begins behind a row and not at a number of rows: what comes and goes meanwhile makes no other row appear twice or
not at all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class SortKey(StrEnum):
    """What a list of runners is sorted by; those that are equal, by their age."""

    CREATED = "created"
    """The oldest first."""
    AGE = "age"
    """The youngest first."""
    NAME = "name"
    """Without regard to case."""
    STATE = "state"
    """By the word."""
    CHANGED = "changed"
    """By when its state changed last."""


class Sort(NamedTuple):
    by: SortKey = SortKey.CREATED
    descending: bool = False
    """The other way round."""


OLDEST_FIRST = Sort()


class Place(NamedTuple):
    """Behind which row a page begins."""

    number: int
    """The row's own, by which those are told apart that are sorted alike."""
    key: str | float | None = None
    """What it is sorted by, where that is not its number."""


class Page(NamedTuple, Generic[T]):
    items: list[T]
    next: Place | None
    """Where the next page begins; None on the last."""
