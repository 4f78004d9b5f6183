"""Asks an OIDC issuer for the keys that it signs with: its configuration, then the key set that this names."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import requests

from ...domain.clock import Clock
from ...domain.errors import IssuerUnavailable
from ...domain.trusted_addresses import is_trustworthy
from .id_tokens import SigningKey, signing_keys

_PATIENCE_SECONDS = 5.0
_DEADLINE_SECONDS = 10.0
_MOST_BYTES = 256 * 1024
_CONFIGURATION = "/.well-known/openid-configuration"


def fetch(issuer: str, *, clock: Clock, user_agent: str) -> dict[str, SigningKey]:
    """Its keys by id. Blocks for some 20 s at most. Raises ``IssuerUnavailable`` unless it has at least one for us."""
    configuration = _document(f"{issuer}{_CONFIGURATION}", clock, user_agent)
    if configuration.get("issuer") != issuer:
        raise _unavailable(issuer, "its configuration is another issuer's")
    keys = signing_keys(_document(_address_of_keys(issuer, configuration), clock, user_agent))
    if not keys:
        raise _unavailable(issuer, "it offers no RS256 or ES256 key")
    return keys


def _address_of_keys(issuer: str, configuration: dict[str, Any]) -> str:
    """Another host is the issuer's own choice: who could change it in there could change the keys as well.

    Not so http to this machine. Jobs can listen on its ports: an issuer beyond it that names one, as behind a proxy
    that does not know its own address, would have them vouch for themselves.
    """
    address = configuration.get("jwks_uri")
    if not isinstance(address, str) or not is_trustworthy(address):
        raise _unavailable(issuer, "its configuration names no https address of keys")
    if urlsplit(address).scheme not in {"https", urlsplit(issuer).scheme}:
        raise _unavailable(issuer, "its configuration has its keys on this machine, in the clear")
    return address


def _document(address: str, clock: Clock, user_agent: str) -> dict[str, Any]:
    try:
        document = json.loads(_body(address, clock, user_agent))
    except requests.RequestException as exc:
        # Only the kind: the text can hold the address of a proxy, with its password.
        raise _unavailable(address, f"no answer ({type(exc).__name__})") from exc
    except (ValueError, RecursionError) as exc:
        raise _unavailable(address, "the answer is not JSON") from exc
    if not isinstance(document, dict):
        raise _unavailable(address, "the answer is not a JSON object")
    return document


def _body(address: str, clock: Clock, user_agent: str) -> bytes:
    """No redirect is followed: the issuer is who it is at its own address."""
    deadline = clock.monotonic() + _DEADLINE_SECONDS
    headers = {"Accept": "application/json", "User-Agent": user_agent}
    with requests.get(
        address, headers=headers, timeout=_PATIENCE_SECONDS, allow_redirects=False, stream=True
    ) as answer:
        if answer.status_code != 200:
            raise _unavailable(address, f"the answer is {answer.status_code}")
        body = b""
        for chunk in answer.iter_content(None):
            body += chunk
            if len(body) > _MOST_BYTES or clock.monotonic() > deadline:
                raise _unavailable(address, "the answer is too long, or takes too long")
        return body


def _unavailable(address: str, why: str) -> IssuerUnavailable:
    return IssuerUnavailable(
        f"The keys of workflows' tokens cannot be had from {address!r}: {why}",
        hint="Nobody gets in with such a token until they can",
    )
