"""Times as GitHub writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_zone(seconds: float) -> str:
    """The other form, of registration tokens: ``2026-11-24T06:09:04.000+00:00``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def http_date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
