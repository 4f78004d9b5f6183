"""A supervisor is started while GitHub is asked; it begins only when there is something to supervise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from runnerctl.core.domain.errors import GitHubRefused
from runnerctl.core.domain.models import Runner
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import Host, create, remove, until

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


def listeners(services: Services) -> list[bool]:
    return [services.backend.poll(runner.id).running for runner in services.store.live()]


def test_it_waits_and_has_made_nothing_yet(services: Services, host: Host, late: Future[Runner]) -> None:
    (runner,) = services.store.live()
    run_dir = host.state_dir / "runners" / runner.id
    assert list(run_dir.iterdir()) == []
    assert listeners(services) == [False]
    (waiting,) = host.processes()
    assert late.result().name == "one"
    assert listeners(services) == [True]
    assert waiting not in host.processes(), "the supervisor is of a session of its own"


def test_one_that_was_killed_meanwhile_is_not_missed(services: Services, host: Host, late: Future[Runner]) -> None:
    os.kill(host.processes()[0], signal.SIGKILL)
    assert late.result().name == "one"
    assert listeners(services) == [True]
    remove(services, "one", force=True)
    assert host.processes() == []


def test_a_create_that_github_refuses_leaves_none(services: Services, host: Host, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(match="generate-jitconfig", status=422))
    with pytest.raises(GitHubRefused):
        create(services, host.spec("one"))
    assert host.processes() == []


def test_it_ends_with_whoever_started_it(host: Host, sandbox: Sandbox) -> None:
    assert host.cli("package", "fetch").returncode == 0
    sandbox.add_fault(LATE)
    argv = [sys.executable, "-m", "runnerctl", "create", "one", "--repo", "acme/widgets"]
    with subprocess.Popen(argv, env=host.environment(), stdout=subprocess.DEVNULL) as creating:
        until(host.processes)
        creating.kill()
    until(lambda: not host.processes())
