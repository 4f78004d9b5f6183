"""A supervisor has all ready while GitHub is asked; it executes a Listener only when there is something to listen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import GitHubRefused
from runnerctl.core.domain.models import Runner
from runnerctl.core.engine import routed
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import Host, create, remove, until
from tests.support.hosts.supervised import PROGRAM, Supervised

ALREADY = 5
LATE = Fault(match="generate-jitconfig", delay=1.5)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def late(services: Services, host: Host, sandbox: Sandbox, pool: ThreadPoolExecutor) -> Future[Runner]:
    """A create that GitHub lets wait, and whose supervisor is there."""
    assert host.cli("package", "fetch").returncode == 0
    sandbox.add_fault(LATE)
    coming = pool.submit(create, services, host.spec("one"))
    until(host.processes)
    return coming


def environment(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def listeners(services: Services) -> list[bool]:
    return [routed.observe(services, runner).running for runner in services.store.live()]


def test_it_waits_and_nothing_runs_yet(services: Services, host: Host, late: Future[Runner]) -> None:
    (runner,) = services.store.live()
    run_dir = host.state_dir / "runners" / runner.id
    until(lambda: len(host.processes()) == 2)
    assert not (run_dir / "supervisor.json").exists()
    assert listeners(services) == [False]
    assert all(b"Runner.Listener" not in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in host.processes())
    waiting = host.processes()
    assert late.result().name == "one"
    assert listeners(services) == [True]
    assert waiting == host.processes()[:2], "these very two are the supervisor and the Listener"


@pytest.mark.parametrize("which", [0, 1], ids=["the supervisor", "what is to be the Listener"])
def test_one_that_was_killed_meanwhile_is_not_missed(
    services: Services, host: Host, late: Future[Runner], which: int
) -> None:
    until(lambda: len(host.processes()) == 2)
    os.kill(host.processes()[which], signal.SIGKILL)
    assert late.result().name == "one"
    assert listeners(services) == [True]
    remove(services, "one", force=True)
    assert host.processes() == []


def test_one_that_was_made_ready_for_something_else_gives_way(
    services: Services, host: Host, late: Future[Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: len(host.processes()) == 2)
    waiting = host.processes()
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    assert late.result().name == "one"
    assert listeners(services) == [True]
    assert not set(waiting) & set(host.processes())
    (listener,) = [pid for pid in host.processes() if b"TZ=Asia/Kathmandu" in environment(pid)]
    assert listener


def test_a_create_that_github_refuses_leaves_none(services: Services, host: Host, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(match="generate-jitconfig", status=422))
    with pytest.raises(GitHubRefused):
        create(services, host.spec("one"))
    assert host.processes() == []
    assert host.cgroups() == []


def test_it_ends_with_whoever_started_it(host: Host, sandbox: Sandbox) -> None:
    assert host.cli("package", "fetch").returncode == 0
    sandbox.add_fault(LATE)
    argv = [sys.executable, "-m", "runnerctl", "create", "one", "--repo", "acme/widgets"]
    with subprocess.Popen(argv, env=host.environment(), stdout=subprocess.DEVNULL) as creating:
        until(lambda: len(host.processes()) == 2)
        creating.kill()
    until(lambda: not host.processes())
    assert host.cgroups() == []


def waiting(one: Supervised) -> subprocess.Popen[bytes]:
    (one.run_dir / "launch.json").write_text(json.dumps(one.launch))
    argv = [sys.executable, "-I", "-S", "-B", str(PROGRAM), str(one.run_dir), "--wait"]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, cwd="/")


def is_blocked() -> bool:
    """Somebody waits for a whole file's lock."""
    return any("-> FLOCK" in line for line in Path("/proc/locks").read_text().splitlines())


def test_whoever_starts_it_in_earnest_waits_until_one_that_nobody_wants_has_ended(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """Its maker was killed, and the sweep is quicker than the end of what that left."""
    with closing(Supervised(tmp_path)) as one, waiting(one) as left:
        until((one.run_dir / "out.fifo").exists)
        coming = pool.submit(one.started)
        until(is_blocked)
        left.communicate()
        assert coming.result().phase("listening")["supervisor"]["pid"] == one.pid


def test_one_that_comes_too_late_to_wait_leaves_the_supervisor_alone(tmp_path: Path) -> None:
    with closing(Supervised(tmp_path)) as one:
        one.started().phase("listening")
        with waiting(one) as late:
            said, _ = late.communicate()
        assert late.returncode == ALREADY
        assert b"lives already" in said
        assert one.record["phase"] == "listening"
        assert processes.alive(one.process("listener"))
