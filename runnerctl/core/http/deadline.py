"""A call that is over in time, whatever the other side does: urllib3's own time-outs begin anew with every byte.

The connections are urllib3's; they only tell the call they serve that they do, so that it can be cut off.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_current: ContextVar[Call | None] = ContextVar("_current", default=None)


class Call:
    """One request and its answer."""

    def __init__(self) -> None:
        self.begun = False
        """Its sending has: before that, the other side cannot have acted on it."""
        self.expired = False
        self._began = time.monotonic()
        self._mutex = threading.Lock()
        self._connection: _Connection | None = None
        self._socket: Any = None

    def used(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def served_by(self, connection: _Connection) -> None:
        with self._mutex:
            self._connection, self._socket = connection, None
            connection.call = self

    def sent_over(self, connected: Any) -> None:
        """A connection forgets its socket when the answer is its last one, and that is still to be read then."""
        with self._mutex:
            self._socket = connected

    def cut(self) -> None:
        """From the timer's thread: whoever waits for bytes gets an end of file instead."""
        with self._mutex:
            self.expired = True
            connection = self._connection
            if connection is not None and connection.call is self:
                _shut(self._socket or connection.sock)


def _shut(connected: Any) -> None:
    while connected is not None and not isinstance(connected, socket.socket):
        connected = getattr(connected, "socket", None)  # TLS within a proxy's TLS
    if connected is None:
        return
    try:
        # Not the method of an SSLSocket, which would leave the reading thread without its TLS.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already


@contextmanager
def limited(seconds: float) -> Iterator[Call]:
    """What this thread asks of the pools below is cut off after that many seconds."""
    call = Call()
    timer = threading.Timer(seconds, call.cut)
    timer.daemon = True
    timer.start()
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)
        timer.cancel()


class _Connection(HTTPConnection):
    call: Call | None = None
    """Whom it serves now, or served last."""

    def connect(self) -> None:
        self._serve()
        super().connect()
        if self.call is not None and self.call.expired:
            self.close()
            raise TimeoutError("too late")

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._serve()
        super().request(*args, **kwargs)

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        """The request's first bytes go out here, those to a proxy before."""
        if self.sock is None:
            self.connect()
        if self.call is not None:
            self.call.sent_over(self.sock)
            self.call.begun = True
        super().endheaders(*args, **kwargs)

    def _serve(self) -> None:
        call = _current.get()
        if call is not None:
            call.served_by(self)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}
"""For ``PoolManager.pool_classes_by_scheme``."""
