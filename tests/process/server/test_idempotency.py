"""Creates with an Idempotency-Key are made once: by whoever sends them again, to this server or the next."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import requests

from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import Host, Server, until

RUNNERS, BATCH = "/api/v1/runners", "/api/v1/runners:batch"
ONE = {"repo": "acme/widgets", "name": "one", "wait": "none"}
MANY = {"repo": "acme/widgets", "name_prefix": "ci-", "count": 2, "wait": "none"}


def send(server: Server, body: dict[str, Any], key: str = "k-1", token: str | None = None) -> requests.Response:
    path = BATCH if "count" in body else RUNNERS
    headers = {"Idempotency-Key": key, **({} if token is None else {"Authorization": f"Bearer {token}"})}
    return server.request("POST", path, body, headers=headers)


def replayed(answer: requests.Response) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def made(server: Server) -> list[str]:
    return [item["id"] for item in server.request("GET", f"{RUNNERS}?all=true").json()["items"]]


@pytest.mark.parametrize("body", [{**ONE, "env": {"GREETING": "hello"}}, {**MANY, "env": {"A": "b"}}])
def test_the_same_request_gets_the_first_answer_again_also_from_the_next_server(
    serve: Callable[..., Server], body: dict[str, Any]
) -> None:
    first_server = serve()
    first = send(first_server, body)
    assert first.status_code in {201, 207}
    assert not replayed(first)
    ids = made(first_server)
    again = send(first_server, dict(reversed(body.items())))  # the order of fields means nothing
    first_server.stop()
    second_server = serve()
    for answer in (again, send(second_server, body, key='"k-1"')):
        assert replayed(answer)
        assert (answer.status_code, answer.json()) == (first.status_code, first.json())
        assert answer.headers.get("Location") == first.headers.get("Location")
        assert answer.headers["Content-Type"] == first.headers["Content-Type"]
    assert made(second_server) == ids


def test_another_body_is_refused_and_another_key_or_caller_is_another_request(server: Server, host: Host) -> None:
    limits = ("--repo", "acme/*", "--labels", "*", "--name-pattern", "*", "--expires", "1h")
    tokens = [host.cli_json("token", "create", name, "--tenant", name, *limits)["token"] for name in ("a", "b")]
    assert send(server, MANY).status_code == 207
    for other in ({**MANY, "count": 1}, {**MANY, "labels": "x"}, ONE):
        refused = send(server, other)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_mismatch")
    assert len(made(server)) == 2
    for key, token in (("k-2", None), ("k-1", tokens[0]), ("k-1", tokens[1])):
        assert not replayed(send(server, MANY, key, token))
        assert replayed(send(server, MANY, key, token))
    assert len(made(server)) == 8


def test_while_the_first_is_answered_the_second_is_told_to_come_back(server: Server, sandbox: Sandbox) -> None:
    sandbox.delay_all = 2.0
    with ThreadPoolExecutor() as pool:
        first: Future[requests.Response] = pool.submit(send, server, ONE)
        until(lambda: server.request("GET", RUNNERS).json()["items"])
        second = send(server, ONE)
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
        assert int(second.headers["Retry-After"]) >= 1
        sandbox.delay_all = 0.0
        assert first.result().status_code == 201
    assert send(server, ONE).json() == first.result().json()


@pytest.mark.parametrize("body", [ONE, MANY])
def test_a_server_that_is_killed_in_the_midst_makes_nothing_twice(
    serve: Callable[..., Server], sandbox: Sandbox, body: dict[str, Any]
) -> None:
    first = serve()
    sandbox.delay_all = 1.0
    with ThreadPoolExecutor() as pool:
        pool.submit(send, first, body)
        until(lambda: len(made(first)) == body.get("count", 1))
        ids = made(first)
        first.signal(signal.SIGKILL)
    sandbox.delay_all = 0.0
    second = serve()
    answer = send(second, body)
    until(lambda: set(made(second)) >= set(ids))
    assert made(second) == ids
    assert replayed(send(second, body)) or answer.json().get("retry_after")


def test_what_came_to_nothing_is_not_kept(host: Host, serve: Callable[..., Server]) -> None:
    host.write_env_file(RUNNERCTL_MAX_RUNNERS="1")
    server = serve()
    server.create("other")
    for body in (ONE, MANY):
        assert "quota_exceeded" in send(server, body, key=str(body)[:9]).text
    assert send(server, {**ONE, "labels": ",,"}).status_code == 400
    server.remove("other", "?force=true")
    assert send(server, ONE).status_code == 201


def test_the_error_of_a_runner_that_was_admitted_is_its_answer(server: Server, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(match="generate-jitconfig", status=422, body={"message": "No"}, times=1))
    first = send(server, ONE)
    again = send(server, ONE)
    assert (first.status_code, first.json()["code"]) == (502, "github_refused")
    assert (again.status_code, again.json(), replayed(again)) == (502, first.json(), True)
    assert len(made(server)) == 1


def test_an_error_that_asks_for_another_try_gets_one(server: Server, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(match="generate-jitconfig", status=503, times=9))
    first = send(server, ONE)
    assert (first.json()["code"], "Retry-After" in first.headers) == ("github_unavailable", True)
    sandbox.clear_faults()
    second = send(server, ONE)
    assert (second.status_code, replayed(second)) == (201, False)


def test_a_wait_that_ran_out_is_waited_for_again(server: Server, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(match="POST .*session", delay=5.0))
    body = {**ONE, "wait": "online", "timeout": 0.2}
    first = send(server, body)
    assert first.json()["code"] == "deadline_exceeded"
    until(lambda: server.status("one")["phase"] == "listening")
    second = send(server, body)
    assert (second.status_code, replayed(second), len(made(server))) == (201, False, 1)
    assert replayed(send(server, body))


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "schl\xfcssel"])
def test_a_key_that_is_none_is_refused(quiet_server: tuple[Server, Host, Sandbox], key: str) -> None:
    url, token = quiet_server[0].url, quiet_server[0].token
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key.encode("latin-1")}
    refused = requests.post(f"{url}{RUNNERS}", json=ONE, headers=headers, timeout=30).json()
    assert (refused["status"], refused["errors"][0]["field"]) == (400, "Idempotency-Key")


def test_no_key_and_no_variable_of_a_job_is_kept_and_a_day_is_enough(server: Server, host: Host) -> None:
    send(server, {**ONE, "env": {"GREETING": "hello-from-env"}}, key="my-own-key")
    with closing(sqlite3.connect(host.state_dir / "runnerctl.db")) as db:
        kept = json.dumps(db.execute("SELECT * FROM idempotency").fetchall(), default=bytes.decode)
        assert '"name":"one"' in kept.replace("\\", "")
        assert "my-own-key" not in kept
        assert "hello-from-env" not in kept
        db.execute("UPDATE idempotency SET at = ?", (time.time() - 86401,))
        db.commit()
    assert send(server, {**ONE, "name": "two"}, key="my-own-key").status_code == 201
    assert not replayed(send(server, {**ONE, "name": "three"}, key="x"))


def test_other_requests_do_not_mind_a_key(server: Server) -> None:
    server.create("one")
    for _ in range(2):
        headers = {"Idempotency-Key": "k"}
        assert server.request("POST", f"{RUNNERS}/one/start", headers=headers).status_code == 200
        assert server.request("DELETE", f"{RUNNERS}/one?force=true", headers=headers).status_code == 200
        server.create("one")
