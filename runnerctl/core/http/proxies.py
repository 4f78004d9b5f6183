"""Which proxy leads to an address."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from .settings import HttpSettings

_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, settings: HttpSettings) -> str | None:
    """None: straight there. Raises ``ValueError`` for a URL that is none."""
    parts = urlsplit(url)
    proxy = settings.https_proxy if parts.scheme == "https" else settings.http_proxy
    if proxy is None or any(_exempts(entry, parts) for entry in settings.no_proxy):
        return None
    return proxy


def _exempts(entry: str, url: SplitResult) -> bool:
    """``*``, a domain with all below it, an address, a network; each but the last also with a port."""
    host = (url.hostname or "").rstrip(".")
    if entry == "*":
        return True
    network = _network(entry)
    if network is not None:
        address = _address(host)
        return address is not None and address in network
    name, port = _split_port(entry.lower())
    if port is not None and port != (url.port or _PORTS.get(url.scheme)):
        return False
    domain = name.strip("[]").lstrip("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _split_port(entry: str) -> tuple[str, int | None]:
    name, colon, port = entry.rpartition(":")
    bare_ipv6 = ":" in name and not entry.startswith("[")
    return (entry, None) if not colon or bare_ipv6 or not port.isdecimal() else (name, int(port))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
