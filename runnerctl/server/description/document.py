"""The whole description, put together of the routes' operations."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from functools import cache

from runnerctl import __version__

from ..answers import CHALLENGE, encoded
from ..routing import Route
from .examples import problem_example
from .json_schema import Schema, Schemas
from .operations import BEARER, errors_of, operation, tag
from .page import page

_ABOUT = """\
GitHub Actions runners on demand, on this host.

Each operation names the scope that a token needs; `operator` is whoever has no limits. What a caller may not see is
as if it were not there. A browser that has logged in shows the cookie of its session instead of a token.

Every answer has `X-Request-Id`. Errors are `application/problem+json` (RFC 9457), and `code` is what programs match
on. An unknown field or query parameter is refused, and so is one that is given twice. Where `GET` is described, `HEAD`
answers the same without a body; any other method is `405` with `Allow`, and any other address `404` (`not_found`).
A browser may send the cookie of a session instead of a token: see `POST /api/v1/session`. What a page of another site
sends with it, and a change without `X-CSRF-Token`, is `403`.
In a query, a parameter that is true or false may also be written `1`, `yes`, `0` or `no`; its mere name means true.
"""
_TAGS = {
    "runners": "Made, shown, listed, started, stopped, restarted, removed.",
    "jobs": "What runners ran.",
    "events": "What happened to runners, as it happens.",
    "logs": "What runners said.",
    "orphans": "What could not be cleared yet when its runner went.",
    "tokens": "Who may call. New tokens are made on the host: `runnerctl token create`.",
    "whoami": "Who calls.",
    "health": "Whether the server lives and is ready.",
    "metrics": "For Prometheus.",
    "sessions": "Of browsers: a cookie instead of a token, for as long as that counts.",
    "host": "This host, and what its runners take of it.",
    "pages": "The dashboard.",
    "description": "This description.",
}
_HEADERS = {
    "X-Request-Id": "Of this answer: the request's own, if that is sane.",
    "X-Runnerctl-Version": "The server's version.",
    "Idempotency-Replayed": "`true`: this is the first answer to that `Idempotency-Key` again.",
    "Location": "Where the new runner is.",
    "Retry-After": "Seconds until another try makes sense.",
    "WWW-Authenticate": "How to show a token.",
    "X-Told-By": "Whose word the lines are; `log`: a job can forge them.",
    "Content-Security-Policy": "What a browser may do with the page: use the style in it.",
    "ETag": "Of what is told: who names it in `If-None-Match` is told when it is the same.",
    "Set-Cookie": "The session's cookie: HttpOnly, SameSite=Strict, and over TLS Secure.",
    "Server-Timing": "How long the list took, in milliseconds.",
}
_EXAMPLES = {"WWW-Authenticate": CHALLENGE, "Retry-After": "2", "X-Told-By": "log", "Location": "/api/v1/runners/ci-1"}


_making = threading.Lock()
"""Sources are parsed for it, and Python 3.11 fails where two threads do that at once."""


def encoded_description(routes: tuple[Route, ...]) -> bytes:
    """Made once. Safe for threads."""
    with _making:
        return _encoded_description(routes)


def encoded_page(routes: tuple[Route, ...]) -> bytes:
    """The same as a page."""
    with _making:
        return _encoded_page(routes)


@cache
def _encoded_description(routes: tuple[Route, ...]) -> bytes:
    return encoded(describe(routes))


@cache
def _encoded_page(routes: tuple[Route, ...]) -> bytes:
    return page(describe(routes)).encode()


def describe(routes: Iterable[Route]) -> Schema:
    routes, schemas = tuple(routes), Schemas()
    paths: defaultdict[str, Schema] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = operation(route, schemas)
    kinds = {kind.__name__: kind for route in routes for kind in errors_of(route)}
    schemas.named["Problem"]["properties"]["code"]["enum"] = sorted({kind.code for kind in kinds.values()})
    return {
        "openapi": "3.1.0",
        "info": {"title": "runnerctl", "version": __version__, "description": _ABOUT, "license": {"name": "MIT"}},
        "servers": [{"url": "/"}],
        "tags": [_tag(name) for name in dict.fromkeys(map(tag, routes))],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.named.items())),
            "examples": {name: problem_example(kind) for name, kind in sorted(kinds.items())},
            "headers": {name: _header(name) for name in _HEADERS},
            "securitySchemes": {BEARER: {"type": "http", "scheme": "bearer", "description": _TOKENS}},
        },
    }


_TOKENS = "The operator's token, one of `runnerctl token create`, or the OIDC token of a workflow that the host allows."


def _tag(name: str) -> Schema:
    return {"name": name, **({"description": _TAGS[name]} if name in _TAGS else {})}


def _header(name: str) -> Schema:
    example = {"example": _EXAMPLES[name]} if name in _EXAMPLES else {}
    return {"description": _HEADERS[name], "schema": {"type": "string"}, **example}
