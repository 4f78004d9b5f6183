"""What a text of a document looks like: said by its type, read by who describes documents."""

from __future__ import annotations

from typing import Annotated, NamedTuple


class Shape(NamedTuple):
    """In JSON Schema's words."""

    format: str


Time = Annotated[str, Shape(format="date-time")]
"""``2026-11-24T06:09:04Z``."""
