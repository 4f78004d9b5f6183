"""An idle ephemeral runner that GitHub lost is made again; how many, and how often, is bounded by scope."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runnerctl import core
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine.github_side import breaker
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.sweep import Sweep, sweep
from runnerctl.core.engine.table import Step
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.clocks import JumpingClock, steps
from tests.support.hosts.host import Host, Server, create, remove, until

REPO = "acme/widgets"
JITCONFIG = "generate-jitconfig"


def jumping(services: Services) -> JumpingClock:
    services.clock = JumpingClock()
    return services.clock


@pytest.fixture
def clock(services: Services) -> JumpingClock:
    return jumping(services)


def current(services: Services, name: str) -> core.Runner:
    runner = services.store.latest(name)
    assert runner is not None
    return runner


def ghosts(services: Services, sandbox: Sandbox, *specs: RunnerSpec) -> list[core.Runner]:
    """Online runners that GitHub has lost, whose Listeners never hear of it: their polls are answered late."""
    sandbox.add_fault(Fault(match="/sandbox/broker/message", delay=60, times=None))
    made = [create(services, spec, wait=core.Wait.ONLINE) for spec in specs]
    for runner in made:
        assert sandbox.delete_runner(runner.github_id or 0)
    return made


def found_out(services: Services, clock: JumpingClock) -> Sweep:
    """Two listings, a minute apart, by a process of its own each: `runnerctl reconcile`, twice."""
    for _ in range(2):
        clock.ahead += 61
        swept = sweep(services, RegistrationPoller(services))
    return swept


def test_it_is_made_again_under_its_name_and_the_job_that_waits_for_it_runs(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    (before,) = ghosts(services, sandbox, host.spec("lost", labels="self-hosted,gpu"))
    swept = found_out(services, clock)
    assert steps(swept) == [("lost", Step.REPLACE)]
    assert [runner.name for runner in swept.replaced] == ["lost"]
    sandbox.clear_faults()
    runner = current(services, "lost")
    assert runner.id != before.id
    assert (runner.labels, runner.ephemeral, runner.scope) == (before.labels, True, before.scope)
    ended = services.store.get(before.id)
    assert ended is not None
    assert (ended.state, ended.reason) == (RunnerState.FAILED, "GitHub no longer knows it")
    job = sandbox.submit_job(REPO, ["lost"], [{"run": "true"}])
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: not current(services, "lost").live)
    assert sweep(services).replaced == ()


def test_no_more_are_made_in_five_minutes_than_the_breaker_lets(host: Host, sandbox: Sandbox) -> None:
    services = host.services(RUNNERCTL_OWN_REGISTRATIONS="2")
    clock = jumping(services)
    names = ["a", "b", "c"]
    ghosts(services, sandbox, *map(host.spec, names))
    assert len(found_out(services, clock).replaced) == 2
    (waiting,) = [name for name in names if not current(services, name).live]
    degraded = core.runner_status(services, waiting).degraded or ""
    assert "2 automatic registrations were started within 5 min" in degraded
    assert core.held_back(services) == [degraded]
    create(services, host.spec("by-command"))
    assert current(services, "by-command").live, "the breaker is not for commands"
    assert sweep(services).replaced == ()
    clock.ahead += 1.5 * breaker.WINDOW_SECONDS
    assert [runner.name for runner in sweep(services).replaced] == [waiting]
    assert core.held_back(services) == []
    services.close()


def test_another_scope_is_not_held_back(services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock) -> None:
    ghosts(services, sandbox, host.spec("a"), host.spec("b", repo="acme/gadgets"))
    sandbox.add_fault(Fault(match=f"acme/widgets/actions/runners/{JITCONFIG}", status=500, times=None))
    assert [runner.name for runner in found_out(services, clock).replaced] == ["b"]
    assert [each.scope for each in services.store.backoffs()] == [Scope.of(repo="acme/widgets")]


@pytest.mark.parametrize("trouble", [{"status": 503}, {"rate_limit": "primary", "retry_after": 900}, {"drop": True}])
def test_what_goes_wrong_is_tried_less_and_less_often_and_never_given_up_in_a_day(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, trouble: dict[str, object]
) -> None:
    clock.stop()  # else what is left grows less as one looks
    ghosts(services, sandbox, host.spec("lost"))
    sandbox.add_fault(Fault(match=JITCONFIG, times=None, **trouble))  # type: ignore[arg-type]
    found_out(services, clock)
    waits = []
    for _ in range(4):
        (backoff,) = services.store.backoffs()
        waits.append(backoff.until - services.clock.now())
        before = len(sandbox.calls)
        sweep(services)
        assert len(sandbox.calls) == before, "the scope was not left alone"
        clock.ahead += waits[-1] + 1
        assert sweep(services).replaced == ()
    assert waits[0] >= (900 if trouble.get("retry_after") else 5)
    assert waits[-1] >= 40
    sandbox.clear_faults()
    clock.ahead += 1500
    assert [runner.name for runner in sweep(services).replaced] == ["lost"]
    assert services.store.backoffs() == []


def test_after_a_day_nobody_waits_for_it_any_more(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    ghosts(services, sandbox, host.spec("lost"))
    sandbox.add_fault(Fault(match=JITCONFIG, status=500, times=None))
    found_out(services, clock)
    sandbox.clear_faults()
    clock.ahead += 86_401
    assert sweep(services).replaced == ()
    assert services.store.replacements() == []


def create_anew(services: Services, name: str) -> None:
    spec = RunnerSpec.of(name=name, scope=Scope.of(repo=REPO), labels="linux")
    create(services, spec)


@pytest.mark.parametrize("command", [remove, create_anew])
def test_a_command_for_that_name_settles_it(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, command: Callable[[Services, str], object]
) -> None:
    ghosts(services, sandbox, host.spec("lost"))
    sandbox.add_fault(Fault(match=JITCONFIG, status=500, times=None))
    found_out(services, clock)
    assert services.store.has_replacement("lost")
    sandbox.clear_faults()
    command(services, "lost")
    clock.ahead += 500
    assert sweep(services).replaced == ()
    assert not services.store.has_replacement("lost")


def test_who_does_not_want_it_turns_it_off(host: Host, sandbox: Sandbox) -> None:
    services = host.services(RUNNERCTL_REPLACE_LOST="false")
    clock = jumping(services)
    ghosts(services, sandbox, host.spec("lost"))
    assert found_out(services, clock).replaced == ()
    assert not current(services, "lost").live
    assert (host.roots(), host.processes()) == ([], [])
    services.close()


def test_a_server_makes_it_again_by_itself(
    services: Services, host: Host, sandbox: Sandbox, serve: Callable[..., Server], clock: JumpingClock
) -> None:
    ghosts(services, sandbox, host.spec("lost"))
    sandbox.add_fault(Fault(match=JITCONFIG, status=500, times=None))
    found_out(services, clock)  # its first try fails
    assert not current(services, "lost").live
    sandbox.clear_faults()
    services.store.end_backoff(Scope.of(repo=REPO))
    serve()
    until(lambda: current(services, "lost").live)


def test_one_that_is_told_of_its_deletion_ends_and_is_not_made_again(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    """Somebody wanted that: since 2.336 GitHub tells a Listener that it was deleted."""
    runner = create(services, host.spec("unwanted"), wait=core.Wait.ONLINE)
    sandbox.delete_runner(runner.github_id or 0)
    until(lambda: not current(services, "unwanted").live)
    ended = current(services, "unwanted")
    assert (ended.state, ended.reason) == (RunnerState.FAILED, "its registration was deleted")
    assert sweep(services).replaced == ()
    assert (host.roots(), host.processes()) == ([], [])
