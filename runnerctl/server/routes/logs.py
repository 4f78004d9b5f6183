"""A runner's log as a stream of text."""

from __future__ import annotations

import contextlib
from typing import Annotated

import msgspec
from aiohttp import web

from runnerctl import core
from runnerctl.core import Action, logs
from runnerctl.core.domain import durations, names
from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.domain.timestamps import timestamp

from ..allowances import caller
from ..answers import Answer
from ..keys import ACTOR, OFFLOAD, OPEN_STREAMS, SERVICES
from ..parameters import TIME, RunnerName, Since
from ..routing import NAMED, Route
from ..streams.log_stream import LogStream
from ..streams.open_streams import Ending

_MAX_TAIL = 100_000


class LogQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which lines."""

    tail: Annotated[int, msgspec.Meta(ge=0, le=_MAX_TAIL)] = _MAX_TAIL
    """So many lines at most, the last ones."""
    follow: bool = False
    """Also what is added, until the runner's life has ended."""
    since: Since | None = None


LINES = Answer(200, "The log's lines, without secrets.", str, ("X-Told-By",), "text/plain")


async def stream(request: web.Request, name: RunnerName, query: LogQuery) -> web.StreamResponse:
    """Read a runner's log, and follow it.

    Read and sent piece by piece; whose caller has gone, or takes nothing, ends.
    """
    services, actor, offload = request.app[SERVICES], request[ACTOR], request.app[OFFLOAD]
    name, since = names.runner_name(name), _since(request, query.since)
    with request.app[OPEN_STREAMS].opened(request, Action.RUNNER_LOGS) as opened:
        runner = (await offload.call(core.get_runner, services, name, limits=actor.limits)).runner
        assert runner is not None  # noqa: S101 - get_runner raised otherwise
        backend, handle = services.backends.reach(runner)
        path = await offload.call(backend.logs, handle)
        if opened.ending is Ending.HUNG_UP:
            raise ConnectionResetError
        with contextlib.closing(logs.LogReader(path, since=since)) as reader:
            await offload.call_slow(caller(actor), reader.begin_at, query.tail)
            return await LogStream(opened, reader).send(path if query.follow else None, runner.id)


def _since(request: web.Request, text: str | None) -> str | None:
    """A time (``2026-11-24T06:00:00Z``) as it is, or how long ago (``10m``)."""
    if text is None or TIME.fullmatch(text):
        return text and text.removesuffix("Z")
    ago = request.app[SERVICES].clock.now() - durations.seconds(text)
    return timestamp(ago).removesuffix("Z")


ROUTES = (Route("GET", "/api/v1/runners/{name}/logs", stream, Action.RUNNER_LOGS, (LINES,), (*NAMED, BackendFailed)),)
