"""What is persistent is never deleted by a time-out, an outage or a crash: it stays wanted, and runs again."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import RunnerBusy
from runnerctl.core.domain.models import Absence
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.engine.table import Step
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.breaking.commits import MOST_COMMITS, crash
from tests.support.hosts.clocks import JumpingClock, steps
from tests.support.hosts.host import Host, create, remove, start, stop, until

pytestmark = pytest.mark.persistent
REPO = "acme/widgets"
NAME = "steady"
S = RunnerState
Remember = Callable[[], None]


@pytest.fixture
def clock(services: Services) -> JumpingClock:
    services.clock = JumpingClock()
    return services.clock


def current(services: Services) -> core.Runner:
    runner = services.store.latest(NAME)
    assert runner is not None
    return runner


def online(services: Services) -> bool:
    return routed.observe(services, current(services)).online_at is not None


def precious(host: Host) -> Path:
    """What a job left in the runner's directory for the next."""
    work = host.base_dir / NAME / "_work"
    work.mkdir(exist_ok=True)
    (work / "precious").write_text("of last week")
    return work / "precious"


@pytest.fixture
def kept(services: Services, host: Host, sandbox: Sandbox) -> Iterator[Remember]:
    """To be called once the runner is there: at the end it must have lost nothing."""
    known: list[tuple[str, int | None, Path]] = []

    def remember() -> None:
        runner = current(services)
        known.append((runner.id, runner.github_id, precious(host)))

    yield remember
    ((runner_id, github_id, file),) = known
    assert current(services).id == runner_id
    assert current(services).live, current(services)
    assert [registered.id for registered in sandbox.runners()] == [github_id]
    assert file.read_text() == "of last week"


