"""Who asks, as we see it."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import Action, actor_document

from .. import bodies
from ..answers import json_answer
from ..keys import ACTOR, SERVICES
from ..routing import Route


async def whoami(request: web.Request) -> web.Response:
    bodies.only(request)
    services, actor = request.app[SERVICES], request[ACTOR]
    use = None if actor.tenant is None else services.store.tenant_use(actor.tenant)
    calls = services.settings.server.github_calls
    return json_answer(actor_document(actor, use, now=services.clock.now(), github_calls=calls))


ROUTES = (Route("GET", "/api/v1/whoami", whoami, Action.WHOAMI),)
