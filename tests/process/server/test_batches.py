"""Many runners by one request: each admitted, told and audited by itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests

from runnerctl.sandbox import Fault, Sandbox
from runnerctl.server.offload import THREADS
from tests.support.hosts.host import Host, Server, until

BATCH = "/api/v1/runners:batch"
REPO = "acme/widgets"


def batch(server: Server, count: int, headers: dict[str, str] | None = None, **fields: Any) -> requests.Response:
    body = {"repo": REPO, "name_prefix": "ci-", "count": count, "wait": "none", **fields}
    return server.request("POST", BATCH, body, headers=headers or {})


def audited(host: Host, name: str) -> list[tuple[str, str, str]]:
    lines = (host.state_dir / name).read_text().splitlines() if (host.state_dir / name).exists() else []
    told = [json.loads(line) for line in lines]
    return [(each["action"], each["object"], each["result"]) for each in told]


def test_each_of_a_batch_is_a_runner_of_its_own(server: Server, host: Host, sandbox: Sandbox) -> None:
    answer = batch(server, 5, labels="gpu")
    told = answer.json()
    assert (answer.status_code, told["created"], told["failed"]) == (207, 5, 0)
    names = [item["name"] for item in told["items"]]
    assert len(set(names)) == 5
    assert all(name.startswith("ci-") and len(name) == 13 for name in names)
    for item in told["items"]:
        assert (item["status"], item["problem"]) == (201, None)
        assert (item["runner"]["name"], item["runner"]["labels"]) == (item["name"], ["gpu", item["name"]])
    assert sorted(each.name for each in sandbox.runners()) == sorted(names)
    assert sorted(audited(host, "audit.log")) == sorted(("runner.create", name, "ok") for name in names)


def test_it_waits_as_a_create_does(server: Server) -> None:
    for item in batch(server, 3, wait="online").json()["items"]:
        assert server.status(item["name"])["phase"] == "listening"


def test_a_quota_has_room_for_some(host: Host, serve: Callable[..., Server]) -> None:
    host.write_env_file(RUNNERCTL_MAX_RUNNERS="3")
    server = serve()
    told = batch(server, 5).json()
    assert (told["created"], told["failed"]) == (3, 2)
    assert Counter(item["status"] for item in told["items"]) == {201: 3, 409: 2}
    assert {item["problem"]["code"] for item in told["items"] if item["problem"]} == {"quota_exceeded"}
    assert Counter(result for _, _, result in audited(host, "audit.log")) == {"ok": 3}
    assert Counter(result for _, _, result in audited(host, "refused.log")) == {"quota_exceeded": 2}


def test_what_one_meets_is_no_affair_of_the_others(server: Server, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(match="generate-jitconfig", status=422, body={"message": "No more"}, times=1))
    told = batch(server, 3).json()
    assert (told["created"], told["failed"]) == (2, 1)
    (failed,) = [item for item in told["items"] if item["problem"]]
    assert (failed["status"], failed["problem"]["code"]) == (502, "github_refused")
    until(lambda: len(server.request("GET", "/api/v1/runners").json()["items"]) == 2)


def test_a_tenants_limits_count_for_each(server: Server, host: Host) -> None:
    limits = ("--repo", "acme/*", "--labels", "gpu", "--name-pattern", "ci-*", "--max-runners", "2", "--expires", "1h")
    headers = {"Authorization": f"Bearer {host.cli_json('token', 'create', 'a', *limits)['token']}"}
    statuses = [item["status"] for item in batch(server, 3, headers, labels="gpu").json()["items"]]
    assert sorted(statuses) == [201, 201, 409]
    refused = batch(server, 2, headers, labels="gpu", name_prefix="x-").json()["items"]
    assert [(item["status"], item["problem"]["errors"][0]["field"]) for item in refused] == [(403, "name")] * 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 101}, "count"),
        ({"count": 2.5}, "count"),
        ({"name_prefix": "x" * 55}, "name_prefix"),
        ({"name_prefix": "-"}, "name"),
        ({"labels": ",,"}, "labels"),
        ({"replace": True}, "replace"),
        ({"name": "x"}, "name"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_what_no_runner_could_be_made_of_is_refused_whole(
    quiet_server: tuple[Server, Host, Sandbox], fields: dict[str, Any], field: str
) -> None:
    refused = batch(quiet_server[0], **{"count": 2, **fields}).json()
    assert (refused["code"], refused["errors"][0]["field"]) == ("invalid_request", field)


def test_many_are_made_without_holding_up_anybody(server: Server, sandbox: Sandbox) -> None:
    """They are more than there are threads, and GitHub takes its time for each."""
    sandbox.delay_all = 0.2
    told = batch(server, THREADS + 1)
    assert (told.status_code, told.json()["created"]) == (207, THREADS + 1)
    assert len(server.request("GET", "/api/v1/runners").json()["items"]) == THREADS + 1
