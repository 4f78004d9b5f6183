"""The session of a Listener: one a runner, known by the runner's token alone."""

from __future__ import annotations

from aiohttp import web

from ..runner_api.requests import body_of, no_query
from ..runner_api.schemas import NO_ID, SessionRequest
from ..runner_api.strict import Malformed
from ..sessions import SessionConflict
from ..web_keys import GITHUB
from .failures import failed
from .tokens import runner_id_of


async def create_session(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    runner_id = runner_id_of(request)
    no_query(request)
    asked = await body_of(request, SessionRequest)
    if github.strict and (asked.session_id != NO_ID or asked.agent.id != runner_id):
        raise Malformed(f"'sessionId' is {asked.session_id}, 'agent.id' {asked.agent.id} of runner {runner_id}")
    runner = github.registry.get(runner_id)
    if runner is None:
        return failed(404, "RunnerNotFound", "The runner registration has been deleted")
    try:
        session = github.open_session(runner, version=asked.agent.version, os="Linux")
    except SessionConflict:
        return failed(409, "RunnerSessionConflict", "A session for this runner already exists.")
    return web.json_response({"sessionId": session.id})


async def delete_session(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    session = github.sessions.of(runner_id_of(request))
    no_query(request)
    if session is not None:
        github.close_session(session)
    return web.Response(status=204)
