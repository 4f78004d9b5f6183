"""A drain that is taken back: the runner takes jobs again, for as long as GitHub knows it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, until

REPO = "acme/widgets"
pytestmark = pytest.mark.persistent


def busy(server: Server, sandbox: Sandbox, go: Path, **fields: Any) -> int:
    """With a job that ends when there is that file; its process."""
    server.create("one", wait="online", **fields)
    sandbox.submit_job(REPO, ["one"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}])
    until(lambda: server.status("one")["phase"] == "busy")
    return int(server.status("one")["pid"])


def undrain(server: Server, name: str = "one") -> Any:
    return server.request("POST", f"/api/v1/runners/{name}/undrain")


DRAINS = {
    "a stop": ("POST", "/api/v1/runners/one/stop", 202),
    "a restart": ("POST", "/api/v1/runners/one/restart", 202),
    "a removal": ("DELETE", "/api/v1/runners/one?drain=true", 202),
}


@pytest.mark.parametrize("drain", DRAINS)
def test_a_runner_takes_jobs_again_whose_drain_was_taken_back(
    server: Server, host: Host, sandbox: Sandbox, drain: str
) -> None:
    go = host.top / "go"
    pid = busy(server, sandbox, go, ephemeral=False)
    method, path, status = DRAINS[drain]
    assert server.request(method, path).status_code == status
    until(lambda: server.status("one")["state"] in {"stopping", "removing"})
    answer = undrain(server)
    assert (answer.status_code, answer.json()["status"], answer.json()["desired"]) == (200, "undrained", "running")
    go.touch()
    until(lambda: server.status("one")["phase"] == "listening")
    second = sandbox.submit_job(REPO, ["one"], [{"run": "true"}])
    assert sandbox.wait_job(second).conclusion == "success"
    assert server.status("one")["pid"] == pid
    assert [each.name for each in sandbox.runners()] == ["one"]
    assert "Its drain was taken back" in str(server.request("GET", "/api/v1/runners/one").json()["history"])


def test_an_ephemeral_one_ends_with_its_job_all_the_same(server: Server, host: Host, sandbox: Sandbox) -> None:
    go = host.top / "go"
    busy(server, sandbox, go)
    assert server.remove("one", "?drain=true").status_code == 202
    assert undrain(server).status_code == 200
    go.touch()
    until(lambda: server.request("GET", "/api/v1/runners/one").json()["state"] == "completed")


def test_it_is_too_late_once_github_has_let_go_of_it(
    host: Host, serve: Callable[..., Server], sandbox: Sandbox
) -> None:
    host.write_env_file(RUNNERCTL_DRAIN_SETTLE="60s")
    server = serve()
    server.create("one", wait="online", ephemeral=False)
    os.kill(server.status("one")["pid"], signal.SIGSTOP)  # it does not hear that GitHub has let go of it
    assert server.remove("one", "?drain=true").status_code == 202
    until(lambda: not sandbox.runners())
    refused = until(lambda: (told := undrain(server).json())["status"] == 409 and told)
    assert (refused["code"], refused["detail"]) == ("invalid_transition", "Runner 'one' is deregistered already")
    assert undrain(server, "never").json()["code"] == "runner_not_found"


def test_one_that_github_lets_go_of_at_that_moment_is_removed(server: Server, sandbox: Sandbox) -> None:
    server.create("one", wait="online", ephemeral=False)
    os.kill(server.status("one")["pid"], signal.SIGSTOP)
    sandbox.delay_all = 1.0
    assert server.remove("one", "?drain=true").status_code == 202
    until(lambda: server.status("one")["state"] == "removing")
    assert undrain(server).status_code in {200, 409}
    sandbox.delay_all = 0.0
    until(lambda: server.status("one")["status"] == "not_installed")
    assert server.request("GET", "/api/v1/runners/one").json()["state"] == "removed"
    assert sandbox.runners() == []


def test_what_is_not_drained_is_left_or_refused(server: Server) -> None:
    server.create("one", wait="online", ephemeral=False)
    before = server.status("one")["pid"]
    assert undrain(server).status_code == 200
    assert server.status("one")["pid"] == before
    assert server.request("POST", "/api/v1/runners/one/stop").json()["status"] == "stopped"
    refused = undrain(server).json()
    assert (refused["status"], refused["code"], refused["hint"]) == (409, "invalid_transition", "Start it instead")
    assert server.status("one")["state"] == "stopped"