OUTAGES = {
    "GitHub answers nothing but 503": "",
    "the broker alone does": "(POST|GET) .*broker",
    "the token service alone does": "POST .*token$",
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_it_waits_for_the_end_of_an_outage_and_says_why(  # noqa: PLR0917 - fixtures
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, kept: Remember, outage: str
) -> None:
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    stop(services, NAME)
    sandbox.add_fault(Fault(match=outage, status=503, times=None))
    start(services, NAME)
    until(lambda: routed.observe(services, current(services)).error)
    status = core.runner_status(services, NAME)
    assert status.runner is not None
    assert "Runner connect error: " in (status.runner.reason or ""), "it is told before anybody has written it down"
    for _ in range(3):
        clock.ahead += 125
        sweep(services, RegistrationPoller(services))
    status = core.runner_status(services, NAME)
    assert (status.word, current(services).state) == ("running", S.STARTING)
    assert "not online after 2 min" in (current(services).reason or "")
    assert "Runner connect error: " in (current(services).reason or "")
    sandbox.clear_faults()
    routed.interrupt(services, current(services))  # or the Listener's own pause of 30 s is waited for
    until(lambda: routed.observe(services, current(services)).ended)
    comes_online_again(services, sandbox, clock)


def comes_online_again(services: Services, sandbox: Sandbox, clock: JumpingClock) -> None:
    """By sweeps alone, and nothing is left of why it was not."""
    sandbox.wait_runner(NAME, status="offline")  # or the next session would meet the last one's

    def swept() -> bool:
        clock.ahead += 60
        sweep(services)
        return current(services).state is S.IDLE

    until(swept)
    assert current(services).reason is None


def test_a_start_that_takes_long_is_not_cut_short(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, kept: Remember
) -> None:
    """A slow host, or a GitHub that answers late: nothing failed, so nothing is restarted either."""
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    stop(services, NAME)
    sandbox.add_fault(Fault(match="POST .*session", delay=3))
    start(services, NAME)
    pid = routed.observe(services, current(services)).pid
    clock.ahead += 300
    assert steps(sweep(services)) == [(NAME, Step.RECORD_REASON)]
    assert steps(sweep(services)) == []
    until(lambda: online(services))
    assert routed.observe(services, current(services)).pid == pid
    sweep(services)
    assert (current(services).state, current(services).reason) == (S.IDLE, None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_listener_that_dies_is_started_again_after_a_while(  # noqa: PLR0917 - fixtures
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, kept: Remember, number: signal.Signals
) -> None:
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    os.kill(routed.observe(services, current(services)).pid or 0, number)
    until(lambda: current(services).state is S.STOPPED)  # its supervisor starts a reap, which then waits
    assert "It is started again in" in (core.runner_status(services, NAME).degraded or "")
    comes_online_again(services, sandbox, clock)


def test_one_invalid_client_is_not_its_end(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, kept: Remember
) -> None:
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    stop(services, NAME)
    sandbox.add_fault(Fault(match="POST .*token$", status=400, body={"error": "invalid_client"}))
    start(services, NAME)
    until(lambda: current(services).state is S.STOPPED)
    assert "fatal error" in (current(services).reason or "")
    comes_online_again(services, sandbox, clock)


def test_without_a_server_too(services: Services, host: Host, kept: Remember) -> None:
    """What its supervisor starts at its end stays for as long as it rests."""
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    first = routed.observe(services, current(services)).pid or 0
    os.kill(first, signal.SIGKILL)
    until(lambda: online(services) and routed.observe(services, current(services)).pid not in {None, first})
    until(lambda: not host.reapers())
    status = core.runner_status(services, NAME)
    assert status.runner is not None
    assert (status.runner.state, status.runner.reason) == (S.IDLE, None), "nobody has written that down yet"


def test_who_stops_it_meanwhile_has_it_stopped(services: Services, host: Host, clock: JumpingClock) -> None:
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    os.kill(routed.observe(services, current(services)).pid or 0, signal.SIGKILL)
    until(lambda: current(services).state is S.STOPPED)
    stop(services, NAME)
    assert current(services).reason == "It was stopped"
    clock.ahead += 3600
    assert steps(sweep(services)) == []
    assert core.runner_status(services, NAME).degraded is None


def test_one_that_was_stopped_stays_so_though_its_removal_was_refused(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    stop(services, NAME)
    sandbox.add_fault(Fault(match="DELETE", status=422, body={"message": "Runner is currently running a job"}))
    with pytest.raises(RunnerBusy):
        remove(services, NAME)
    assert (current(services).state, current(services).reason) == (S.STOPPED, "It was stopped")
    clock.ahead += 3600
    assert steps(sweep(services)) == []


def test_reconcile_does_not_say_that_all_is_well_while_it_rests(services: Services, host: Host) -> None:
    host.cli("list")  # what commands are forked from takes a while to start: longer than a rest on a busy machine
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    os.kill(routed.observe(services, current(services)).pid or 0, signal.SIGKILL)
    until(lambda: current(services).state is S.STOPPED)
    told = host.cli("reconcile", "--local").stderr
    assert f"{NAME} is started again in" in told
    assert "killed, or out of memory" in told
    assert "Everything is as it should be" not in told


def test_a_server_starts_it_again_by_itself(
    host: Host, services: Services, serve: Callable[..., object], kept: Remember
) -> None:
    serve()
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    first = routed.observe(services, current(services)).pid or 0
    os.kill(first, signal.SIGKILL)
    until(lambda: current(services).state is S.STOPPED)
    until(lambda: current(services).state is S.IDLE)
    assert host.reapers() == []


def test_a_github_that_refuses_its_newest_version_loses_no_runner(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, kept: Remember
) -> None:
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    stop(services, NAME)
    usual, sandbox.minimum_version = sandbox.minimum_version, "2.999.0"
    start(services, NAME)
    until(lambda: sweep(services) and current(services).state is S.STOPPED)
    assert "which is not newer" in (current(services).reason or "")
    sandbox.minimum_version = usual
    comes_online_again(services, sandbox, clock)


def test_a_list_that_does_not_hold_it_is_not_believed(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, kept: Remember
) -> None:
    """Nobody named this one: for some minutes GitHub lists no runner at all, and answers 200."""
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    sweep(services)
    nobody = {"total_count": 0, "runners": []}
    sandbox.add_fault(Fault(match=rf"GET /repos/{REPO}/actions/runners$", status=200, body=nobody, times=None))
    poller = RegistrationPoller(services)
    for _ in range(4):
        clock.ahead += 61
        assert [finding for finding in sweep(services, poller).findings if finding.error] == []
    assert routed.observe(services, current(services)).running


def test_a_404_by_its_id_is_not_believed_while_it_is_listed(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, kept: Remember
) -> None:
    """Nor by anybody: two lists did not hold it, but the one that is asked for last does."""
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    sweep(services)
    nobody = {"total_count": 0, "runners": []}
    sandbox.add_fault(Fault(match=rf"GET /repos/{REPO}/actions/runners$", status=200, body=nobody, times=2))
    sandbox.add_fault(Fault(match=rf"GET /repos/{REPO}/actions/runners/\d+$", status=404, times=None))
    poller = RegistrationPoller(services)
    confirmed = []
    for _ in range(2):
        clock.ahead += 61
        confirmed += steps(sweep(services, poller))
    assert confirmed == [(NAME, Step.CONFIRM)]
    assert routed.observe(services, current(services)).running


def test_one_that_dies_and_whose_registration_is_deleted_ends(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    """A new Listener would be sent away again and again."""
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    os.kill(routed.observe(services, current(services)).pid or 0, signal.SIGKILL)
    until(lambda: current(services).state is S.STOPPED)
    sandbox.delete_runner(sandbox.runners()[0].id)
    taken = []
    for _ in range(2):
        until(lambda: current(services).state is S.STOPPED)
        clock.ahead += 61
        taken += steps(sweep(services, RegistrationPoller(services)))
    assert taken == [(NAME, Step.LAUNCH), (NAME, Step.CONFIRM)]
    assert (current(services).state, current(services).reason) == (S.FAILED, "GitHub no longer knows it")
    assert (host.processes(), host.roots()) == ([], [])


def test_one_that_rests_and_that_github_knows_after_all_is_started_again(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, kept: Remember
) -> None:
    create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    runner = current(services)
    os.kill(routed.observe(services, runner).pid or 0, signal.SIGKILL)
    until(lambda: current(services).state is S.STOPPED)
    sandbox.wait_runner(NAME, status="offline")
    services.store.note_absences({runner.id: Absence(times=2, counted_at=clock.now())}, seen=[])
    nobody = {"total_count": 0, "runners": []}
    sandbox.add_fault(Fault(match=rf"GET /repos/{REPO}/actions/runners$", status=200, body=nobody))
    clock.ahead += 61
    assert steps(sweep(services, RegistrationPoller(services))) == [(NAME, Step.CONFIRM)]
    until(lambda: online(services))


def test_missing_identity_files_alone_are_no_deletion(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, kept: Remember
) -> None:
    """Nor this one: a job, or who cleans a disk, takes ``.runner`` away, and then nobody sees the Listener end."""
    runner = create(services, host.spec(NAME, ephemeral=False), wait=core.Wait.ONLINE)
    kept()
    identity = host.base_dir / NAME / ".runner"
    shutil.copy(identity, host.top / "copy")
    identity.unlink()
    supervisor, listener = routed.processes(services, runner)
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not routed.supervised(services, runner))
    sweep(services)  # another supervisor takes over: how its Listener ends stays unknown to that one
    os.kill(listener.pid, signal.SIGKILL)
    until(lambda: current(services).state is S.STOPPED)
    shutil.copy(host.top / "copy", identity)
    comes_online_again(services, sandbox, clock)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_create_that_was_killed_behind_its_registration_goes_on(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, when: str
) -> None:
    went_on = 0
    for number in range(1, MOST_COMMITS):
        name = f"r{number}"
        if not crash(host, "create persistent", name, number, when):
            break
        registered = [each.id for each in sandbox.runners() if each.name == name]
        sweep(services)
        if registered:
            runner = services.store.latest(name)
            assert runner is not None
            assert [runner.github_id] == registered
            assert core.runner_status(services, name).word == "running"
            went_on += 1
    assert went_on
