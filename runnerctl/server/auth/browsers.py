"""What other sites lead browsers to, and is refused: names that are not ours, requests of pages that are not ours.

A site may have its own name resolve to this host (DNS rebinding): then its pages and we are one origin to a browser,
and the name in ``Host`` alone tells. An address cannot be taken over like that.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web

from runnerctl.core import sessions
from runnerctl.core.domain.errors import Forbidden
from runnerctl.core.domain.phrases import quoted

CSRF_HEADER = "X-CSRF-Token"
CHANGING = frozenset({"POST", "DELETE", "PUT", "PATCH"})
_LOOPBACK = frozenset({"localhost"})


def check_host(request: web.Request, hosts: Collection[str] | None) -> None:
    """Raises ``Forbidden`` unless the browser knows us by an address, as localhost, or by one of ``hosts``."""
    name = _hostname(request.headers.get("Host", ""))
    if name in _LOOPBACK or name in (hosts or ()) or _is_address(name):
        return
    raise Forbidden(
        f"Browsers may not reach this server as {quoted(name)}",
        hint="If that is its name, the operator adds it to server.hosts (RUNNERCTL_HOSTS)",
    )


def check_own_page(request: web.Request) -> None:
    """Raises ``Forbidden`` for what a page of another site has the browser send. Who is no browser says neither."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        allowed = site == "same-origin" or (site == "none" and request.method not in CHANGING)
    else:
        allowed = origin is None or _netloc(origin) == request.headers.get("Host", "").lower()
    if not allowed:
        raise Forbidden("A page of another site asked for that", hint="Open the dashboard itself")


def check_csrf_token(request: web.Request, secret: str) -> None:
    """Raises ``Forbidden`` for a change that does not say what only our own page knows."""
    if request.method not in CHANGING:
        return
    said = request.headers.get(CSRF_HEADER, "")
    expected = sessions.csrf_token(secret)
    if not hmac.compare_digest(said.encode(errors="surrogateescape"), expected.encode()):
        raise Forbidden(
            f"The header {CSRF_HEADER} is missing or wrong", hint="GET /api/v1/session tells it; reload the page"
        )


def _netloc(origin: str) -> str | None:
    """Host and port; None for what is no origin, such as ``null``."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _hostname(host: str) -> str:
    """Without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
