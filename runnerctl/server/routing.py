"""What a route is: where, who answers, what the caller must be allowed, and how the audit log calls it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from aiohttp import web

from runnerctl.core import Right

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Access(Enum):
    """For routes that need no certain right."""

    OPEN = "open"
    """Answered without a token; a wrong one is ignored."""
    ANY_CALLER = "any caller"
    """A good token of any kind."""
    OPERATOR = "operator"
    """Whoever has no limits: what it is about is the whole host."""


class Route(NamedTuple):
    method: str
    path: str
    handler: Handler
    needs: Right | Access
    action: str | None = None
    """What it does, if it changes anything."""


Rules = Mapping[Handler, Route]


def add(app: web.Application, routes: Iterable[Route]) -> Rules:
    """Adds them to the application; returns them by handler."""
    rules: dict[Handler, Route] = {}
    for route in routes:
        if route.method == "GET":
            app.router.add_get(route.path, route.handler)  # and HEAD
        else:
            app.router.add_route(route.method, route.path, route.handler)
        rules[route.handler] = route
    return rules
