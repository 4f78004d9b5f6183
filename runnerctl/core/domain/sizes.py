"""Sizes as people type and read them: ``500M``, ``2G``; a unit is 1024 of the one before."""

from __future__ import annotations

import re

from .errors import InvalidRequest
from .phrases import quoted

_FORM = re.compile(r"(\d{1,15}(?:\.\d{1,3})?)\s*([KMGT])?(?:i?B)?", re.ASCII | re.IGNORECASE)
_UNITS = ("", "K", "M", "G", "T")


def count(text: str) -> int:
    """Bytes. Raises ``InvalidRequest`` for what is no size."""
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise InvalidRequest(f"{quoted(text)} is not a size", hint="Use 1000000, 500M or 2G")
    return int(float(form[1]) * 1024 ** _UNITS.index((form[2] or "").upper()))


def shown(size: int) -> str:
    """``0``, ``734K``, ``1.5G``: at most one digit after the point, and none from ten on."""
    number = float(size)
    for unit in _UNITS:
        if number < 1023.5 or unit == _UNITS[-1]:
            break
        number /= 1024
    digits = f"{number:.1f}" if number < 10 else f"{number:.0f}"
    return f"{digits.removesuffix('.0')}{unit}"
