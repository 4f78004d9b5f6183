"""Cursors: behind which row a page begins, for the list that it was given with and for whoever it was given to.

One that was made up says no more than where to begin: what is listed, and to whom, is decided for each page anew.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec
from aiohttp import web

from runnerctl.core.domain.names import invalid
from runnerctl.core.domain.paging import Place

from .answers import encoded
from .keys import ACTOR

_LONGEST = 256
_LAST = 2**63 - 1
"""SQLite counts no further."""
_NOT_OF_THE_LIST = frozenset({"cursor", "limit"})


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    of: str
    number: int
    key: str | float | None


def after(request: web.Request) -> Place | None:
    """Behind which row this page begins; None for the first. Raises ``InvalidRequest``."""
    text = request.query.get("cursor")
    if text is None:
        return None
    try:
        told = msgspec.json.decode(base64.b64decode(text[:_LONGEST], altchars=b"-_", validate=True), type=_Cursor)
        if told.of != _of(request) or not 0 <= told.number <= _LAST or not str(told.key).isascii():
            raise ValueError("another list's")
    except (binascii.Error, ValueError, msgspec.MsgspecError) as exc:
        hint = "Pass on `next` as it was given, with the query that it was given for"
        raise invalid("cursor", "The cursor is not one of this list", hint=hint) from exc
    return Place(told.number, told.key)


def following(request: web.Request, place: Place | None) -> str | None:
    """What ``next`` of this answer is."""
    if place is None:
        return None
    return base64.urlsafe_b64encode(encoded(_Cursor(_of(request), place.number, place.key))).decode()


def _of(request: web.Request) -> str:
    """Which list it is: what was asked for, in whose name."""
    asked = sorted((name, value) for name, value in request.query.items() if name not in _NOT_OF_THE_LIST)
    whole = encoded([request.path, request[ACTOR].tenant, asked])
    return hashlib.blake2b(whole, digest_size=6).hexdigest()
