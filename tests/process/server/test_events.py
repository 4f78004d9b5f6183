"""What happens to the runners, told over HTTP as it happens: in order, nothing twice and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import Right, TokenLimits
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.front_ends.listening import listening, resting
from tests.support.hosts.host import Host, Server

REPO = "acme/widgets"


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


def test_what_a_command_does_is_told_to_all_who_listen(host: Host, server: Server, services: Services) -> None:
    limits = TokenLimits(tenant="acme")
    _, tenants = issuing.issue(services, "acme", rights=[Right.RUNNERS_READ], limits=limits)
    with (
        listening(server) as one,
        listening(server, "?type=state") as two,
        listening(server, token=tenants) as nobodys,
    ):
        position = int(one.next().id)
        assert two.next().name == nobodys.next().name == "position"
        assert host.cli("create", "ci-1", "--repo", REPO, "--wait", "online").returncode == 0
        assert host.cli("remove", "ci-1").returncode == 0
        told = one.take(7)
        assert [int(each.id) for each in told] == list(range(position + 1, position + 8))
        assert two.take(6) == [each for each in told if each.data["type"] == "state"]
        resting(host, services, "acme-1", "acme")
        assert nobodys.next().data["runner"] == "acme-1"


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
