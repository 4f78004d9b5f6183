"""Who calls: the operator by the token of the settings, a tenant by an API token, a workflow by its OIDC
token, a member of the socket's group, a browser by the cookie of its session.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from aiohttp import web

from runnerctl.core import (
    OPERATOR,
    USE_SECONDS,
    Actor,
    ApiToken,
    Services,
    Session,
    id_tokens,
    listening,
    tokens,
    workflow_policy,
)
from runnerctl.core.domain.errors import RunnerctlError, Unauthorized

from ..keys import CLAIMED, DELAY, SOURCES, USER
from ..turn_mark import TurnMark
from . import cookies, unix_peers
from .session_users import SessionUsers, User
from .throttle import Rates
from .workflow_tokens import WorkflowTokens

log = logging.getLogger("runnerctl.server")

_MOST_KNOWN = 4096


class _Known(NamedTuple):
    actor: Actor
    rated_as: str | None = None
    """Whose rate the request counts for; None: it has none."""
    token: ApiToken | None = None
    session: Session | None = None


class Authenticator:
    """For the loop's thread alone. Compares in constant time, and keeps only the tokens' digests."""

    def __init__(self, services: Services, token: str | None, mark: TurnMark | None = None) -> None:
        self._services = services
        self._turn = mark or TurnMark(services.store.mark)
        self._rates = Rates(services.clock.monotonic)
        self._mark: object = None
        self._known: dict[str, ApiToken] = {}
        self._noted: dict[str, float] = {}
        self._sessions = SessionUsers(services, self._turn)
        self._expected: bytes | None = None
        self.change(token)

    def change(self, token: str | None) -> None:
        """Another token of the operator from now on; the settings are read again, too."""
        settings = self._services.settings
        self._group = listening.socket_group(settings)
        policy = workflow_policy(settings)
        self._workflows = None if policy is None else WorkflowTokens(self._services, policy)
        # Without one, nothing that a header can hold has this digest.
        expected = b"" if token is None else _digest(token)
        if self._expected not in {None, expected}:
            self._in_thread(self._services.store.end_operators_sessions)
        self._expected = expected
        self._sessions.change(token)
        self._usual = b"" if token is None else _digest(f"Bearer {token}")

    async def authenticate(self, request: web.Request) -> Actor:
        """Waits for none but workflows. Raises ``Unauthorized``, ``TooManyRequests`` for a token that asks too often,
        or ``IssuerUnavailable``.
        """
        known = await self._known_by(request)
        if known.rated_as is not None:
            request[DELAY] = self._rates.take(known.rated_as, a_minute=self._services.settings.server.rate_limit)
        if known.token is not None:
            self._note_use(known.token, self._services.clock.now())
        if known.session is not None:
            self._note_session_use(known.session, self._services.clock.now())
        return known.actor

    async def identify(self, request: web.Request) -> Actor:
        """The same of a request that was let in before: it counts for nothing."""
        return (await self._known_by(request)).actor

    async def _known_by(self, request: web.Request) -> _Known:
        authorization = request.headers.get("Authorization")
        # Digests have one length, so that a comparison tells nothing about the token's.
        if authorization and hmac.compare_digest(_digest(authorization), self._usual):
            return _Known(OPERATOR)
        if authorization is None and (secret := cookies.secret(request, request.app[SOURCES])) is not None:
            return self._browser(request, secret)
        if authorization is None and self._group is not None:
            peer = unix_peers.operator(request, self._group)
            if peer is not None:
                return _Known(peer)
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer":
            raise Unauthorized(
                "A bearer token is needed",
                hint="Send it in the Authorization header, behind the word Bearer",
            )
        if self._expected and hmac.compare_digest(_digest(token), self._expected):
            return _Known(OPERATOR)
        if self._workflows is not None and id_tokens.has_form(token):
            actor = await self._workflows.authenticate(request, token)
            return _Known(actor, rated_as=f"oidc:{actor.tenant}")
        return self._bearer(request, token)

    def user(self, request: web.Request) -> User | None:
        """Of a browser that has a session; nobody is refused for having none."""
        secret = cookies.secret(request, request.app[SOURCES])
        try:
            return None if secret is None else self._sessions.authenticate(request, secret)
        except Unauthorized:
            return None

    def _browser(self, request: web.Request, secret: str) -> _Known:
        user = request[USER] = self._sessions.authenticate(request, secret)
        rated_as = None if user.token is None else user.token.id
        return _Known(user.actor, rated_as=rated_as, token=user.token, session=user.session)

    def _note_session_use(self, session: Session, now: float) -> None:
        if now - max(session.last_used_at, self._noted.get(session.id, 0.0)) < USE_SECONDS:
            return
        if len(self._noted) > _MOST_KNOWN:
            self._noted.clear()
        self._noted[session.id] = now
        self._in_thread(self._services.store.note_session_use, session.id, now)

    def _bearer(self, request: web.Request, token: str) -> _Known:
        kept = self._find(tokens.digest(token)) if tokens.is_whole(token) else None
        if kept is None:
            raise Unauthorized("The bearer token is wrong", hint="Compare it with the server's API token")
        actor = kept.actor
        request[CLAIMED] = actor.id
        refusal = kept.refusal(self._services.clock.now())
        if refusal is not None:
            raise Unauthorized(f"Token {kept.name!r} is {refusal}", hint="Ask the operator for a new one")
        return _Known(actor, rated_as=kept.id, token=kept)

    def _find(self, digest: str) -> ApiToken | None:
        """Remembered only while nobody commits anything: a token that is revoked, by whomever, is refused at once."""
        mark = self._turn.current()
        if mark != self._mark or len(self._known) > _MOST_KNOWN:
            self._mark = mark
            self._known.clear()
        found = self._known.get(digest) or self._services.store.token_of(digest)
        if found is not None:
            self._known[digest] = found
        return found

    def _note_use(self, token: ApiToken, now: float) -> None:
        """In a thread: a commit waits for the disk."""
        if now - max(token.last_used_at or 0.0, self._noted.get(token.id, 0.0)) < USE_SECONDS:
            return
        self._noted[token.id] = now
        self._in_thread(self._services.store.note_use, token.id, now)

    def _in_thread(self, write: Callable[..., object], *values: object) -> None:
        writing = asyncio.get_running_loop().run_in_executor(None, write, *values)
        writing.add_done_callback(_log_failure)


def _log_failure(noting: asyncio.Future[Any]) -> None:
    exc = None if noting.cancelled() else noting.exception()
    if isinstance(exc, RunnerctlError):
        log.warning("what was used, or ended, was not recorded: %s", exc.message)
    elif exc is not None:
        log.error("what was used, or ended, was not recorded", exc_info=exc)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
