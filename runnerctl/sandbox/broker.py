"""What a Listener talks to while it waits: its token, its session, its messages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jwt
from aiohttp import web

from .sessions import Message, Session, SessionConflict
from .state import GitHub
from .tokens import TokenKind
from .values import Runner
from .web_keys import GITHUB

_PREFIX = "/sandbox/broker"


def add_routes(app: web.Application) -> None:
    app.router.add_post("/sandbox/oauth/token", create_token)
    app.router.add_post(f"{_PREFIX}/session", create_session)
    app.router.add_delete(f"{_PREFIX}/session", delete_session)
    app.router.add_get(f"{_PREFIX}/message", get_message)
    app.router.add_post(f"{_PREFIX}/acknowledge", acknowledge)


def runner_id_of(request: web.Request) -> int:
    """Whose access token it is. The registration may be gone meanwhile."""
    github = request.app[GITHUB]
    value = request.headers.get("Authorization", "").removeprefix("Bearer ")
    token = github.tokens.find(value, now=github.now())
    if token is None or token.runner_id is None:
        raise web.HTTPUnauthorized
    return token.runner_id


async def create_token(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    form = await request.post()
    runner = _runner_of_assertion(github, str(form.get("client_assertion", "")))
    if runner is None:
        return web.json_response({"error": "invalid_client"}, status=400)
    # It never expires here: setting the clock is meant for the callers of the REST API.
    token = github.issue(TokenKind.RUNNER, runner_id=runner.id, seconds=float("inf"))
    return web.json_response(
        {"access_token": token.value, "expires_in": int(github.settings.token_seconds), "token_type": "JWT"}
    )


async def create_session(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    runner = github.registry.get(runner_id_of(request))
    if runner is None:
        return _failed(404, "RunnerNotFound", "The runner registration has been deleted")
    agent = (await _json(request)).get("agent") or {}
    try:
        session = github.open_session(runner, version=str(agent.get("version", "")), os="Linux")
    except SessionConflict:
        return _failed(409, "RunnerSessionConflict", "A session for this runner already exists.")
    return web.json_response({"sessionId": session.id})


async def delete_session(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    session = _session_of(request)
    if session is not None:
        github.close_session(session)
    return web.Response(status=204)


async def get_message(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    session = _session_of(request)
    if session is None:
        return _failed(400, "RunnerSessionInvalid", "The session does not exist")
    version = request.query.get("runnerVersion", "")
    if _is_older(version, github.settings.minimum_version):
        text = f"Runner version v{version} is deprecated and cannot receive messages."
        return _failed(400, "RunnerVersionTooOld", text)
    return await _poll(github, session)


async def acknowledge(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    request_id = str((await _json(request)).get("runnerRequestId", ""))
    deadline = github.monotonic() + github.settings.lease_seconds
    github.jobs.acknowledge(request_id, runner_id_of(request), deadline=deadline)
    return web.Response()


async def _poll(github: GitHub, session: Session) -> web.Response:
    """The next message; 202 when there was none in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + github.settings.poll_seconds
    while True:
        if github.sessions.get(session.id) is not session:
            return _failed(400, "RunnerSessionInvalid", "The session does not exist")
        if github.registry.get(session.runner_id) is None and not github.is_busy(session.runner_id):
            github.close_session(session)
            return _failed(404, "RunnerNotFound", f"Runner {session.runner_id} was not found")
        session.expires_at = github.monotonic() + github.settings.session_seconds
        if session.mailbox:
            return _delivered(session.mailbox.popleft())
        left = deadline - loop.time()
        if left <= 0 or github.closing:
            return web.Response(status=202)
        try:
            await session.wait(left)
        except asyncio.CancelledError:  # its connection broke
            session.expires_at = github.monotonic() + github.settings.broken_session_seconds
            raise


def _delivered(message: Message) -> web.Response:
    return web.json_response({"messageId": message.id, "messageType": message.type, "body": json.dumps(message.body)})


def _runner_of_assertion(github: GitHub, assertion: str) -> Runner | None:
    """The runner that signed this, for this server and just now."""
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
        runner = github.registry.by_client_id(str(claims.get("sub")))
        if runner is None or runner.public_key is None:
            return None
        jwt.decode(
            assertion,
            runner.public_key,
            algorithms=["RS256"],
            audience=github.runner_urls.authorization,
            issuer=runner.client_id,
            leeway=abs(github.knobs.clock_offset) + 300,
            options={"require": ["exp", "iat", "jti"]},
        )
    except jwt.PyJWTError:
        return None
    return runner


def _session_of(request: web.Request) -> Session | None:
    session = request.app[GITHUB].sessions.get(request.query.get("sessionId", ""))
    return session if session and session.runner_id == runner_id_of(request) else None


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as exc:
        raise web.HTTPBadRequest from exc
    if not isinstance(body, dict):
        raise web.HTTPBadRequest
    return body


def _is_older(version: str, minimum: str) -> bool:
    parts = version.split(".")
    return all(part.isdigit() for part in parts) and [int(part) for part in parts] < [
        int(part) for part in minimum.split(".")
    ]


def _failed(status: int, kind: str, message: str) -> web.Response:
    return web.json_response(
        {"source": "actions-broker-listener", "errorKind": kind, "statusCode": status, "errorMessage": message},
        status=status,
    )
