"""Asks an OIDC issuer for the keys that it signs with: its configuration, then the key set that this names."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from ...domain.errors import IssuerUnavailable
from ...domain.trusted_addresses import is_trustworthy
from ...http.client import HttpClient
from ...http.failures import HttpFailure
from ...http.settings import HttpSettings
from .id_tokens import SigningKey, signing_keys

_DOCUMENT_SECONDS = 5.0
_MOST_BYTES = 256 * 1024
_CONFIGURATION = "/.well-known/openid-configuration"


def fetch(issuer: str, *, http: HttpSettings, user_agent: str) -> dict[str, SigningKey]:
    """Its keys by id, within 10 s. Raises ``IssuerUnavailable`` unless it has at least one for us."""
    client = HttpClient(http, user_agent=user_agent)
    try:
        return _keys(issuer, client)
    finally:
        client.close()


def _keys(issuer: str, http: HttpClient) -> dict[str, SigningKey]:
    configuration = _document(f"{issuer}{_CONFIGURATION}", http)
    if configuration.get("issuer") != issuer:
        raise _unavailable(issuer, "its configuration is another issuer's")
    keys = signing_keys(_document(_address_of_keys(issuer, configuration), http))
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
        raise _unavailable(issuer, "its configuration names no https address for keys")
    if urlsplit(address).scheme not in {"https", urlsplit(issuer).scheme}:
        raise _unavailable(issuer, "its configuration names keys on this machine without TLS")
    return address


def _document(address: str, http: HttpClient) -> dict[str, Any]:
    try:
        document = json.loads(_body(address, http))
    except HttpFailure as exc:
        raise _unavailable(address, f"no answer: {exc.reason}") from exc
    except (ValueError, RecursionError) as exc:
        raise _unavailable(address, "the answer is not JSON") from exc
    if not isinstance(document, dict):
        raise _unavailable(address, "the answer is not a JSON object")
    return document


def _body(address: str, http: HttpClient) -> bytes:
    """No redirect is followed: the issuer is who it is at its own address."""
    headers = {"Accept": "application/json"}
    answer = http.send("GET", address, headers=headers, seconds=_DOCUMENT_SECONDS, max_bytes=_MOST_BYTES)
    if answer.status != 200:
        raise _unavailable(address, f"the answer is {answer.status}")
    return answer.body


def _unavailable(address: str, why: str) -> IssuerUnavailable:
    return IssuerUnavailable(
        f"The keys of workflow tokens cannot be fetched from {address!r}: {why}",
        hint="Workflow tokens are refused until then; API tokens still work",
    )
