"""A WebSocket client that cuts its messages as .NET's does when it is given them in pieces (RFC 6455)."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

FRAGMENT_BYTES = 1024
_CONTINUED, _TEXT, _CLOSE = 0, 1, 8
_LAST = 0x80


class WebSocket:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    @classmethod
    def connect(cls, url: str, headers: Mapping[str, str]) -> Self:
        """Raises ConnectionError with the answer's head unless the protocol was changed."""
        parts = urlsplit(url)
        connection = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=10)
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        lines = {"Host": parts.netloc, **upgrade, "Sec-WebSocket-Key": key, **headers}
        head = f"GET {parts.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"{head}\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer and (more := connection.recv(1)):
            answer += more
        if not answer.startswith(b"HTTP/1.1 101 "):
            connection.close()
            raise ConnectionError(answer.decode())
        return cls(connection)

    def send(self, message: bytes) -> None:
        """In fragments, as the real runner sends its lines."""
        for start in range(0, len(message), FRAGMENT_BYTES):
            chunk = message[start : start + FRAGMENT_BYTES]
            last = _LAST if start + FRAGMENT_BYTES >= len(message) else 0
            self._frame(last | (_CONTINUED if start else _TEXT), chunk)

    def close(self) -> int | None:
        """Says goodbye, and returns the code with which the other side answers."""
        self._frame(_LAST | _CLOSE, struct.pack(">H", 1000))
        return self.closed()

    def closed(self) -> int | None:
        """The code with which the other side closes; waits for it. None: without one."""
        with self._socket:
            head = self._exactly(2)
            if len(head) < 2 or head[0] & 0x0F != _CLOSE:
                return None
            return int(struct.unpack(">H", self._exactly(head[1] & 0x7F)[:2])[0])

    def abort(self) -> None:
        """Hangs up without a word, as a killed process does."""
        self._socket.close()

    def _frame(self, first: int, payload: bytes) -> None:
        mask = os.urandom(4)
        size = bytes([_LAST | len(payload)]) if len(payload) < 126 else struct.pack(">BH", _LAST | 126, len(payload))
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._socket.sendall(bytes([first]) + size + mask + masked)

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count and (more := self._socket.recv(count - len(found))):
            found += more
        return found
