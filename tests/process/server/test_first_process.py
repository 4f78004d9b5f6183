"""The first process of a container: what is re-parented to it is buried, and its own children are not taken from it."""

from __future__ import annotations

import os
import signal

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.hosts.container import contained, serving
from tests.support.hosts.host import Host, Server, until
from tests.support.hosts.isolated import RUN_AS, USERS, Isolated, isolated, open_archive, open_top

__all__ = ["isolated", "open_archive", "open_top"]

pytestmark = pytest.mark.long

LEAVES_A_PROCESS = [{"run": "sleep 60 & true"}]


def comes_and_goes(server: Server, sandbox: Sandbox, number: int) -> None:
    """Each second one by its job, the others by a removal."""
    name = f"r{number}"
    assert server.create(name, wait="online").status_code == 201
    if number % 2:
        assert server.remove(name).status_code == 200
    else:
        job = sandbox.submit_job("acme/widgets", [name], LEAVES_A_PROCESS)
        assert sandbox.wait_job(job, timeout=30).conclusion == "success"


def test_ten_runners_come_and_go_and_no_zombie_is_left(host: Host, sandbox: Sandbox) -> None:
    with serving(host) as (container, server):
        for number in range(10):
            comes_and_goes(server, sandbox, number)
        until(lambda: host.processes() == [])
        until(lambda: not container.zombies())
        until(lambda: len(container.children_of_first()) == 1)  # the server; the last reaper may be at work yet
        assert sandbox.runners() == []


def test_users_of_jobs_are_free_again_when_their_runners_have_gone(isolated: Isolated) -> None:
    """A dead process keeps its user's id in use, and there are three of them for ten runners."""
    with serving(isolated.host, RUNNERCTL_RUN_AS=RUN_AS) as (container, server):
        for number in range(10):
            comes_and_goes(server, isolated.sandbox, number)
        until(lambda: not container.zombies())
    assert len(USERS) < 10


CHILDREN = """
import asyncio, subprocess, sys, time
from pathlib import Path
from runnerctl.cli.first_process import stand_aside

stand_aside()
LEAVES_ONE = "(sleep 0.0{0}; exit 9) & exit {0}"
wanted = list(range(60))
assert [subprocess.run(["sh", "-c", LEAVES_ONE.format(n)]).returncode for n in wanted] == wanted

async def one(n):
    return await (await asyncio.create_subprocess_exec("sh", "-c", LEAVES_ONE.format(n))).wait()

async def all_of_them():
    return await asyncio.gather(*map(one, wanted))

assert asyncio.run(all_of_them()) == wanted

def zombies():
    return [path for path in Path("/proc").glob("[0-9]*/stat") if state(path) == "Z"]

def state(path):
    try:
        return path.read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""  # it has gone meanwhile

deadline = time.monotonic() + 20
while (left := zombies()) and time.monotonic() < deadline:
    time.sleep(0.01)
print("zombies:", left)
sys.exit(23)
"""


def test_exit_statuses_of_its_own_children_stay_right_while_others_die_around_them(host: Host) -> None:
    with contained(host, "-c", CHILDREN) as container:
        said, _ = container.outside.communicate(timeout=60)
        assert (said, container.outside.returncode) == ("zombies: []\n", 23), container.log.read_text()


@pytest.mark.parametrize(("argv", "status"), [(["list"], 0), (["status", "nobody"], 5), (["create"], 2)])
def test_a_command_ends_as_it_does_elsewhere(host: Host, argv: list[str], status: int) -> None:
    with contained(host, "-m", "runnerctl", *argv) as container:
        assert container.outside.wait(timeout=60) == status


def test_signals_reach_the_server_and_its_end_is_that_of_the_container(host: Host) -> None:
    with serving(host) as (container, _):
        container.signal(signal.SIGHUP)
        until(lambda: "settings were reloaded" in container.log.read_text())
        container.signal(signal.SIGTERM)
        assert container.outside.wait(timeout=40) == 0
    with serving(host) as (container, _):
        os.kill(container.child, signal.SIGKILL)
        assert container.outside.wait(timeout=40) == 128 + signal.SIGKILL


def test_a_runner_in_the_foreground_is_drained_by_the_containers_stop(host: Host, sandbox: Sandbox) -> None:
    argv = ("create", "r1", "--repo", "acme/widgets", "--foreground")
    with contained(host, "-m", "runnerctl", *argv) as container:
        until(lambda: [runner.status for runner in sandbox.runners()] == ["online"])
        container.signal(signal.SIGINT)
        container.outside.wait(timeout=40)
    assert (sandbox.runners(), host.roots()) == ([], [])
