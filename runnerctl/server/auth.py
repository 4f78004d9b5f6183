"""Who calls: the operator, by bearer token."""

from __future__ import annotations

import hashlib
import hmac

from runnerctl.core.errors import Unauthorized

PUBLIC = frozenset({"/health", "/livez", "/readyz"})
"""Answered without a token; a wrong one is ignored there."""


class Door:
    """Compares in constant time, and keeps only the token's digest."""

    def __init__(self, token: str) -> None:
        self.change(token)

    def change(self, token: str) -> None:
        """Another token from now on."""
        self._expected = _digest(token)
        self._usual = _digest(f"Bearer {token}")

    def check(self, authorization: str | None) -> None:
        """Raises ``Unauthorized`` unless the header is ``Bearer`` with the right token."""
        # Digests have one length, so that a comparison tells nothing about the token's.
        if authorization and hmac.compare_digest(_digest(authorization), self._usual):
            return
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("A bearer token is needed", hint="Send the header: Authorization: Bearer TOKEN")
        if not hmac.compare_digest(_digest(token.strip()), self._expected):
            raise Unauthorized("The bearer token is wrong", hint="Compare it with the server's API token")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
