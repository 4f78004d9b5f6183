"""What strangers send takes the server time that grows with its length alone, wherever it is looked at."""

from __future__ import annotations

import base64
import http.client
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runnerctl.core.domain.phrases import quoted
from tests.support.hosts.host import Host, Server

RUNNERS = "/api/v1/runners"
HEADER, BODY = 7500, 60_000
"""As much as is taken of either."""
SOME = 12
"""Requests that are measured together: the kernel counts in hundredths of a second."""
EVIL = ("eyJ_", "eyJaaaaaaaa.", "eyew", "MII", "-----BEGIN PRIVATE ", "authorization:", "Bearer ", ":/a@", "../", "{a")
JSON = {"Content-Type": "application/json"}


class Sent(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: str | None = None


def in_body(**fields: Any) -> Callable[[str], Sent]:
    """``@`` stands for the text."""

    def sent(text: str) -> Sent:
        given = json.dumps({"repo": "acme/widgets", "name": "x", **fields})
        return Sent("POST", RUNNERS, JSON, given.replace("@", json.dumps(text)[1:-1]))

    return sent


def raw(make: Callable[[str], str]) -> Callable[[str], Sent]:
    return lambda text: Sent("POST", RUNNERS, JSON, make(text))


def in_header(name: str, before: str = "") -> Callable[[str], Sent]:
    return lambda text: Sent("GET", f"{RUNNERS}/x/status", {name: before + text})


def in_jose(text: str) -> Sent:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "kid": text[: len(text) // 2]}).encode()).decode()
    return Sent("GET", RUNNERS, {"Authorization": f"Bearer {header.rstrip('=')}.e30.x"})


def in_path(form: str) -> Callable[[str], Sent]:
    return lambda text: Sent("GET", form.replace("@", text.replace(" ", "%20").replace("{", "%7B")), {})


HEADS: dict[str, Callable[[str], Sent]] = {
    "path": in_path("/@"),
    "name": in_path(f"{RUNNERS}/@"),
    "orphan": in_path("/api/v1/orphans/@"),
    "query": in_path(f"{RUNNERS}?@=1"),
    "state": in_path(f"{RUNNERS}?state=@"),
    "label": in_path(f"{RUNNERS}?label=@"),
    "repo of a list": in_path(f"{RUNNERS}?repo=@"),
    "limit": in_path(f"{RUNNERS}?limit=@"),
    "cursor": in_path(f"{RUNNERS}?cursor=@"),
    "since": in_path("/api/v1/jobs?since=@"),
    "result": in_path("/api/v1/jobs?result=@"),
    "authorization": in_header("Authorization"),
    "bearer": in_header("Authorization", "Bearer "),
    "JOSE header": in_jose,
    "cookie": in_header("Cookie"),
    "request id": in_header("X-Request-Id"),
    "forwarded": in_header("X-Forwarded-For"),
    "if-none-match": in_header("If-None-Match"),
    "content type": in_header("Content-Type"),
}
BODIES: dict[str, Callable[[str], Sent]] = {
    **{field: in_body(**{field: "@"}) for field in ("name", "repo", "org", "version", "workdir", "group", "timeout")},
    "labels": in_body(labels="@"),
    "a label": in_body(labels=["@"]),
    "unknown field": in_body(**{"@": 1}),
    "wait": in_body(wait="@"),
    "variable": in_body(env={"@": "x"}),
    "value": in_body(env={"X": "@"}),
    "many labels": raw(lambda t: json.dumps({"repo": "a/b", "name": "x", "labels": [*map(str, range(len(t) // 8))]})),
    "many variables": raw(
        lambda t: json.dumps({"repo": "a/b", "name": "x", "env": {f"V{n}": "" for n in range(len(t) // 14)}})
    ),
    "depth": raw(lambda text: "[" * len(text)),
    "depth of a field": raw(lambda text: '{"name": ' + '{"a":' * (len(text) // 5)),
    "number": raw(lambda text: '{"timeout": ' + "9" * len(text) + "}"),
}


@pytest.fixture
def loud(quiet_server: tuple[Server, Host, Any]) -> Server:
    return quiet_server[0]


def cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def taken(server: Server, sent: Sent, times: int) -> float:
    """Of the server's processor, by that many requests."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    before = cpu_seconds(server)
    for _ in range(times):
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        headers = {"Authorization": f"Bearer {server.token}", **sent.headers}
        connection.request(sent.method, sent.path, body=sent.body, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status < 500, (sent.method, sent.path[:80], answer.status, body[:200])
        assert len(body) < 4096, "what was sent is not sent back"
    return cpu_seconds(server) - before


def is_slow(server: Server, make: Callable[[str], Sent], piece: str, length: int) -> bool:
    """A doubling takes more than twice as long. What takes next to nothing tells nothing by that."""
    text = (piece * length)[:length]
    if taken(server, make(text), 1) <= 0.03:
        return False
    half, whole = taken(server, make(text[: length // 2]), SOME), taken(server, make(text), SOME)
    return whole > 3 * half + 0.05 or whole > SOME * 0.1


@pytest.mark.parametrize("where", HEADS)
def test_a_head_is_looked_at_in_time_by_its_length(loud: Server, where: str) -> None:
    assert [piece for piece in EVIL if is_slow(loud, HEADS[where], piece, HEADER)] == []


@pytest.mark.parametrize("where", BODIES)
def test_a_body_is_looked_at_in_time_by_its_length(loud: Server, where: str) -> None:
    assert [piece for piece in EVIL if is_slow(loud, BODIES[where], piece, BODY)] == []


@pytest.mark.parametrize("number", [2**63, 10**19, -1])
def test_a_cursor_beyond_all_numbers_is_none_of_ours(loud: Server, number: int) -> None:
    cursor = base64.urlsafe_b64encode(str(number).encode()).decode()
    for path in (RUNNERS, "/api/v1/jobs"):
        answer = loud.request("GET", f"{path}?cursor={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_what_is_quoted_is_masked_whole_and_short() -> None:
    token = "ghp_" + "a1" * 18
    assert quoted("x") == "'x'"
    assert len(quoted("x" * 10**6)) < 110
    for before in range(60, 110):
        assert "a1a1" not in quoted("x" * before + token)
