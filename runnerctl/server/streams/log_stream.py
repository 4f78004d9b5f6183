"""One answer that tells a log: what there is, then what is added, as it is written."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from runnerctl.core import Action, logs
from runnerctl.core.domain import jobs
from runnerctl.core.domain.errors import RunnerctlError

from ..allowances import caller
from ..answers import PROTECTION
from ..keys import ACTOR, EVENT_HUB, ID, LOG_WATCH, OFFLOAD, OPEN_STREAMS, SERVICES
from .open_streams import Ending, Stream

log = logging.getLogger("runnerctl.server")

_UNWATCHED_SECONDS = 0.25
_PAUSE_SECONDS = 0.05
"""Between two looks: what is written meanwhile is one piece."""
_MOST_OBSERVED = 100
"""A second, by all who follow: the more they are, the longer each one's pause."""


class LogStream:
    def __init__(self, stream: Stream, reader: logs.LogReader) -> None:
        self._stream = stream
        self._reader = reader
        self._request = stream.request
        headers = {**PROTECTION, "Content-Type": "text/plain; charset=utf-8", "X-Request-Id": self._request[ID]}
        headers["X-Accel-Buffering"] = "no"  # proxies are to pass it on as it comes
        headers["X-Told-By"] = jobs.LOG  # but for lines that begin with [runnerctl]
        self._answer = web.StreamResponse(headers=headers)

    async def send(self, followed: Path | None, runner_id: str) -> web.StreamResponse:
        """``followed``: the log's path, if what is added is to be told, until that runner's life has ended."""
        await self._answer.prepare(self._request)
        if self._request.method == "HEAD":
            return self._answer
        try:
            await (self._tell() if followed is None else self._follow(followed, runner_id))
        except RunnerctlError as exc:
            log.warning("a stream of a log was broken off: %s", exc.message, extra={"request_id": self._request[ID]})
            self._stream.break_off()
        if self._stream.ending is not Ending.HUNG_UP:
            with suppress(ConnectionError):
                await self._answer.write_eof()
        return self._answer

    async def _follow(self, path: Path, runner_id: str) -> None:
        app, notify, ended = self._request.app, self._stream.notify, False
        with app[EVENT_HUB].watched(runner_id, notify):
            while not (ended or self._stream.ending):
                with app[LOG_WATCH].watched(path, notify) as watched:
                    ended = await self._tell_on(runner_id, watched=watched)

    async def _tell_on(self, runner_id: str, *, watched: bool) -> bool:
        """Whether the runner's life has ended; one that is not watched may be by now."""
        while not self._stream.ending:
            ended = self._has_ended(runner_id)  # first: what was written before is told, too
            await self._tell()
            if ended:
                return True
            if not watched:
                await self._stream.happened(max(_UNWATCHED_SECONDS, self._pause))
                break
            await self._stream.happened()
            await asyncio.sleep(self._pause)
        return False

    @property
    def _pause(self) -> float:
        return max(_PAUSE_SECONDS, self._request.app[OPEN_STREAMS].of(Action.RUNNER_LOGS) / _MOST_OBSERVED)

    def _has_ended(self, runner_id: str) -> bool:
        current = self._request.app[SERVICES].store.get(runner_id)
        return current is None or not current.live

    async def _tell(self) -> None:
        """What there is now."""
        while self._stream.ending not in {Ending.HUNG_UP, Ending.UNAUTHORIZED}:
            lines = await self._request.app[OFFLOAD].call_slow(caller(self._request[ACTOR]), self._reader.piece)
            if lines is None:
                return
            if lines:
                await self._stream.write(self._answer, "".join(f"{line}\n" for line in lines).encode())
