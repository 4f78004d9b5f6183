"""The pipe between Listener and Worker: a kind, a length, a text. After the other side's death it is simply silent."""

from __future__ import annotations

import os

NEW_JOB = 1
CANCEL = 2
SHUTDOWN = 3


def send(descriptor: int, kind: int, text: str = "") -> None:
    body = text.encode()
    data = kind.to_bytes(4, "little") + len(body).to_bytes(4, "little") + body
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor: int) -> tuple[int, str] | None:
    """The next message, or None when nobody can send one any more."""
    head = _exactly(descriptor, 8)
    if len(head) < 8:
        return None
    body = _exactly(descriptor, int.from_bytes(head[4:], "little"))
    return int.from_bytes(head[:4], "little"), body.decode()


def _exactly(descriptor: int, length: int) -> bytes:
    data = b""
    while len(data) < length:
        block = os.read(descriptor, length - len(data))
        if not block:
            break
        data += block
    return data
