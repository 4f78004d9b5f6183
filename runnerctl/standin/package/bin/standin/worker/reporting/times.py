"""Moments, in nanoseconds since 1970, as the runner writes them."""

from __future__ import annotations

import time


def now() -> int:
    return time.time_ns()


def stamp(moment: int) -> str:
    """Seven digits, as at the beginning of each log line."""
    return f"{_seconds(moment)}.{moment % 1_000_000_000 // 100:07d}Z"


def exact(moment: int) -> str:
    """The same without trailing zeros, as in JSON."""
    digits = f"{moment % 1_000_000_000 // 100:07d}".rstrip("0")
    return f"{_seconds(moment)}{'.' if digits else ''}{digits}Z"


def milliseconds(moment: int) -> str:
    return f"{_seconds(moment)}.{moment % 1_000_000_000 // 1_000_000:03d}Z"


def _seconds(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment // 1_000_000_000))
