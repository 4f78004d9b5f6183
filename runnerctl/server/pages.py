"""Where a page of a list begins and ends: a row's number, as a text that callers pass on."""

from __future__ import annotations

import base64
import binascii

from runnerctl.core.domain.names import invalid

_MOST_DIGITS = 19
"""SQLite counts no further than 2⁶³."""


def cursor(text: str | None) -> int | None:
    """Where the page before has ended; None for the first."""
    if text is None:
        return None
    try:
        digits = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        digits = b""
    if not (digits.isdigit() and len(digits) < _MOST_DIGITS):
        raise invalid("cursor", "The cursor is not one of ours", hint="Pass on `next` as it was given")
    return int(digits)


def next_cursor(number: int | None) -> str | None:
    return None if number is None else base64.urlsafe_b64encode(b"%d" % number).decode()
