"""Where a page of a list begins and ends: a row's number, as a text that callers pass on."""

from __future__ import annotations

import base64
import binascii

from runnerctl.core.domain.names import invalid

_LAST_CURSOR = 2**63 - 1
"""SQLite counts no further."""


def cursor(text: str | None) -> int | None:
    """Where the page before has ended; None for the first."""
    if text is None:
        return None
    try:
        told = int(base64.b64decode(text, altchars=b"-_", validate=True)[:20])
        if not 0 <= told <= _LAST_CURSOR:
            raise ValueError("no row has that number")
    except (binascii.Error, ValueError) as exc:
        raise invalid("cursor", "The cursor is not one of ours", hint="Pass on `next` as it was given") from exc
    return told


def next_cursor(number: int | None) -> str | None:
    return None if number is None else base64.urlsafe_b64encode(b"%d" % number).decode()
