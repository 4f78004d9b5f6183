"""The HTTP front end: what it answers, whom it lets in, what it survives."""

from __future__ import annotations

import json
import select
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from runnerctl.core.domain.states import RunnerState
from runnerctl.core.host import processes
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import Host, Server, until

REPO = "acme/widgets"


@pytest.fixture
def quiet(quiet_server: tuple[Server, Host, Sandbox]) -> Server:
    return quiet_server[0]


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_health_needs_no_token_and_ignores_a_wrong_one(quiet: Server, path: str, headers: dict[str, str]) -> None:
    assert requests.get(f"{quiet.url}{path}", headers=headers, timeout=10).status_code == 200


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer", "Basic eDp5", "Bearer  ", "bearer wröng"])
def test_anything_else_needs_the_token(quiet: Server, authorization: str | None) -> None:
    headers = {"Authorization": authorization.encode()} if authorization else {}
    answer = requests.get(f"{quiet.url}/api/v1/runners", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "unauthorized"
    assert quiet.token not in answer.text


def test_a_create_answers_with_the_runner(server: Server, host: Host, sandbox: Sandbox) -> None:
    answer = server.create("one", labels=["gpu", "linux"])
    document = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/runners/one"
    assert document["status"] == "started"
    assert document["labels"] == ["gpu", "linux", "one"]
    assert processes.comm(document["pid"]) == "Runner.Listener"
    assert document["github_id"] == sandbox.runners()[0].id


def test_wait_online_answers_when_the_runner_listens(server: Server) -> None:
    assert server.create("one", wait="online").status_code == 201
    assert server.status("one")["phase"] == "listening"


def test_status_tells_of_the_job(server: Server, host: Host, sandbox: Sandbox) -> None:
    server.create("busy")
    go = host.top / "go"
    job = sandbox.submit_job(REPO, ["busy"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}], name="compile")
    seen = until(lambda: (status := server.status("busy"))["job"] and status)
    assert seen["job"]["name"] == "compile"
    assert seen["phase"] == "busy"
    refused = server.remove("busy")
    assert (refused.status_code, refused.json()["code"]) == (409, "runner_busy")
    go.touch()
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: server.status("busy")["status"] == "not_installed")
    until(lambda: not host.processes())
    assert (host.roots(), sandbox.runners()) == ([], [])


@pytest.mark.persistent
def test_a_drain_is_accepted_and_happens_behind_the_answer(server: Server, host: Host, sandbox: Sandbox) -> None:
    server.create("busy", ephemeral=False)
    go = host.top / "go"
    job = sandbox.submit_job(REPO, ["busy"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}])
    until(lambda: server.status("busy")["phase"] == "busy")
    answer = server.remove("busy", "?drain=true")
    assert (answer.status_code, answer.json()) == (202, {"status": "draining", "name": "busy"})
    go.touch()
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: server.status("busy")["status"] == "not_installed")
    until(lambda: not host.processes())
    assert (host.roots(), sandbox.runners()) == ([], [])


def test_never_known_and_gone_are_not_installed(server: Server) -> None:
    assert server.status("never") == {"status": "not_installed", "name": "never", "pid": None}
    assert server.request("GET", "/api/v1/runners/never").status_code == 404
    server.create("once")
    server.remove("once", "?force=true")
    assert server.status("once")["status"] == "not_installed"
    assert server.request("GET", "/api/v1/runners/once").json()["history"][-1]["to"] == "removed"
    assert server.remove("once").status_code == 200
    assert server.remove("never").json()["code"] == "runner_not_found"


def test_lists_are_paged_and_filtered(server: Server) -> None:
    for name in ("a", "b", "c"):
        server.create(name, labels=f"label-{name}", ephemeral=True)
    first = server.request("GET", "/api/v1/runners?limit=2").json()
    second = server.request("GET", f"/api/v1/runners?limit=2&cursor={first['next']}").json()
    assert [item["name"] for item in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["next"] is None
    found = server.request("GET", f"/api/v1/runners?label=LABEL-b&repo={REPO}").json()["items"]
    assert [item["name"] for item in found] == ["b"]


@pytest.mark.persistent
def test_stop_and_start_over_http(server: Server) -> None:
    server.create("pausing", ephemeral=False, wait="online")
    assert server.request("POST", "/api/v1/runners/pausing/stop").json()["status"] == "stopped"
    assert server.status("pausing")["status"] == "installed_not_running"
    assert server.request("POST", "/api/v1/runners/pausing/stop").status_code == 200
    assert server.request("POST", "/api/v1/runners/pausing/start").json()["status"] == "started"
    assert server.request("POST", "/api/v1/runners/pausing/start").status_code == 200
    assert server.status("pausing")["status"] == "running"


@pytest.mark.persistent
def test_restart_over_http(server: Server, host: Host, sandbox: Sandbox) -> None:
    server.create("anew", ephemeral=False, wait="online")
    before = server.status("anew")["pid"]
    restarted = server.request("POST", "/api/v1/runners/anew/restart")
    assert (restarted.status_code, restarted.json()["status"]) == (200, "restarted")
    until(lambda: server.status("anew")["pid"] not in {None, before})
    assert server.request("POST", "/api/v1/runners/anew/stop").status_code == 200
    assert server.request("POST", "/api/v1/runners/anew/restart").json()["status"] == "restarted"

    go = host.top / "go"
    job = sandbox.submit_job(REPO, ["anew"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}])
    until(lambda: server.status("anew")["job"])
    before = server.status("anew")["pid"]
    draining = server.request("POST", "/api/v1/runners/anew/restart")
    assert (draining.status_code, draining.json()) == (202, {"status": "draining", "name": "anew"})
    go.touch()
    assert sandbox.wait_job(job).conclusion == "success"
    until(lambda: server.status("anew")["pid"] not in {None, before})

    go.unlink()
    job = sandbox.submit_job(REPO, ["anew"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}])
    until(lambda: server.status("anew")["job"])
    now = server.request("POST", "/api/v1/runners/anew/restart?now=true")
    assert (now.status_code, now.json()["status"]) == (200, "restarted")
    assert sandbox.wait_job(job).conclusion != "success"
    assert server.request("POST", "/api/v1/runners/anew/restart?soon").status_code == 400


