"""The web application: all routes, and what stands before them."""

from __future__ import annotations

import asyncio

from aiohttp import web

from . import api, broker, control, downloads, openid
from .front import front
from .runner_api import actions, blobs, feed, id_tokens, results, run_service, strict
from .state import GitHub
from .web_keys import GITHUB

EXPIRY_SECONDS = 0.1
"""How often the passing of time is looked at."""
MAX_BODY_BYTES = 16 * 2**20


def build_app(github: GitHub, pat: str) -> web.Application:
    """The whole server as one application."""
    app = web.Application(
        middlewares=[front, control.only_with_token, strict.malformed, run_service.job_errors],
        client_max_size=MAX_BODY_BYTES,
    )
    app[GITHUB] = github
    app[control.PAT] = pat
    app.on_shutdown.append(_end_polls)
    api.add_routes(app, github)
    for part in (broker, run_service, results, blobs, feed, actions, id_tokens, downloads, openid, control):
        part.add_routes(app)
    app.router.add_route("*", "/{unknown:.*}", strict.unknown)
    return app


async def _end_polls(app: web.Application) -> None:
    github = app[GITHUB]
    github.closing = True
    for session in github.sessions.all():
        session.wake()


async def let_time_pass(github: GitHub) -> None:
    """Never returns: expires what is over, until cancelled."""
    while True:
        github.expire()
        await asyncio.sleep(EXPIRY_SECONDS)
