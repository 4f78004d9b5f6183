"""Who waits to start a persistent runner again where no server runs: for as long as that is needed, and no longer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.domain.models import Absence, Runner
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.restarts import wait_and_restart
from runnerctl.core.host.row_locks import row_lock
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.host import PATIENCE, Host, create, remove, start, stop, until

pytestmark = [pytest.mark.persistent, pytest.mark.long]
NAME = "steady"
S = RunnerState


def rested(services: Services, host: Host) -> Runner:
    """One that has ended so often that it rests for five minutes."""
    spec = host.spec(NAME, ephemeral=False)
    runner = services.store.admit(spec, root=services.root(NAME))
    runner = services.store.transition(runner, S.REGISTERED, S.STARTING)
    for _ in range(8):
        runner = services.store.transition(runner, S.STOPPED, S.STARTING, why="killed")
    return services.store.transition(runner, S.STOPPED, why="killed", reason="killed")


@pytest.fixture
def resting(services: Services, host: Host) -> Runner:
    return rested(services, host)


@pytest.fixture
def waits(host: Host, services: Services, resting: Runner) -> Iterator[subprocess.Popen[bytes]]:
    """What its supervisor left, once it waits."""
    argv = [sys.executable, "-m", "runnerctl", "reap", resting.id]
    with subprocess.Popen(argv, env=host.environment(), cwd="/") as process:
        until(lambda: core.is_attended(services, resting))
        assert process.poll() is None
        yield process
        process.kill()


def removed(services: Services, _: Host) -> None:
    remove(services, NAME)


def stopped(services: Services, _: Host) -> None:
    stop(services, NAME)


def cleared_away(_: Services, host: Host) -> None:
    shutil.rmtree(host.state_dir)


def made_anew(services: Services, host: Host) -> None:
    """The old directory's inode must not be given to the new one."""
    host.state_dir.rename(host.top / "old")
    services.close()
    host.services().close()


@pytest.mark.parametrize("end", [removed, stopped, cleared_away, made_anew])
def test_who_waits_goes_with_what_it_waits_for(
    waits: subprocess.Popen[bytes], services: Services, host: Host, end: Callable[[Services, Host], None]
) -> None:
    end(services, host)
    until(lambda: waits.poll() is not None)
    if end is cleared_away:
        assert not host.state_dir.exists()


def test_who_waits_leaves_it_to_a_server(
    waits: subprocess.Popen[bytes], services: Services, resting: Runner, serve: Callable[..., Any]
) -> None:
    serve()
    until(lambda: waits.poll() is not None)
    assert core.is_attended(services, resting)


def test_beside_a_server_nobody_waits(
    services: Services, host: Host, resting: Runner, serve: Callable[..., Any]
) -> None:
    serve()
    assert host.cli("reap", resting.id).returncode == 0
    assert host.reapers() == []


def test_two_do_not_wait_for_the_same(waits: subprocess.Popen[bytes], host: Host, resting: Runner) -> None:
    assert host.cli("reap", resting.id).returncode == 0
    assert waits.poll() is None


def shown(services: Services) -> str | None:
    return core.runner_status(services, NAME).degraded


def test_while_somebody_waits_a_restart_is_promised(waits: object, services: Services, host: Host) -> None:
    assert shown(services) == "It is started again in 5 min"
    assert f"{NAME} is started again in 5 min: killed" in host.cli("reconcile", "--local").stderr
    services.clock = JumpingClock()
    services.clock.ahead = 301.0
    assert shown(services) == "It is about to be started again"


def test_where_nobody_waits_it_is_said_who_starts_it(services: Services, host: Host, resting: Runner) -> None:
    assert shown(services) == "It is started again by `runnerctl reconcile`, in 5 min at the earliest"
    assert f"{NAME} is started again by `runnerctl reconcile`, in 5 min" in host.cli("reconcile", "--local").stderr
    services.clock = JumpingClock()
    services.clock.ahead = 301.0
    assert shown(services) == "It is started again by `runnerctl reconcile`"


def test_a_server_is_somebody_too(services: Services, resting: Runner, serve: Callable[..., Any]) -> None:
    serve()
    assert shown(services) == "It is started again in 5 min"


def test_a_dry_run_that_tells_of_a_start_promises_no_other(host: Host, services: Services) -> None:
    services.clock = JumpingClock()
    services.clock.ahead = -3600.0  # it has rested for long
    rested(services, host)
    ran = host.cli("reconcile", "--dry-run", "--local", "--output", "json")
    assert [item["step"] for item in json.loads(ran.stdout)["items"]] == ["launch"]
    assert "started again" not in ran.stderr


def test_reconcile_tells_of_a_registration_that_was_not_listed(services: Services, host: Host, resting: Runner) -> None:
    services.store.note_absences({resting.id: Absence(times=1, counted_at=services.clock.now())}, seen=[])
    assert "the last list from GitHub did not show it" in host.cli("reconcile", "--local").stderr


class HurryingClock(JumpingClock):
    """Whoever sleeps finds that the time has passed; ``wakes`` may change the world meanwhile."""

    def __init__(self, wakes: Callable[[float], None]) -> None:
        super().__init__()
        self.wakes = wakes

    def sleep(self, seconds: float) -> None:
        super().sleep(min(seconds, 0.001))
        self.ahead += seconds
        self.wakes(self.ahead)


class HurriedClock(JumpingClock):
    """For who waits by it, each wait takes a second."""

    def sleep(self, seconds: float) -> None:
        super().sleep(min(seconds, 0.01))
        self.ahead += 1.0


def test_who_clears_up_waits_on_for_who_holds_its_row(host: Host, services: Services, sandbox: Sandbox) -> None:
    """A reap's own patience is half a minute; it begins anew as long as nobody else would see to the row."""
    runner = create(services, host.spec("dying"), wait=core.Wait.ONLINE)
    reaping = host.services()
    reaping.clock = clock = HurriedClock()
    with ThreadPoolExecutor(1) as pool:
        with row_lock(services.row_locks, runner.id):
            routed.kill(services, runner)
            ending = pool.submit(wait_and_restart, reaping, runner.id)
            until(lambda: ending.done() or clock.ahead > 70)
            assert not ending.done(), ending.exception()
        ended = ending.result(timeout=PATIENCE)
    assert ended is not None
    assert not ended.live
    assert host.roots() == []
    reaping.close()


def test_a_renewal_is_tried_until_github_answers_again(services: Services, host: Host, sandbox: Sandbox) -> None:
    """While GitHub is down, a try changes nothing; that is no reason to give up, nor to try without a pause."""
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    stop(services, NAME)
    sandbox.wait_runner(NAME, status="offline")
    usual, sandbox.minimum_version = sandbox.minimum_version, "2.999.0"
    sandbox.add_fault(Fault(match="/(actions|app)/", status=503, times=None))
    start(services, NAME)
    runner = services.store.latest(NAME)
    assert runner is not None
    until(lambda: routed.observe(services, runner).ended)
    for pid in until(host.reapers):
        os.kill(pid, signal.SIGKILL)  # another waits, here
    until(lambda: not host.reapers())

    def back_after_a_minute(ahead: float) -> None:
        if ahead > 60:
            sandbox.minimum_version = usual
            sandbox.clear_faults()

    services.clock = HurryingClock(back_after_a_minute)
    wait_and_restart(services, runner.id)
    until(lambda: routed.observe(services, runner).online_at)
    assert routed.observe(services, runner).running
