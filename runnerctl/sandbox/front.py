"""What stands before every handler: faults, latency and the record of calls."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

from aiohttp import web

from . import api, downloads
from .control import PREFIX as CONTROL
from .faults import Fault
from .rest.routes import Refusal
from .state import GitHub
from .values import Call
from .web_keys import GITHUB, Handler

SECONDARY_LIMIT = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID."
)


@web.middleware
async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
    github = request.app[GITHUB]
    if request.path.startswith(CONTROL):
        return await handler(request)
    fault = github.faults.take(request.method, request.path)
    response = await _handle(request, handler, fault)
    answered = response is not None and not (fault and fault.lost_answer)
    _record(github, request, status=response.status if response else 0, answered=answered)
    await _delay(github, request, fault)
    if response is None or not answered:
        _hang_up(request)
        return web.Response()
    return response


async def _handle(request: web.Request, handler: Handler, fault: Fault | None) -> web.StreamResponse | None:
    """The answer, or None if the call is not even handled."""
    if fault is None:
        return await handler(request)
    if fault.drop:
        return None
    if fault.rate_limit:
        return _rate_limited(request.app[GITHUB], fault)
    if fault.status is not None:
        return _injected(fault.status, fault)
    if fault.cut_after is not None and request.path.startswith(downloads.PREFIX):
        return await downloads.cut_short(request, fault.cut_after)
    answer = await handler(request)
    return answer if fault.cut_after is None else await downloads.cut_answer_short(request, answer, fault.cut_after)


def _rate_limited(github: GitHub, fault: Fault) -> web.StreamResponse:
    if fault.rate_limit == "secondary":
        refusal = Refusal(403, SECONDARY_LIMIT, headers={"Retry-After": str(fault.retry_after)})
        return api.refused(github, refusal)
    headers = {
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Used": str(github.limits.limit),
        "X-RateLimit-Reset": str(int(github.now()) + fault.retry_after),
    }
    return api.refused(github, Refusal(403, "API rate limit exceeded for installation ID 1.", headers=headers))


def _injected(status: int, fault: Fault) -> web.StreamResponse:
    match fault.body:
        case str() as text:
            return web.Response(status=status, text=text, content_type="text/html", headers=fault.headers)
        case None if status >= 500:
            # GitHub's own 5xx are seldom JSON.
            text = "<html><body><h1>Unicorn!</h1></body></html>"
            return web.Response(status=status, text=text, content_type="text/html", headers=fault.headers)
        case None:
            body: object = {"message": _phrase(status), "documentation_url": "https://docs.github.com/rest"}
        case _:
            body = fault.body
    return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=fault.headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


async def _delay(github: GitHub, request: web.Request, fault: Fault | None) -> None:
    seconds = fault.delay if fault else 0.0
    if request.path.startswith(api.PREFIX):
        seconds += github.knobs.delay_all
    if seconds > 0:
        await asyncio.sleep(seconds)


def _record(github: GitHub, request: web.Request, *, status: int, answered: bool) -> None:
    if not request.path.startswith(f"{api.PREFIX}/"):
        return
    github.calls.append(
        Call(
            method=request.method,
            path=request.path.removeprefix(api.PREFIX),
            query=request.query_string,
            status=status,
            at=github.now(),
            answered=answered,
        )
    )


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
