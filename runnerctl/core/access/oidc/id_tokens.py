"""A workflow's OIDC token: whether it is the issuer's, for us, and now. Nothing of it is believed before that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ...domain.errors import Unauthorized
from .workflow_rules import is_repository

LEEWAY_SECONDS = 60
"""How far clocks may be apart."""
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)
_REQUIRED = ["iss", "aud", "exp", "nbf", "iat", "sub", "repository"]
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 8192
"""Tokens are checked on the event loop: a key of 100,000 bits would hold everybody up."""
_REASONS: Mapping[type[jwt.InvalidTokenError], str] = {
    jwt.ExpiredSignatureError: "has expired",
    jwt.ImmatureSignatureError: "is not valid yet",
    jwt.InvalidAudienceError: "is for another audience",
    jwt.InvalidIssuerError: "is another issuer's",
    jwt.InvalidAlgorithmError: "is not signed by the issuer",
    jwt.InvalidSignatureError: "is not signed by the issuer",
}
"""In our words: the library's may quote the token."""
_HINT = "Ask GitHub for a new token with the server's audience; see docs/security.md"


class SigningKey(NamedTuple):
    """A public key with the one algorithm that it is for: the token never chooses."""

    key: RSAPublicKey | EllipticCurvePublicKey
    algorithm: str


def has_form(text: str) -> bool:
    """Three parts of base64url: no other token of ours looks like that."""
    return _FORM.fullmatch(text) is not None


def key_id(token: str) -> str:
    """Which key claims to have signed it. Raises ``Unauthorized``."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, RecursionError) as exc:  # the latter by brackets in brackets, PyJWT 2.8
        raise _refused("cannot be read") from exc
    kid = header.get("kid")
    # `crit` names what must be understood, and we understand nothing beyond.
    if not isinstance(kid, str) or "crit" in header:
        raise _refused("cannot be read")
    return kid


def proven(token: str, key: SigningKey, *, issuer: str, audience: str) -> dict[str, Any]:
    """Its claims, ``repository`` among them. Raises ``Unauthorized`` saying why it does not count."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            issuer=issuer,
            audience=audience,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED, "strict_aud": True},
        )
    except jwt.InvalidTokenError as exc:
        raise _refused(_reason(exc)) from exc
    if not is_repository(claims["repository"]):
        raise _refused("names no repository")
    return claims


def signing_keys(document: object) -> dict[str, SigningKey]:
    """Those of a JWK set that are for signatures that we check, by id; others are passed over."""
    listed = document.get("keys") if isinstance(document, Mapping) else None
    found: dict[str, SigningKey] = {}
    for data in listed if isinstance(listed, list) else []:
        key = _signing_key(data) if isinstance(data, dict) else None
        if key is not None:
            found[data["kid"]] = key
    return found


def _signing_key(data: dict[str, Any]) -> SigningKey | None:
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(data.get("kty")))
    ours = isinstance(data.get("kid"), str) and data.get("use", "sig") == "sig"
    if algorithm is None or not ours or data.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK.from_dict(data, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError):
        return None
    if isinstance(key, RSAPublicKey):
        return SigningKey(key, algorithm) if _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS else None
    if isinstance(key, EllipticCurvePublicKey):
        return SigningKey(key, algorithm) if key.curve.name == "secp256r1" else None
    return None


def _reason(exc: jwt.InvalidTokenError) -> str:
    if isinstance(exc, jwt.MissingRequiredClaimError):
        return f"lacks the claim {exc.claim}"
    return next((why for kind, why in _REASONS.items() if isinstance(exc, kind)), "cannot be read")


def _refused(what: str) -> Unauthorized:
    return Unauthorized(f"The workflow's token {what}", hint=_HINT)
