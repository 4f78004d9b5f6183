"""A removal is about the one runner that it was asked for, wherever that is, and it is never cut short."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.sandbox import Fault, Sandbox

from .jobs import Job
from .machine import Machine, alive, ended, freeze, holds_open, kill, stays, until

pytestmark = pytest.mark.long

HELD = 6
NO_ANSWER = Fault(match="DELETE /repos", status=503, delay=20)


def asks_to_deregister(
    machine: Machine, github: Sandbox, name: str, *, ahead: float | None = None
) -> subprocess.Popen[str]:
    """A ``remove`` that waits for GitHub's answer, which will be that it is unavailable."""
    asked = deletions(github)
    github.add_fault(NO_ANSWER)
    command = machine.begin("remove", name, ahead=ahead)
    until(lambda: deletions(github) > asked)
    return command


def deletions(github: Sandbox) -> int:
    return sum(call.method == "DELETE" for call in github.calls)


def test_a_removal_of_an_old_runner_never_touches_the_new_one_of_its_name(machine: Machine, github: Sandbox) -> None:
    """A sweep that has found the old one is held up until there is a new one."""
    machine.create("again", "--wait", "online")
    # A removal that began 40 s ago and lost its command: a sweep goes on with it.
    lost = asks_to_deregister(machine, github, "again", ahead=-40)
    kill(lost.pid, signal.SIGKILL)
    lost.wait()
    other = asks_to_deregister(machine, github, "again")
    sweep = machine.begin("reconcile", "--local")
    until(lambda: sweep.poll() is not None or holds_open(sweep.pid, machine.state_dir / "locks"))
    freeze(sweep.pid)
    kill(other.pid, signal.SIGKILL)
    other.wait()
    github.clear_faults()
    if machine.cli("remove", "again", "--force").status == HELD:  # the sweep itself is in the midst of a step
        kill(sweep.pid, signal.SIGCONT)
        ended(sweep)
        assert machine.cli("remove", "again", "--force").status == 0
    machine.create("again", "--wait", "online")
    listener = machine.listener("again")
    kill(sweep.pid, signal.SIGCONT)
    ended(sweep)
    assert machine.status("again")["status"] == "running"
    assert machine.listener("again") == listener
    assert alive(listener)
    assert [runner.name for runner in github.runners()] == ["again"]


def test_an_orphan_of_an_old_runner_never_takes_the_new_one_of_its_name_along(
    machine: Machine, github: Sandbox
) -> None:
    machine.create("again", "--wait", "online")
    github.add_fault(Fault(match="DELETE /repos", status=503, times=None))
    machine.cli("remove", "again", "--force")
    old = [runner.id for runner in github.runners()]
    assert old, "its registration is still there"
    github.clear_faults()
    github.wait_runner("again", "offline")
    machine.create("again", "--wait", "online")
    assert machine.cli("reconcile").status == 0
    assert machine.status("again")["status"] == "running"
    assert [(runner.name, runner.id in old) for runner in github.runners()] == [("again", False)]


def test_the_servers_own_sweep_does_not_cut_its_own_drain_short(machine: Machine, github: Sandbox) -> None:
    """A job was on its way when GitHub let go: the drain waits 90 s for it, and 65 s later it still comes."""
    machine.set(
        RUNNERCTL_DRAIN_SETTLE="90s",
        RUNNERCTL_STOP_INTERRUPT="0.2s",
        RUNNERCTL_STOP_TERMINATE="0.2s",
        RUNNERCTL_STOP_KILL="1s",
    )
    clock = machine.clock()
    server = machine.serve(ahead=clock)
    server.made("other")  # or there would be nobody to list
    server.made("slow")
    listener = machine.listener("slow")
    github.dispatch_on_delete = True
    job = Job.submit(machine, github, "slow")
    freeze(listener)  # it does not hear of the job for a while
    assert server.remove("slow", "?drain=true").status_code == 202
    until(lambda: [runner.name for runner in github.runners()] == ["other"])
    listed = listings(github)
    clock.set(65)
    machine.poke()
    until(lambda: listings(github) > listed or not alive(listener))  # the sweep has come round
    assert stays(lambda: alive(listener), seconds=1.5)
    kill(listener, signal.SIGCONT)
    assert job.let_go().conclusion == "success"
    until(lambda: server.recorded("slow") in {"completed", "removed"})


def listings(github: Sandbox) -> int:
    return sum(call.method == "GET" and call.path.endswith("/actions/runners") for call in github.calls)


def test_a_runner_is_removed_from_where_it_was_made_whatever_the_settings_say_now(
    machine: Machine, github: Sandbox
) -> None:
    machine.create("here", "--wait", "online")
    made = machine.root("here")
    machine.set(GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(machine.top / "elsewhere"))
    assert machine.cli("remove", "here").status == 0
    assert not made.exists()
    assert github.runners() == []


def test_a_sweep_too_finds_it_where_it_was_made(machine: Machine, github: Sandbox) -> None:
    machine.create("here", "--wait", "online")
    made = machine.root("here")
    machine.set(GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(machine.top / "elsewhere"))
    for pid in (*machine.supervisors(), machine.listener("here")):
        kill(pid, signal.SIGKILL)  # nobody is left who could clean up
    assert machine.cli("reconcile").status == 0
    assert not made.exists()


@pytest.fixture
def remounted(machine: Machine, as_root: None) -> Iterator[Machine]:
    """A stopped runner whose directory then has another device number, as after a reboot or on a new disk."""
    machine.create("kept", "--wait", "online")
    assert machine.cli("stop", "kept").status == 0
    device, inode = _identity(machine.root("kept"))
    beside = machine.top / "overlay"
    for name in ("lower", "work"):
        (beside / name).mkdir(parents=True)
    layers = f"lowerdir={beside}/lower,upperdir={machine.base_dir},workdir={beside}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(machine.base_dir)], check=True)
    try:
        assert _identity(machine.root("kept"))[1] == inode
        assert _identity(machine.root("kept"))[0] != device
        yield machine
    finally:
        subprocess.run(["umount", str(machine.base_dir)], check=True)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def test_a_runner_is_removed_though_its_disk_has_another_device_number(remounted: Machine) -> None:
    root = remounted.root("kept")
    assert (root / ".credentials").exists()
    assert remounted.cli("remove", "kept").status == 0
    assert not root.exists()


def test_a_directory_that_was_restored_from_a_copy_is_never_called_removed_while_it_is_there(machine: Machine) -> None:
    """It has our marker and another inode: the two differ, so it is named and kept, or it is cleared."""
    machine.create("restored", "--wait", "online")
    assert machine.cli("stop", "restored").status == 0
    root = machine.root("restored")
    subprocess.run(["cp", "-a", str(root), str(machine.top / "copy")], check=True)
    shutil.rmtree(root)
    (machine.top / "copy").rename(root)
    ran = machine.cli("remove", "restored")
    assert str(root) in ran.said or not root.exists(), ran
