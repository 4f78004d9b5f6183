"""What it costs the others that somebody asks and asks: who hangs up, who is ahead of its rate, who is refused."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import Right, TokenLimits
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import SLOWNESS, Host, Server

REPO = "acme/widgets"
MANY = 400
"""Fewer than wait to be accepted at once."""


def issued(host: Host, tenant: str) -> str:
    services = host.services()
    limits = TokenLimits(tenant=tenant, repositories=(REPO,), name_pattern=f"{tenant}-*", labels=("*",))
    try:
        return issuing.issue(services, tenant, rights=list(Right), limits=limits)[1]
    finally:
        services.close()


def cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connected(server: Server) -> socket.socket:
    if server.url.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(server.url.removeprefix("unix:"))
        return connection
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20)


def heard(server: Server) -> None:
    """It has come so far as to answer."""
    with connected(server) as connection:
        connection.settimeout(60)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in connection.recv(65536)


def asked(server: Server, token: str, path: str = "/api/v1/whoami") -> requests.Response:
    return requests.get(f"{server.url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=60)


# --- Who hangs up ---


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "unix:{top}/sock"])
def test_who_has_hung_up_before_its_turn_costs_next_to_nothing(
    serve: Callable[..., Server], host: Host, bind: str
) -> None:
    """Stopped meanwhile, the server is as busy as can be: all of them are in line before it looks."""
    server = serve(GITHUB_WFA_RUNNER_SERVER__BIND=bind.format(top=host.top))
    heard(server)
    server.signal(signal.SIGSTOP)
    for _ in range(MANY):
        with connected(server) as connection:
            connection.sendall(b"GET /api/v1/runners HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n")
    before = cpu_seconds(server)
    server.signal(signal.SIGCONT)
    heard(server)
    assert cpu_seconds(server) - before < 0.1 * SLOWNESS


def test_who_hangs_up_in_the_midst_of_an_answer_is_no_fault_of_ours(server: Server, host: Host) -> None:
    """Each was a traceback in the log: whoever likes fills it."""
    token = issued(host, "acme")
    made = {"repo": REPO, "name": "acme-1", "wait": "none"}
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.post(f"{server.url}/api/v1/runners", json=made, headers=headers, timeout=60).status_code == 201
    head = f"GET /api/v1/runners/acme-1/logs?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    for _ in range(50):
        with connected(server) as connection:
            connection.sendall(head.encode())
            time.sleep(0.002)  # at any point of it
    heard(server)
    assert "request failed" not in server.log.read_text()


# --- Who is ahead of its rate ---


def test_who_asks_faster_than_its_rate_is_answered_evenly_and_others_at_once(
    serve: Callable[..., Server], host: Host
) -> None:
    server = serve(RUNNERCTL_RATE_LIMIT="300")
    noisy, quiet = issued(host, "noisy"), issued(host, "quiet")
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(asked, server, noisy) for _ in range(230)]
        assert asked(server, quiet).status_code == 200
        assert not all(each.done() for each in asking), "it was behind all of them"
        assert {each.result().status_code for each in asking} == {200}
    # 200 at once, and 30 at five a second.
    assert time.monotonic() - began > 4.5


def test_a_token_beyond_its_rate_is_refused_later_each_time(serve: Callable[..., Server], host: Host) -> None:
    """Refused at once, it would ask again at once: a refusal costs nearly as much as an answer."""
    server = serve(RUNNERCTL_RATE_LIMIT="5")
    hasty = issued(host, "hasty")
    assert {asked(server, hasty).status_code for _ in range(5)} == {200}
    began = time.monotonic()
    assert {asked(server, hasty).status_code for _ in range(7)} == {429}
    assert time.monotonic() - began > 1.0


# --- Who is refused ---


def test_a_create_that_is_refused_anyway_waits_for_nobody_who_writes(
    server: Server, host: Host, sandbox: Sandbox
) -> None:
    sandbox.add_fault(Fault(match="generate-jitconfig", status=422, times=None))
    headers = {"Authorization": f"Bearer {issued(host, 'other')}"}

    def create() -> requests.Response:
        body = {"repo": REPO, "name": "other-1", "wait": "none"}
        return requests.post(f"{server.url}/api/v1/runners", json=body, headers=headers, timeout=60)

    while create().status_code != 429:
        pass
    with closing(sqlite3.connect(host.state_dir / "runnerctl.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert create().status_code == 429
        assert time.monotonic() - began < 5 * SLOWNESS
        other.execute("ROLLBACK")


# --- Who holds many ---

_WITH_MANY_FILES = """
import os, resource
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
from runnerctl.cli.main import main
main(["serve"])
"""


def test_a_server_that_holds_more_than_a_thousand_descriptors_makes_runners(host: Host, sandbox: Sandbox) -> None:
    """Connections and the processes of runners take them. Each create was an internal error then."""
    server = Server.start(host, {}, argv=["-c", _WITH_MANY_FILES])
    try:
        assert server.create("one").status_code == 201
        sandbox.add_fault(Fault(match="generate-jitconfig", status=422, times=1))
        assert server.create("two").status_code == 502
        assert "ERROR" not in server.log.read_text()
    finally:
        server.stop()
        host.kill_everything()
