"""The REST API over HTTP: around each route the headers, credentials, limits and errors that all share."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from . import access
from .callers import ANONYMOUS, Caller, NotRecognized, identify
from .limits import Allowance
from .rest import ROUTES
from .rest.routes import Answer, Ask, Refusal, Route, scope_of
from .runner_api.requests import credentials_of, shaped
from .runner_api.strict import unknown
from .state import GitHub
from .times import http_date

PREFIX = "/api/v3"
API_VERSIONS = ("2022-11-28", "2026-03-10")
_DOCS = "https://docs.github.com/rest"
_FREE = frozenset({"/rate_limit"})
_NO_USER_AGENT = (
    "\r\nRequest forbidden by administrative rules. Please make sure your request has a User-Agent header "
    "(https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). "
    "Check https://developer.github.com for other possible causes.\r\n"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_routes(app: web.Application, github: GitHub) -> None:
    # The first that matches is taken: "runners/downloads" must come before "runners/{runner_id}".
    for route in sorted(ROUTES, key=lambda route: route.path.count("{")):
        app.router.add_route(route.method, PREFIX + route.path, _handler(github, route))
    app.router.add_route("*", f"{PREFIX}/{{unknown:.*}}", _unknown(github))


def refused(
    github: GitHub, refusal: Refusal, *, route: Route | None = None, caller: Caller = ANONYMOUS
) -> web.Response:
    """An error as GitHub words it."""
    headers = {**_headers(github, route, github.limits.look(caller.name, now=github.now())), **refusal.headers}
    if refusal.text:
        return web.Response(status=refusal.status, text=refusal.message, content_type="text/html", headers=headers)
    docs = f"{_DOCS}/{route.docs}" if route else _DOCS
    body = {"message": refusal.message, "documentation_url": docs, "status": str(refusal.status)}
    return web.json_response(body, status=refusal.status, headers=headers)


def _handler(github: GitHub, route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        caller = ANONYMOUS
        try:
            _check_headers(request)
            if github.strict:
                _check_config_call(request, route)
            caller = _identify(github, request)
            _check_limit(github, caller, route)
            body = await _body(request)
            answer = _answer(github, caller, route, request, body)
        except Refusal as refusal:
            github.limits.spend(caller.name, now=github.now())
            return refused(github, refusal, route=route, caller=caller)
        return _respond(github, caller, route, request, answer)

    return handle


def _unknown(github: GitHub) -> Handler:
    """GitHub does not say 405: a method that a path does not know is not found."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            _check_headers(request)
        except Refusal as refusal:
            return refused(github, refusal)
        if github.strict and _is_config(request):
            return await unknown(request)
        return refused(github, Refusal(404))

    return handle


def _answer(github: GitHub, caller: Caller, route: Route, request: web.Request, body: Mapping[str, Any]) -> Answer:
    parts = request.match_info
    scope = scope_of(parts) if {"org", "owner"} & parts.keys() else None
    access.check(github, caller, route, scope)
    return route.handler(
        github,
        Ask(
            caller=caller,
            parts=parts,
            query=request.query,
            body=body,
            url=github.server_url + request.rel_url.raw_path,
            headers=request.headers,
        ),
    )


def _respond(github: GitHub, caller: Caller, route: Route, request: web.Request, answer: Answer) -> web.Response:
    content = b"" if answer.body is None else json.dumps(answer.body).encode()
    tag = f'W/"{hashlib.sha256(content).hexdigest()}"'
    cached = request.method == "GET" and tag in request.headers.get("If-None-Match", "")
    # Neither a 304 nor asking for the limit counts against it.
    meter = github.limits.look if cached or route.path in _FREE else github.limits.spend
    headers = {**_headers(github, route, meter(caller.name, now=github.now())), **answer.headers}
    if request.method == "GET":
        headers |= {"ETag": tag, "Cache-Control": "private, max-age=60, s-maxage=60", "Vary": "Accept, Authorization"}
    if cached:
        return web.Response(status=304, headers=headers)
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    return web.Response(
        status=answer.status, body=content, content_type="application/json", charset="utf-8", headers=headers
    )


def _headers(github: GitHub, route: Route | None, allowance: Allowance) -> dict[str, str]:
    headers = {
        "Date": http_date(github.now()),
        "X-GitHub-Request-Id": secrets.token_hex(8).upper(),
        "X-GitHub-Media-Type": "github.v3; format=json",
        **allowance.headers(),
    }
    if route is not None:
        headers["X-Accepted-GitHub-Permissions"] = route.accepted_permissions
    return headers


def _check_headers(request: web.Request) -> None:
    if not request.headers.get("User-Agent"):
        raise Refusal(403, _NO_USER_AGENT, text=True)
    version = request.headers.get("X-GitHub-Api-Version", API_VERSIONS[0])
    if version not in API_VERSIONS:
        raise Refusal(400, f"API version {version!r} is not supported. Supported are {', '.join(API_VERSIONS)}.")


def _is_config(request: web.Request) -> bool:
    return request.headers.get("Authorization", "").startswith("RemoteAuth ")


def _check_config_call(request: web.Request, route: Route) -> None:
    """Raises Malformed for what config.sh does not send."""
    if route.private:
        credentials_of(request, "RemoteAuth")
    if _is_config(request):
        shaped(dict(request.query), route.config_query, strict=True)


def _identify(github: GitHub, request: web.Request) -> Caller:
    try:
        return identify(github, request.headers.get("Authorization"))
    except NotRecognized as exc:
        raise Refusal(exc.status, exc.message) from exc


def _check_limit(github: GitHub, caller: Caller, route: Route) -> None:
    if route.path not in _FREE and github.limits.look(caller.name, now=github.now()).remaining == 0:
        raise Refusal(403, f"API rate limit exceeded for {caller.name}.")


async def _body(request: web.Request) -> Mapping[str, Any]:
    content = await request.read()
    if request.method in {"GET", "DELETE"} or not content.strip():
        return {}
    try:
        body = json.loads(content)
    except ValueError as exc:
        raise Refusal(400, "Problems parsing JSON") from exc
    if not isinstance(body, dict):
        raise Refusal(400, "Body should be a JSON object")
    return body
