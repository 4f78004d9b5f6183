"""Who asks, as we see it."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import actor_document

from .. import bodies
from ..answers import json_answer
from ..keys import ACTOR
from ..routing import Access, Route


async def whoami(request: web.Request) -> web.Response:
    bodies.only(request)
    return json_answer(actor_document(request[ACTOR]))


ROUTES = (Route("GET", "/api/v1/whoami", whoami, Access.ANY_CALLER),)
