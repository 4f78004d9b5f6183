"""The cookie of a session: hidden from pages, sent by none of another site, and over TLS kept to this very host.

Cookies know no ports: two servers behind one name, such as two tunnels to localhost, have one each by their names.
"""

from __future__ import annotations

from aiohttp import web

from .sources import Sources

_NAME = "runnerctl"
_LONGEST = 128


def secret(request: web.Request, sources: Sources) -> str | None:
    """The value of the browser's cookie, if it sent one."""
    value = request.cookies.get(_name(request, sources))
    return value if value and len(value) <= _LONGEST else None


def give(answer: web.StreamResponse, request: web.Request, sources: Sources, value: str, *, seconds: float) -> None:
    answer.set_cookie(
        _name(request, sources),
        value,
        max_age=int(seconds),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=sources.is_encrypted(request),
    )


def take_back(answer: web.StreamResponse, request: web.Request, sources: Sources) -> None:
    give(answer, request, sources, "", seconds=0)


def _name(request: web.Request, sources: Sources) -> str:
    _, colon, port = request.headers.get("Host", "").rpartition(":")
    prefix = "__Host-" if sources.is_encrypted(request) else ""
    return f"{prefix}{_NAME}-{port}" if colon and port.isascii() and port.isdigit() else f"{prefix}{_NAME}"
