"""However many operations wait, the server answers, carries on with what it began, and ends when told to."""

from __future__ import annotations

import fcntl
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from runnerctl.sandbox import Fault, Sandbox

from .crowd import crowd, status_line
from .machine import SOON, Machine, descriptors, freeze, kill, stays, until

pytestmark = pytest.mark.long

DOWNLOAD = "GET /sandbox/downloads"


@pytest.fixture
def unpacked_nothing(machine: Machine, github: Sandbox) -> Machine:
    """The package must be fetched first, and its download takes a minute to begin."""
    machine.set(RUNNERCTL_PACKAGE_DIR=str(machine.top / "packages"))
    github.add_fault(Fault(match=DOWNLOAD, delay=60, times=None))
    return machine


def test_creates_that_wait_for_a_package_keep_nobody_from_an_answer(unpacked_nothing: Machine) -> None:
    server = unpacked_nothing.serve()
    with crowd(server) as clients:
        clients.creates("waits", 40)
        until(lambda: len(server.request("GET", "/api/v1/runners").json()["items"]) >= 30)
        # Which of the forty come first is chance.
        waits = server.request("GET", "/api/v1/runners").json()["items"][0]["name"]
        answer = server.request("GET", f"/api/v1/runners/{waits}", seconds=SOON)
        assert answer.json()["state"] == "pending"
        assert server.remove("never-was").status_code == 404


@contextmanager
def links_locked(packages: Path) -> Iterator[None]:
    """As whoever removes the packages there has them."""
    with ExitStack() as held:
        for path in (packages / ".locks").glob("*.links.lock"):
            locked = held.enter_context(path.open("rb"))
            fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def test_creates_of_a_package_that_another_process_has_locked_hold_up_no_removal_and_no_registration(
    machine: Machine, github: Sandbox
) -> None:
    machine.set(RUNNERCTL_PACKAGE_DIR=str(machine.top / "packages"))
    server = machine.serve()
    server.made("goes")
    with crowd(server) as clients:
        with links_locked(machine.top / "packages"):
            names = clients.creates("waits", 40)
            until(lambda: len(server.request("GET", "/api/v1/runners").json()["items"]) > len(names))
            assert server.request("DELETE", "/api/v1/runners/goes", seconds=SOON).status_code == 200
            assert github.runners() == []
            assert {server.recorded(name) for name in names} == {"pending"}
        until(lambda: len(github.runners()) == len(names), seconds=40)


@pytest.mark.timeout(150)
def test_creates_that_wait_for_a_package_do_not_hold_up_the_servers_end(unpacked_nothing: Machine) -> None:
    """Requests in flight have 20 s; a package that comes in a minute is not waited for."""
    server = unpacked_nothing.serve()
    with crowd(server) as clients:
        clients.creates("waits", 40)
        until(lambda: len(server.request("GET", "/api/v1/runners").json()["items"]) >= 30)
        kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(timeout=28) == 0


def test_a_removal_that_has_begun_is_not_refused_as_overload(machine: Machine, github: Sandbox) -> None:
    """It waits for a job that may have been sent; meanwhile more requests come than the server has room for."""
    machine.set(RUNNERCTL_REMOVE_SETTLE="60s")
    server = machine.serve()
    server.made("begun")
    freeze(machine.listener("begun"))  # or it would end at once, being told of the deletion
    github.add_fault(Fault(match="generate-jitconfig", status=503, delay=30, times=None))
    with crowd(server) as clients:
        removal = clients.send("DELETE", "/api/v1/runners/begun")
        until(lambda: not github.runners())
        clients.creates("waits", 40)
        stays(lambda: asked_for(github) < 32, seconds=3)
        requests = [clients.send("GET", "/api/v1/runners/begun") for _ in range(700)]
        status_line(requests[-1])  # refused or not: all of them have come
        kill(machine.listener("begun"), signal.SIGCONT)
        assert status_line(removal) == 200
    assert server.recorded("begun") == "removed"
    assert not machine.root("begun").exists()


def asked_for(github: Sandbox) -> int:
    return sum("generate-jitconfig" in call.path for call in github.calls)


def test_a_runner_that_belongs_to_the_server_leaves_it_no_pipe(machine: Machine) -> None:
    server = machine.serve()
    pipes: list[int] = []
    for number in range(4):
        server.made(f"owned-{number}", daemonize=False)
        assert server.remove(f"owned-{number}").status_code == 200
        pipes.append(pipes_of(server.process.pid))
    assert pipes[1:] == pipes[:1] * 3


def pipes_of(pid: int) -> int:
    return sum(target.startswith("pipe:") for target in descriptors(pid))


def test_a_server_ends_its_own_runners_though_one_of_them_has_left_nothing_behind(
    machine: Machine, github: Sandbox
) -> None:
    """The logs of one that was removed have been pruned."""
    server = machine.serve()
    gone = server.made("gone", daemonize=False)
    server.made("stays", daemonize=False)
    assert server.remove("gone").status_code == 200
    shutil.rmtree(machine.state_dir / "runners" / gone["id"])
    listener = machine.listener("stays")
    kill(server.process.pid, signal.SIGTERM)
    assert server.process.wait(timeout=20) == 0, server.log.read_text()[-2000:]
    until(lambda: not machine.root("stays").exists(), seconds=10)
    assert not any(str(listener) == str(pid) for pid in machine.processes())
    assert github.runners() == []


@pytest.mark.persistent
def test_a_github_that_does_not_say_whether_a_runner_may_start_keeps_nobody_from_an_answer(
    machine: Machine, github: Sandbox
) -> None:
    server = machine.serve()
    server.made("steady", ephemeral=False)
    server.made("other")
    assert server.request("POST", "/api/v1/runners/steady/stop").status_code == 200
    github.add_fault(Fault(match=r"GET .*/actions/runners/\d+$", delay=60, times=None))
    with crowd(server) as clients:
        asked = calls(github, "/actions/runners/")
        for _ in range(40):
            clients.send("POST", "/api/v1/runners/steady/start")
        until(lambda: calls(github, "/actions/runners/") - asked >= 16)
        assert server.request("GET", "/api/v1/runners/steady", seconds=SOON).json()["state"] == "stopped"
        assert server.request("GET", "/health", seconds=SOON).status_code == 200
        assert server.request("POST", "/api/v1/runners/other/stop", seconds=SOON).status_code == 200
        assert server.recorded("steady") == "stopped"


def calls(github: Sandbox, part: str) -> int:
    return sum(part in call.path for call in github.calls)
