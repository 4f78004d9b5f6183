"""Loopback servers that answer HTTP in bad ways, each named for its own, and a proxy that counts."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

PAGE = b"<!DOCTYPE html>\n<html><body>Please sign in to use this network</body></html>"


class Misbehaving(ThreadingHTTPServer):
    """Keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Misbehaving:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        raise NotImplementedError

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what these are for."""

    def pieces(self, piece: bytes) -> Iterator[bytes]:
        """Without end, one every 20 ms: no single wait is long."""
        while not self.ended.wait(0.02):
            yield piece


class TricklingBody(Misbehaving):
    """JSON, a blank at a time."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")
        for piece in self.pieces(b" "):
            request.wfile.write(piece)


class TricklingLastBody(Misbehaving):
    """JSON, a blank at a time, on a connection that ends with it: its client forgets the connection at once."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{")
        for piece in self.pieces(b" "):
            request.wfile.write(piece)


class TricklingOldBody(Misbehaving):
    """The same by HTTP/1.0, where every answer is the last one of its connection."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")
        for piece in self.pieces(b" "):
            request.wfile.write(piece)


class TricklingHead(Misbehaving):
    """A header whose value does not end."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for piece in self.pieces(b"x"):
            request.wfile.write(piece)


class NeverAnswers(Misbehaving):
    def answer(self, request: BaseHTTPRequestHandler) -> None:  # noqa: ARG002 - nobody is answered
        self.ended.wait()


class HugeAnswer(Misbehaving):
    """As fast as it can, and without saying how much."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
        block = b'"%s",' % (b"x" * 65536)
        while not self.ended.is_set():
            request.wfile.write(block)


class HtmlPortal(Misbehaving):
    """Answers everything with the same page."""

    def __init__(self, status: int = 200, content: bytes = PAGE) -> None:
        super().__init__()
        self.status = status
        self.content = content

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(self.status)
        request.send_header("Content-Type", "text/html" if self.content.startswith(b"<") else "application/json")
        request.send_header("Content-Length", str(len(self.content)))
        request.end_headers()
        request.wfile.write(self.content)


class EmptyScope(HtmlPortal):
    """A repository without runners: whatever is asked for is answered as a portal does, but the list of runners."""

    def __init__(self, status: int, content: bytes, *, listed: tuple[int, bytes] | None = None) -> None:
        super().__init__(status, content)
        self._listed = listed or (200, b'{"total_count":0,"runners":[]}')

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if not request.path.partition("?")[0].endswith("/actions/runners"):
            super().answer(request)
            return
        status, content = self._listed
        request.send_response(status)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


class CountingProxy(Misbehaving):
    """An HTTP proxy, also for TLS, that leads to one place whatever the name: names need not exist."""

    def __init__(self, target: str, *, credentials: str | None = None) -> None:
        super().__init__()
        self._target = urlsplit(target)
        self._credentials = credentials

    def answer(self, request: Any) -> None:
        if self._credentials is not None and request.headers["Proxy-Authorization"] != self._credentials:
            request.send_response(407)
            request.send_header("Content-Length", str(len(PAGE)))
            request.end_headers()
            request.wfile.write(PAGE)
        elif request.command == "CONNECT":
            self._tunnel(request)
        else:
            self._forward(request)

    def _forward(self, request: _Handler) -> None:
        absolute = request.path.partition("://")[2]
        path = absolute.partition("/")[2] if absolute else request.path.removeprefix("/")
        headers = {name: value for name, value in request.headers.items() if not name.lower().startswith("proxy-")}
        asked = Request(
            f"http://{self._target.netloc}/{path}",
            data=request.body or None,
            headers=headers,
            method=request.command,
        )
        opener = build_opener(ProxyHandler({}))
        opener.handle_error = {}
        opener.process_response = {}
        with opener.open(asked, timeout=30) as answer:
            body = answer.read()
            request.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                    request.send_header(name, value)
            if answer.status not in {204, 304}:
                request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

    def _tunnel(self, request: BaseHTTPRequestHandler) -> None:
        with socket.create_connection((self._target.hostname, self._target.port)) as there:
            request.send_response(200)
            request.end_headers()
            back = threading.Thread(target=_pump, args=(there, request.connection), daemon=True)
            back.start()
            _pump(request.connection, there)
            back.join()
        request.close_connection = True


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Misbehaving
    body = b""
    answered: ClassVar[set[str]] = {"do_GET", "do_POST", "do_DELETE", "do_CONNECT"}

    def __getattr__(self, name: str) -> Any:
        if name in self.answered:
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.headers.append(dict(self.headers.items()))
        self.body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.answer(self)

    def log_message(self, *_: object) -> None:
        pass


def plant_netrc(home: Path, monkeypatch: Any) -> None:
    """Credentials for every host, where curl, requests and urllib look for them."""
    (home / ".netrc").write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / ".netrc"))
