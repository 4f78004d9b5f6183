"""What a route is: where, who answers, and what it does. Who may have that, the table of ``access/policy.py`` says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from aiohttp import web

from runnerctl.core import Access, Action, Right, policy

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    method: str
    path: str
    handler: Handler
    does: Action

    @property
    def needs(self) -> Right | Access:
        return policy.TABLE[self.does].needs

    @property
    def action(self) -> str | None:
        """For the audit log, if it changes anything."""
        return self.does if policy.TABLE[self.does].changes else None


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
