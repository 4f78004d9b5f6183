"""Sends what the real runner sent, call by call, to a sandbox: with the sandbox's own ids, times and tokens."""

from __future__ import annotations

import base64
import json
import re
import select
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from runnerctl.sandbox import Sandbox
from tests.support.sandboxes.listener import private_key, public_key_xml
from tests.support.sandboxes.records import FRAME, Call, record
from tests.support.sandboxes.websocket import WebSocket

USER_AGENT = "GitHubActionsRunner-linux-x64/2.336.0"
RECORDED = "http://HOST"
_MORE_LINES = re.compile(r"^… (\d+) more lines$")
_LISTENER = re.compile(r"^/sandbox/(oauth|broker|run/acquirejob)")
_JOBS_OWN = re.compile(r"^(/sandbox/(results|feed|run)|/actions/build/)")
PROTOCOL_WORDS = frozenset(
    {"messageType", "errorKind", "source", "statusCode", "token_type", "token_schema", "blob_storage_type", "type",
     "t", "scheme", "use_v2_flow", "condition", "name", "contextName", "Key", "k"}
)  # fmt: skip
"""Fields whose values are the protocol's: they must be as recorded."""
MORE_VARIABLES = frozenset({"actions_display_helpful_actions_download_errors"})
"""Switches that no record has: by its source the real runner reads them (``ActionManager.GetDownloadInfoAsync``)."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request as it goes out."""

    method: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    """JSON, a form, bytes or None."""

    def content(self) -> bytes | None:
        match self.body:
            case None | bytes():
                return self.body
            case _ if "form" in self.headers.get("content-type", ""):
                return urlencode(self.body).encode()
            case _:
                return json.dumps(self.body).encode()


@dataclass(kw_only=True)
class Answer:
    status: int
    body: Any


class OpenCall:
    """A request that was sent and may wait for its answer."""

    def __init__(self, sent: Sent) -> None:
        parts = urlsplit(sent.url)
        self._connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        if sent.query:
            path += ("&" if parts.query else "?") + urlencode(sent.query)
        headers = {"User-Agent": USER_AGENT, **sent.headers}
        self._connection.request(sent.method, path, body=sent.content(), headers=headers)

    def answer(self) -> Answer:
        response: HTTPResponse = self._connection.getresponse()
        content = response.read()
        self._connection.close()
        kind = response.headers.get("Content-Type", "")
        return Answer(status=response.status, body=json.loads(content) if "json" in kind else content)

    def hang_up(self) -> None:
        """Fails if there was an answer already, but for that of a poll that no message came to: ours are shorter."""
        ready, _, _ = select.select([self._connection.sock], [], [], 0)
        if ready:
            assert self.answer() == Answer(status=202, body=b"")
        self.close()

    def close(self) -> None:
        self._connection.close()


Before = Callable[["Replayer", Call, Sent], None]


