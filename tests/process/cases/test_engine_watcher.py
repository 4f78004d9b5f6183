"""What watches the runners survives whatever it meets, and says what happens when it happens."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runnerctl.sandbox import Fault, Sandbox

from .crowd import crowd
from .jobs import Job
from .machine import SOON, Machine, Server, alive, ended, kill, stays, until

pytestmark = pytest.mark.long

NONSENSE = {
    "nested so deep that no parser takes it": b"[" * 4000,
    "a number instead of an object": b"1e999",
    "an id that is none": b'{"id": ["a"]}',
    "an id of a runner that never was": b'{"id": "../../etc"}',
    "no text": b"\xff\xfe\x00",
    "nothing at all": b"",
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_on_the_events_socket_keeps_nothing_from_being_noticed(
    machine: Machine, github: Sandbox, nonsense: bytes
) -> None:
    server = machine.serve()
    server.made("noticed")
    until(lambda: server.recorded("noticed") == "idle")
    machine.poke(nonsense)
    job = Job.running(machine, github, "noticed")
    until(lambda: server.recorded("noticed") == "busy")
    assert server.request("GET", "/readyz").json()["status"] == "ready"
    assert job.let_go().conclusion == "success"
    until(lambda: server.recorded("noticed") == "completed")


def test_a_server_that_had_no_descriptor_left_for_a_moment_goes_on_with_that_runner(
    machine: Machine, github: Sandbox
) -> None:
    server = machine.serve()
    server.made("starved")
    until(lambda: server.recorded("starved") == "idle")
    with no_descriptors(server):
        job = Job.running(machine, github, "starved")
        until(lambda: machine.status("starved")["state"] == "busy")  # its supervisor has told so
    assert server.status("starved")["status"] == "running"
    until(lambda: server.recorded("starved") == "busy")
    assert job.let_go().conclusion == "success"


@contextmanager
def no_descriptors(server: Server) -> Iterator[None]:
    """The server can open nothing more meanwhile."""
    before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    opened = max(int(entry.name) for entry in Path(f"/proc/{server.process.pid}/fd").iterdir())
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    assert opened > 3
    yield
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, before)


def test_a_github_that_never_answers_two_hundred_runners_delays_no_death_and_no_stop(
    machine: Machine, github: Sandbox
) -> None:
    server = machine.serve()
    for name in ("dies", "stops"):
        server.made(name)
    until(lambda: (server.recorded("dies"), server.recorded("stops")) == ("idle", "idle"))
    github.add_fault(Fault(match="/api/v3/", status=503, delay=120, times=None))
    with crowd(server) as clients:
        clients.creates("waits", 200)
        stays(lambda: waiting(server) < 200, seconds=5)
        dies, stops = machine.listener("dies"), machine.listener("stops")
        kill(dies, signal.SIGKILL)
        until(lambda: server.recorded("dies") != "idle", seconds=SOON)
        clients.send("POST", "/api/v1/runners/stops/stop")
        until(lambda: server.recorded("stops") in {"stopping", "stopped"}, seconds=SOON)
        until(lambda: not alive(stops), seconds=SOON)
        assert server.request("GET", "/api/v1/runners/stops", seconds=SOON).json()["name"] == "stops"
        assert waiting(server) == 200


def waiting(server: Server) -> int:
    return len(server.request("GET", "/api/v1/runners?state=pending&limit=200").json()["items"])


def test_a_github_that_never_answers_delays_no_command_of_another_process_either(
    machine: Machine, github: Sandbox
) -> None:
    server = machine.serve()
    server.made("stops")
    listener = machine.listener("stops")
    github.add_fault(Fault(match="/api/v3/", status=503, delay=120, times=None))
    with crowd(server) as clients:
        clients.creates("waits", 40)
        until(lambda: waiting(server) >= 30)
        stop = machine.begin("stop", "stops")
        until(lambda: not alive(listener), seconds=SOON)
        assert ended(stop, seconds=2 * SOON).status == 0
