"""The one place where requests get their id and their right, and errors become problems; and where both are told to
the audit log.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler

from runnerctl.core import Access, audit, policy
from runnerctl.core.domain.errors import (
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RunnerctlError,
    Unauthorized,
)
from runnerctl.core.domain.request_id import REQUEST_ID
from runnerctl.core.redact import redact

from .answers import PROTECTION, problem
from .keys import ACTION, ACTOR, AUTHENTICATOR, CLAIMED, FAILED_LOGINS, ID, OBJECT, RULES, SERVICES, SOURCES
from .routing import Route

log = logging.getLogger("runnerctl.server")

_PROCESS = secrets.token_hex(6)
_count = itertools.count(1)
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_CHANGING = frozenset({"POST", "DELETE", "PUT", "PATCH"})
_INTERNAL = "internal_error"


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
    try:
        if rule is None or rule.needs is not Access.OPEN:
            actor = request[ACTOR] = await app[AUTHENTICATOR].authenticate(request)
            if rule is not None:
                policy.check(actor, rule.does)
        answer = await handler(request)
    except RunnerctlError as exc:
        result = exc.code
        if isinstance(exc, Unauthorized):
            await _hold_back(request, exc)
        answer = _refused(request, exc)
    except web.HTTPException as exc:
        allow = exc.headers.get("Allow")
        refusal = _ours(request, exc)
        result = refusal.code
        answer = _refused(request, refusal)
    except Exception:
        result = _INTERNAL
        log.exception("request failed", extra=_told(request))
        answer = problem(RunnerctlError(""), request_id=request_id)
    if result is not audit.OK or request.method in _CHANGING:
        _audit(request, rule, result)
    if not answer.prepared:
        headers = answer.headers
        headers.extend(PROTECTION)
        headers["X-Request-Id"] = request_id
        if allow:
            headers["Allow"] = allow
    return answer


async def _hold_back(request: web.Request, exc: Unauthorized) -> None:
    """Only who failed waits: a right token gets in however often others fail."""
    source = request.app[SOURCES].of(request)
    log.warning("login from %s refused: %s", source, exc.message, extra=_told(request))
    await asyncio.sleep(request.app[FAILED_LOGINS].delay(source))


def _audit(request: web.Request, rule: Route | None, result: str) -> None:
    """What was to be changed, and whom we did not let in or let do it."""
    refused = result in {Unauthorized.code, Forbidden.code}
    changing = rule is not None and rule.action is not None
    if not (refused or changing):
        return
    actor = request.get(ACTOR)
    claimed = request.get(CLAIMED, "nobody")
    request.app[SERVICES].audit.write(
        audit.AuditEntry(
            actor=actor.id if actor is not None else claimed,
            source=request.app[SOURCES].of(request),
            action=request.get(ACTION) or (rule and rule.action) or f"{request.method} {request.path}",
            object=request.match_info.get("name") or request.get(OBJECT, ""),
            result=result,
            request_id=request[ID],
        )
    )


def _is_sane(asked: str) -> bool:
    return _SANE_ID.fullmatch(asked) is not None and redact(asked) == asked


def _new_id() -> str:
    """Unique among all answers of all servers, and needs no entropy for each."""
    return f"{_PROCESS}-{next(_count):x}"


def _refused(request: web.Request, exc: RunnerctlError) -> web.Response:
    if not isinstance(exc, Unauthorized):  # told already, with where it came from
        level = logging.WARNING if exc.http_status >= 500 else logging.INFO
        extra = {**_told(request), "status": exc.http_status, "code": exc.code}
        log.log(level, "request refused: %s", exc.message, extra=extra)
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
        return NotFound(f"There is nothing at {request.path!r}")
    if exc.status == 405:
        return MethodNotAllowed(f"{request.method} is not allowed at {request.path!r}")
    if exc.status == 413:
        return BodyTooLarge("The body is larger than 64 KiB")
    return InvalidRequest(exc.reason or "The request is not understood")