def test_logs_are_streamed_and_end_with_the_runner(server: Server, sandbox: Sandbox) -> None:
    server.create("talking", wait="online")
    answer = server.request("GET", "/api/v1/runners/talking/logs?follow=true", stream=True)
    assert answer.headers["Content-Type"].startswith("text/plain")
    sandbox.submit_job(REPO, ["talking"], [{"run": "true"}], name="short")
    lines = [line.decode() for line in answer.iter_lines()]
    assert any("Listening for Jobs" in line for line in lines)
    assert any("Running job: short" in line for line in lines)
    tail = server.request("GET", "/api/v1/runners/talking/logs?tail=1").text.splitlines()
    assert tail == lines[-1:]
    assert server.request("GET", "/api/v1/runners/talking/logs?since=2999-01-01T00:00:00Z").text == ""


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/api/v1/runners", 405, "method_not_allowed"),
        ("GET", "/api/v1/runners?limit=0", 400, "invalid_request"),
        ("GET", "/api/v1/runners?limti=5", 400, "invalid_request"),
        ("GET", "/api/v1/runners?state=happy", 400, "invalid_request"),
        ("GET", "/api/v1/runners?cursor=!!!", 400, "invalid_request"),
        ("GET", "/api/v1/runners/.x/status", 400, "invalid_request"),
        ("DELETE", "/api/v1/runners/x?force=perhaps", 400, "invalid_request"),
        ("GET", "/api/v1/runners/x/logs?tail=-1", 400, "invalid_request"),
        ("POST", "/api/v1/runners/never/stop", 404, "runner_not_found"),
    ],
)
def test_requests_that_cannot_be_meant_are_refused(
    quiet: Server, method: str, path: str, status: int, code: str
) -> None:
    answer = quiet.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert (answer.headers.get("Allow") is not None) == (status == 405)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a"}, "repo"),
        ({"repo": REPO}, "name"),
        ({"repo": REPO, "name": 7}, "name"),
        ({"repo": REPO, "name": "a", "ephemeral": "yes"}, "ephemeral"),
        ({"repo": REPO, "name": "a", "lables": "x"}, "lables"),
        ({"repo": REPO, "name": "a", "labels": [1]}, "labels[0]"),
        ({"repo": REPO, "name": "a", "labels": "a,,b"}, "labels"),
        ({"repo": REPO, "name": "a", "org": "acme"}, "repo"),
        ({"repo": REPO, "name": "a", "wait": "done"}, "wait"),
        ({"repo": REPO, "name": "a", "timeout": -1}, "timeout"),
        ({"repo": "acme", "name": "a"}, "repo"),
        ({"repo": REPO, "name": "../x"}, "name"),
    ],
)
def test_a_wrong_body_names_its_field(quiet: Server, body: object, field: str) -> None:
    answer = quiet.request("POST", "/api/v1/runners", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b'{"repo": "a/b", "name": ', "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"repo": "a/b", "name": "c"}', "text/plain", 415),
        (b'{"name": "' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_is_no_small_json_is_refused(quiet: Server, data: bytes, content_type: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {quiet.token}", "Content-Type": content_type}
    answer = requests.post(f"{quiet.url}/api/v1/runners", data=data, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (status, "invalid_request")


@pytest.mark.parametrize(("given", "kept"), [("build-42.a_B", True), ("two words", False), ("x" * 200, False)])
def test_a_sane_request_id_is_taken_over(quiet: Server, given: str, kept: bool) -> None:
    answer = requests.get(f"{quiet.url}/health", headers={"X-Request-Id": given}, timeout=10)
    assert (answer.headers["X-Request-Id"] == given) is kept


def test_the_same_name_at_once_makes_one_runner(server: Server, host: Host, sandbox: Sandbox) -> None:
    """Two requests and two command lines race for it."""
    sandbox.add_fault(Fault(match="generate-jitconfig", delay=0.3, times=None))
    outcomes: list[str] = []

    def over_http() -> None:
        answer = server.create("contested")
        outcomes.append("made" if answer.status_code == 201 else answer.json()["code"])

    def by_command() -> None:
        done = host.cli("--output", "json", "create", "contested", "--repo", REPO)
        outcomes.append("made" if done.returncode == 0 else json.loads(done.stdout)["error"]["code"])

    threads = [threading.Thread(target=attempt) for attempt in (over_http, by_command, over_http, by_command)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "runner_exists", "runner_exists", "runner_exists"]
    assert len(sandbox.runners()) == 1
    assert len([pid for pid in host.processes() if processes.comm(pid) == "Runner.Listener"]) == 1


def test_command_line_and_server_see_and_handle_each_others_runners(server: Server, host: Host) -> None:
    server.create("theirs", wait="online")
    assert host.cli_json("status", "theirs")["pid"] == server.status("theirs")["pid"]
    assert host.cli("stop", "theirs").returncode == 0
    assert server.status("theirs")["status"] == "installed_not_running"
    assert host.cli("create", "ours", "--repo", REPO, "--wait", "online").returncode == 0
    assert server.status("ours")["status"] == "running"
    assert "Listening for Jobs" in server.request("GET", "/api/v1/runners/ours/logs").text
    assert server.remove("ours").status_code == 200
    assert host.cli("remove", "theirs").returncode == 0
    assert (host.processes(), host.roots()) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_runners_outlive_the_server_and_are_known_again(
    serve: Callable[..., Server], host: Host, sandbox: Sandbox, number: signal.Signals
) -> None:
    first = serve()
    pid = first.create("steady", wait="online").json()["pid"]
    first.signal(number)
    first.process.wait(timeout=30)
    second = serve()
    seen = second.status("steady")
    assert (seen["status"], seen["pid"]) == ("running", pid)
    sandbox.wait_job(sandbox.submit_job(REPO, ["steady"], [{"run": "true"}]), timeout=20)
    until(lambda: second.status("steady")["status"] == "not_installed")
    assert second.request("GET", "/api/v1/runners/steady").json()["state"] == RunnerState.COMPLETED


def test_a_second_server_on_one_state_directory_is_refused(server: Server, host: Host) -> None:
    done = host.cli("serve")
    assert done.returncode == 2
    assert "Another server uses the state directory" in done.stderr


def test_a_runner_that_is_no_daemon_ends_with_the_server(serve: Callable[..., Server], host: Host) -> None:
    server = serve()
    assert server.create("attached", daemonize=False, wait="online").status_code == 201
    server.signal(signal.SIGTERM)
    assert server.process.wait(timeout=40) == 0
    until(lambda: not host.processes())


def test_a_runner_that_is_no_daemon_ends_though_the_server_was_killed(serve: Callable[..., Server], host: Host) -> None:
    server = serve()
    assert server.create("attached", daemonize=False, wait="online").status_code == 201
    assert host.processes() != []
    server.signal(signal.SIGKILL)
    until(lambda: not host.processes())


def test_a_reload_takes_a_new_token_and_keeps_the_old_on_a_bad_file(server: Server, host: Host) -> None:
    old = server.token
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__API_TOKEN="a-new-token-for-the-operator")
    server.signal(signal.SIGHUP)
    server.token = "a-new-token-for-the-operator"
    until(lambda: server.request("GET", "/api/v1/runners").status_code == 200)
    server.token, new = old, server.token
    assert server.request("GET", "/api/v1/runners").status_code == 401
    host.env_file.write_text("this is 'not an env file\n")
    server.signal(signal.SIGHUP)
    until(lambda: "not reloaded" in server.log.read_text())
    server.token = new
    assert server.request("GET", "/api/v1/runners").status_code == 200


def test_twenty_creates_at_once_all_run(server: Server, host: Host, sandbox: Sandbox) -> None:
    names = [f"crowd-{number}" for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        assert {answer.status_code for answer in pool.map(server.create, names)} == {201}
    assert {server.status(name)["status"] for name in names} == {"running"}
    with ThreadPoolExecutor(20) as pool:
        assert {answer.status_code for answer in pool.map(server.remove, names)} == {200}
    assert (host.processes(), host.roots(), sandbox.runners()) == ([], [], [])


def test_who_is_connected_when_the_server_stops_is_heard_still(server: Server) -> None:
    """Behind a socket unit nobody is refused while the server restarts: a caller can be in and about to speak."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        assert server.request("GET", "/health").status_code == 200  # connections are taken in their order
        server.signal(signal.SIGTERM)
        hung_up, _, _ = select.select([caller], [], [], 0.2)
        assert not hung_up
        caller.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert caller.recv(4096).startswith(b"HTTP/1.1 200 OK")
    assert server.process.wait(10) == 0
