"""Case C11: the name of another tenant's runner is as one that never was: what is said, how soon, and what is left."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import TABLE, Right
from runnerctl.sandbox import Fault, Sandbox
from runnerctl.server.app import ROUTES
from runnerctl.server.routing import Route
from tests.support.hosts.host import Host, Server, until
from tests.support.sandboxes.strictness import strict_sandbox

SLOW = 20.0
"""How long GitHub takes for the other tenant's create: nobody else may feel that."""
OF_A_RUNNER = [route for route in ROUTES if TABLE[route.does].of_a_runner]
QUERIES = {"DELETE": ["", "?force=true", "?drain=true"]}


class Place(NamedTuple):
    server: Server
    host: Host
    sandbox: Sandbox
    thief: str

    def ask(self, token: str, method: str, path: str, body: object = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.server.url}{path}", json=body, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def place(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with strict_sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("place")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        host.write_env_file(RUNNERCTL_GITHUB_TIMEOUT="60")
        services = host.services()
        limits = TokenLimits(tenant="thief", repositories=("*/*",), labels=("linux",), persistent=True)
        thief = issuing.issue(services, "thief", rights=tuple(Right), limits=limits)[1]
        services.close()
        server = Server.start(host, {})
        yield Place(server, host, sandbox, thief)
        server.stop()
        host.kill_everything()


@pytest.fixture(scope="module")
def victim(place: Place) -> Iterator[str]:
    """A name in a create that GitHub keeps waiting: somebody holds its row."""
    name = "victim-1"
    place.sandbox.add_fault(Fault(match="generate-jitconfig", delay=SLOW, times=1))
    with ThreadPoolExecutor(1) as pool:
        making: Future[requests.Response] = pool.submit(place.server.create, name)
        until(lambda: place.server.status(name).get("state") == "pending")
        yield name
        assert making.result().status_code == 201


def told(answer: requests.Response, name: str) -> tuple[object, ...]:
    """All that a caller learns, but for what no two answers share."""
    headers = {key: value for key, value in answer.headers.items() if key not in {"Date", "X-Request-Id"}}
    text = re.sub(r'"request_id":"[^"]*"', "", answer.text.replace(name, "NAME"))
    return answer.status_code, tuple(sorted(headers.items())), text


def files(host: Host) -> set[str]:
    """Locks, and whatever is named by a name that was asked for."""
    found = [str(path.relative_to(host.state_dir)) for path in host.state_dir.rglob("*")]
    return {path for path in found if path.startswith("locks/") or re.search("victim|nobody|invented", path)}


@pytest.mark.parametrize("route", OF_A_RUNNER, ids=lambda route: str(route.does))
def test_a_name_in_anothers_create_is_answered_as_an_unknown_one(place: Place, victim: str, route: Route) -> None:
    before = files(place.host)
    for query in QUERIES.get(route.method, [""]):
        answers = {}
        for name in (victim, "nobody-1"):
            began = time.monotonic()
            answers[name] = place.ask(place.thief, route.method, route.path.replace("{name}", name) + query)
            assert time.monotonic() - began < SLOW / 4
        assert told(answers[victim], victim) == told(answers["nobody-1"], "nobody-1")
    assert files(place.host) == before
    assert place.server.status(victim)["state"] == "pending"  # it was under way all the time


def test_a_create_of_that_name_waits_for_nobody(place: Place, victim: str) -> None:
    """That a name is taken is told: names are unique on a host. What becomes of it is not."""
    began = time.monotonic()
    body = {"repo": "acme/widgets", "name": victim, "labels": "linux"}
    refused = [
        place.ask(place.thief, "POST", "/api/v1/runners", {**body, "replace": replace}) for replace in (False, True)
    ]
    assert time.monotonic() - began < SLOW / 4
    assert {(each.status_code, each.json()["code"]) for each in refused} == {(409, "runner_exists")}


def test_names_that_were_invented_leave_nothing_behind(place: Place) -> None:
    before = files(place.host)
    for number in range(20):
        for route in OF_A_RUNNER:
            place.ask(place.thief, route.method, route.path.replace("{name}", f"invented-{number}"))
            place.ask(place.server.token, route.method, route.path.replace("{name}", f"invented-{number}"))
    assert files(place.host) == before


def test_what_is_listed_by_that_name_is_empty_as_for_any(place: Place, victim: str) -> None:
    """Nobody named it: lists that are asked for a name, and tokens by theirs."""
    for path in ("/api/v1/jobs?runner=%s", "/api/v1/runners?label=%s&all=true"):
        answers = [told(place.ask(place.thief, "GET", path % name), name) for name in (victim, "nobody-1")]
        assert answers[0][0] == 200
        assert answers[0][2] == answers[1][2]
    place.host.cli("token", "create", "theirs-1", "--repo", "acme/*")
    gone = [place.ask(place.thief, "DELETE", f"/api/v1/tokens/{name}") for name in ("theirs-1", "nobody-1")]
    assert told(gone[0], "theirs-1") == told(gone[1], "nobody-1")
    assert gone[0].status_code == 404


def test_a_create_does_not_wait_for_the_end_of_anothers_runner(place: Place) -> None:
    """Whoever may not see it learns nothing of how far it is, and does not drive it on."""
    assert place.server.create("ending-1").status_code == 201
    place.sandbox.add_fault(Fault(match="DELETE", delay=SLOW, times=None))
    place.host.kill_everything()
    until(lambda: place.server.status("ending-1").get("state") == "removing")
    began = time.monotonic()
    body = {"repo": "acme/widgets", "name": "ending-1", "labels": "linux"}
    refused = place.ask(place.thief, "POST", "/api/v1/runners", body)
    assert time.monotonic() - began < SLOW / 4
    assert (refused.status_code, refused.json()["code"]) == (409, "runner_exists")
    place.sandbox.clear_faults()
