"""A broker and a run service that misbehave by script: for what no sandbox does and no record holds."""

from __future__ import annotations

import base64
import json
import select
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.sandboxes.records import record

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
Script = tuple[int, dict[str, Any]]


def broker_error(status: int, kind: str, message: str = "") -> Script:
    """As the broker writes it, and only so the runner understands it."""
    return status, {"source": "actions-broker-listener", "errorKind": kind, "statusCode": status,
                    "errorMessage": message}  # fmt: skip


def run_service_error(status: int) -> Script:
    return status, {"source": "actions-run-service", "statusCode": status, "errorMessage": "no such job"}


class ScriptedBroker:
    """Answers kindly, unless ``script`` holds answers for a route: they are given first, the last one for ever."""

    def __init__(self) -> None:
        self.script: dict[str, list[Script]] = defaultdict(list)
        self.files: dict[str, bytes] = {}
        self.calls: list[tuple[str, Any]] = []
        self.changed = threading.Condition()
        self.address = ""
        self._messages: list[dict[str, Any]] = []
        self._jobs: dict[str, dict[str, Any]] = {}
        self._closed = False

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def queue(self, command: str, *, name: str = "build", **step: Any) -> str:
        """A job with that step; returns its id. It is a recorded one without a results service."""
        job_id, request = str(uuid.uuid4()), str(uuid.uuid4())
        job = json.loads(json.dumps(_RECORDED).replace("http://HOST", self.url).replace("<AccessToken>", _TOKEN))
        script = {"type": 2, "map": [{"Key": "script", "Value": command}]}
        job |= {"jobId": job_id, "jobDisplayName": name, "steps": [{**job["steps"][0], "inputs": script, **step}]}
        del job["variables"]["system.github.results_endpoint"]
        self._jobs[request] = job
        body = {"runner_request_id": request, "run_service_url": f"{self.url}/sandbox/run/", "should_acknowledge": True,
                "billing_owner_id": ""}  # fmt: skip
        self.send("RunnerJobRequest", body)
        return job_id

    def send(self, kind: str, body: dict[str, Any]) -> None:
        with self.changed:
            self._messages.append({"messageId": 1, "messageType": kind, "body": json.dumps(body)})
            self.changed.notify_all()

    def bodies(self, route: str) -> list[Any]:
        with self.changed:
            return [body for each, body in self.calls if each == route]

    def wait_for(self, route: str, predicate: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first body sent to that route which satisfies; waits for it."""
        with self.changed:
            assert self.changed.wait_for(lambda: self._found(route, predicate), timeout=15), (route, self.calls)
            return self._found(route, predicate)[0]

    def wait_for_call(self, route: str, *, after: str) -> None:
        """One of that route that came behind the first of the other: who counts calls meanwhile may come too late."""
        with self.changed:
            assert self.changed.wait_for(lambda: route in self._routes_after(after), timeout=15), self.calls

    def _routes_after(self, first: str) -> list[str]:
        routes = [route for route, _ in self.calls]
        return routes[routes.index(first) + 1 :] if first in routes else []

    def _found(self, route: str, predicate: Callable[[Any], bool]) -> list[Any]:
        return [body for each, body in self.calls if each == route and predicate(body)]

    def answer(self, method: str, route: str, body: Any, gone: Callable[[], bool]) -> Script:
        with self.changed:
            name = f"{method} {route}" if route == "session" else route
            self.calls.append((name, body))
            self.changed.notify_all()
            scripted = self.script[name]
            if scripted:
                return scripted.pop(0) if len(scripted) > 1 else scripted[0]
        return self._next_message(gone) if name == "message" else self._kind_answer(name, body)

    def _kind_answer(self, name: str, body: Any) -> Script:
        if name == "token":
            jwt.decode(
                body["client_assertion"][0], KEY.public_key(), ["PS256"], audience=f"{self.url}/sandbox/token",
                options={"require": ["sub", "iss", "aud", "jti", "nbf", "exp"]},
            )  # fmt: skip
            return 200, {"access_token": "at", "expires_in": 3600, "token_type": "JWT"}
        if name == "POST session":
            return 200, {"sessionId": str(uuid.uuid4())}
        if name == "acquirejob":
            return 200, self._jobs[body["jobMessageId"]]
        return 200, {}

    def _next_message(self, gone: Callable[[], bool]) -> Script:
        """Whoever hung up gets none: it is for the next poll."""
        deadline = time.monotonic() + 10
        with self.changed:
            while not (self._messages or self._closed or gone() or time.monotonic() > deadline):
                self.changed.wait(0.02)
            return (200, self._messages.pop(0)) if self._messages and not gone() else (202, {})

    def close(self) -> None:
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    def jitconfig(self, **more: str) -> str:
        settings = {"AgentId": "7", "AgentName": "n", "ServerUrlV2": f"{self.url}/sandbox/broker/", "Ephemeral": "True",
                    "UseV2Flow": "true", "DisableUpdate": "True", "WorkFolder": "_work", **more}  # fmt: skip
        data = {"ClientId": str(uuid.uuid4()), "AuthorizationUrl": f"{self.url}/sandbox/token",
                "RequireFipsCryptography": "True"}  # fmt: skip
        files = {".runner": settings, ".credentials": {"Scheme": "OAuth", "Data": data},
                 ".credentials_rsaparams": rsa_parameters()}  # fmt: skip
        encoded = {name: base64.b64encode(json.dumps(each).encode()).decode() for name, each in files.items()}
        return base64.b64encode(json.dumps(encoded).encode()).decode()


_RECORDED = next(call.answer for call in record("drained") if call.path.endswith("/acquirejob"))
_TOKEN = jwt.encode({"orch_id": "o", "scp": "Actions.Results:r:j"}, "k" * 32)


def rsa_parameters() -> dict[str, str]:
    private = KEY.private_numbers()
    numbers = {"d": private.d, "dp": private.dmp1, "dq": private.dmq1, "inverseQ": private.iqmp, "p": private.p,
               "q": private.q, "modulus": private.public_numbers.n, "exponent": private.public_numbers.e}  # fmt: skip
    return {
        name: base64.b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()
        for name, value in numbers.items()
    }


@contextmanager
def serving(broker: ScriptedBroker) -> Iterator[ScriptedBroker]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            path = self.path.partition("?")[0]
            route = path.rpartition("/")[2] if "/sandbox/" in path else path
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = broker.answer(self.command, route, self._decoded(data), self._hung_up)
            body = b"" if status in (202, 204) else broker.files.get(path) or json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _hung_up(self) -> bool:
            """What can be read now is the end: a poll has nothing more to say."""
            return bool(select.select([self.connection], [], [], 0)[0])

        def _decoded(self, data: bytes) -> Any:
            if data and "form" in self.headers.get("Content-Type", ""):
                return parse_qs(data.decode())
            content = json.loads(data) if data else {}
            return content | {"authorization": self.headers.get("Authorization"), "path": self.path}

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815  the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the calls are recorded."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A runner that is killed leaves its poll behind."""

    server = Server(("127.0.0.1", 0), Handler)
    broker.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield broker
    finally:
        broker.close()
        server.shutdown()
        thread.join()
        server.server_close()
