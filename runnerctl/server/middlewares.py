"""The one place where requests get their id and their right, and errors become problems; and where both are told to
the audit log.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time

from aiohttp import web

from runnerctl.core import Access, Action, Actor, audit, policy
from runnerctl.core.domain.errors import (
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RunnerctlError,
    TooManyRequests,
    Unauthorized,
)
from runnerctl.core.domain.phrases import quoted
from runnerctl.core.domain.request_id import REQUEST_ID
from runnerctl.core.redact import redact

from . import auditing, client_version
from .answers import complete, problem
from .auth.sources import neighbourhood
from .keys import (
    ACTION,
    ACTOR,
    AUTHENTICATOR,
    DELAY,
    FAILED_LOGINS,
    ID,
    METRICS,
    OBJECT,
    ONE_BY_ONE,
    REQUESTS,
    RULES,
    SCRAPERS,
    SOURCES,
    TOLD,
)
from .listening.connections import heard
from .routing import Handler, Route

log = logging.getLogger("runnerctl.server")

_PROCESS = secrets.token_hex(6)
_count = itertools.count(1)
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_CHANGING = frozenset({"POST", "DELETE", "PUT", "PATCH"})
_INTERNAL = "internal_error"
_NO_ROUTE = "none"


@web.middleware
async def boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Checks the caller, runs the route, turns what it raises into a problem; every answer carries the request's id."""
    asked = request.headers.get("X-Request-Id")
    request_id = asked if asked and _is_sane(asked) else _new_id()
    request[ID] = request_id
    REQUEST_ID.set(request_id)
    app = request.app
    rule = app[RULES].get(handler)
    allow = None
    result = audit.OK
    began = time.monotonic()
    try:
        if rule is None or rule.needs is not Access.OPEN:
            actor = request[ACTOR] = await _caller(request, rule)
            heard(request)
            client_version.check(request)
            if rule is not None:
                policy.check(actor, rule.does)
            with app[REQUESTS].held(actor):
                answer = await _in_turn(request, handler)
        else:
            answer = await handler(request)
    except RunnerctlError as exc:
        result = exc.code
        answer = await _refused(request, exc)
    except web.HTTPException as exc:
        allow = exc.headers.get("Allow")
        refusal = _ours(request, exc)
        result = refusal.code
        answer = await _refused(request, refusal)
    except ConnectionError:
        answer = web.Response()  # to nobody: the caller has hung up. Raised, it would be logged as a fault of ours
    except Exception:
        result = _INTERNAL
        log.exception("request failed", extra=_told(request))
        answer = problem(RunnerctlError(""), request_id=request_id)
    if (result is not audit.OK or request.method in _CHANGING) and ONE_BY_ONE not in request:
        _audit(request, rule, result)
    _measure(request, rule, answer, result, time.monotonic() - began)
    if not answer.prepared:
        complete(answer.headers)
        answer.headers["X-Request-Id"] = request_id
        if allow:
            answer.headers["Allow"] = allow
    return answer


async def _caller(request: web.Request, rule: Route | None) -> Actor:
    """Who asks. Raises what ``Authenticator.authenticate`` does."""
    scraper = request.app[SCRAPERS].of(request) if rule is not None and rule.does is Action.METRICS else None
    return scraper or await request.app[AUTHENTICATOR].authenticate(request)


def _measure(request: web.Request, rule: Route | None, answer: web.StreamResponse, result: str, seconds: float) -> None:
    """How long strangers wait says nothing of the server, and how long a stream lasts says it of its caller."""
    kept, known = request.app[METRICS], rule is not None and (ACTOR in request or rule.needs is Access.OPEN)
    method = request.method if rule is not None else "any"
    timed = seconds if known and isinstance(answer, web.Response) else None
    route = _NO_ROUTE if rule is None else rule.path
    kept.answered(route=route, method=method, status=answer.status, seconds=timed)
    if result is not audit.OK:
        kept.refused(result)
    if known and rule is not None and rule.does is Action.RUNNER_CREATE:
        kept.create_answered(status=answer.status, seconds=seconds)


async def _in_turn(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who is ahead of its rate waits; who has gone by then and only wanted to see something costs nothing more."""
    if request.get(DELAY):
        await asyncio.sleep(request[DELAY])
    if request.transport is None and request.method not in _CHANGING:
        raise ConnectionResetError
    return await handler(request)


async def _hold_back(request: web.Request, exc: RunnerctlError) -> None:
    """Only who failed, or asks too often, waits: a right token gets in however often others fail."""
    source = request.app[SOURCES].of(request)
    if isinstance(exc, Unauthorized) and request[TOLD]:
        log.warning("login from %s refused: %s", source, exc.message, extra=_told(request))
    known = None if isinstance(exc, Unauthorized) else auditing.known(request)
    await request.app[FAILED_LOGINS].wait(known or neighbourhood(source))


def _audit(request: web.Request, rule: Route | None, result: str) -> None:
    """What was to be changed, and whom we did not let in or let do it."""
    refused = result in {Unauthorized.code, Forbidden.code}
    changing = rule is not None and rule.action is not None
    if not (refused or changing) or not request.get(TOLD, True):
        return
    action = request.get(ACTION) or (rule and rule.action) or f"{request.method} {request.path}"
    auditing.tell(request, action, request.match_info.get("name") or request.get(OBJECT, ""), result)


def _is_sane(asked: str) -> bool:
    return _SANE_ID.fullmatch(asked) is not None and redact(asked) == asked


def _new_id() -> str:
    """Unique among all answers of all servers, and needs no entropy for each."""
    return f"{_PROCESS}-{next(_count):x}"


async def _refused(request: web.Request, exc: RunnerctlError) -> web.Response:
    client_version.explain(request, exc)
    request[TOLD] = auditing.is_told(request)
    if request[TOLD] and not isinstance(exc, Unauthorized):
        level = logging.WARNING if exc.http_status >= 500 else logging.INFO
        extra = {**_told(request), "status": exc.http_status, "code": exc.code}
        log.log(level, "request refused: %s", exc.message, extra=extra)
    if isinstance(exc, Unauthorized) or (isinstance(exc, TooManyRequests) and ACTOR not in request):
        await _hold_back(request, exc)
    return problem(exc, request_id=request[ID])


def _told(request: web.Request) -> dict[str, object]:
    """Whose request about what."""
    actor = request.get(ACTOR)
    return {
        "runner": request.match_info.get("name") or request.get(OBJECT),
        "request_id": request[ID],
        "actor": None if actor is None else actor.id,
        "method": request.method,
        "path": request.path,
    }


def _ours(request: web.Request, exc: web.HTTPException) -> RunnerctlError:
    """aiohttp's own refusals in our words."""
    if exc.status == 404:
        return NotFound(f"There is nothing at {quoted(request.path)}")
    if exc.status == 405:
        return MethodNotAllowed(f"{request.method} is not allowed at {quoted(request.path)}")
    if exc.status == 413:
        return BodyTooLarge("The body is larger than 64 KiB")
    return InvalidRequest(exc.reason or "The request is not understood")
