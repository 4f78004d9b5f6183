"""What is wrong with one runner is that runner's alone, and nobody is taken at its word once."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox

from .jobs import Job
from .machine import REPO, Machine, Server, alive, kill, stays, until


@contextmanager
def file_system_whose_server_died(point: Path) -> Iterator[None]:
    """Whatever looks at it fails with an error that no file has."""
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    done = ctypes.CDLL(None, use_errno=True).mount(b"test", os.fsencode(point), b"fuse", 0, options)
    os.close(device)
    assert done == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            where = line.split()[4]
            if where.startswith(str(point.parents[2])):
                subprocess.run(["umount", "-l", where], check=True)


def test_what_one_runner_left_unreadable_keeps_no_other_from_being_put_right(machine: Machine, as_root: None) -> None:
    machine.set(RUNNERCTL_REPLACE_LOST="false")
    for name in ("a-broken", "z-dead"):
        machine.create(name, "--wait", "online")
    for pid in (*machine.supervisors(), *map(machine.listener, ("a-broken", "z-dead"))):
        kill(pid, signal.SIGKILL)
    with file_system_whose_server_died(machine.root("a-broken") / "_diag"):
        ran = machine.cli("reconcile")
        assert ran.status in {0, 10}, ran
        assert machine.status("z-dead")["status"] == "not_installed"
        assert not machine.root("z-dead").exists()


def test_a_server_starts_though_one_runner_cannot_be_looked_at(machine: Machine, as_root: None) -> None:
    machine.set(RUNNERCTL_REPLACE_LOST="false")
    for name in ("a-broken", "z-dead"):
        machine.create(name, "--wait", "online")
    for pid in (*machine.supervisors(), *map(machine.listener, ("a-broken", "z-dead"))):
        kill(pid, signal.SIGKILL)
    with file_system_whose_server_died(machine.root("a-broken") / "_diag"):
        server = machine.serve()
        until(lambda: server.status("z-dead")["status"] == "not_installed")


def test_a_directory_that_the_settings_name_later_is_kept_from_jobs_too(
    machine: Machine, github: Sandbox, landlock: None
) -> None:
    """After SIGHUP the runners are made elsewhere; none of them reads another's identity."""
    server = machine.serve()
    elsewhere = machine.top / "elsewhere"
    machine.set(GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(elsewhere))
    kill(server.process.pid, signal.SIGHUP)
    until(lambda: "reloaded" in server.log.read_text())
    none_reads_anothers_identity(server, github, elsewhere)


def test_the_directory_that_they_name_from_the_start_is_kept_from_jobs(
    machine: Machine, github: Sandbox, landlock: None
) -> None:
    none_reads_anothers_identity(machine.serve(), github, machine.base_dir)


def none_reads_anothers_identity(server: Server, github: Sandbox, base_dir: Path) -> None:
    server.made("victim")
    server.made("thief")
    secret = base_dir / "victim" / ".credentials"
    assert secret.exists()
    job = github.submit_job(REPO, ["thief"], [{"run": f"if cat {secret} >/dev/null; then exit 1; fi"}])
    assert github.wait_job(job).conclusion == "success"


@pytest.mark.parametrize("kind", ["--ephemeral", pytest.param("--persistent", marks=pytest.mark.persistent)])
def test_a_github_that_calls_its_newest_version_too_old_loses_no_runner(
    machine: Machine, github: Sandbox, kind: str
) -> None:
    machine.create("newest", "--wait", "online", kind)
    listener = machine.listener("newest")
    (registered,) = github.runners()
    usual, github.minimum_version = github.minimum_version, "2.999.0"
    until(lambda: not alive(listener))

    def kept() -> bool:
        return [runner.id for runner in github.runners()] == [registered.id]

    assert stays(kept, seconds=2)
    machine.cli("reconcile")
    assert kept()
    status = machine.status("newest")
    assert status["status"] == "installed_not_running"
    assert "version" in f"{status['reason']} {status['degraded']}"
    github.minimum_version = usual
    until(lambda: machine.cli("reconcile", ahead=600) and online(github, "newest"), seconds=20)
    assert kept()
    assert Job.running(machine, github, "newest").let_go().conclusion == "success"


def online(github: Sandbox, name: str) -> bool:
    return any((runner.name, runner.status) == (name, "online") for runner in github.runners())


def test_whoever_asks_for_a_runner_that_cannot_be_looked_at_is_told_so(machine: Machine, as_root: None) -> None:
    machine.set(RUNNERCTL_REPLACE_LOST="false")
    machine.create("broken", "--wait", "online")
    for pid in (*machine.supervisors(), machine.listener("broken")):
        kill(pid, signal.SIGKILL)
    with file_system_whose_server_died(machine.root("broken") / "_diag"):
        ran = machine.cli("status", "broken")
        assert ran.status == 8, ran
        assert "could not be read" in ran.stderr
    assert machine.cli("reconcile").status == 0
    assert machine.status("broken")["status"] == "not_installed"
