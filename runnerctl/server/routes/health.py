"""Whether the server lives and is ready; asked without a token."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import Action

from ..answers import json_answer
from ..keys import READINESS
from ..routing import Route


async def health(_: web.Request) -> web.Response:
    return json_answer({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """503 while starting and stopping, when the store cannot be read, and when a thread that sees to runners hangs."""
    readiness = request.app[READINESS]
    document = readiness.document()
    return json_answer(document, status=200 if document["status"] == "ready" else 503)


ROUTES = (
    Route("GET", "/health", health, Action.HEALTH),
    Route("GET", "/livez", health, Action.HEALTH),
    Route("GET", "/readyz", ready, Action.HEALTH),
)
