"""Sums over the jobs that ran here: by repository and by tenant, of some time, and a tenant's own."""

from __future__ import annotations

from typing import Any

import pytest

from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server

USAGE = "/api/v1/usage"


def ran(services: Services, host: Host, name: str, *jobs: SeenJob, **more: Any) -> None:
    runner = services.store.admit(host.spec(name, **more), root=host.base_dir / name)
    for job in jobs:
        services.store.note_job(runner.id, job)


def job(at: float, seconds: float | None, result: str | None = None, repository: str | None = None) -> SeenJob:
    ended = None if seconds is None else at + seconds
    said = {"result": result, "result_from": None if result is None else "listener", "repository": repository}
    return SeenJob(name="build", started_at=at, ended_at=ended)._replace(**said)


@pytest.fixture
def used(server: Server, services: Services, host: Host) -> Server:
    now = services.clock.now()
    ran(services, host, "one", job(now - 90, 10.0, "succeeded"), job(now - 50, 5.5, "failed"), tenant="team-a")
    ran(services, host, "two", job(now - 40, None), job(now - 9000, 100.0, "cancelled"), tenant="team-b")
    # Its job claims to be of another's repository.
    ran(services, host, "liar", job(now - 30, 7.0, "succeeded", "acme/widgets"), repo="evil/repo")
    return server


def sums(**more: Any) -> dict[str, Any]:
    none = dict.fromkeys(("jobs", "running", "succeeded", "failed", "cancelled"), 0)
    return {**none, "seconds": 0.0, "waiting_seconds": None, **more}


def test_jobs_are_summed_up_by_repository_and_by_tenant(used: Server) -> None:
    answer = used.request("GET", USAGE).json()
    widgets = sums(repo="acme/widgets", jobs=4, running=1, succeeded=1, failed=1, cancelled=1, seconds=115.5)
    evil = sums(repo="evil/repo", jobs=1, succeeded=1, seconds=7.0)
    assert answer["items"] == [widgets, evil]
    assert answer["total"] == sums(jobs=5, running=1, succeeded=2, failed=1, cancelled=1, seconds=122.5)
    assert [answer[name] for name in ("by", "since", "until", "left_out")] == ["repo", None, None, 0]
    by_tenant = used.request("GET", f"{USAGE}?by=tenant&limit=2").json()
    assert [(item["tenant"], item["seconds"]) for item in by_tenant["items"]] == [("team-b", 100.0), ("team-a", 15.5)]
    assert (by_tenant["left_out"], by_tenant["total"]["jobs"]) == (1, 5)


def test_jobs_of_some_time_are_those_that_began_then(used: Server) -> None:
    for query, expected in (("since=1h", 4), ("until=1h", 1), ("since=1h&until=45s", 2), ("since=2999-01-01", 0)):
        assert used.request("GET", f"{USAGE}?{query}").json()["total"]["jobs"] == expected, query


def test_a_tenant_sees_the_sums_of_its_own(used: Server, host: Host) -> None:
    made = host.cli_json("token", "create", "a", "--tenant", "team-a", "--repo", "acme/*", "--expires", "1h")
    seen = used.request("GET", f"{USAGE}?by=tenant", headers={"Authorization": f"Bearer {made['token']}"}).json()
    assert [item["tenant"] for item in seen["items"]] == ["team-a"]
    assert (seen["total"]["jobs"], seen["total"]["seconds"]) == (2, 15.5)


@pytest.mark.parametrize("query", ["by=pool", "by=", "since=soon", "until=2026-13-01", "limit=0", "tenant=a"])
def test_what_cannot_be_summed_up_is_refused(quiet_server: tuple[Server, Host, Sandbox], query: str) -> None:
    refused = quiet_server[0].request("GET", f"{USAGE}?{query}").json()
    assert (refused["status"], refused["errors"][0]["field"]) == (400, query.partition("=")[0])


def test_what_could_not_be_cleared_is_told_page_by_page(server: Server, services: Services, host: Host) -> None:
    for name in ("a", "b", "c"):
        runner = services.store.admit(host.spec(name), root=host.base_dir / name)
        services.store.keep_orphan(runner, reason="GitHub was away", seconds=3000)
    first = server.request("GET", "/api/v1/orphans?limit=2").json()
    rest = server.request("GET", f"/api/v1/orphans?limit=2&cursor={first['next']}").json()
    assert [item["runner"] for item in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next"] is None
    assert server.request("GET", "/readyz").json()["orphans"] == 3
