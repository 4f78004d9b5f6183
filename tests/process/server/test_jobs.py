"""The jobs that ran here, over HTTP and at the command line; and what happened to a runner, with how long it took."""

from __future__ import annotations

import pytest

from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.states import TERMINAL
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.front_ends.cli_running import cli
from tests.support.hosts.host import Host, Server, until

REPO = "acme/widgets"


@pytest.fixture
def typed(host: Host, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are typed on this host."""
    for name, value in host.environment().items():
        monkeypatch.setenv(name, value)


def admitted(services: Services, host: Host, name: str, **more: str) -> Runner:
    return services.store.admit(host.spec(name, **more), root=host.base_dir / name)


def ran(services: Services, runner: Runner, **more: object) -> None:
    now = services.clock.now()
    job = SeenJob(name="build", started_at=now - 5, ended_at=now, result="failed", result_from="listener")
    services.store.note_job(runner.id, job._replace(**more))


@pytest.mark.usefixtures("typed")
def test_jobs_are_the_same_at_both_front_ends(server: Server, services: Services, host: Host) -> None:
    one, two = admitted(services, host, "one"), admitted(services, host, "two", repo="acme/other")
    ran(services, one, started_at=services.clock.now() - 3 * 86400)
    ran(services, two, result="succeeded", result_from="log", repository="acme/told", reason="why")
    for query, options, expected in (
        ("", (), ["two", "one"]),
        ("?runner=one", ("--runner", "one"), ["one"]),
        ("?repo=acme/told", ("--repo", "acme/told"), ["two"]),
        ("?result=failed", ("--result", "failed"), ["one"]),
        ("?since=2d", ("--since", "2d"), ["two"]),
    ):
        answer = server.request("GET", f"/api/v1/jobs{query}").json()
        assert [item["runner"] for item in answer["items"]] == expected
        assert answer["next"] is None
        assert cli("jobs", *options, "-o", "json").document["items"] == answer["items"]
    first = server.request("GET", "/api/v1/jobs?limit=1").json()
    rest = server.request("GET", f"/api/v1/jobs?limit=1&cursor={first['next']}").json()
    assert [each["items"][0]["runner"] for each in (first, rest)] == ["two", "one"]
    shown = cli("jobs").rows[0]
    assert (shown["RESULT"], shown["REPOSITORY"], shown["REASON"]) == ("succeeded by its log", "acme/told", "why")


@pytest.mark.parametrize("query", ["result=hacked", "since=yesterday", "limit=0", "cursor=x", "label=a"])
def test_a_query_that_is_not_understood_is_refused(quiet_server: tuple[Server, Host, Sandbox], query: str) -> None:
    answer = quiet_server[0].request("GET", f"/api/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_tenant_sees_the_jobs_of_its_own_runners_alone(server: Server, services: Services, host: Host) -> None:
    for name, tenant in (("ours", "team-a"), ("theirs", "team-b")):
        ran(services, admitted(services, host, name, tenant=tenant))
    made = host.cli_json("token", "create", "a", "--tenant", "team-a", "--repo", "acme/*", "--expires", "1h")
    headers = {"Authorization": f"Bearer {made['token']}"}
    seen = server.request("GET", "/api/v1/jobs", headers=headers).json()["items"]
    assert [job["runner"] for job in seen] == ["ours"]
    assert server.request("GET", "/api/v1/jobs?runner=theirs", headers=headers).json()["items"] == []


@pytest.mark.usefixtures("typed")
def test_the_history_of_a_runner_says_where_the_time_went(server: Server, services: Services, sandbox: Sandbox) -> None:
    sandbox.delay_all = 0.3
    server.create("ci-1", wait="online")
    sandbox.delay_all = 0.0
    sandbox.submit_job(REPO, ["ci-1"], [{"run": "exit 1"}])
    until(lambda: (runner := services.store.latest("ci-1")) and runner.state in TERMINAL)
    told = cli("history", "ci-1", "-o", "json").document
    assert all(took is not None for took in told["took"].values())
    assert told["took"]["github"] >= 300
    states = [event["to"] for event in told["events"] if event["type"] == "state"]
    assert states[:4] == ["pending", "registered", "starting", "idle"]
    rows = {row["WHAT"]: row for row in cli("history", "ci-1").rows}
    assert f"github {told['took']['github']} ms" in rows["registered"]["TOOK"]
    assert any(what.startswith("ends job 'build' (named by its log): failed") for what in rows)
    assert cli("history", "nobody", "-o", "json").error["code"] == "runner_not_found"
