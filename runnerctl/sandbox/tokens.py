"""The tokens that the sandbox has given out, and until when they hold."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .values import Scope

_LETTERS = string.ascii_letters + string.digits
_APP = "1234567"
_SIGNATURE = 342
"""Of RSA with 2048 bits, in base64."""


class TokenKind(StrEnum):
    INSTALLATION = "installation"
    USER = "user"
    REGISTRATION = "registration"
    REMOVE = "remove"
    RUNNER = "runner"
    """What a Listener gets for its assertion."""


@dataclass(frozen=True, kw_only=True)
class Token:
    value: str
    kind: TokenKind
    expires_at: float
    owner: str | None = None
    """The account of the installation."""
    permissions: Mapping[str, str] = field(default_factory=dict)
    repositories: frozenset[str] | None = None
    """Lower-case names; None is all of the owner's."""
    scope: Scope | None = None
    runner_id: int | None = None
    job_id: int | None = None
    """The job whose ``GITHUB_TOKEN`` it is."""


class Tokens:
    """Tokens by value. An expired one is as unknown as one that never was."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def keep(self, token: Token) -> Token:
        self._tokens[token.value] = token
        return token

    def find(self, value: str, *, now: float) -> Token | None:
        token = self._tokens.get(value)
        return token if token and now < token.expires_at else None

    def forget(self, value: str) -> None:
        self._tokens.pop(value, None)

    def forget_all(self, kind: TokenKind) -> None:
        self._tokens = {value: token for value, token in self._tokens.items() if token.kind is not kind}

    def forget_expired(self, *, now: float) -> None:
        self._tokens = {value: token for value, token in self._tokens.items() if now < token.expires_at}


def new_value(kind: TokenKind) -> str:
    """A fresh token that looks like GitHub's of that kind."""
    match kind:
        case TokenKind.INSTALLATION:
            return f"ghs_{_APP}_{_jwt_like()}"
        case TokenKind.USER:
            return "ghp_" + _letters(36)
        case TokenKind.REGISTRATION | TokenKind.REMOVE:
            return "A" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(28))
        case _:
            return secrets.token_urlsafe(32)


def _jwt_like() -> str:
    """GitHub's installation tokens of 2026, and the GITHUB_TOKEN of jobs, are an App's id and a JWT: 520 characters."""
    parts = ('{"alg":"RS256","typ":"JWT"}', f'{{"iss":"{_letters(62)}","exp":"{_letters(16)}"}}')
    signed = (base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)
    return f"{'.'.join(signed)}.{_letters(_SIGNATURE)}"


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
