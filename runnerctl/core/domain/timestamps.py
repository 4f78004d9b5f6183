"""Times as documents show them."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import overload


@overload
def timestamp(seconds: float) -> str: ...
@overload
def timestamp(seconds: None) -> None: ...
@overload
def timestamp(seconds: float | None) -> str | None: ...
def timestamp(seconds: float | None) -> str | None:
    """``2026-11-24T06:09:04Z``; None for a time that has not come."""
    return None if seconds is None else _timestamp(int(seconds))


def precise(seconds: float) -> str:
    """``2026-11-24T06:09:04.123Z``."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{_timestamp(whole)[:-1]}.{milliseconds:03}Z"


@lru_cache(maxsize=8192)
def _timestamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
