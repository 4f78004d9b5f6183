"""API tokens: listed and revoked by those who may. New ones are made by command only, where they are shown once."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import Action, issuing, token_document

from .. import bodies
from ..answers import json_answer
from ..keys import ACTOR, OFFLOAD, SERVICES
from ..routing import Route


async def listing(request: web.Request) -> web.Response:
    bodies.only(request, "all")
    services, tenant = request.app[SERVICES], request[ACTOR].tenant
    now = services.clock.now()
    found = services.store.tokens(every=bodies.flag(request, "all"))
    shown = [token for token in found if tenant is None or token.limits.tenant == tenant]
    return json_answer({"items": [token_document(token, now=now) for token in shown]})


async def revoke(request: web.Request) -> web.Response:
    bodies.only(request)
    services = request.app[SERVICES]
    token = await request.app[OFFLOAD].call(
        issuing.revoke, services, request.match_info["name"], tenant=request[ACTOR].tenant
    )
    return json_answer(token_document(token, now=services.clock.now()))


ROUTES = (
    Route("GET", "/api/v1/tokens", listing, Action.TOKEN_LIST),
    Route("DELETE", "/api/v1/tokens/{name}", revoke, Action.TOKEN_REVOKE),
)
