"""Requests: whatever comes over the wire is answered shortly, as the caller's mistake and never as a fault of ours."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runnerctl.server.app import ROUTES
from runnerctl.server.bodies import CreateBody
from tests.support.hosts.host import Server

LONGEST_ANSWER = 8 * 1024
LONGEST = {"/metrics": 256 * 1024}
"""Of what is long, whatever is sent."""
SLOWEST = 10.0
"""Seconds of an answer to something small, on a machine that others share."""
SECRET = "ghs_" + "s3cretSECRET" * 4

values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.just(SECRET),
        st.sampled_from(["1e999", "-1h", "9" * 400 + "h", "octo-org/octo-repo.git", "../x", "\x1b[2J", "\u202e", "*"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip
fields = st.one_of(st.sampled_from(CreateBody.__struct_fields__), st.text(max_size=8))
bodies = st.one_of(
    st.dictionaries(fields, values, max_size=6).map(json.dumps),
    values.map(json.dumps),
    st.integers(1, 60_000).map(lambda depth: "[" * depth),
    st.text(max_size=60),
).map(lambda text: text.encode(errors="surrogatepass"))
words = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["..", "%00", "%2e%2e", "a" * 200, "%", "+", "\x1b", "é", SECRET, "eyJ" + "_" * 2000, "-1", "9" * 40]
    ),
)
names = st.sampled_from(
    ["limit", "cursor", "state", "label", "repo", "all", "tail", "follow", "since", "result", "runner", "wait",
     "timeout", "force", "drain", "x"]
)  # fmt: skip
queries = st.lists(st.tuples(names, words), max_size=3).map(
    lambda pairs: "&".join(f"{name}={quote(word, errors='surrogatepass')}" for name, word in pairs)
)
READS = [route.path for route in ROUTES if route.method == "GET"]
CHANGES = [(route.method, route.path) for route in ROUTES if route.method != "GET"]
headers = st.dictionaries(
    st.one_of(
        st.sampled_from(["Authorization", "Content-Type", "Content-Length", "Transfer-Encoding", "Expect", "Host",
                         "Cookie", "X-Request-Id", "X-Forwarded-For", "Upgrade", "If-None-Match", "Last-Event-ID",
                         "Connection"]),
        st.text(max_size=10),
    ),
    st.one_of(
        st.sampled_from(["Bearer x", f"Bearer {SECRET}", "Basic Og==", "Bearer eyJhbGciOiJub25lIn0.e30.", "chunked",
                         "-1", "9" * 30, "websocket", "100-continue", "application/json", '"*"']),
        st.text(max_size=40),
    ),
    max_size=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def served(quiet_server: Any) -> Iterator[Server]:
    server: Server = quiet_server[0]
    yield server
    assert server.process.poll() is None
    assert "Traceback" not in server.log.read_text()


def connect(server: Server) -> http.client.HTTPConnection:
    place = urlsplit(server.url)
    return http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)


def ask(server: Server, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes]:
    """As the operator: nobody's request gets further."""
    connection = connect(server)
    began = time.monotonic()
    try:
        connection.request(
            method, target, body, {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
        assert time.monotonic() - began < SLOWEST


def is_told_well(status: int, body: bytes, *, longest: int = LONGEST_ANSWER) -> None:
    assert len(body) <= longest
    assert SECRET.encode() not in body
    if status >= 400:
        told = json.loads(body)
        assert told["code"] != "internal", told
        assert status != 500, told


@given(body=bodies)
@example(body=b'{"name": "x", "repo": "acme/widgets", "timeout": 1e999}')
@example(body=b'{"name": "x", "repo": "acme/widgets", "timeout": ' + b"9" * 400 + b"}")
@example(body=b'{"name": "x", "repo": "acme/widgets", "timeout": "' + b"9" * 400 + b'h"}')
def test_any_body_of_a_create_is_refused_as_the_callers(served: Server, body: bytes) -> None:
    status, told = ask(served, "POST", "/api/v1/runners?nobody-knows-this", body)
    is_told_well(status, told)
    assert 400 <= status < 500
    status, told = ask(served, "POST", "/api/v1/runners", body)
    is_told_well(status, told)
    assert 400 <= status < 500, told


@given(path=st.sampled_from(READS), name=words, query=queries)
@example(path="/api/v1/runners", name="", query="cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk=")
@example(path="/api/v1/jobs", name="", query="since=1e999")
@example(path="/api/v1/jobs", name="", query="since=" + "9" * 400 + "d")
def test_any_read_is_answered(served: Server, path: str, name: str, query: str) -> None:
    target = path.replace("{name}", quote(name, safe="", errors="surrogatepass")) + (f"?{query}" if query else "")
    is_told_well(*ask(served, "GET", target), longest=LONGEST.get(path, LONGEST_ANSWER))


@given(change=st.sampled_from(CHANGES), name=words, query=queries, body=bodies)
def test_any_change_of_what_is_not_there_is_answered(
    served: Server, change: tuple[str, str], name: str, query: str, body: bytes
) -> None:
    method, path = change
    target = path.replace("{name}", quote(name, safe="", errors="surrogatepass")).replace("{id}", "9" * 30)
    is_told_well(*ask(served, method, target + (f"?{query}" if query else ""), body))


methods = st.sampled_from(["GET", "POST", "PUT", "PRI", "OPTIONS", "x", "G ET"])


@given(method=methods, target=words, given_headers=headers, rest=st.binary(max_size=60))
def test_any_head_of_a_stranger_is_refused_or_hung_up_on(
    served: Server, method: str, target: str, given_headers: dict[str, str], rest: bytes
) -> None:
    lines = [f"{method} /{target} HTTP/1.1", *(f"{name}: {value}" for name, value in given_headers.items()), "", ""]
    place = urlsplit(served.url)
    with socket.create_connection((str(place.hostname), place.port or 0), timeout=60) as connection:
        answer = b""
        with suppress(ConnectionError):  # hung up on: what was not read of it is worth no more than that
            connection.sendall("\r\n".join(lines).encode(errors="surrogatepass") + rest)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                answer += more
    assert len(answer) < LONGEST_ANSWER
    assert SECRET.encode() not in answer
    for line in answer.split(b"\r\n"):
        if line.startswith(b"HTTP/1."):
            assert line.split()[1][:1] in {b"1", b"2", b"4"}, line
