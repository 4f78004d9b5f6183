"""The sweep on real processes and a real GitHub of ours: ghosts, crashes, strangers, outages."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.backends import directory
from runnerctl.core.domain.errors import RunnerBusy
from runnerctl.core.domain.states import Desired, How, RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.sweep import observe_runners, reconcile_finding, sweep
from runnerctl.core.engine.table import Step
from runnerctl.core.host.row_locks import RowLock
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.clocks import JumpingClock, steps
from tests.support.hosts.host import Host, create, remove, until

pytestmark = pytest.mark.long

REPO = "acme/widgets"
ONLINE = core.Wait.ONLINE


@pytest.fixture
def clock(services: Services) -> JumpingClock:
    services.clock = JumpingClock()
    return services.clock


def state_of(services: Services, name: str) -> RunnerState:
    runner = services.store.latest(name)
    assert runner is not None
    return runner.state


def test_when_all_is_well_nothing_is_done_and_one_call_lists_a_scope(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    for name in ("a", "b", "c"):
        create(services, host.spec(name), wait=ONLINE)
    sweep(services)
    before = listings(sandbox)
    assert sweep(services, RegistrationPoller(services)).findings == ()
    assert listings(sandbox) - before == 1
    seen = services.store.latest("a")
    assert seen is not None
    assert (seen.github_status, seen.github_busy) == ("online", False)


def test_github_is_listed_at_most_once_a_minute(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    create(services, host.spec("a"), wait=ONLINE)
    poller = RegistrationPoller(services)
    before = listings(sandbox)
    for _ in range(5):
        sweep(services, poller)
    assert listings(sandbox) - before == 1
    clock.ahead += 61
    sweep(services, poller)
    assert listings(sandbox) - before == 2


def listings(sandbox: Sandbox) -> int:
    """Of registrations; when a version ends is asked for once in some hours beside that (``test_version_ends``)."""
    return sum(call.path.endswith("/actions/runners") for call in sandbox.calls)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """This process can open nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


def test_a_runner_that_cannot_be_looked_at_is_left_alone(services: Services, host: Host) -> None:
    create(services, host.spec("a"), wait=ONLINE)
    sweep(services)
    stranger = host.services()
    runners = stranger.store.live()
    with no_descriptor_left():
        (finding,) = observe_runners(stranger, runners)
        assert finding.action.step is Step.NOTHING
        assert reconcile_finding(stranger, finding).error is not None
    assert observe_runners(stranger, runners) == []
    stranger.close()


