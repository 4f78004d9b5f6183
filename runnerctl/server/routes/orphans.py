"""What could not be cleared yet when its runner went: shown, and forgotten. Of the whole host, so for its operator."""

from __future__ import annotations

from aiohttp import web

from runnerctl import core
from runnerctl.core import Action
from runnerctl.core.domain.documents import orphan_document
from runnerctl.core.domain.names import invalid
from runnerctl.core.domain.phrases import quoted

from .. import bodies
from ..answers import json_answer
from ..keys import OBJECT, OFFLOAD, SERVICES
from ..routing import Route


async def listing(request: web.Request) -> web.Response:
    bodies.only(request)
    orphans = await request.app[OFFLOAD].call(request.app[SERVICES].store.orphans)
    return json_answer({"items": [orphan_document(orphan) for orphan in orphans]})


async def forget(request: web.Request) -> web.Response:
    """What it is about stays as it is."""
    bodies.only(request)
    services, offload = request.app[SERVICES], request.app[OFFLOAD]
    request[OBJECT] = request.match_info["id"]
    found = await offload.call(core.find_orphan, services, _number(request))
    request[OBJECT] = found.what
    forgotten = await offload.call(core.forget_orphan, services, found.id)
    return json_answer({**orphan_document(forgotten), "status": "forgotten"})


def _number(request: web.Request) -> int:
    text = request.match_info["id"]
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise invalid("id", f"{quoted(text)} is not the number of an orphan", hint="{orphans} lists them")


ROUTES = (
    Route("GET", "/api/v1/orphans", listing, Action.ORPHAN_LIST),
    Route("DELETE", "/api/v1/orphans/{id}", forget, Action.ORPHAN_FORGET),
)
