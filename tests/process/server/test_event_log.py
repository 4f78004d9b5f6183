"""The server's log tells each act once, whoever acted, with the runner and the request; and nothing that is not so."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from runnerctl.core.domain.states import TERMINAL
from runnerctl.core.engine import routed
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, until

REPO = "acme/widgets"


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve(RUNNERCTL_LOG_FORMAT="json")


def told(server: Server, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    return [line for line in lines if line.get("runner") == name]


def words(server: Server, name: str) -> list[str]:
    return [line["message"].removeprefix(f"runner {name} ") for line in told(server, name)]


def said(server: Server, name: str, word: str) -> Any:
    return until(lambda: next((each for each in told(server, name) if word in each["message"]), None))


def over(services: Services, name: str) -> None:
    until(lambda: (runner := services.store.latest(name)) and runner.state in TERMINAL)


def test_each_act_of_a_life_is_one_line_with_the_request_that_began_it(
    server: Server, services: Services, sandbox: Sandbox
) -> None:
    server.request(
        "POST", "/api/v1/runners", {"repo": REPO, "name": "ci-1", "wait": "online"}, headers={"X-Request-Id": "made-it"}
    )
    said(server, "ci-1", "takes jobs")
    sandbox.submit_job(REPO, ["ci-1"], [{"run": "exit 1"}])
    over(services, "ci-1")
    said(server, "ci-1", "completed")
    lines = told(server, "ci-1")
    shown = [line["message"].partition(" after ")[0] for line in lines]
    assert shown == [
        f"runner ci-1 is created for {REPO} by request",
        "runner ci-1 starts",
        "runner ci-1 takes jobs",
        "runner ci-1 begins job 'build' (named by its log)",
        "runner ci-1 ends job 'build' (named by its log): failed",
        "runner ci-1 completed",
    ]
    assert [line.get("request_id") for line in lines] == ["made-it"] * 3 + [None] * 3
    assert (lines[4]["job"], lines[4]["result"]) == ("build", "failed")


def test_what_commands_and_crashes_do_is_told_as_well(
    server: Server, services: Services, host: Host, sandbox: Sandbox
) -> None:
    """The command's own process is another, and so is the reaper."""
    assert host.cli("create", "by-hand", "--repo", REPO, "--wait", "online").returncode == 0
    said(server, "by-hand", "takes jobs")
    os.kill(server.status("by-hand")["pid"], signal.SIGKILL)
    failed = said(server, "by-hand", "failed")
    assert (failed["level"], "killed, or out of memory" in failed["message"]) == ("warning", True)
    # It is made again afterwards, which is told as well.
    assert words(server, "by-hand")[:3] == [f"is created for {REPO} by command", "starts", "takes jobs"]
    host.cli("create", "other", "--repo", REPO)
    host.cli("remove", "other")
    until(lambda: words(server, "other")[-1] == "removed")
    assert words(server, "other").count("is to be removed by command") == 1


@pytest.mark.persistent
def test_a_restart_is_told_with_why_and_a_stop_with_who_wanted_it(server: Server, sandbox: Sandbox) -> None:
    server.request("POST", "/api/v1/runners", {"repo": REPO, "name": "lasting", "ephemeral": False, "wait": "online"})
    os.kill(server.status("lasting")["pid"], signal.SIGKILL)
    until(lambda: words(server, "lasting").count("takes jobs") == 2)
    assert "ended: killed, or out of memory" in words(server, "lasting")
    assert any(each.startswith("starts again: killed") for each in words(server, "lasting"))
    server.request("POST", "/api/v1/runners/lasting/stop", headers={"X-Request-Id": "stop-it"})
    assert said(server, "lasting", "is to be stopped after its job by request")["request_id"] == "stop-it"
    assert said(server, "lasting", "lasting stopped")["request_id"] == "stop-it"


def test_refusals_name_runner_and_request_and_hold_no_line_and_no_secret_of_the_caller(
    server: Server, services: Services, host: Host, sandbox: Sandbox
) -> None:
    server.create("busy", wait="online")
    sandbox.submit_job(REPO, ["busy"], [{"run": f"while [ ! -e {host.top}/go ]; do sleep 0.02; done"}])
    until(lambda: (runner := services.store.latest("busy")) and routed.working(services, runner))
    server.request("DELETE", "/api/v1/runners/busy", headers={"X-Request-Id": "too-soon"})
    line = said(server, "busy", "request refused")
    assert {name: line[name] for name in ("request_id", "status", "code", "actor", "method", "path")} == {
        "request_id": "too-soon",
        "status": "409",
        "code": "runner_busy",
        "actor": "operator",
        "method": "DELETE",
        "path": "/api/v1/runners/busy",
    }
    token = "ghp_" + "a" * 36
    server.request("GET", f"/api/v1/nothing%0aINFO%20forged%1b[2J{token}{'x' * 3000}")
    text = until(lambda: (found := server.log.read_text()) and "nothing" in found and found)
    assert token not in text
    assert all(len(line) < 3000 and line.isprintable() for line in text.splitlines())
    (host.top / "go").touch()


def test_the_text_of_the_log_keeps_fields_apart(serve: Callable[..., Server], sandbox: Sandbox) -> None:
    server = serve()
    server.create("ci-1", wait="none")
    line = until(lambda: next((each for each in server.log.read_text().splitlines() if "is created" in each), None))
    sentence, _, fields = line.partition(" runner=")
    assert sentence == f"INFO runnerctl.server: runner ci-1 is created for {REPO} by request"
    assert fields.startswith("ci-1 runner_id=")
    until(lambda: "takes jobs" in server.log.read_text())
    server.stop()
    assert server.log.read_text().splitlines()[-1].endswith("the server has stopped")
