"""Connections: how long one may say nothing, how much it may say; what no request can be made of."""

from __future__ import annotations

import asyncio
import logging
import socket
from asyncio import sslproto
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from aiohttp import web

from runnerctl.core.domain.errors import ExpectationFailed, InvalidRequest, RunnerctlError
from runnerctl.core.domain.phrases import quoted

from ..answers import complete, problem
from .admission import Admission

log = logging.getLogger("runnerctl.server")

HEAD_SECONDS = 15.0
"""For the first request's head to be complete."""
_KEEPALIVE_SECONDS = 120.0
"""Longer than tunnels and proxies keep theirs: they would send into a connection that is just being closed."""
_LINGERING_SECONDS = 2.0
"""For the rest of a body that nobody wants: so long that the answer arrives."""
_LINE = _FIELD = 8190
_MOST_READ = 2 * 1024
"""Taken apart before it is the others' turn: the smallest pieces of a body cost a microsecond a byte."""

_MOST_DROPPED = 64 * 1024


class Connection(web.RequestHandler):
    """aiohttp's, with less patience: ``until`` then, by the loop's time, the first request's head must be there."""

    __slots__ = ("_accepted", "_admission", "_overdue", "_place", "_until", "on_loss")

    def __init__(
        self, server: web.Server, accepted: socket.socket, admission: Admission, place: str, *, until: float
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=_KEEPALIVE_SECONDS,
            lingering_time=_LINGERING_SECONDS,
            max_line_size=_LINE,
            max_field_size=_FIELD,
            # Nothing is unpacked that nobody has asked for: 200 KB can hold 200 MB, whoever sends them.
            auto_decompress=False,
        )
        self._accepted = accepted
        self._admission = admission
        self._place = place
        self._until = until
        self._overdue: asyncio.TimerHandle | None = None
        self.on_loss: Callable[[], None] | None = None
        """Called when it ends, however it does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if hasattr(transport, "max_size"):  # TLS has its own: see ``read_in_turns``
            transport.max_size = _MOST_READ
        self._overdue = asyncio.get_running_loop().call_at(self._until, self._end_if_silent)

    def turn_out(self) -> None:
        """At once, whatever it waits for; also before it has a transport."""
        self._admission.leave(self, self._place)
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        else:
            with suppress(OSError):
                self._accepted.shutdown(socket.SHUT_RDWR)  # its end is seen by whoever reads it

    def stay(self) -> None:
        """Until its next answer."""
        self._admission.must_stay(self, self._place)

    @property
    def unsent(self) -> int:
        """Bytes of an answer that the other side has not taken yet."""
        return self.transport.get_write_buffer_size() if isinstance(self.transport, asyncio.Transport) else 0

    @property
    def is_silent(self) -> bool:
        """Whether it has not said yet what it wants."""
        return not self._request_count

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        self._admission.leave(self, self._place)
        if self.on_loss is not None:
            self.on_loss()
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answered, it may go before those that are not."""
        if isinstance(resp, web.HTTPExpectationFailed):
            resp = _unexpected(request)
        finished = await super().finish_response(request, resp, start_time)
        self._admission.may_yield(self, self._place)
        return finished

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
        # Closed on bytes that were never read, the connection is reset, and the answer lost.
        with suppress(OSError):
            self._accepted.recv(_MOST_DROPPED)
        answer = problem(refusal, request_id="-")
        complete(answer.headers)
        answer.force_close()
        return answer


def read_in_turns() -> None:
    """The same for connections with TLS, of which a program's have one size."""
    sslproto.SSLProtocol.max_size = _MOST_READ


def heard(request: web.Request) -> None:
    """Somebody whom we know said it: the connection stays until that is answered."""
    if isinstance(request.protocol, Connection):
        request.protocol.stay()


@contextmanager
def when_lost(request: web.Request, callback: Callable[[], None]) -> Iterator[None]:
    """Calls it as soon as the request's connection ends, also if that was before."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.on_loss = callback
    if request.transport is None or request.transport.is_closing():
        callback()
    try:
        yield
    finally:
        if isinstance(connection, Connection):
            connection.on_loss = None


def _unexpected(request: web.BaseRequest) -> web.Response:
    """What aiohttp refuses before it asks any of ours."""
    told = quoted(request.headers.get("Expect", ""))
    refusal = ExpectationFailed(f"Expect {told} is not supported", hint="Leave it out, or send Expect: 100-continue")
    answer = problem(refusal, request_id="-")
    complete(answer.headers)
    return answer