@dataclass(kw_only=True)
class Replayer:
    """One runner of a record. ``before`` is called with each request before it is sent."""

    sandbox: Sandbox
    name: str
    before: Before | None = None
    replayed: list[Call] = field(default_factory=list)
    key: RSAPrivateKey = field(init=False)
    client_id: str = ""
    runner_id: int = 0
    jobs: list[int] = field(default_factory=list)
    _ids: dict[str, str] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)
    """By who speaks: ``runner``, ``job``, ``github`` and ``config``."""
    _open: tuple[Call, OpenCall] | None = None
    _feed: tuple[Call, WebSocket] | None = None

    def replay(self) -> None:
        """Every call of the record; raises AssertionError at the first that is not answered as it was."""
        self._ids[RECORDED] = self.sandbox.server_url
        calls = record(self.name)
        self._get_an_identity(calls)
        for call in calls:
            self._settle(call)
            self._one(call)
            self.replayed.append(call)
        self._settle(None)
        self._close_feed()

    def close(self) -> None:
        """Leaves nothing open, wherever the replay ended."""
        if self._open is not None:
            self._open[1].close()
        if self._feed is not None:
            self._feed[1].abort()

    # --- One call ---

    def _one(self, call: Call) -> None:
        sent = self.request(call)
        if self.before is not None:
            self.before(self, call, sent)
        if call.method == FRAME:
            return self._send_frame(sent)
        if call.path == "/sandbox/feed":
            return self._open_feed(call, sent)
        if call.path.endswith("/message"):
            return self._open_poll(call, sent)
        self._check(call, OpenCall(sent).answer())
        return None

    def request(self, call: Call) -> Sent:
        """That call with the ids of this sandbox."""
        headers = dict(call.headers)
        scheme = "Bearer" if call.method == FRAME else call.scheme  # that of its connection
        if scheme:
            headers["Authorization"] = f"{scheme} {self._credentials(call)}"
        url, query = self._address(call)
        body = self._assertion_form(call) if call.path == "/sandbox/oauth/token" else self._body(call)
        return Sent(method=call.method, url=url, query=query, headers=headers, body=body)

    def _address(self, call: Call) -> tuple[str, dict[str, str]]:
        """A blob's address was told as a whole, with its query; to that the runner adds its own."""
        query = {name: self.mapped(value) for name, value in call.query.items()}
        told = self._ids.get(f"{RECORDED}{call.path}?sig=1")
        if told is None:
            return self.mapped(RECORDED + call.path), query
        del query["sig"]
        return told, query

    def _body(self, call: Call) -> Any:
        if isinstance(call.body, str):
            return call.body.encode()
        if call.method == FRAME:
            return self.frame(call)
        body = self.mapped(call.body)
        if call.path.endswith("/session") and body is not None:
            body["agent"]["id"] = self.runner_id
        if call.path.endswith("/register"):
            body["public_key"] = public_key_xml(self.key)
        return body

    def _assertion_form(self, call: Call) -> dict[str, str]:
        recorded = call.body["client_assertion"]
        header, claims = recorded["header"], self.mapped(recorded["claims"])
        now = int(time.time())
        claims |= {"sub": self.client_id, "iss": self.client_id, "jti": str(uuid.uuid4())}
        claims |= {"nbf": now, "exp": now + recorded["claims"]["exp"] - recorded["claims"]["nbf"]}
        return {**call.body, "client_assertion": jwt.encode(claims, self.key, header["alg"], headers=header)}

    def _credentials(self, call: Call) -> str:
        match call.scheme:
            case "RemoteAuth":
                return self._tokens["config"]
            case "Basic":
                return base64.b64encode(f"x-access-token:{self._tokens['github']}".encode()).decode()
            case _ if _JOBS_OWN.match(call.path) and not call.path.endswith("/acquirejob"):
                return self._tokens["job"]
            case _:
                return self._tokens["runner"]

    def _check(self, call: Call, answer: Answer) -> None:
        assert answer.status == call.status, (call.id, call.what, answer)
        if isinstance(call.answer, dict):
            same_form(call.answer, answer.body, at=call.id)
            self._learn(call.answer, answer.body)
            self._keep(call, answer.body)

    def _keep(self, call: Call, body: Any) -> None:
        """What later calls need of an answer."""
        if call.path == "/sandbox/oauth/token":
            self._tokens["runner"] = body["access_token"]
        elif call.path.endswith("/acquirejob"):
            endpoint = body["resources"]["endpoints"][0]
            self._tokens["job"] = endpoint["authorization"]["parameters"]["AccessToken"]
            self._tokens["github"] = body["variables"]["system.github.token"]["value"]
        elif call.path.endswith("/register"):
            self.runner_id, self.client_id = body["id"], body["authorization"]["client_id"]

    # --- Polls: open until the Listener speaks again ---

    def _open_poll(self, call: Call, sent: Sent) -> None:
        if call.status == 400:
            self.sandbox.minimum_version = "9999.0.0"
        self._open = (call, OpenCall(sent))
        if call.status == 404:
            assert self.sandbox.delete_runner(self.runner_id)
        elif call.answer and call.answer.get("messageType") == "RunnerJobRequest":
            self.jobs.append(self._submit(call))

    def _settle(self, coming: Call | None) -> None:
        """Ends the open poll as it ended in the record, before the call that comes then."""
        if self._open is None or (coming is not None and not _LISTENER.match(coming.path)):
            return
        call, poll = self._open
        self._open = None
        if call.hung_up:
            poll.hang_up()
            return
        if call.answer and call.answer.get("messageType") == "JobCancellation":
            self.sandbox.cancel_job(self.jobs[-1])
        self._check(call, poll.answer())

    # --- The feed ---

    def _open_feed(self, call: Call, sent: Sent) -> None:
        assert call.hung_up or call.status == 101
        self._close_feed()
        self._feed = (call, self.feed(sent))

    def feed(self, sent: Sent) -> WebSocket:
        return WebSocket.connect(sent.url.replace("http", "ws", 1), {**sent.headers, "User-Agent": USER_AGENT})

    def _send_frame(self, sent: Sent) -> None:
        assert self._feed is not None
        self._feed[1].send(json.dumps(sent.body).encode())

    def _close_feed(self) -> None:
        if self._feed is None:
            return
        call, feed = self._feed
        self._feed = None
        if call.hung_up:
            feed.abort()
        else:
            assert feed.close() == 1000

    def frame(self, call: Call) -> Any:
        """With as many lines as there were: the record shows three of them."""
        body = self.mapped(call.body)
        cut = _MORE_LINES.match(body["value"][-1])
        if cut:
            body["value"][-1:] = ["…"] * int(cut[1])
        return body

    # --- Who it is ---

    def _get_an_identity(self, calls: tuple[Call, ...]) -> None:
        first = calls[0]
        if first.scheme == "RemoteAuth":
            self.key = _new_key()
            scope = urlsplit(first.body["url"]).path.strip("/")
            answer = self._rest(f"/{'repos' if '/' in scope else 'orgs'}/{scope}/actions/runners/registration-token")
            self._tokens["config"] = answer["token"]
            return
        algorithms = {c.body["client_assertion"]["header"]["alg"] for c in calls if c.path == "/sandbox/oauth/token"}
        self.sandbox.require_fips = algorithms == {"PS256"}
        body = {"name": "replayed", "runner_group_id": 1, "labels": ["replayed"]}
        self._take_identity(self._rest("/repos/octo-org/octo-repo/actions/runners/generate-jitconfig", body))
        if first.path.endswith("/message"):
            self._open_session_for(first)

    def _take_identity(self, answer: Any) -> None:
        files = {
            name: json.loads(base64.b64decode(content))
            for name, content in json.loads(base64.b64decode(answer["encoded_jit_config"])).items()
        }
        self.runner_id = answer["runner"]["id"]
        self.client_id = files[".credentials"]["Data"]["ClientId"]
        self.key = private_key(files[".credentials_rsaparams"])

    def _open_session_for(self, poll: Call) -> None:
        """The record begins with a poll: its session was made before, as in any other record."""
        for call in record("sigint-idle")[:2]:
            sent = self.request(call)
            answer = OpenCall(sent).answer()
            self._keep(call, answer.body)
        self._ids[poll.query["sessionId"]] = answer.body["sessionId"]

    def _rest(self, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.sandbox.pat}"}
        answer = requests.post(self.sandbox.api_url + path, json=body, headers=headers, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    # --- Jobs, as the record's acquirejob shows them ---

    def _submit(self, poll: Call) -> int:
        calls = record(self.name)
        later = calls[poll.number :]
        message = next(call.answer for call in later if call.path.endswith("/acquirejob"))
        endpoint = message["resources"]["endpoints"][0]
        environment = message["environmentVariables"]
        return self.sandbox.submit_job(
            "octo-org/octo-repo",
            "replayed" if calls[0].scheme != "RemoteAuth" else "self-hosted",
            [_step(step) for step in message["steps"]],
            env=_map(environment[0]) if environment else {},
            permissions={"id-token": "write"} if "GenerateIdTokenUrl" in endpoint["data"] else {},
        )

    # --- Ids ---

    def mapped(self, value: Any) -> Any:
        match value:
            case str():
                return self._mapped_text(value)
            case dict():
                return {key: self.mapped(each) for key, each in value.items()}
            case list():
                return [self.mapped(each) for each in value]
            case _:
                return value

    def _mapped_text(self, text: str) -> str:
        for recorded in sorted(self._ids, key=len, reverse=True):
            if recorded in text:
                text = text.replace(recorded, self._ids[recorded])
        return text

    def _learn(self, recorded: Any, actual: Any) -> None:
        """Which of its ids stands for which of the record's."""
        match recorded, actual:
            case dict(), dict():
                for key in recorded:
                    self._learn(recorded[key], actual[key])
            case list(), list():
                for one, other in zip(recorded, actual, strict=True):
                    self._learn(one, other)
            case str(), str() if recorded.startswith("{"):
                self._learn(json.loads(recorded), json.loads(actual))
            case str(), str() if recorded != actual and not recorded.startswith("<"):
                self._ids[recorded] = actual


def same_form(recorded: Any, actual: Any, *, at: str) -> None:
    """Same fields, same types, and the protocol's own words the same."""
    match recorded:
        case dict():
            assert isinstance(actual, dict), at
            known = recorded.keys() | (MORE_VARIABLES if at.endswith(".variables") else set())
            assert known == actual.keys(), (at, known ^ actual.keys())
            for key, value in recorded.items():
                same_form(value, actual[key], at=f"{at}.{key}")
                if key in PROTOCOL_WORDS and not isinstance(value, dict | list):
                    assert value == actual[key], (at, key, actual[key])
        case list():
            assert isinstance(actual, list), at
            assert len(recorded) == len(actual), (at, actual)
            for number, (one, other) in enumerate(zip(recorded, actual, strict=True)):
                same_form(one, other, at=f"{at}[{number}]")
        case str() if recorded.startswith("{"):
            same_form(json.loads(recorded), json.loads(actual), at=at)
        case _:
            assert type(recorded) is type(actual), (at, recorded, actual)


def _step(message: dict[str, Any]) -> dict[str, Any]:
    """What a person wrote into the workflow for it."""
    reference, inputs = message["reference"], _map(message["inputs"])
    step: dict[str, Any] = {} if message["condition"] == "success()" else {"if": message["condition"]}
    if "displayNameToken" in message:
        step["name"] = message["displayNameToken"]
    if reference["type"] == "script":
        return {**step, "run": inputs["script"]}
    return {**step, "uses": f"{reference['name']}@{reference['ref']}", "with": inputs}


def _map(token: dict[str, Any]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in token["map"]}


@cache
def _new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)
