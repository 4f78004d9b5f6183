"""The live feed: what a job prints, as it prints it, over a WebSocket. Lossy by design; the uploaded log is whole."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from ..runner_urls import FEED
from ..values import Job, Phase
from ..web_keys import GITHUB
from .callers import known_job
from .requests import no_query, shaped
from .schemas import FeedLines
from .strict import Malformed, note_violation

_MAX_BYTES = 4 * 2**20
_GOODBYE_SECONDS = 0.3
"""How long who is left may take to say goodbye."""


class _Feeds(set[web.WebSocketResponse]):
    """Those that are open."""


_OPEN = web.AppKey("open_feeds", _Feeds)


def add_routes(app: web.Application) -> None:
    app[_OPEN] = _Feeds()
    app.router.add_get(FEED, take_feed)
    app.on_shutdown.append(_close_all)


async def take_feed(request: web.Request) -> web.StreamResponse:
    job = known_job(request)
    no_query(request)
    socket = web.WebSocketResponse(max_msg_size=_MAX_BYTES, timeout=_GOODBYE_SECONDS)
    await socket.prepare(request)
    request.app[_OPEN].add(socket)
    try:
        await _listen(request, socket, job)
    except Malformed as exc:
        note_violation(request, exc.reason)
        await socket.close(code=WSCloseCode.POLICY_VIOLATION)
    finally:
        request.app[_OPEN].discard(socket)
    return socket


async def _listen(request: web.Request, socket: web.WebSocketResponse, job: Job) -> None:
    github = request.app[GITHUB]
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            raise Malformed(f"The feed carries text, not {message.type.name}")
        lines = _decoded(message.data, strict=github.strict)
        current = github.jobs.get(job.id)
        if current is not None and current.phase is Phase.RUNNING:
            github.jobs.report(job).take_lines(lines.step_id, lines.value)
            github.notify_change()


def _decoded(text: str, *, strict: bool) -> FeedLines:
    try:
        raw = msgspec.json.decode(text)
    except msgspec.DecodeError as exc:
        raise Malformed(f"The feed's message is not JSON: {exc}") from exc
    return shaped(raw, FeedLines, strict=strict)


async def _close_all(app: web.Application) -> None:
    feeds = app[_OPEN]
    await asyncio.gather(*(socket.close(code=WSCloseCode.GOING_AWAY) for socket in list(feeds)))
