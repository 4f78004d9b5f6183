"""A WebSocket that only talks (RFC 6455): handshake, text in fragments, and a close that waits for no answer."""

from __future__ import annotations

import os
import socket
from binascii import b2a_base64

from .. import pace
from . import http1

_FRAGMENT = 1024
_TEXT, _CONTINUED, _CLOSE = 0x1, 0x0, 0x8
_NORMAL = 1000


class WebSocket:
    """Raises ``http1.Unreachable``."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        scheme, authority, path = http1.split(url)
        if scheme not in ("ws", "http"):
            raise http1.Unreachable(f"The stand-in runner speaks ws only: {url}")
        lines = [f"GET {path} HTTP/1.1", f"Host: {authority}", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {_key()}",
                 *(f"{name}: {value}" for name, value in headers.items())]  # fmt: skip
        try:
            self._socket = http1.connect(authority, 30.0)
            self._socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            self._shake_hands()
        except OSError as exc:
            raise http1.Unreachable(exc.strerror or str(exc)) from exc

    def send(self, message: bytes) -> None:
        """One message, in fragments of 1,024 bytes."""
        opcode = _TEXT
        for start in range(0, len(message), _FRAGMENT):
            self._frame(opcode, message[start : start + _FRAGMENT], last=start + _FRAGMENT >= len(message))
            opcode = _CONTINUED

    def close(self) -> None:
        try:
            self._frame(_CLOSE, _NORMAL.to_bytes(2, "big") + b"Closing websocket", last=True)
            self._socket.shutdown(socket.SHUT_WR)
        except (http1.Unreachable, OSError):
            return

    def _frame(self, opcode: int, payload: bytes, *, last: bool) -> None:
        mask = os.urandom(4)
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2, "big")
        key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        masked = (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big")
        try:
            self._socket.sendall(bytes([0x80 * last | opcode]) + size + mask + masked)
        except OSError as exc:
            raise http1.Unreachable(exc.strerror or str(exc)) from exc

    def _shake_hands(self) -> None:
        self._socket.settimeout(pace.network(30.0))
        head = b""
        while b"\r\n\r\n" not in head:
            data = self._socket.recv(4096)
            if not data:
                raise http1.Unreachable("The connection was closed before the answer was complete")
            head += data
        if head.split(None, 2)[1] != b"101":
            raise http1.Unreachable(f"The server did not switch protocols: {head.splitlines()[0].decode('latin-1')}")


def _key() -> str:
    return b2a_base64(os.urandom(16), newline=False).decode()
