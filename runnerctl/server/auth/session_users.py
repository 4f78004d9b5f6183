"""Who calls by a session's cookie: whoever has the token that it was begun with, for as long as that counts."""

from __future__ import annotations

import hmac
from typing import NamedTuple

from aiohttp import web

from runnerctl.core import OPERATOR, Actor, ApiToken, Services, Session, sessions
from runnerctl.core.domain.errors import Unauthorized

from ..turn_mark import TurnMark
from . import browsers

_MOST_KNOWN = 1024
_AGAIN = "Log in again"


class User(NamedTuple):
    """One whose session counts now."""

    actor: Actor
    session: Session
    secret: str
    token: ApiToken | None
    """None: the operator."""


class _Known(NamedTuple):
    session: Session
    token: ApiToken | None


class SessionUsers:
    """For the loop's thread alone. Remembers only while nobody commits anything: what is ended is ended at once."""

    def __init__(self, services: Services, turn: TurnMark) -> None:
        self._services = services
        self._turn = turn
        self._mark: object = None
        self._known: dict[str, _Known] = {}
        self._operators = b""

    def change(self, token: str | None) -> None:
        """Another token is the operator's from now on."""
        self._operators = b"" if token is None else sessions.token_digest(token)

    def authenticate(self, request: web.Request, secret: str) -> User:
        """Raises ``Unauthorized`` for a session that does not count, ``Forbidden`` for what other sites send."""
        browsers.check_host(request, self._services.settings.server.hosts)
        browsers.check_own_page(request)
        browsers.check_csrf_token(request, secret)
        return self.user(secret)

    def user(self, secret: str) -> User:
        """Raises ``Unauthorized``."""
        session, token = self._find(sessions.digest(secret))
        now = self._services.clock.now()
        if session.has_ended(now, idle=self._services.settings.server.session_idle):
            raise Unauthorized("The session has ended", hint=_AGAIN)
        if token is None:
            return User(self._operator(session, secret), session, secret, None)
        refusal = token.refusal(now)
        if refusal is not None:
            raise Unauthorized(f"Token {token.name!r} of the session is {refusal}", hint="Log in with another one")
        return User(token.actor, session, secret, token)

    def _operator(self, session: Session, secret: str) -> Actor:
        expected = sessions.proof(secret, self._operators)
        if not self._operators or not hmac.compare_digest(session.proof or "", expected):
            raise Unauthorized("The session's token is not the operator's any more", hint=_AGAIN)
        return OPERATOR

    def _find(self, digest: str) -> _Known:
        mark = self._turn.current()
        if mark != self._mark or len(self._known) > _MOST_KNOWN:
            self._mark = mark
            self._known.clear()
        found = self._known.get(digest) or self._read(digest)
        if found is None:
            raise Unauthorized("The session has ended", hint=_AGAIN)
        self._known[digest] = found
        return found

    def _read(self, digest: str) -> _Known | None:
        store = self._services.store
        session = store.session_of(digest)
        if session is None:
            return None
        if session.token_id is None:
            return _Known(session, None)
        token = store.token_by_id(session.token_id)
        return None if token is None else _Known(session, token)
