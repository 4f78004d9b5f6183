"""Where a request came from: the peer's address, or what a trusted proxy says of it."""

from __future__ import annotations

import ipaddress
import socket

from aiohttp import web

UNIX = "unix"
"""A peer at a unix socket, and the word by which ``server.trusted_proxies`` trusts it."""
PASSED_ON = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "Via")
"""By these a request says that it comes from somebody else."""

_MOST_HOPS = 16
"""Of those that an address was passed on by: nobody has more proxies, and a header has room for hundreds."""


class Networks:
    """As settings name them: with commas between, and ``unix`` for the unix socket."""

    def __init__(self, text: str | None) -> None:
        words = [word.strip() for word in (text or "").split(",") if word.strip()]
        self._unix = UNIX in words
        self._networks = [ipaddress.ip_network(word, strict=False) for word in words if word != UNIX]

    def hold(self, address: str) -> bool:
        if address == UNIX:
            return self._unix
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._networks)


class Sources:
    """``trusted``: whose ``X-Forwarded-For`` counts; nobody else's does."""

    def __init__(self, trusted: str | None) -> None:
        self.trust(trusted)

    def trust(self, trusted: str | None) -> None:
        """Others from now on."""
        self._proxies = Networks(trusted)

    def of(self, request: web.Request) -> str:
        """The last address on the way here that is no trusted proxy."""
        address = _peer(request)
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]
        while forwarded and self._proxies.hold(address):
            before = _address(forwarded.pop())
            if before is None:
                break
            address = before
        return address

    def own_of(self, request: web.Request) -> str | None:
        """The same, where nobody may have passed it on unseen; None where somebody did who is not trusted."""
        if any(name in request.headers for name in PASSED_ON):
            told = "X-Forwarded-For" in request.headers and self._proxies.hold(_peer(request))
            return self.of(request) if told else None
        return _peer(request)

    def is_encrypted(self, request: web.Request) -> bool:
        """Whether it travelled by TLS as far as we can tell: to us, or to a trusted proxy that says so."""
        if request.transport is not None and request.transport.get_extra_info("sslcontext") is not None:
            return True
        said = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        return said == "https" and self._proxies.hold(_peer(request))


def _peer(request: web.Request) -> str:
    return peer_address(request.transport.get_extra_info("peername") if request.transport else None) or UNIX


def peer_address(peer: object) -> str | None:
    """Of what a socket calls its peer; None at a unix socket."""
    return _address(peer[0]) if isinstance(peer, tuple) else None


def _address(text: str) -> str | None:
    try:
        parsed = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def neighbourhood(source: str) -> str:
    """What one caller may have all of: of an IPv6 address its /64, of a loopback's the loopback; else it alone."""
    try:
        parsed = ipaddress.ip_address(source)
    except ValueError:
        return source
    if parsed.is_loopback:
        return "loopback"
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else source


def unix_peer(request: web.Request) -> socket.socket | None:
    """The socket of a caller at our unix socket."""
    found = request.transport.get_extra_info("socket") if request.transport else None
    return found if found is not None and found.family == socket.AF_UNIX else None
