"""What a Listener is told, poll by poll, and what it says when it takes a job."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

from aiohttp import web

from ..jobs.queue import JobLost
from ..runner_api.requests import body_of, query_of
from ..runner_api.schemas import Acknowledgement, AcknowledgeQuery, MessageQuery
from ..sessions import Message, Session
from ..state import GitHub
from ..web_keys import GITHUB
from .failures import failed
from .tokens import runner_id_of


async def get_message(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    runner_id = runner_id_of(request)
    query = query_of(request, MessageQuery)
    session = _session(github, query.session_id, runner_id)
    if session is None:
        return _no_session()
    version, minimum = query.runner_version, github.settings.minimum_version
    if not github.version_ends.gets_messages(version, minimum=minimum, now=github.now()):
        text = f"Runner version v{version} is deprecated and cannot receive messages."
        return failed(400, "RunnerVersionTooOld", text)
    return await _poll(github, session, busy=query.status == "Busy")


async def acknowledge(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    runner_id = runner_id_of(request)
    query_of(request, AcknowledgeQuery)
    request_id = (await body_of(request, Acknowledgement)).runner_request_id
    deadline = github.monotonic() + github.settings.lease_seconds
    try:
        github.jobs.acknowledge(request_id, runner_id, deadline=deadline)
    except JobLost as lost:
        return failed(lost.status, "AcknowledgeJobNotFound", lost.message)
    return web.Response()


async def _poll(github: GitHub, session: Session, *, busy: bool) -> web.Response:
    """The next message; 202 when there was none in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + github.settings.poll_seconds
    while True:
        if github.sessions.get(session.id) is not session:
            return _no_session()
        if github.is_gone(session):
            github.close_session(session)
            return failed(404, "RunnerNotFound", f"Runner {session.runner_id} was not found")
        session.expires_at = github.monotonic() + github.settings.session_seconds
        message = session.take(busy=busy)
        if message is not None:
            return _delivered(message)
        left = deadline - loop.time()
        if left <= 0 or github.closing:
            return web.Response(status=202)
        try:
            await session.wait(left)
        except asyncio.CancelledError:  # its connection broke
            session.expires_at = github.monotonic() + github.settings.broken_session_seconds
            raise


def _session(github: GitHub, session_id: UUID, runner_id: int) -> Session | None:
    session = github.sessions.get(str(session_id))
    return session if session and session.runner_id == runner_id else None


def _no_session() -> web.Response:
    return failed(400, "RunnerSessionInvalid", "The session does not exist")


def _delivered(message: Message) -> web.Response:
    return web.json_response({"messageId": message.id, "messageType": message.type, "body": json.dumps(message.body)})
