"""Addresses whose answers nobody on the way can change."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_trustworthy(address: str) -> bool:
    """Whether that is https, or http to this machine, without a user name."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "@" in address or not host or not address.isprintable() or " " in address:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
