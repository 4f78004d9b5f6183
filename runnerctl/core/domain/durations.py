"""Durations as people type them: ``90``, ``90s``, ``2m``, ``1h``."""

from __future__ import annotations

import re

from .errors import InvalidRequest
from .phrases import quoted

FORM = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """Raises ``InvalidRequest`` for anything else."""
    form = FORM.fullmatch(text.strip())
    if form is None:
        raise InvalidRequest(f"{quoted(text)} is not a duration", hint="Use 90, 90s, 2m or 1h")
    return float(form[1]) * _SECONDS[form[2] or "s"]


def shown(duration: float) -> str:
    """For people: ``45 s``, ``5 min``, ``2 h``; never ``0 s``."""
    seconds_ = max(1, round(duration))
    if seconds_ < 120:
        return f"{seconds_} s"
    return f"{round(seconds_ / 60)} min" if seconds_ < 7200 else f"{round(seconds_ / 3600)} h"


def typed(duration: float) -> str:
    """As one would type it, in the largest unit that loses nothing: ``30d``, ``90s``, ``1.5s``."""
    for unit in ("d", "h", "m"):
        if duration and duration % _SECONDS[unit] == 0:
            return f"{duration / _SECONDS[unit]:.0f}{unit}"
    return f"{duration:.3f}".rstrip("0").rstrip(".") + "s"
