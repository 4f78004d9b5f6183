"""Log streams: how many, how large, for how long; and who hangs up."""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from runnerctl.core import logs
from runnerctl.core.access import issuing
from runnerctl.core.access.grants import Right, TokenLimits
from runnerctl.server import allowances
from tests.support.hosts.host import SLOWNESS, Host, Server, until

REPO = "acme/widgets"
LINE = "2026-11-24T03:57:14.123Z " + "a line of a log that is long " * 3


@pytest.fixture
def tenant(host: Host, server: Server) -> str:
    """Its token; it has a runner ``acme-1`` that lives."""
    services = host.services()
    limits = TokenLimits(tenant="acme", repositories=(REPO,), name_pattern="acme-*", labels=("*",))
    _, token = issuing.issue(services, "acme", rights=list(Right), limits=limits)
    services.close()
    made = requests.post(
        f"{server.url}/api/v1/runners",
        json={"repo": REPO, "name": "acme-1", "wait": "none"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )
    assert made.status_code == 201
    return token


def port(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def followed(server: Server, token: str, *, name: str = "acme-1") -> socket.socket:
    """A connection that has asked for that log, to its end."""
    connection = socket.create_connection(("127.0.0.1", port(server)), timeout=20)
    head = f"GET /api/v1/runners/{name}/logs?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def status_of(connection: socket.socket) -> int:
    return int(connection.recv(65536).split()[1])


def cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(server: Server, field: str) -> int:
    """In MB."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{field}:"))


def health_seconds(server: Server) -> float:
    began = time.monotonic()
    assert requests.get(f"{server.url}/health", timeout=20).status_code == 200
    return time.monotonic() - began


def test_a_thousand_who_hang_up_at_once_leave_nothing_behind(server: Server, tenant: str) -> None:
    for _ in range(1000):
        followed(server, tenant).close()
    assert health_seconds(server) < 5 * SLOWNESS
    # Handlers that went on would fill the tenant's share, and look at the log four times a second each.
    with followed(server, tenant) as one:
        until(lambda: _is_served(server, tenant))
        assert status_of(one) in {200, 429}
    before = cpu_seconds(server)
    time.sleep(2)  # what is measured is that nothing happens
    assert cpu_seconds(server) - before < 0.5 * SLOWNESS


def _is_served(server: Server, token: str) -> bool:
    with followed(server, token) as connection:
        return status_of(connection) == 200


def test_one_caller_has_so_many_streams_and_others_have_theirs(server: Server, tenant: str) -> None:
    held = [followed(server, tenant) for _ in range(allowances.STREAMS_OF_ONE)]
    try:
        assert {status_of(each) for each in held} == {200}
        refused = requests.get(
            f"{server.url}/api/v1/runners/acme-1/logs", headers={"Authorization": f"Bearer {tenant}"}, timeout=20
        )
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert int(refused.headers["Retry-After"]) >= 1
        assert server.request("GET", "/api/v1/runners/acme-1/logs").status_code == 200
        held.pop().close()
        until(lambda: _is_served(server, tenant))
    finally:
        for each in held:
            each.close()


def test_all_tenants_together_leave_room_for_the_operator(host: Host, server: Server, tenant: str) -> None:
    services = host.services()
    limits = TokenLimits(tenant=None)
    many = [issuing.issue(services, f"t{n}", rights=[Right.LOGS_READ], limits=limits)[1] for n in range(15)]
    services.close()
    held = [followed(server, token) for token in many for _ in range(allowances.STREAMS_OF_ONE)]
    try:
        seen = [status_of(each) for each in held]
        assert seen.count(200) == allowances.MOST_STREAMS * 3 // 4
        assert set(seen) == {200, 503}
        assert server.request("GET", "/api/v1/runners/acme-1/logs").status_code == 200
        assert health_seconds(server) < 2 * SLOWNESS
    finally:
        for each in held:
            each.close()


# --- Large logs ---


def large_log(host: Host, megabytes: int) -> Path:
    """In place of the only runner's."""
    (path,) = until(lambda: list((host.state_dir / "runners").glob("*/runner.log")))
    path.write_text(f"{LINE}\n" * (megabytes * 1024 * 1024 // (len(LINE) + 1)))
    return path


def test_thirty_large_logs_at_once_take_little_memory_and_hold_up_nobody(
    host: Host, server: Server, tenant: str
) -> None:
    size = large_log(host, 1).stat().st_size

    def read(_: int) -> int:
        answer = server.request("GET", "/api/v1/runners/acme-1/logs", stream=True)
        return sum(len(block) for block in answer.iter_content(65536))

    before = memory(server, "VmRSS")
    with ThreadPoolExecutor(30) as pool:
        reading = [pool.submit(read, number) for number in range(30)]
        slowest = 0.0
        while not all(each.done() for each in reading):
            slowest = max(slowest, health_seconds(server))
            time.sleep(0.05)  # the others need the processor
    lengths = {each.result() for each in reading}
    assert len(lengths) == 1
    assert lengths.pop() >= size
    assert memory(server, "VmHWM") - before < 60
    assert slowest < 3 * SLOWNESS


def test_who_takes_nothing_of_a_large_log_is_not_waited_for(host: Host, tenant: str, server: Server) -> None:
    large_log(host, 8)
    before = memory(server, "VmRSS")
    held = [followed(server, tenant) for _ in range(allowances.STREAMS_OF_ONE)]
    assert health_seconds(server) < 2 * SLOWNESS
    assert memory(server, "VmHWM") - before < 100
    for each in held:
        each.close()
    until(lambda: _is_served(server, tenant))


@pytest.mark.parametrize("tail", [None, 0, 1, 3, 5000, 9999])
def test_the_end_of_a_log_is_found_without_reading_all_of_it(tmp_path: Path, tail: int | None) -> None:
    lines = [f"2026-11-24T00:00:{number % 60:02}Z line {number} {'x' * 50}" for number in range(8000)]
    (tmp_path / "runner.log.1").write_text("".join(f"{line}\n" for line in lines[:5000]))
    (tmp_path / "runner.log").write_text("".join(f"{line}\n" for line in lines[5000:]) + "half a li")
    read, reader = logs.read(tmp_path / "runner.log", tail=tail)
    assert read == (lines if tail is None else lines[len(lines) - tail :] if tail < len(lines) else lines)
    with (tmp_path / "runner.log").open("a") as file:
        file.write("ne\n")
    assert list(reader.lines()) == ["half a line"]
    reader.close()


def test_a_line_that_never_ends_is_given_in_parts(tmp_path: Path) -> None:
    (tmp_path / "runner.log").write_text("x" * 1_000_000 + "\nlast\n")
    read, reader = logs.read(tmp_path / "runner.log")
    reader.close()
    assert (max(map(len, read)) <= 2 * 65536, "".join(read[:-1]), read[-1]) == (True, "x" * 1_000_000, "last")


@pytest.mark.persistent
def test_drains_that_are_asked_for_again_and_again_leave_nobody_waiting(
    host: Host, server: Server, sandbox: object, tmp_path: Path
) -> None:
    """Each was watched until the job's end: a thousand of them looked at the store two thousand times a second."""
    server.create("busy", ephemeral=False)
    go = tmp_path / "go"
    sandbox.submit_job(REPO, ["busy"], [{"run": f"while [ ! -e {go} ]; do sleep 0.1; done"}])  # type: ignore[attr-defined]
    until(lambda: server.status("busy")["phase"] == "busy")
    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(lambda _: server.remove("busy", "?drain=true").status_code, range(300)))
    assert answers == {202}
    until(lambda: _rests(server))
    go.touch()
    until(lambda: server.status("busy")["status"] == "not_installed")


def _rests(server: Server) -> bool:
    before = cpu_seconds(server)
    time.sleep(1)  # what is measured is that nothing happens
    return cpu_seconds(server) - before < 0.3 * SLOWNESS
