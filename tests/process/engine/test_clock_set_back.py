"""A clock that was hours ahead and is right again: nothing waits until it has caught up."""

from __future__ import annotations

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import GitHubUnavailable
from runnerctl.core.domain.models import Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine.github_side import breaker
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.engine.table import Step
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.clocks import JumpingClock, steps
from tests.support.hosts.host import Host, create, remove

HOURS = 5 * 3600.0


@pytest.fixture
def clock(services: Services) -> JumpingClock:
    clock = JumpingClock()
    clock.ahead = HOURS
    services.clock = clock
    return clock


def test_a_removal_whose_command_is_gone_goes_on(services: Services, host: Host, clock: JumpingClock) -> None:
    runner = create(services, host.spec("half-gone"), wait=core.Wait.ONLINE)
    services.store.transition(runner, RunnerState.REMOVING, ending=RunnerState.REMOVED)
    clock.ahead = 0.0
    assert steps(sweep(services)) == [("half-gone", Step.DEREGISTER)]
    assert services.store.live() == []


def test_an_orphaned_registration_is_cleared(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    create(services, host.spec("orphaned"))
    sandbox.add_fault(Fault(match="DELETE /repos", status=503, times=None))
    remove(services, "orphaned", force=True)
    assert len(sandbox.runners()) == 1
    clock.ahead = 0.0
    sandbox.clear_faults()
    core.finish_orphans(services)
    assert services.store.orphans() == []
    assert sandbox.runners() == []


def test_an_orphaned_registration_never_waits_longer_than_an_hour(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    create(services, host.spec("orphaned"))
    sandbox.add_fault(Fault(match="DELETE /repos", rate_limit="secondary", retry_after=80_000, times=2))
    remove(services, "orphaned", force=True)
    core.finish_orphans(services)
    assert len(services.store.orphans()) == 1
    clock.ahead += 3601
    core.finish_orphans(services)
    assert services.store.orphans() == []


@pytest.mark.persistent
def test_a_ghost_is_noticed(services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock) -> None:
    runner = create(services, host.spec("ghost", ephemeral=False), wait=core.Wait.ONLINE)
    sweep(services)
    clock.ahead = 0.0
    sandbox.add_fault(Fault(match="GET /repos", body={"total_count": 0, "runners": []}, status=200, times=None))
    poller = RegistrationPoller(services)
    for times in (1, 2):
        sweep(services, poller)
        assert poller.absences(runner) == times
        clock.ahead += 61


def test_a_scope_is_not_left_alone_for_hours(services: Services, clock: JumpingClock) -> None:
    scope = Scope.of(repo="acme/widgets")
    breaker.went_wrong(services, scope, GitHubUnavailable("GitHub is down"))
    assert breaker.backoff(services, scope)
    clock.ahead = 0.0
    assert breaker.backoff(services, scope) is None
    assert breaker.held_back(services) == []
    assert breaker.may_register(services, scope)
