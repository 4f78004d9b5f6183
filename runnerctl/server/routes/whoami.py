"""Who asks, as we see it."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import Action, ActorDocument, actor_document

from ..answers import Answer
from ..keys import ACTOR, SERVICES
from ..routing import Route

CALLER = Answer(200, "The caller, its scopes and its limits.", ActorDocument)


async def whoami(request: web.Request) -> web.Response:
    """Show who asks, and what that caller may do."""
    services, actor = request.app[SERVICES], request[ACTOR]
    use = None if actor.tenant is None else services.store.tenant_use(actor.tenant)
    calls = services.settings.server.github_calls
    return CALLER.of(actor_document(actor, use, now=services.clock.now(), github_calls=calls))


ROUTES = (Route("GET", "/api/v1/whoami", whoami, Action.WHOAMI, (CALLER,)),)