@pytest.mark.persistent
def test_a_ghost_that_lost_its_job_and_listens_for_ever_is_noticed_and_cleared(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    # An idle poll that is told of the deletion would end the Listener by itself.
    sandbox.add_fault(Fault(match="/sandbox/broker/message", delay=30, times=None))
    create(services, host.spec("ghost", ephemeral=False), wait=ONLINE)
    sweep(services)
    sandbox.delete_runner(sandbox.runners()[0].id)
    poller = RegistrationPoller(services)
    clock.ahead += 61
    assert steps(sweep(services, poller)) == []
    assert poller.absences(services.store.latest("ghost")) == 1  # type: ignore[arg-type]
    clock.ahead += 61
    assert steps(sweep(services, poller)) == [("ghost", Step.CONFIRM)]
    assert state_of(services, "ghost") is RunnerState.FAILED
    assert not services.store.has_replacement("ghost")
    assert host.processes() == []
    assert host.roots() == []


def test_a_job_outweighs_what_github_lists(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    create(services, host.spec("busy"), wait=ONLINE)
    go = host.top / "go"
    job = sandbox.submit_job(REPO, ["busy"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}])
    until(lambda: routed.working(services, services.store.latest("busy")))  # type: ignore[union-attr]
    sandbox.add_fault(
        Fault(
            match=f"GET /repos/{REPO}/actions/runners", body={"total_count": 0, "runners": []}, status=200, times=None
        )
    )
    poller = RegistrationPoller(services)
    for _ in range(4):
        clock.ahead += 61
        sweep(services, poller)
    assert routed.working(services, services.store.latest("busy"))  # type: ignore[union-attr]
    go.touch()
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"


@pytest.mark.parametrize("trouble", [{"status": 503}, {"drop": True}, {"rate_limit": "primary"}])
def test_a_listing_that_fails_is_unknown_and_never_acted_on(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, trouble: dict[str, object]
) -> None:
    create(services, host.spec("steady"), wait=ONLINE)
    sweep(services)
    services.github.list_runners(services.store.latest("steady").scope)  # type: ignore[union-attr]
    sandbox.add_fault(Fault(match=f"GET /repos/{REPO}/actions/runners", times=None, **trouble))  # type: ignore[arg-type]
    poller = RegistrationPoller(services)
    for _ in range(3):
        clock.ahead += 3700
        assert sweep(services, poller).findings == ()
    assert core.runner_status(services, "steady").word == "running"


def test_strangers_are_never_touched_and_a_hundred_are_paged_through(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    strangers = [sandbox.add_runner(REPO, f"stranger-{number}", labels=["linux"]) for number in range(130)]
    create(services, host.spec("ours"), wait=ONLINE)
    poller = RegistrationPoller(services)
    for _ in range(3):
        clock.ahead += 61
        sweep(services, poller)
    assert core.runner_status(services, "ours").word == "running"
    assert len(sandbox.runners()) == len(strangers) + 1


def test_a_dry_run_tells_and_does_nothing(services: Services, host: Host) -> None:
    runner = services.store.admit(host.spec("half"), root=services.root("half"))
    swept = sweep(services, dry_run=True)
    assert steps(swept) == [("half", Step.FAIL)]
    assert services.store.get(runner.id) == runner


def test_a_half_made_runner_is_cleared_with_its_directory_and_registration(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    """As a create leaves it that was killed after GitHub registered the runner and before that was written down."""
    runner = services.store.admit(host.spec("half"), root=services.root("half"))
    (host.base_dir / f".new-{runner.id}").mkdir(parents=True)
    (host.base_dir / "half").mkdir()
    seen = (host.base_dir / "half").stat()
    services.store.amend(runner, asked_at=services.clock.now(), root_inode=(seen.st_dev, seen.st_ino))
    github = services.github
    github.generate_jitconfig(runner.scope, name="half", group_id=1, labels=runner.labels, workdir="_work")
    assert len(sandbox.runners()) == 1
    assert steps(sweep(services)) == [("half", Step.FAIL)]
    assert state_of(services, "half") is RunnerState.FAILED
    assert (sandbox.runners(), host.roots(), services.store.orphans()) == ([], [], [])


def test_a_directory_of_that_name_that_is_not_ours_survives_the_clearing(services: Services, host: Host) -> None:
    runner = services.store.admit(host.spec("half"), root=services.root("half"))
    theirs = host.base_dir / "half"
    theirs.mkdir(parents=True)
    (theirs / "precious").touch()
    services.store.amend(runner, root_inode=(1, 1))
    sweep(services)
    assert (theirs / "precious").exists()
    assert directory.is_taken(theirs)


@pytest.mark.persistent
def test_a_persistent_runner_that_a_reboot_ended_is_started_again(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    runner = create(services, host.spec("steady", ephemeral=False), wait=ONLINE)
    sweep(services)
    record = host.state_dir / "runners" / runner.id / "supervisor.json"
    for pid in host.processes():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not host.processes())
    assert record.exists()
    sandbox.wait_runner("steady", status="offline", timeout=20)  # or the next session would meet the last one's
    clock.ahead += 61
    assert steps(sweep(services)) == [("steady", Step.LAUNCH)]
    until(lambda: core.runner_status(services, "steady").seen.online_at)  # type: ignore[union-attr]
    assert core.runner_status(services, "steady").word == "running"
    assert sandbox.runners()[0].id == runner.github_id


@pytest.mark.parametrize("again", ["true", "false"])
def test_an_ephemeral_runner_whose_processes_were_all_killed_fails_and_is_cleared(
    host: Host, sandbox: Sandbox, again: str
) -> None:
    """Another of its name follows, unless nobody wants that."""
    services = host.services(RUNNERCTL_REPLACE_LOST=again)
    shot = create(services, host.spec("shot"), wait=ONLINE)
    for pid in host.processes():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not host.processes())
    sweep(services)
    ended = services.store.get(shot.id)
    assert ended is not None
    assert ended.state is RunnerState.FAILED
    left = [] if again == "false" else ["shot"]
    assert (host.roots(), [runner.name for runner in sandbox.runners()]) == (left, left)
    assert shot.github_id not in {runner.id for runner in sandbox.runners()}
    services.close()


def test_the_command_tells_what_it_did(host: Host, services: Services) -> None:
    services.store.admit(host.spec("half"), root=services.root("half"))
    told = host.cli_json("reconcile", "--dry-run")
    assert [(item["name"], item["step"]) for item in told["items"]] == [("half", "fail")]
    assert host.cli("reconcile").returncode == 0
    assert state_of(services, "half") is RunnerState.FAILED
    assert "as it should be" in host.cli("reconcile").stderr


def test_the_death_of_a_supervisor_is_noticed_at_once(
    host: Host, serve: object, server: object, sandbox: Sandbox
) -> None:
    """By pidfd, long before the next look; its Listener goes on and gets a new supervisor."""
    made = server.create("orphaned", wait="online").json()  # type: ignore[attr-defined]
    (run_dir,) = (host.state_dir / "runners").iterdir()
    before = _supervisor(run_dir)
    os.kill(before, signal.SIGKILL)
    until(lambda: _supervisor(run_dir) != before)
    assert server.status("orphaned")["pid"] == made["pid"]  # type: ignore[attr-defined]
    job = sandbox.submit_job(REPO, ["orphaned"], [{"run": "true"}])
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: server.status("orphaned")["status"] == "not_installed")  # type: ignore[attr-defined]
    until(lambda: not host.processes())


def _supervisor(run_dir: Path) -> int:
    import json

    return int(json.loads((run_dir / "supervisor.json").read_text())["supervisor"]["pid"])


class LetsGo(JumpingClock):
    """Whoever waits finds, a moment later, that the row is held by nobody any more."""

    def __init__(self, lock: RowLock | None) -> None:
        super().__init__()
        self._lock = lock

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds
        if self._lock is not None:
            self._lock.close()
            self._lock = None


@pytest.mark.parametrize(("lets_go", "ends_as"), [(True, RunnerState.FAILED), (False, RunnerState.IDLE)])
def test_a_row_at_which_somebody_only_looks_is_waited_for_and_one_at_work_is_not(
    services: Services, host: Host, sandbox: Sandbox, lets_go: bool, ends_as: RunnerState
) -> None:
    """A reaper looked just before the wish of a command that then died: nobody else would go on with it."""
    runner = create(services, host.spec("held"), wait=ONLINE)
    sweep(services)
    lock = RowLock(services.row_locks, runner.id)
    routed.kill(services, runner)
    services.clock = LetsGo(lock if lets_go else None)
    sweep(services)
    held = services.store.get(runner.id)
    assert held is not None
    assert held.state is ends_as
    if not lets_go:
        lock.close()


# --- What a command that died has wanted ---


@pytest.mark.parametrize(
    ("desired", "how", "ends_as"),
    [
        (Desired.STOPPED, How.DRAIN, RunnerState.STOPPED),
        (Desired.STOPPED, How.NOW, RunnerState.STOPPED),
        (Desired.GONE, How.GENTLE, RunnerState.REMOVED),
        (Desired.GONE, How.NOW, RunnerState.REMOVED),
    ],
)
@pytest.mark.persistent
def test_one_sweep_does_what_a_command_wanted_that_then_died(
    services: Services, host: Host, desired: Desired, how: How, ends_as: RunnerState
) -> None:
    runner = create(services, host.spec("wished", ephemeral=False), wait=ONLINE)
    services.store.want(runner.id, desired=desired, how=how, by="a command that died")
    sweep(services)
    assert state_of(services, "wished") is ends_as


# --- What a supervisor has not read yet ---


@pytest.fixture
def unheard(services: Services, host: Host, sandbox: Sandbox) -> Iterator[int]:
    """The job of runner ``deaf``, whose supervisor stands still since before it came."""
    runner = create(services, host.spec("deaf"), wait=ONLINE)
    supervisor, *_ = routed.processes(services, runner)
    os.kill(supervisor.pid, signal.SIGSTOP)
    try:
        job = sandbox.submit_job(REPO, ["deaf"], [{"run": f"while [ ! -e {host.top}/go ]; do sleep 0.02; done"}])
        until(lambda: routed.working(services, runner))
        assert routed.observe(services, runner).job is None
        yield job
    finally:
        os.kill(supervisor.pid, signal.SIGCONT)


def test_a_removal_refuses_a_job_of_which_the_supervisor_knows_nothing_before_github_is_asked(
    services: Services, host: Host, sandbox: Sandbox, unheard: int
) -> None:
    """A GitHub that lies would let go of it."""
    before = len(sandbox.calls)
    with pytest.raises(RunnerBusy, match="is running a job"):
        remove(services, "deaf")
    assert len(sandbox.calls) == before
    (host.top / "go").touch()
    assert sandbox.wait_job(unheard).conclusion == "success"


def test_a_listing_without_it_ends_no_such_job_either(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, unheard: int
) -> None:
    poller = RegistrationPoller(services)
    sandbox.add_fault(
        Fault(match=r"GET .*/actions/runners(\?|$)", status=200, body={"total_count": 0, "runners": []}, times=None)
    )
    for _ in range(4):
        clock.ahead += 61
        sweep(services, poller)
    sandbox.clear_faults()
    (host.top / "go").touch()
    assert sandbox.wait_job(unheard).conclusion == "success"
