"""Whoever acts may be killed at any of its commits: one sweep then leaves nothing without an owner, and no job lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from runnerctl import core
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.process.engine.test_reconcile import REPO
from tests.support.breaking.commits import MOST_COMMITS, crash
from tests.support.breaking.crashing import OPERATIONS
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.host import Host, create, remove, stop, until

pytestmark = pytest.mark.persistent
ALL = "ALL_MOMENTS" in os.environ
"""As ``make soak`` has it; else every fourth commit is tried, before or after it, other ones for each operation: what
they share (making, ending, clearing away) is met at each of its commits all the same."""
STRIDE = 1 if ALL else 4
ONLINE = core.Wait.ONLINE


def nothing(services: Services, host: Host, name: str) -> None:
    return


def an_idle_runner(services: Services, host: Host, name: str) -> None:
    create(services, host.spec(name, ephemeral=False), wait=ONLINE)


def a_stopped_runner(services: Services, host: Host, name: str) -> None:
    an_idle_runner(services, host, name)
    stop(services, name)


def a_runner_whose_processes_died(services: Services, host: Host, name: str) -> None:
    runner = create(services, host.spec(name), wait=ONLINE)
    routed.kill(services, runner)


def a_runner_to_be_made_again(services: Services, host: Host, name: str) -> None:
    runner = create(services, host.spec(name), wait=ONLINE)
    services.store.keep_replacement(runner)
    routed.kill(services, runner)
    core.reconcile_runner(services, runner.id)


ELSEWHERE = {"start register"}
"""What it is given has no registration at first: ``test_registering_again`` kills it at each of its commits."""
GIVEN: dict[str, Callable[[Services, Host, str], None]] = {
    "create": nothing,
    "create persistent": nothing,
    "remove": an_idle_runner,
    "remove by force": an_idle_runner,
    "stop": an_idle_runner,
    "start": a_stopped_runner,
    "reap": a_runner_whose_processes_died,
    "sweep": a_runner_whose_processes_died,
    "replace": a_runner_to_be_made_again,
}


def test_every_operation_is_in_the_matrix() -> None:
    assert set(GIVEN) == set(OPERATIONS) - ELSEWHERE


def crashes(host: Host, services: Services, operation: str, when: str) -> Iterator[str]:
    """The names of runners whose operation was killed: one for each commit it makes that is tried."""
    step = 1 if when == "interrupted" else STRIDE
    first = 1 if step == 1 else 1 + (list(GIVEN).index(operation) + 2 * (when == "after")) % step
    for number in range(first, MOST_COMMITS + 1, step):
        if not killed_at(number, host, services, operation, when):
            break
        yield f"r{number}"
    else:
        raise AssertionError(f"more than {MOST_COMMITS} commits")
    if number == first:  # it has fewer
        assert first > 1, "the operation commits nothing"
        assert killed_at(1, host, services, operation, when), "the operation commits nothing"
        yield "r1"


def killed_at(number: int, host: Host, services: Services, operation: str, when: str) -> bool:
    """Whether the operation, done for a runner of its own, comes to that commit."""
    name = f"r{number}"
    GIVEN[operation](services, host, name)
    return crash(host, operation, name, number, when)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", list(GIVEN))
def test_a_kill_at_any_commit_is_healed_by_one_sweep(
    services: Services, host: Host, sandbox: Sandbox, operation: str, when: str
) -> None:
    clock = services.clock = JumpingClock()
    if operation == "sweep":  # that it makes another of that name is tried by `replace`
        host.write_env_file(RUNNERCTL_REPLACE_LOST="false")
        services.settings = host.settings(RUNNERCTL_REPLACE_LOST="false")
    for name in crashes(host, services, operation, when):
        until(lambda: not host.reapers())  # a supervisor's reap owns its runner while it is at work
        clock.ahead += 61
        swept = sweep(services)
        assert [finding for finding in swept.findings if finding.error] == []
        assert swept.orphans is None
        everything_has_an_owner(services, host, sandbox)
        if runs(services, name):
            job = sandbox.submit_job(REPO, [name], [{"run": "true"}])
            assert sandbox.wait_job(job, timeout=20).conclusion == "success"
        put_away(services, name)
    everything_has_an_owner(services, host, sandbox)


@pytest.mark.parametrize("operation", ["create", "create persistent"])
def test_a_create_that_is_interrupted_behind_any_commit_clears_away_what_it_made(
    services: Services, host: Host, sandbox: Sandbox, operation: str
) -> None:
    for name in crashes(host, services, operation, "interrupted"):
        runner = services.store.latest(name)
        assert runner is not None
        assert (runner.state, runner.reason) == (RunnerState.FAILED, "Interrupted by KeyboardInterrupt")
        assert (host.roots(), sandbox.runners()) == ([], [])
        until(lambda: not host.processes())


def runs(services: Services, name: str) -> bool:
    runner = services.store.latest(name)
    return runner is not None and runner.state in {RunnerState.STARTING, RunnerState.IDLE}


def everything_has_an_owner(services: Services, host: Host, sandbox: Sandbox) -> None:
    """Directories, registrations and processes all belong to a live row, and no live row is half-made or half-gone."""
    live = {runner.name: runner for runner in services.store.live()}
    assert {runner.state for runner in live.values()} <= {
        RunnerState.STARTING,
        RunnerState.IDLE,
        RunnerState.STOPPED,
    }
    assert set(host.roots()) == set(live)
    assert {registered.name for registered in sandbox.runners()} == set(live)
    running = {name for name in live if core.runner_status(services, name).word == "running"}
    assert running == {name for name in live if live[name].state is not RunnerState.STOPPED}
    if not running:
        until(lambda: not host.processes())


def put_away(services: Services, name: str) -> None:
    runner = services.store.latest(name)
    if runner is not None and runner.live:
        remove(services, name, force=True)
