"""A runner's log as a stream of text."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from runnerctl import core
from runnerctl.core import Action, logs
from runnerctl.core.domain import durations, jobs, names
from runnerctl.core.domain.timestamps import timestamp

from .. import bodies
from ..answers import PROTECTION
from ..keys import ACTOR, ID, OFFLOAD, READINESS, SERVICES
from ..routing import Route

_OBSERVE_SECONDS = 0.25
_MAX_TAIL = 100_000


async def stream(request: web.Request) -> web.StreamResponse:
    """The log so far; with ``follow`` also what is added, until the runner's life has ended."""
    bodies.only(request, "tail", "follow", "since")
    services, limits = request.app[SERVICES], request[ACTOR].limits
    name = names.runner_name(request.match_info["name"])
    tail = bodies.number(request, "tail", default=_MAX_TAIL, least=0, most=_MAX_TAIL)
    since = _since(request)
    runner = (await request.app[OFFLOAD].call(core.get_runner, services, name, limits=limits)).runner
    assert runner is not None  # noqa: S101 - get_runner raised otherwise
    backend, handle = services.backends.reach(runner)
    path = await request.app[OFFLOAD].call(backend.logs, handle)
    lines, reader = await request.app[OFFLOAD].call(logs.read, path, tail=tail, since=since)
    headers = {**PROTECTION, "Content-Type": "text/plain; charset=utf-8", "X-Request-Id": request[ID]}
    headers["X-Told-By"] = jobs.LOG  # but for lines that begin with [runnerctl]
    answer = web.StreamResponse(headers=headers)
    await answer.prepare(request)
    with contextlib.closing(reader):
        await _write(answer, lines)
        while bodies.flag(request, "follow"):
            current = services.store.get(runner.id)
            ended = current is None or not current.live or request.app[READINESS].stopping
            await _write(answer, list(reader.lines()))
            if ended:
                break
            await asyncio.sleep(_OBSERVE_SECONDS)
    await answer.write_eof()
    return answer


async def _write(answer: web.StreamResponse, lines: list[str]) -> None:
    if lines:
        await answer.write("".join(f"{line}\n" for line in lines).encode())


def _since(request: web.Request) -> str | None:
    """A time (``2026-11-24T06:00:00Z``) as it is, or how long ago (``10m``)."""
    text = request.query.get("since")
    if text is None or (text[:4].isdigit() and text[4:5] == "-"):
        return None if text is None else text.removesuffix("Z")
    ago = request.app[SERVICES].clock.now() - durations.seconds(text)
    return (timestamp(ago) or "").removesuffix("Z")


ROUTES = (Route("GET", "/api/v1/runners/{name}/logs", stream, Action.RUNNER_LOGS),)
