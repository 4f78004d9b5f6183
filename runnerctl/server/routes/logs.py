"""A runner's log as a stream of text."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from aiohttp import web

from runnerctl import core
from runnerctl.core import Action, logs
from runnerctl.core.domain import durations, jobs, names
from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.domain.timestamps import timestamp

from ..allowances import caller
from ..answers import PROTECTION, Answer
from ..keys import ACTOR, ID, OFFLOAD, READINESS, SERVICES, STREAMS
from ..parameters import RunnerName
from ..routing import NAMED, Route

_OBSERVE_SECONDS = 0.25
_MOST_OBSERVED = 100
"""A second, by all who follow: the more they are, the more seldom each log is looked at."""
_WRITE_SECONDS = 30.0
"""For a caller to take what it was sent before."""
_MAX_TAIL = 100_000


class LogQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which lines."""

    tail: Annotated[int, msgspec.Meta(ge=0, le=_MAX_TAIL)] = _MAX_TAIL
    """So many lines at most, the last ones."""
    follow: bool = False
    """Also what is added, until the runner's life has ended."""
    since: str | None = None
    """Not before that time (2026-11-24T06:00:00Z), or that long ago (10m)."""


LINES = Answer(200, "The log's lines, without secrets.", str, ("X-Told-By",), "text/plain")


async def stream(request: web.Request, name: RunnerName, query: LogQuery) -> web.StreamResponse:
    """Read a runner's log, and follow it.

    Read and sent piece by piece; whose caller has gone, or takes nothing, ends.
    """
    services, actor = request.app[SERVICES], request[ACTOR]
    name, since = names.runner_name(name), _since(request, query.since)
    with request.app[STREAMS].held(actor):
        runner = (await request.app[OFFLOAD].call(core.get_runner, services, name, limits=actor.limits)).runner
        assert runner is not None  # noqa: S101 - get_runner raised otherwise
        backend, handle = services.backends.reach(runner)
        path = await request.app[OFFLOAD].call(backend.logs, handle)
        if _has_gone(request):
            raise ConnectionResetError
        reader = logs.LogReader(path, since=since)
        try:
            await request.app[OFFLOAD].call_slow(caller(actor), reader.begin_at, query.tail)
            return await _send(request, reader, runner.id if query.follow else None)
        finally:
            reader.close()


async def _send(request: web.Request, reader: logs.LogReader, followed: str | None) -> web.StreamResponse:
    headers = {**PROTECTION, "Content-Type": "text/plain; charset=utf-8", "X-Request-Id": request[ID]}
    headers["X-Told-By"] = jobs.LOG  # but for lines that begin with [runnerctl]
    answer = web.StreamResponse(headers=headers)
    await answer.prepare(request)
    while True:
        ended = followed is None or _has_ended(request, followed)  # first: what was written before is sent, too
        if not await _send_all(request, answer, reader):
            return answer
        if ended:
            break
        await asyncio.sleep(max(_OBSERVE_SECONDS, request.app[STREAMS].count / _MOST_OBSERVED))
    await answer.write_eof()
    return answer


def _has_ended(request: web.Request, runner_id: str) -> bool:
    current = request.app[SERVICES].store.get(runner_id)
    return current is None or not current.live or request.app[READINESS].stopping


async def _send_all(request: web.Request, answer: web.StreamResponse, reader: logs.LogReader) -> bool:
    """What there is now; whether the caller is still there."""
    while not _has_gone(request):
        lines = await request.app[OFFLOAD].call_slow(caller(request[ACTOR]), reader.piece)
        if lines is None:
            return not _has_gone(request)
        if lines and not await _is_taken(request, answer, "".join(f"{line}\n" for line in lines).encode()):
            return False
    return False


async def _is_taken(request: web.Request, answer: web.StreamResponse, data: bytes) -> bool:
    try:
        async with asyncio.timeout(_WRITE_SECONDS):
            await answer.write(data)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        return False
    return True


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _since(request: web.Request, text: str | None) -> str | None:
    """A time (``2026-11-24T06:00:00Z``) as it is, or how long ago (``10m``)."""
    if text is None or (text[:4].isdigit() and text[4:5] == "-"):
        return None if text is None else text.removesuffix("Z")
    ago = request.app[SERVICES].clock.now() - durations.seconds(text)
    return timestamp(ago).removesuffix("Z")


ROUTES = (Route("GET", "/api/v1/runners/{name}/logs", stream, Action.RUNNER_LOGS, (LINES,), (*NAMED, BackendFailed)),)
