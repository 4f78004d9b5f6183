"""Who calls: a value, and the caller behind an ``Authorization`` header."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeGuard

import jwt
from jwt import api_jws

from .accounts import APP_ID, CLIENT_ID
from .state import GitHub
from .tokens import Token, TokenKind
from .values import Scope

MAX_JWT_SECONDS = 600


class CallerKind(StrEnum):
    ANONYMOUS = "anonymous"
    APP = "app"
    INSTALLATION = "installation"
    USER = "user"
    REMOTE_AUTH = "remote-auth"


@dataclass(frozen=True, kw_only=True)
class Caller:
    kind: CallerKind
    name: str
    """Whose rate limit it is, in the words of GitHub's message."""
    owner: str | None = None
    permissions: Mapping[str, str] = field(default_factory=dict)
    repositories: frozenset[str] | None = None
    scope: Scope | None = None
    token: Token | None = None


class NotRecognized(Exception):
    """The credentials are no good."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


ANONYMOUS = Caller(kind=CallerKind.ANONYMOUS, name="127.0.0.1")
APP = Caller(kind=CallerKind.APP, name=f"app ID {APP_ID}")
_UNDECODABLE = "A JSON web token could not be decoded"


def identify(github: GitHub, authorization: str | None) -> Caller:
    """Raises NotRecognized, in GitHub's words."""
    if not authorization:
        return ANONYMOUS
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer" if value.startswith("eyJ") and value.count(".") == 2:
            check_app_jwt(github, value)
            return APP
        case "bearer" | "token":
            return _token_caller(github, value)
        case "basic":
            return _token_caller(github, _basic_password(value))
        case "remoteauth":
            return _token_caller(github, value, remote_auth=True)
    raise NotRecognized(401, "Bad credentials")


def _token_caller(github: GitHub, value: str, *, remote_auth: bool = False) -> Caller:
    token = github.tokens.find(value, now=github.now())
    match token.kind if token else None:
        case TokenKind.INSTALLATION if token and not remote_auth:
            installation = github.accounts.installation(token.owner or "")
            return Caller(
                kind=CallerKind.INSTALLATION,
                name=f"installation ID {installation.id if installation else 0}",
                owner=token.owner,
                permissions=token.permissions,
                repositories=token.repositories,
                token=token,
            )
        case TokenKind.USER if token and not remote_auth:
            return Caller(kind=CallerKind.USER, name="user ID 1", token=token)
        case TokenKind.REGISTRATION | TokenKind.REMOVE if token and remote_auth:
            return Caller(kind=CallerKind.REMOTE_AUTH, name="config.sh", scope=token.scope, token=token)
    # GitHub answers config.sh with 404 when it does not know the registration token.
    raise NotRecognized(404, "Not Found") if remote_auth else NotRecognized(401, "Bad credentials")


def _basic_password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise NotRecognized(401, "Bad credentials") from exc


def check_app_jwt(github: GitHub, token: str) -> None:
    """Verifies a JWT of the App as GitHub does. Raises NotRecognized with GitHub's message."""
    claims = _claims(token)
    if str(claims.get("iss")) not in {str(APP_ID), CLIENT_ID}:
        raise NotRecognized(404, "Integration not found")
    try:
        api_jws.decode(token, github.app_key, algorithms=["RS256"])
    except jwt.PyJWTError as exc:
        raise NotRecognized(401, _UNDECODABLE) from exc
    _check_times(claims, now=github.now())


def _claims(token: str) -> dict[str, Any]:
    try:
        claims = json.loads(api_jws.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError) as exc:
        raise NotRecognized(401, _UNDECODABLE) from exc
    if not isinstance(claims, dict):
        raise NotRecognized(401, _UNDECODABLE)
    return claims


def _check_times(claims: Mapping[str, Any], *, now: float) -> None:
    expires, issued = claims.get("exp"), claims.get("iat")
    if not _is_integer(expires) or expires <= now:
        raise NotRecognized(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time "
            "at which the assertion expires",
        )
    if expires > now + MAX_JWT_SECONDS:
        raise NotRecognized(401, "'Expiration time' claim ('exp') is too far in the future")
    if not _is_integer(issued) or issued > now:
        raise NotRecognized(
            401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        )


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
