"""A tap between runners and a sandbox: it hands every byte on and keeps each call in the form of the records.

It speaks HTTP/1.1 of the stand-in's kind, one connection a call, so that a hung up poll is a closed connection.
"""

from __future__ import annotations

import base64
import json
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from runnerctl.sandbox import Sandbox
from tests.support.sandboxes.records import FRAME, HUNG_UP, Call

_KEPT = ("content-type", "x-ms-blob-type", "x-ms-blob-sealed")


class TappedSandbox(Sandbox):
    """A sandbox that runners reach through the tap only: by its address it names itself."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **known: Any) -> None:
        self.tap = Tap(host, port)
        super().__init__(**known)

    def _listen(self) -> socket.socket:
        listener = super()._listen()
        self.tap.begin(listener.getsockname())
        self._github.server_url = self.tap.url
        return listener

    def stop(self) -> None:
        super().stop()
        self.tap.close()


@dataclass(kw_only=True)
class _Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Tap:
    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port), backlog=128)
        self._target: Any = None
        self._calls: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._before: list[tuple[str, str, Callable[[], None]]] = []
        number = self._listener.getsockname()[1]
        self.url = f"http://{host}" if number == 80 else f"http://{host}:{number}"

    def begin(self, target: Any) -> None:
        self._target = target
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def calls(self) -> list[Call]:
        """In the order of their arrival; what is not answered yet has no status."""
        with self._changed:
            return [_call(number, kept) for number, kept in enumerate(self._calls)]

    def before(self, method: str, path: str, act: Callable[[], None]) -> None:
        """Act when the next such call has come, before it is handed on."""
        self._before.append((method, path, act))

    def wait_for(self, method: str, path: str, *, times: int = 1, answered: bool = False) -> None:
        """Until such a call, its path ending so, has arrived (and was answered) that many times."""

        def seen() -> bool:
            such = [kept for kept in self._calls if kept["method"] == method and _path(kept).endswith(path)]
            return sum("status" in kept or not answered for kept in such) >= times

        with self._changed:
            assert self._changed.wait_for(seen, timeout=20), f"no {method} …{path}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head, rest = _read_head(client)
            if not head:
                return
            request = _request(head, rest, client)
            kept = self._keep(request)
            self._act_before(request)
            try:
                with socket.create_connection(self._target) as server:
                    server.sendall(head + request.body)
                    self._hand_on(client, server, kept)
            except OSError as exc:
                self._set(kept, status=str(exc))

    def _act_before(self, request: _Request) -> None:
        for each in list(self._before):
            method, path, act = each
            if request.method == method and urlsplit(request.target).path.endswith(path):
                self._before.remove(each)
                act()

    def _hand_on(self, client: socket.socket, server: socket.socket, kept: dict[str, Any]) -> None:
        answer, frames = b"", _Frames()
        while True:
            readable, _, _ = select.select([client, server], [], [])
            # First what the runner did: an answer that comes with its end came too late.
            if client in readable:
                data = client.recv(65536)
                if not data:
                    if "status" not in kept or (kept["status"] == 101 and not frames.closed):
                        self._set(kept, status=HUNG_UP)
                    return
                server.sendall(data)
                for message in frames.feed(data):
                    self._keep_frame(kept, message)
            if server in readable:
                data = server.recv(65536)
                answer += data
                if "status" not in kept and b"\r\n" in answer:
                    self._set(kept, status=int(answer.split(None, 2)[1]))
                if not data:
                    return
                client.sendall(data)

    def _keep(self, request: _Request) -> dict[str, Any]:
        kept: dict[str, Any] = {"method": request.method, "path": request.target, "at": time.monotonic()}
        if "authorization" in request.headers:
            kept["authorization"] = request.headers["authorization"].split()[0]
        kept |= {name: request.headers[name] for name in _KEPT if name in request.headers}
        if request.body:
            kept["body"] = _body(request)
        self._add(kept)
        return kept

    def _keep_frame(self, opened: dict[str, Any], message: bytes) -> None:
        self._add({"method": FRAME, "path": opened["path"], "body": json.loads(message), "status": 0})

    def _add(self, kept: dict[str, Any]) -> None:
        with self._changed:
            self._calls.append(kept)
            self._changed.notify_all()

    def _set(self, kept: dict[str, Any], *, status: int | str) -> None:
        with self._changed:
            kept["status"] = status
            self._changed.notify_all()


class _Frames:
    """A client's side of a WebSocket."""

    def __init__(self) -> None:
        self._held = b""
        self._message = b""
        self.closed = False
        self.longest = 0

    def feed(self, data: bytes) -> list[bytes]:
        self._held += data
        messages = []
        while frame := self._frame():
            opcode, last, payload = frame
            self.closed = self.closed or opcode == 8
            if opcode in (0, 1):
                assert len(payload) <= 1024, "a fragment is longer than the real one's"
                self._message += payload
                if last:
                    messages.append(self._message)
                    self._message = b""
        return messages

    def _frame(self) -> tuple[int, bool, bytes] | None:
        held = self._held
        if len(held) < 2:
            return None
        size, start = held[1] & 0x7F, 2
        if size == 126:
            size, start = int.from_bytes(held[2:4], "big"), 4
        if len(held) < start + 4 + size:
            return None
        mask, payload = held[start : start + 4], held[start + 4 : start + 4 + size]
        self._held = held[start + 4 + size :]
        return held[0] & 0x0F, bool(held[0] & 0x80), bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        block = client.recv(65536)
        if not block:
            return b"", b""
        data += block
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _request(head: bytes, rest: bytes, client: socket.socket) -> _Request:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", 0))
    while len(rest) < length:
        rest += client.recv(length - len(rest))
    method, target, _ = first.split()
    return _Request(method=method, target=target, headers=headers, body=rest)


def _body(request: _Request) -> Any:
    kind = request.headers.get("content-type", "")
    if "json" in kind:
        return json.loads(request.body)
    if "form" in kind:
        form = dict(parse_qsl(request.body.decode()))
        return {**form, "client_assertion": _decoded(form["client_assertion"])}
    return request.body.decode()


def _decoded(assertion: str) -> dict[str, Any]:
    head, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in assertion.split("."))
    return {"header": json.loads(head), "claims": json.loads(claims)}


def _path(kept: dict[str, Any]) -> str:
    return urlsplit(kept["path"]).path


def _call(number: int, kept: dict[str, Any]) -> Call:
    parts = urlsplit(kept["path"])
    return Call(
        record="tap", number=number, method=kept["method"], path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers={name: kept[name] for name in _KEPT if name in kept}, scheme=kept.get("authorization"),
        body=kept.get("body"), status=kept.get("status", ""), answer=None,
    )  # fmt: skip
