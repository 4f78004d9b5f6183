"""The one place where requests get their id and their right, and errors become problems."""

from __future__ import annotations

import itertools
import logging
import re
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler

from runnerctl.core.errors import BodyTooLarge, InvalidRequest, MethodNotAllowed, NotFound, RunnerctlError

from .answers import problem
from .auth import PUBLIC
from .keys import DOOR

log = logging.getLogger("runnerctl.server")

_PROCESS = secrets.token_hex(6)
_count = itertools.count(1)
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


@web.middleware
async def boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Checks the caller, runs the route, turns what it raises into a problem; every answer carries the request's id."""
    asked = request.headers.get("X-Request-Id")
    request_id = asked if asked and _SANE_ID.fullmatch(asked) else _new_id()
    request["id"] = request_id
    allow = None
    try:
        if request.rel_url.raw_path not in PUBLIC:
            request.app[DOOR].check(request.headers.get("Authorization"))
        answer = await handler(request)
    except RunnerctlError as exc:
        answer = _refused(request, exc)
    except web.HTTPException as exc:
        allow = exc.headers.get("Allow")
        answer = _refused(request, _ours(request, exc))
    except Exception:
        log.exception("request failed", extra={"request_id": request_id, "path": request.path})
        answer = problem(RunnerctlError(""), request_id=request_id)
    if not answer.prepared:
        answer.headers["X-Request-Id"] = request_id
        if allow:
            answer.headers["Allow"] = allow
    return answer


def _new_id() -> str:
    """Unique among all answers of all servers, and needs no entropy for each."""
    return f"{_PROCESS}-{next(_count):x}"


def _refused(request: web.Request, exc: RunnerctlError) -> web.Response:
    if exc.http_status >= 500:
        log.warning(
            "request refused: %s",
            exc.message,
            extra={"request_id": request["id"], "path": request.path, "code": exc.code},
        )
    return problem(exc, request_id=request["id"])


def _ours(request: web.Request, exc: web.HTTPException) -> RunnerctlError:
    """aiohttp's own refusals in our words."""
    if exc.status == 404:
        return NotFound(f"There is nothing at {request.path!r}")
    if exc.status == 405:
        return MethodNotAllowed(f"{request.method} is not allowed at {request.path!r}")
    if exc.status == 413:
        return BodyTooLarge("The body is larger than 64 KiB")
    return InvalidRequest(exc.reason or "The request is not understood")
