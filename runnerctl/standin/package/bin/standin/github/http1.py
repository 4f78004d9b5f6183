"""HTTP/1.1, one connection a call: what the runner needs of it.

Only ``http``: a sandbox listens on loopback.
"""

from __future__ import annotations

import json
import socket

from .. import pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Unreachable(Exception):
    """No answer: connection refused, reset, cut short or too slow."""


class Answer:
    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The value in the body; None when it is empty, no JSON, or not text."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def split(url: str) -> tuple[str, str, str]:
    """(scheme, host with port, path with query) of an absolute URL."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if not mark or not authority:
        raise ValueError(f"Invalid URI: {url}")
    return scheme.lower(), authority, slash + path or "/"


class Exchange:
    """A request that was sent; ``answer()`` reads what comes back. In between, ``fileno()`` can be waited for."""

    def __init__(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes = b"", timeout: float = 30.0
    ) -> None:
        scheme, authority, path = split(url)
        if scheme != "http":
            raise ValueError(f"The stand-in runner speaks plain http only: {url}")
        lines = [f"{method} {path} HTTP/1.1", f"Host: {authority}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method not in ("GET", "DELETE"):
            lines.append(f"Content-Length: {len(body)}")
        try:
            self._socket = connect(authority, timeout)
            self._socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        except OSError as exc:
            raise Unreachable(f"{exc.strerror or exc} ({authority})") from exc

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def answer(self) -> Answer:
        try:
            return _read_answer(self._socket)
        except OSError as exc:
            raise Unreachable(exc.strerror or str(exc)) from exc
        finally:
            self._socket.close()


def call(method: str, url: str, *, headers: dict[str, str], body: bytes = b"", timeout: float = 30.0) -> Answer:
    return Exchange(method, url, headers=headers, body=body, timeout=timeout).answer()


def connect(authority: str, timeout: float) -> socket.socket:
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = authority, "80"
    failure: OSError = OSError(f"Name or service not known: {host}")
    for family, kind, protocol, _, address in socket.getaddrinfo(host.strip("[]"), int(port), 0, socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(pace.network(timeout))
        try:
            connection.connect(address)
        except OSError as exc:
            failure = exc
            connection.close()
        else:
            return connection
    raise failure


class _Incoming:
    """The bytes of one connection, as lines and as counted blocks."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._held = b""

    def _more(self) -> bool:
        data = self._socket.recv(65536)
        self._held += data
        return bool(data)

    def line(self) -> bytes:
        while b"\n" not in self._held:
            if not self._more():
                raise Unreachable("The connection was closed before the answer was complete")
        line, _, self._held = self._held.partition(b"\n")
        return line.rstrip(b"\r")

    def block(self, length: int) -> bytes:
        while len(self._held) < length:
            if not self._more():
                raise Unreachable("The connection was closed before the answer was complete")
        block, self._held = self._held[:length], self._held[length:]
        return block

    def rest(self) -> bytes:
        while self._more():
            pass
        return self._held


def _read_answer(connection: socket.socket) -> Answer:
    incoming = _Incoming(connection)
    status = _status(incoming.line())
    headers: dict[str, str] = {}
    while line := incoming.line():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if status in (204, 304):
        return Answer(status, b"")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, _chunks(incoming))
    if "content-length" in headers:
        return Answer(status, incoming.block(int(headers["content-length"])))
    return Answer(status, incoming.rest())


def _status(line: bytes) -> int:
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise Unreachable("The server did not answer in HTTP/1.1")
    return int(words[1])


def _chunks(incoming: _Incoming) -> bytes:
    blocks = []
    while size := int(incoming.line().partition(b";")[0], 16):
        blocks.append(incoming.block(size))
        incoming.line()
    return b"".join(blocks)
