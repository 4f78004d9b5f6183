"""Our listening socket, served: who connects is admitted before anything of theirs is read, a handshake included."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from aiohttp import web

from .admission import Admission, place_of
from .connections import Connection, read_in_turns
from .newcomers import Newcomers

log = logging.getLogger("runnerctl.server")

_HANDSHAKE_SECONDS = 10.0
_LOOKS, _OBSERVE_SECONDS = 50, 0.01
"""For those who are connected when the server stops, and have said nothing yet."""
_AT_ONCE = 64
"""Accepted before the others are served again."""
_OUT_OF_FILES_SECONDS = 1.0
STALLED_SECONDS = 30.0
"""For some of what is sent to be taken."""


class Site(web.BaseSite):
    """Accepts itself: the loop's own servers know no limit before the handshake."""

    def __init__(self, runner: web.AppRunner, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        super().__init__(runner, ssl_context=context)
        self._listening = listening
        self._admission = Admission()
        self._newcomers = Newcomers(self._admission, self._admit)
        self._greeting: set[asyncio.Task[None]] = set()
        self._stalled: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return str(self._listening.getsockname())

    async def start(self) -> None:
        await super().start()
        read_in_turns()
        self._listening.setblocking(False)
        self._listening.listen(512)
        self._accept_again()
        self._stalled = asyncio.ensure_future(self._close_stalled())

    async def hear_out(self) -> None:
        """Takes no more callers, and lets those speak who are in already: stopping would hang up on them unheard.

        Behind a socket unit the others wait for the next server.
        """
        asyncio.get_running_loop().remove_reader(self._listening)
        for _ in range(_LOOKS):
            await asyncio.sleep(_OBSERVE_SECONDS)  # at least once: who was accepted just now is on no list yet
            if not self._newcomers and not self._greeting and not any(each.is_silent for each in self._connections()):
                break
        self._newcomers.turn_out()
        if self._stalled is not None:
            self._stalled.cancel()

    def _connections(self) -> list[Connection]:
        assert self._runner.server is not None  # noqa: S101 - set up before its site is started
        return [each for each in self._runner.server.connections if isinstance(each, Connection)]

    def _accept_again(self) -> None:
        if self._listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        self._newcomers.take(islice(self._arrivals(), _AT_ONCE))

    def _arrivals(self) -> Iterator[tuple[socket.socket, str]]:
        """Who is in line, and where each comes from."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:  # no file, or no memory, for one more
                log.error("no connection can be accepted for a moment: %s", exc.strerror)
                loop.remove_reader(self._listening)
                loop.call_later(_OUT_OF_FILES_SECONDS, self._accept_again)
                return
            try:
                yield accepted, place_of(accepted, address)
            except OSError:
                accepted.close()  # gone already

    def _admit(self, accepted: socket.socket, place: str, until: float) -> None:
        server = self._runner.server
        assert server is not None  # noqa: S101 - set up before its site is started
        connection = Connection(server, accepted, self._admission, place, until=until)
        if self._admission.enter(connection, place):
            greeting = asyncio.ensure_future(self._greet(connection, accepted))
            self._greeting.add(greeting)
            greeting.add_done_callback(self._greeting.discard)
        else:
            accepted.close()

    async def _greet(self, connection: Connection, accepted: socket.socket) -> None:
        patience: dict[str, Any] = {"ssl_handshake_timeout": _HANDSHAKE_SECONDS} if self._ssl_context else {}
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, accepted, ssl=self._ssl_context, **patience)
        except (OSError, ValueError) as exc:  # no handshake, gone, or turned out meanwhile
            log.debug("a connection was given up: %s", exc)
            connection.turn_out()

    async def _close_stalled(self) -> None:
        """Who takes nothing of an answer would have us keep it for ever."""
        before: dict[Connection, int] = {}
        while True:
            await asyncio.sleep(STALLED_SECONDS)
            now = {each: size for each in self._connections() if (size := each.unsent)}
            for each, size in now.items():
                if size >= before.get(each, size + 1):
                    with suppress(OSError):
                        each.turn_out()
            before = now
