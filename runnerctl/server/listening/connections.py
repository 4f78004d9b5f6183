"""Connections: how many, how long one may say nothing, how much it may say; what no request can be made of."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Any

from aiohttp import web

from runnerctl.core.domain.errors import InvalidRequest, RunnerctlError

from ..answers import PROTECTION, problem

log = logging.getLogger("runnerctl.server")

MOST = 1000
"""At once; each takes a descriptor, and more are closed unheard."""
HEAD_SECONDS = 15.0
"""For the first request's head to be complete."""
_KEEPALIVE_SECONDS = 120.0
"""Longer than tunnels and proxies keep theirs: they would send into a connection that is just being closed."""
_HANDSHAKE_SECONDS = 10.0
_LINGERING_SECONDS = 2.0
"""For the rest of a body that nobody wants: so long that the answer arrives."""
_LOOKS, _OBSERVE_SECONDS = 50, 0.01
"""For those who are connected when the server stops, and have said nothing yet."""
_LINE = _FIELD = 8190


class Connection(web.RequestHandler):
    """aiohttp's, with less patience."""

    __slots__ = ("_overdue",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._overdue = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._end_if_silent)

    @property
    def is_silent(self) -> bool:
        """Whether it has not said yet what it wants."""
        return not self._request_count

    def connection_lost(self, exc: BaseException | None) -> None:
        self._overdue.cancel()
        super().connection_lost(exc)

    def _end_if_silent(self) -> None:
        if self.is_silent:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature
    ) -> web.StreamResponse:
        """What came before any of ours could answer it: bytes that are no request."""
        if status >= 500:
            log.error("request failed", exc_info=exc)
            refusal = RunnerctlError("")
        else:
            refusal = InvalidRequest("The request is not understood")
        answer = problem(refusal, request_id="-")
        answer.headers.extend(PROTECTION)
        answer.force_close()
        return answer


class _Unheard(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's
        transport.abort()


class Site(web.BaseSite):
    """Our listening socket, served."""

    def __init__(self, runner: web.AppRunner, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        super().__init__(runner, ssl_context=context)
        self._listening = listening

    @property
    def name(self) -> str:
        return str(self._listening.getsockname())

    async def start(self) -> None:
        await super().start()
        patience: dict[str, Any] = {"ssl_handshake_timeout": _HANDSHAKE_SECONDS} if self._ssl_context else {}
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._accept, sock=self._listening, ssl=self._ssl_context, backlog=512, **patience
        )

    async def hear_out(self) -> None:
        """Takes no more callers, and lets those speak who are in already: stopping would hang up on them unheard.

        Behind a socket unit the others wait for the next server.
        """
        asyncio.get_running_loop().remove_reader(self._listening)
        for _ in range(_LOOKS):
            await asyncio.sleep(_OBSERVE_SECONDS)  # at least once: who was accepted just now is on no list yet
            if not self._somebody_is_silent():
                return

    def _somebody_is_silent(self) -> bool:
        assert self._runner.server is not None  # noqa: S101 - set up before its site is started
        return any(isinstance(each, Connection) and each.is_silent for each in self._runner.server.connections)

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None  # noqa: S101 - set up before its site is started
        if len(server.connections) >= MOST:
            return _Unheard()
        return Connection(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=_KEEPALIVE_SECONDS,
            lingering_time=_LINGERING_SECONDS,
            max_line_size=_LINE,
            max_field_size=_FIELD,
        )
