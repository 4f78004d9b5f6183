"""Who we are to GitHub: an App (JWT, installation, installation tokens) or a personal access token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol, TypeVar

from ..domain.clock import Clock
from ..domain.errors import GitHubCredentials, GitHubNotFound
from ..domain.models import Scope
from ..settings.private_key import PrivateKey
from . import requests as protocol
from .answers import WireApp, WireInstallation, WireToken
from .cache import Contents, Token, TokenFile
from .config import GitHubSettings
from .errors import blames_our_clock, decode, server_time
from .requests import Answer, Request
from .single_flight import SingleFlight

T = TypeVar("T")
Send = Callable[[Request, str | None], Answer]

JWT_BACKDATED = 60.0
JWT_LIFETIME = 540.0
"""GitHub refuses more than 600 s ahead of its own clock; at exactly that, the least skew is an error."""
TOKEN_MARGIN = 300.0
"""A token is not used in its last five minutes."""


class Identity(NamedTuple):
    """Whom GitHub takes us for."""

    name: str
    clock_ahead: float | None
    """By how many seconds GitHub's clock is ahead of ours; None if it did not tell its time."""


class Credentials(Protocol):
    def bearer(self, scope: Scope) -> str:
        """The token for calls about ``scope``."""

    def replacement(self, scope: Scope, rejected: str) -> str | None:
        """Another token after GitHub answered 401 to ``rejected``; None when there is no other."""

    def any_bearer(self) -> str | None:
        """A token that is at hand without a call, for what is public anyway: it only raises the rate limit."""

    def identify(self) -> Identity:
        """Asks GitHub, in one call. Raises ``GitHubError`` when it does not take us for anybody."""


def credentials(settings: GitHubSettings, *, send: Send, clock: Clock) -> Credentials:
    if settings.app_id and settings.private_key_pem:
        return AppCredentials(settings, send=send, clock=clock)
    return PatCredentials(settings.pat, send=send, clock=clock)


def _ahead(answer: Answer, clock: Clock) -> float | None:
    now = server_time(answer)
    return None if now is None else now - clock.now()


class PatCredentials:
    def __init__(self, pat: str | None, *, send: Send, clock: Clock) -> None:
        self._pat = pat
        self._send = send
        self._clock = clock

    def bearer(self, scope: Scope) -> str:
        if self._pat is None:
            raise GitHubCredentials(
                f"No GitHub credentials are set for {scope}",
                hint="Set GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE, or GITHUB_PAT",
            )
        return self._pat

    def replacement(self, scope: Scope, rejected: str) -> str | None:  # noqa: ARG002 — there is one PAT only
        return None

    def any_bearer(self) -> str | None:
        return self._pat

    def identify(self) -> Identity:
        request = protocol.get_rate_limit()
        answer = self._send(request, self._pat)
        # An Enterprise Server without limits says 404, and only to whom it knows.
        if answer.status != 404:
            decode(request, answer, dict)
        return Identity("a personal access token", _ahead(answer, self._clock))


class AppCredentials:
    """Thread-safe. Threads that need the same token share one call, and its failure; processes share the token file."""

    def __init__(self, settings: GitHubSettings, *, send: Send, clock: Clock) -> None:
        self._settings = settings
        self._send = send
        self._clock = clock
        self._file = TokenFile(settings.token_file, clock=clock)
        self._known = Contents()
        self._renewals: SingleFlight[str] = SingleFlight()
        self._key = PrivateKey(settings.private_key_pem or "", file=settings.private_key_file)
        self._skew = 0.0

    def bearer(self, scope: Scope) -> str:
        return self._remembered(self._known, scope, None) or self._shared(scope, None)

    def replacement(self, scope: Scope, rejected: str) -> str | None:
        return self._remembered(self._known, scope, rejected) or self._shared(scope, rejected)

    def any_bearer(self) -> str | None:
        known = (self._file.read() or self._known).fresh(self._clock.now())
        ours = (token.text for key, token in known.tokens.items() if key.startswith(self._prefix))
        return next(ours, None)

    def identify(self) -> Identity:
        app, answer = self._as_app(protocol.get_app(), WireApp)
        return Identity(f"App {app.slug or app.name!r}", _ahead(answer, self._clock))

    @property
    def _prefix(self) -> str:
        return f"{self._settings.api_url} {self._settings.app_id} "

    def _scope_key(self, scope: Scope) -> str:
        return self._prefix + str(scope).lower()

    def _installation(self, known: Contents, scope: Scope) -> int | None:
        return self._settings.installation_id or known.installations.get(self._scope_key(scope))

    def _remembered(self, known: Contents, scope: Scope, rejected: str | None) -> str | None:
        token = known.tokens.get(f"{self._prefix}{self._installation(known, scope)}")
        usable = token is not None and token.usable_until > self._clock.now() and token.text != rejected
        return token.text if token is not None and usable else None

    def _shared(self, scope: Scope, rejected: str | None) -> str:
        return self._renewals.get((self._scope_key(scope), rejected), lambda: self._renewed(scope, rejected))

    def _renewed(self, scope: Scope, rejected: str | None) -> str:
        known = self._file.read()
        token = known and self._remembered(known, scope, rejected)
        if known and token:
            self._known = known
            return token
        with self._file.locked():
            # Another process or thread may have been here while we waited.
            known = self._file.read() or self._known
            token = self._remembered(known, scope, rejected)
            if token is None:
                known, token = self._minted(known, scope, rejected)
                self._file.write(known)
            self._known = known
            return token

    def _minted(self, known: Contents, scope: Scope, rejected: str | None) -> tuple[Contents, str]:
        installation = self._installation(known, scope)
        if installation is not None:
            try:
                return self._mint(known, installation)
            except GitHubNotFound:
                # Installed anew, it has another id.
                if self._settings.installation_id:
                    raise
        found = self._as_app(protocol.find_installation(scope), WireInstallation)[0].id
        known = replace(known, installations=known.installations | {self._scope_key(scope): found})
        # Another scope of the same installation may have brought its token already.
        shared = self._remembered(known, scope, rejected)
        return (known, shared) if shared is not None else self._mint(known, found)

    def _mint(self, known: Contents, installation: int) -> tuple[Contents, str]:
        made, answer = self._as_app(protocol.installation_token(installation), WireToken)
        now = self._clock.now()
        # Its lifetime counts from GitHub's clock, which need not agree with ours.
        lifetime = made.expires_at.timestamp() - (server_time(answer) or now)
        token = Token(text=made.token, usable_until=now + lifetime - TOKEN_MARGIN)
        return replace(known, tokens=known.tokens | {f"{self._prefix}{installation}": token}), made.token

    def _as_app(self, request: Request, wanted: type[T]) -> tuple[T, Answer]:
        answer = self._send(request, self._jwt())
        if blames_our_clock(answer) and (now := server_time(answer)) is not None:
            self._skew = now - self._clock.now()
            answer = self._send(request, self._jwt())
        return decode(request, answer, wanted), answer

    def _jwt(self) -> str:
        # https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
        import jwt

        now = int(self._clock.now() + self._skew)
        claims = {"iat": now - int(JWT_BACKDATED), "exp": now + int(JWT_LIFETIME), "iss": self._settings.app_id}
        return jwt.encode(claims, self._key.current(), algorithm="RS256")
