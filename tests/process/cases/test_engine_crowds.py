"""Two hundred who wait keep nobody from an answer and no death from being noticed; who hangs up undoes nothing."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runnerctl.core.packages.releases import platform_of_machine
from runnerctl.sandbox import Fault, Sandbox

from .crowd import crowd
from .jobs import Job
from .machine import SOON, Machine, Server, kill, stays, until

pytestmark = pytest.mark.long

CROWD = 200


@contextmanager
def package_lock_held(machine: Machine) -> Iterator[None]:
    """As whoever removes that package holds it, and does not come to an end."""
    locks = Path(machine.variables["RUNNERCTL_PACKAGE_DIR"]) / ".locks"
    (path,) = locks.glob(f"*-{platform_of_machine()}.links.lock")
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def silent_github(github: Sandbox) -> Iterator[None]:
    github.add_fault(Fault(match="/api/v3/", status=503, delay=120, times=None))
    yield


@pytest.mark.timeout(180)
@pytest.mark.parametrize("what", ["its package's lock", "GitHub"])
def test_two_hundred_that_wait_delay_no_answer_and_no_death(
    machine: Machine, github: Sandbox, what: str, tmp_path: Path
) -> None:
    machine.set(RUNNERCTL_PACKAGE_DIR=str(tmp_path / "packages"))
    server = machine.serve()
    server.made("dies")
    until(lambda: server.recorded("dies") == "idle")
    held = silent_github(github) if what == "GitHub" else package_lock_held(machine)
    with held, crowd(server) as clients:
        clients.creates("waits", CROWD)
        until(lambda: waiting(server) == CROWD, seconds=60)
        answers(server)
        kill(machine.listener("dies"), signal.SIGKILL)
        until(lambda: server.recorded("dies") != "idle", seconds=SOON)
        answers(server)


def waiting(server: Server) -> int:
    return len(server.request("GET", "/api/v1/runners?state=pending&limit=200").json()["items"])


def answers(server: Server) -> None:
    for path in ("/health", "/readyz", "/api/v1/runners/waits-0", "/api/v1/runners/dies/status", "/api/v1/runners"):
        assert server.request("GET", path, seconds=SOON).status_code == 200, path


# -- clients that hang up


def test_a_create_whose_client_hangs_up_is_finished(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    server.made("warm")  # the package is here
    github.add_fault(Fault(match="generate-jitconfig", delay=1))
    with crowd(server) as clients:
        clients.creates("left", 1)
        until(lambda: server.recorded("left-0") == "pending")
    until(lambda: server.recorded("left-0") in {"idle", "failed"}, seconds=20)
    assert stays(lambda: server.request("GET", "/readyz").status_code == 200, seconds=0.5)


def test_a_removal_whose_client_hangs_up_goes_on(machine: Machine, github: Sandbox) -> None:
    machine.set(RUNNERCTL_REMOVE_SETTLE="2s")
    server = machine.serve()
    server.made("left")
    until(lambda: server.recorded("left") == "idle")
    with crowd(server) as clients:
        clients.send("DELETE", "/api/v1/runners/left")
        until(lambda: server.recorded("left") == "removing")
    until(lambda: server.recorded("left") == "removed")
    assert github.runners() == []
    assert not machine.root("left").exists()


def test_a_drain_whose_client_hangs_up_ends_with_the_job_and_not_sooner(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    server.made("left")
    job = Job.running(machine, github, "left")
    with crowd(server) as clients:
        clients.send("DELETE", "/api/v1/runners/left?drain=true")
        until(lambda: server.recorded("left") == "removing")
    assert stays(lambda: bool(machine.workers()), seconds=1)
    assert job.let_go().conclusion == "success"
    until(lambda: server.recorded("left") in {"removed", "completed"})
    assert not machine.root("left").exists()


def test_a_stop_whose_client_hangs_up_ends_with_the_job_too(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    server.made("left")
    job = Job.running(machine, github, "left")
    with crowd(server) as clients:
        clients.send("POST", "/api/v1/runners/left/stop")
        until(lambda: server.recorded("left") == "stopping")
    assert job.let_go().conclusion == "success"
    until(lambda: server.recorded("left") == "completed")
