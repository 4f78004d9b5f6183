"""What a route is: where, who answers, what it does, and how that ends. Who may have it, the table of
``access/policy.py`` says; what it takes, its handler's parameters.

The API's description is made of this and of nothing beside it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from inspect import get_annotations
from typing import Annotated, Any, NamedTuple

import msgspec
from aiohttp import web

from runnerctl.core import Access, Action, Right, policy
from runnerctl.core.domain import errors

from . import bodies, queries
from .answers import Answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Errors = tuple[type[errors.RunnerctlError], ...]

NAMED: Errors = (errors.RunnerNotFound,)
"""Of what is about a runner by its name."""
CHANGES: Errors = (errors.StateOfAnotherHost, errors.BackendFailed, errors.DiskFull)
"""Of what changes anything on the host."""
IDEMPOTENCY: Errors = (errors.IdempotencyInProgress, errors.IdempotencyMismatch)
"""Of what is made once for each ``Idempotency-Key``."""
GITHUB: Errors = (
    errors.GitHubCredentials,
    errors.GitHubNotFound,
    errors.GitHubRefused,
    errors.GitHubUnavailable,
    errors.GitHubRateLimited,
    errors.ConfigInvalid,
)
"""Of what asks GitHub with our credentials."""


IF_NONE_MATCH = (
    "If-None-Match",
    Annotated[str, msgspec.Meta(description="The `ETag` of an answer: 304 while nothing has changed.")],
)
IDEMPOTENCY_KEY = (
    "Idempotency-Key",
    Annotated[
        str,
        msgspec.Meta(
            description="Whoever sends the request again within a day, with the same key, gets the first answer again.",
            extra_json_schema={"minLength": 1, "maxLength": 255},
        ),
    ],
)


class Asked(NamedTuple):
    """What a handler takes beside the request."""

    path: Mapping[str, Any]
    """Types of the parts of the address, by name."""
    query: type[msgspec.Struct]
    body: type[msgspec.Struct] | None


class Route(NamedTuple):
    """``handler`` takes the request, then the parts of the address by their names, ``query`` and ``body``: those that
    it has. The first line of its docstring sums it up.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[web.StreamResponse]]
    does: Action
    answers: tuple[Answer[Any], ...] = ()
    errors: Errors = ()
    """In which it can end; those of every route are not named."""
    headers: tuple[tuple[str, Any], ...] = ()
    """Those of a request that it looks at, with their types."""
    any_query: bool = False
    """Whatever else its query holds is not looked at."""

    @property
    def needs(self) -> Right | Access:
        return policy.TABLE[self.does].needs

    @property
    def action(self) -> str | None:
        """For the audit log, if it changes anything."""
        return self.does if policy.TABLE[self.does].changes else None

    @property
    def asked(self) -> Asked:
        return _asked(self.handler)


@lru_cache
def _asked(handler: Callable[..., Awaitable[web.StreamResponse]]) -> Asked:
    given = get_annotations(handler, eval_str=True)
    del given["return"]
    _, *names = given
    path = {name: given[name] for name in names if name not in {"query", "body"}}
    return Asked(path, given.get("query", queries.NoQuery), given.get("body"))


Rules = Mapping[Handler, Route]


def add(app: web.Application, routes: Iterable[Route]) -> Rules:
    """Adds them to the application; returns them by handler."""
    rules: dict[Handler, Route] = {}
    for route in routes:
        handler = _reading(route)
        if route.method == "GET":
            app.router.add_get(route.path, handler)  # and HEAD
        else:
            app.router.add_route(route.method, route.path, handler)
        rules[handler] = route
    return rules


def _reading(route: Route) -> Handler:
    """The route's handler, given what it takes."""
    path, query, body = route.asked
    with_query = query is not queries.NoQuery

    async def handle(request: web.Request) -> web.StreamResponse:
        given: dict[str, Any] = {name: request.match_info[name] for name in path}
        if with_query:
            given["query"] = queries.read(request, query, others=route.any_query)
        elif not route.any_query:
            queries.read(request, query)
        if body is not None:
            given["body"] = await bodies.read(request, body)
        return await route.handler(request, **given)

    return handle
