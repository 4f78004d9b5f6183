"""What happens to the runners, told over HTTP as it happens: in order, nothing twice and nothing lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.front_ends.listening import EVENTS, listening
from tests.support.hosts.host import Host, Server

REPO = "acme/widgets"
SSE, NDJSON = "text/event-stream", "application/x-ndjson"


def test_a_life_is_told_while_it_is_lived_and_goes_on_where_a_client_was_cut_off(
    host: Host, server: Server, sandbox: Sandbox
) -> None:
    with listening(server) as first:
        position = first.next()
        assert (position.name, position.data) == ("position", {"type": "position", "id": 0})
        server.request("POST", "/api/v1/runners", {"repo": REPO, "name": "ci-1"}, headers={"X-Request-Id": "made-it"})
        made = first.next()
        assert made.data | {"at": "", "runner_id": ""} == {
            "id": 1,
            "at": "",
            "type": "state",
            "runner": "ci-1",
            "runner_id": "",
            "repo": REPO,
            "from": None,
            "to": "pending",
            "reason": None,
            "job": None,
            "wanted": None,
            "by": "request",
            "request_id": "made-it",
            "text": f"is created for {REPO} by request",
        }
        assert made.id == "1"
    sandbox.submit_job(REPO, ["ci-1"], [{"run": "exit 1"}])
    with listening(server, last_id=made.id) as second:
        assert second.next().name == "position"
        told = [second.next().data]
        while told[-1]["to"] != "completed":
            told.append(second.next().data)
    assert [each["id"] for each in told] == list(range(2, 2 + len(told)))
    assert all(before["to"] == after["from"] for before, after in pairwise(each for each in told if each["to"]))
    began, ended = [each["job"] for each in told if each["type"] == "job"]
    assert (began["what"], began["name"], began["result"]) == ("began", "build", None)
    assert (ended["what"], ended["result"], ended["told_by"]["name"]) == ("ended", "failed", "log")


@pytest.mark.parametrize(
    ("accept", "query", "finite"),
    [
        (None, "", True),
        (NDJSON, "", True),
        (SSE, "?follow=false", True),
        (NDJSON, "?follow=true", False),
        (None, "?follow=true", False),
        (f"text/html, {SSE};q=0.9", "", False),
    ],
)
def test_the_form_is_as_accept_says_and_ends_unless_it_is_to_go_on(
    server: Server, accept: str | None, query: str, finite: bool
) -> None:
    server.create("ci-1", wait="none")
    headers = {} if accept is None else {"Accept": accept}
    answer = server.request("GET", f"{EVENTS}{query}", headers=headers, stream=not finite)
    kind = answer.headers["Content-Type"].partition(";")[0]
    if not finite:
        assert kind == (NDJSON if accept is None else accept.partition(", ")[2].partition(";")[0] or accept)
        line = next(answer.iter_lines())
        assert b"position" in line or line.startswith(b"retry: ")
        answer.close()
        return
    assert kind == (accept or "application/json")
    ids = {
        "application/json": lambda text: [each["id"] for each in json.loads(text)["items"]],
        NDJSON: lambda text: [json.loads(line)["id"] for line in text.splitlines()][1:],
        SSE: lambda text: [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")][1:],
    }[kind](answer.text)
    assert ids[:2] == [1, 2]


def test_pages_go_on_where_the_last_ended_also_when_nothing_came(server: Server) -> None:
    server.create("ci-1", wait="started")
    seen, after = [], 0
    while items := (page := server.request("GET", f"{EVENTS}?limit=2&after={after}").json())["items"]:
        seen += [each["id"] for each in items]
        after = page["next"]
    assert seen == list(range(1, after + 1))
    assert page == {"items": [], "next": after, "resync": None}


def test_a_stop_of_the_server_is_said_and_nothing_is_missed_by_who_comes_back(
    serve: Callable[..., Server], host: Host
) -> None:
    server = serve()
    with listening(server) as one:
        server.create("ci-1", wait="online")
        told = one.take(5)[1:]
        server.stop()
        (last,) = one.rest()
    assert (last.name, last.data["reason"], last.id) == ("end", "stopping", told[-1].id)
    assert host.cli("remove", "ci-1").returncode == 0
    with listening(serve(), last_id=last.id) as again:
        more = again.take(4)[1:]
    assert [int(each.id) for each in (*told, *more)] == list(range(1, 8))
    assert more[-1].data["to"] == "removed"
