"""Times as people type them: how long ago, or when."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from . import durations
from .errors import InvalidRequest
from .names import invalid
from .phrases import quoted

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?Z?", re.ASCII)


def moment(field: str, text: str, *, now: float) -> float:
    """``7d`` is so long before ``now``; ``2026-11-24T06:00:00Z`` is itself. Raises ``InvalidRequest``."""
    if _TIME.fullmatch(text):
        try:
            told = datetime.fromisoformat(text)
            return (told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError) as exc:
            raise _not_understood(field, text) from exc
    try:
        return now - durations.seconds(text)
    except InvalidRequest as exc:
        raise _not_understood(field, text) from exc


def since(field: str, text: str | None, *, now: float) -> float | None:
    """The same of what may be left out."""
    return None if text is None else moment(field, text, now=now)


def _not_understood(field: str, text: str) -> InvalidRequest:
    message = f"{quoted(text)} is no time"
    return invalid(field, message, hint="Use how long ago (90s, 2m, 1h, 7d), or a time such as 2026-11-24T06:00:00Z")
