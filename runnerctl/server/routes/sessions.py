"""Sessions of browsers: begun with the token of a header, shown, listed, left, ended."""

from __future__ import annotations

from typing import TypedDict

from aiohttp import web

from runnerctl.core import Action, Session, SessionDocument, session_document, sessions
from runnerctl.core.domain.errors import DiskFull, Forbidden, InvalidRequest, SessionNotFound

from ..answers import Answer
from ..auth import browsers, cookies
from ..keys import ACTOR, AUTHENTICATOR, OBJECT, OFFLOAD, SERVICES, SOURCES, USER
from ..parameters import SessionId
from ..routing import Route


class OwnSession(TypedDict):
    """The browser's own session; both null: it has none that counts."""

    session: SessionDocument | None
    csrf_token: str | None
    """To be sent as ``X-CSRF-Token`` with everything that changes something."""


class SessionList(TypedDict):
    """Sessions, the last used first."""

    items: list[SessionDocument]


SHOWN = Answer(200, "The browser's own session, if it has one.", OwnSession)
BEGUN = Answer(201, "The session has begun; its cookie is in Set-Cookie.", OwnSession, ("Set-Cookie",))
LEFT = Answer(200, "The session has ended, and its cookie is taken back.", OwnSession, ("Set-Cookie",))
ALL = Answer(200, "The sessions of the caller's token; for the operator those of all.", SessionList)
ENDED = Answer(200, "The session has ended.", SessionDocument)


async def show(request: web.Request) -> web.Response:
    """Show the browser's own session."""
    user = request.app[AUTHENTICATOR].user(request)
    return SHOWN.of(_own(None, "") if user is None else _own(user.session, user.secret))


async def begin(request: web.Request) -> web.Response:
    """Begin a session with the token of the Authorization header."""
    services, sources = request.app[SERVICES], request.app[SOURCES]
    browsers.check_host(request, services.settings.server.hosts)
    browsers.check_own_page(request)
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    if not token:
        raise InvalidRequest("A session begins with a token", hint="Send it in the Authorization header")
    session, secret = await request.app[OFFLOAD].call(
        sessions.begin,
        services,
        request[ACTOR],
        token=token,
        source=sources.of(request),
        browser=request.headers.get("User-Agent", ""),
    )
    request[OBJECT] = session.id
    answer = BEGUN.of(_own(session, secret))
    cookies.give(answer, request, sources, secret, seconds=services.settings.server.session_lifetime)
    return answer


async def leave(request: web.Request) -> web.Response:
    """End the browser's own session."""
    user = request.get(USER)
    if user is None:
        raise InvalidRequest("The request came with no session", hint="DELETE /api/v1/sessions/ID ends another one")
    request[OBJECT] = user.session.id
    await request.app[OFFLOAD].call(request.app[SERVICES].store.end_session, user.session.id)
    answer = LEFT.of(_own(None, ""))
    cookies.take_back(answer, request, request.app[SOURCES])
    return answer


async def listing(request: web.Request) -> web.Response:
    """List sessions of browsers."""
    shown = await request.app[OFFLOAD].call(sessions.shown_to, request.app[SERVICES], request[ACTOR])
    return ALL.of({"items": [_document(request, each) for each in shown]})


async def end(request: web.Request, id: SessionId) -> web.Response:
    """End a session of those that are shown to the caller."""
    request[OBJECT] = id
    ended = await request.app[OFFLOAD].call(sessions.end, request.app[SERVICES], request[ACTOR], id)
    return ENDED.of(_document(request, ended))


def _document(request: web.Request, session: Session) -> SessionDocument:
    user = request.get(USER)
    return session_document(session, current=user is not None and user.session.id == session.id)


def _own(session: Session | None, secret: str) -> OwnSession:
    if session is None:
        return {"session": None, "csrf_token": None}
    return {"session": session_document(session, current=True), "csrf_token": sessions.csrf_token(secret)}


ROUTES = (
    Route("GET", "/api/v1/session", show, Action.SESSION_SHOW, (SHOWN,), (Forbidden,)),
    Route("POST", "/api/v1/session", begin, Action.SESSION_BEGIN, (BEGUN,), (DiskFull,)),
    Route("DELETE", "/api/v1/session", leave, Action.SESSION_LEAVE, (LEFT,), (DiskFull,)),
    Route("GET", "/api/v1/sessions", listing, Action.SESSION_LIST, (ALL,)),
    Route("DELETE", "/api/v1/sessions/{id}", end, Action.SESSION_END, (ENDED,), (SessionNotFound, DiskFull)),
)
