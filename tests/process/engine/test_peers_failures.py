"""What operators of other runner managers report, shown not to happen here.

Shown elsewhere, and not again here:
- a job is killed because GitHub called its runner idle: ``test_never_lose_a_job``, ``test_reconcile``;
- a removal by force and a stop leave processes, daemons, a fork bomb: ``test_lifecycle``, ``test_supervisor``,
  ``test_marks``;
- an ephemeral runner that GitHub lost is made again: ``test_replacing``;
- the server's end or upgrade ends runners, a runner is lost with its supervisor: ``test_server``,
  ``test_supervisor_crash_matrix``;
- a second server on the same state directory: ``test_server``;
- a runner of somebody else bars the name of a create: ``test_refusals``;
- an orphan task takes the registration of a later life: ``test_refusals``;
- a version that GitHub refuses ends the runner: ``test_renewing``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import RunnerBusy, RunnerExists
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.github_side.orphans import UNHEARD_SECONDS
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.host import Host, Server, create, remove, stop, until

pytestmark = pytest.mark.long

REPO, OTHER = "acme/widgets", "acme/gadgets"
ONLINE = core.Wait.ONLINE
DEAF = Fault(match="/sandbox/broker/message", delay=60, times=None)
"""Listeners never hear that they were deleted: their polls are answered late."""


@pytest.fixture
def clock(services: Services) -> JumpingClock:
    services.clock = JumpingClock()
    return services.clock


def current(services: Services, name: str) -> core.Runner:
    runner = services.store.latest(name)
    assert runner is not None
    return runner


def listed_for_minutes(services: Services, clock: JumpingClock, *, times: int = 3) -> None:
    poller = RegistrationPoller(services)
    for _ in range(times):
        clock.ahead += 61
        sweep(services, poller)


# --- Ghosts, and runners that do not go


@pytest.mark.persistent
def test_a_runner_that_was_deleted_on_github_is_noticed(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    sandbox.add_fault(DEAF)
    runner = create(services, host.spec("deleted", ephemeral=False), wait=ONLINE)
    assert sandbox.delete_runner(runner.github_id or 0)
    listed_for_minutes(services, clock, times=1)
    assert current(services, "deleted").live, "one listing proves nothing"
    listed_for_minutes(services, clock, times=1)
    assert current(services, "deleted").state is RunnerState.FAILED
    assert (host.roots(), host.processes()) == ([], [])


@pytest.mark.persistent
def test_two_listings_in_a_minute_are_one(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    sandbox.add_fault(DEAF)
    runner = create(services, host.spec("deleted", ephemeral=False), wait=ONLINE)
    sandbox.delete_runner(runner.github_id or 0)
    clock.ahead += 61
    for _ in range(3):  # as `runnerctl reconcile`, called three times: no process remembers when it listed last
        sweep(services, RegistrationPoller(services))
    assert current(services, "deleted").live


@pytest.mark.persistent
def test_shrinking_removes_the_registrations_and_the_processes(
    host: Host, services: Services, sandbox: Sandbox
) -> None:
    names = ["a", "b", "c"]
    for name in names:
        create(services, host.spec(name, ephemeral=False))
    assert host.cli("remove", "a", "b").returncode == 0
    assert [runner.name for runner in sandbox.runners()] == ["c"]
    assert host.roots() == ["c"]
    assert host.cli("remove", "--all", "--yes").returncode == 0
    assert (sandbox.runners(), host.roots(), host.processes()) == ([], [], [])


@pytest.mark.parametrize("ephemeral", [True, pytest.param(False, marks=pytest.mark.persistent)])
def test_stopping_leaves_no_process(services: Services, host: Host, sandbox: Sandbox, ephemeral: bool) -> None:
    create(services, host.spec("stopped", ephemeral=ephemeral), wait=ONLINE)
    stop(services, "stopped")
    assert host.processes() == []
    assert host.cgroups() == []
    assert [runner.name for runner in sandbox.runners()] == ["stopped"]


# --- GitHub is down while a runner is removed


@pytest.fixture
def held_up(services: Services, host: Host, sandbox: Sandbox) -> core.Runner:
    """A runner whose removal GitHub did not answer."""
    runner = create(services, host.spec("held-up", ephemeral=False), wait=ONLINE)
    pid = routed.observe(services, runner).pid
    sandbox.add_fault(Fault(match="DELETE", status=503, times=None))
    done = host.cli("--output", "json", "remove", "held-up")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (9, "github_unavailable")
    assert [task.name for task in services.store.orphans()] == ["held-up"]
    assert current(services, "held-up").state is RunnerState.REMOVING
    assert routed.observe(services, runner).pid == pid, "its processes were not left alone"
    sandbox.clear_faults()
    return runner


def nothing_is_left(services: Services, host: Host, sandbox: Sandbox) -> None:
    assert current(services, "held-up").state is RunnerState.REMOVED
    assert services.store.orphans() == []
    assert (sandbox.runners(), host.roots(), host.processes()) == ([], [], [])


@pytest.mark.persistent
def test_a_removal_that_github_held_up_is_completed_by_the_server(
    held_up: core.Runner, services: Services, host: Host, sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    serve()
    until(lambda: not current(services, "held-up").live)
    nothing_is_left(services, host, sandbox)


@pytest.mark.persistent
def test_a_removal_that_github_held_up_is_completed_by_one_reconcile(
    held_up: core.Runner, services: Services, host: Host, sandbox: Sandbox
) -> None:
    assert host.cli("reconcile").returncode == 0
    nothing_is_left(services, host, sandbox)


@pytest.mark.persistent
def test_a_job_that_came_to_a_runner_whose_removal_is_held_up_is_finished(
    held_up: core.Runner, services: Services, host: Host, sandbox: Sandbox
) -> None:
    sandbox.idle_lie = True  # GitHub would let go in mid-job
    job = sandbox.submit_job(REPO, ["held-up"], [{"run": f"while [ ! -e {host.top}/go ]; do sleep 0.02; done"}])
    until(lambda: routed.working(services, held_up))
    assert host.cli("reconcile").returncode == 0
    assert routed.working(services, held_up)
    (host.top / "go").touch()
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: not routed.working(services, held_up))
    assert host.cli("reconcile").returncode == 0
    nothing_is_left(services, host, sandbox)


# --- Many runners, and those of others


@pytest.mark.persistent
def test_a_runner_beyond_the_first_page_is_not_missed_and_a_page_is_one_call(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    for number in range(250):
        sandbox.add_runner(REPO, f"stranger-{number}")
    create(services, host.spec("last", ephemeral=False), wait=ONLINE)
    before = len(sandbox.calls)
    listed_for_minutes(services, clock)
    listings = [call for call in sandbox.calls[before:] if call.path.endswith("/actions/runners")]
    assert [call.method for call in listings] == ["GET"] * 3 * 3
    assert services.store.absences() == {}
    assert current(services, "last").github_status == "online"


def test_one_name_is_one_runner_here_whatever_its_scope(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("twin"))
    with pytest.raises(RunnerExists):
        create(services, host.spec("twin", repo=OTHER))
    refused = host.cli("create", "TWIN", "--repo", OTHER)
    assert (refused.returncode, "already exists" in refused.stderr) == (6, True)
    assert len(sandbox.runners()) == 1


class Namesakes:
    """Registrations that others made under the name of ours."""

    def __init__(self, sandbox: Sandbox, *, name: str, scopes: tuple[str, ...]) -> None:
        self._sandbox = sandbox
        self._ids = {sandbox.add_runner(scope, name, labels=["self-hosted", "linux", name]) for scope in scopes}

    @property
    def stand(self) -> bool:
        return self._ids <= {runner.id for runner in self._sandbox.runners()}


@pytest.mark.persistent
@pytest.mark.parametrize("ephemeral", [True, False])
def test_a_namesake_elsewhere_outlives_all_that_happens_to_ours(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, ephemeral: bool
) -> None:
    namesakes = Namesakes(sandbox, name="twin", scopes=(OTHER, "acme"))
    for end in (remove, lambda *about: remove(*about, force=True), die):
        create(services, host.spec("twin", ephemeral=ephemeral), wait=ONLINE)
        listed_for_minutes(services, clock, times=1)
        end(services, "twin")
        sweep(services)
        remove(services, "twin")
        assert namesakes.stand
    assert len(sandbox.runners()) == 2


def die(services: Services, name: str) -> None:
    routed.kill(services, current(services, name))


@pytest.mark.parametrize("ephemeral", [True, pytest.param(False, marks=pytest.mark.persistent)])
def test_a_namesake_in_the_same_scope_is_touched_by_neither_sweep_nor_replacing_nor_another_create(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, ephemeral: bool
) -> None:
    """Ours is gone at GitHub, and somebody took its name, before we hear of either."""
    sandbox.add_fault(DEAF)
    runner = create(services, host.spec("twin", ephemeral=ephemeral), wait=ONLINE)
    sandbox.delete_runner(runner.github_id or 0)
    namesakes = Namesakes(sandbox, name="twin", scopes=(REPO,))
    listed_for_minutes(services, clock)
    assert services.store.has_replacement("twin") is ephemeral, "it is to be made again, and its name is refused"
    assert not current(services, "twin").live
    with pytest.raises(RunnerExists):
        create(services, host.spec("twin", ephemeral=ephemeral))
    remove(services, "twin")
    assert services.store.orphans() == []
    assert namesakes.stand
    assert (host.roots(), host.processes()) == ([], [])


@pytest.mark.parametrize("answered", [True, False], ids=["of a registration that is gone", "of a lost answer"])
def test_a_namesake_in_the_same_scope_is_not_touched_by_an_orphan_task(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, answered: bool
) -> None:
    github_id = sandbox.add_runner(REPO, "twin") if answered else None
    keep_orphan(services, host, "twin", github_id)
    clock.ahead += UNHEARD_SECONDS
    sandbox.delete_runner(github_id or 0)
    theirs = sandbox.add_runner(REPO, "twin", labels=["self-hosted", "gpu", "twin"])
    core.finish_orphans(services)
    assert services.store.orphans() == []
    assert [each.id for each in sandbox.runners()] == [theirs]


def test_a_registration_that_github_may_still_be_making_is_waited_for(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    """Whoever asked for it is gone, and an operator asks for what is left before GitHub has done it."""
    spec = host.spec("late")
    keep_orphan(services, host, "late", None)
    for _ in range(2):
        ((_, refused),) = core.clear_orphans(services, services.store.orphans()).failures
        assert isinstance(refused, RunnerBusy)
    sandbox.add_runner(REPO, "late", labels=spec.labels)
    clock.ahead += UNHEARD_SECONDS
    core.finish_orphans(services)
    assert services.store.orphans() == []
    assert sandbox.runners() == []


def keep_orphan(services: Services, host: Host, name: str, github_id: int | None) -> None:
    """None: GitHub never answered."""
    runner = services.store.admit(host.spec(name), root=services.root(name))
    runner = services.store.amend(runner, github_id=github_id, asked_at=services.clock.now())
    ended = services.store.transition(runner, RunnerState.REMOVING, RunnerState.FAILED)
    services.store.keep_orphan(ended, reason="GitHub was down")


@pytest.fixture
def stranger(host: Host) -> Iterator[subprocess.Popen[bytes]]:
    """A Listener that somebody else runs, from a directory beside ours."""
    binaries = host.base_dir / "theirs" / "bin"
    binaries.mkdir(parents=True)
    program = shutil.copy("/bin/sleep", binaries / "Runner.Listener")
    with subprocess.Popen([program, "300"], cwd=binaries.parent) as running:
        yield running
        running.kill()


@pytest.mark.persistent
def test_what_is_not_ours_is_never_touched(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, stranger: subprocess.Popen[bytes]
) -> None:
    theirs = {sandbox.add_runner(REPO, name) for name in ("theirs", "ours-2", "Ours", "our")}
    create(services, host.spec("ours-1", ephemeral=False), wait=ONLINE)
    listed_for_minutes(services, clock)
    assert host.cli("remove", "--all", "--yes").returncode == 0
    listed_for_minutes(services, clock)
    assert host.cli("reconcile").returncode == 0
    assert host.cli("remove", "theirs").returncode == 5
    assert {runner.id for runner in sandbox.runners()} == theirs
    assert stranger.poll() is None
    assert host.roots() == ["theirs"]


# --- What a record says of processes that are not there any more


def record_of(host: Host, runner: core.Runner) -> Path:
    return host.state_dir / "runners" / runner.id / "supervisor.json"


def becomes(record: Path, stranger: subprocess.Popen[bytes], **changes: Any) -> None:
    """The pids of the record are a stranger's now."""
    document = json.loads(record.read_text())
    seen = processes.identify(stranger.pid)
    assert seen is not None
    same = {"pid": seen.pid, "start_ticks": seen.start_ticks}
    # Of the same boot only the start ticks tell that it is another process; of another boot they may even be the same.
    other = {**same, "start_ticks": seen.start_ticks - 1}
    who = same if "boot_id" in changes else other
    record.write_text(json.dumps({**document, "supervisor": who, "listener": who, **changes}))


def everything_dies(host: Host) -> None:
    for pid in host.processes():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not host.processes())


@pytest.mark.persistent
@pytest.mark.parametrize("boot", [{}, {"boot_id": "another"}], ids=["same boot", "another boot"])
@pytest.mark.parametrize(
    "act",
    [
        lambda services, _: sweep(services),
        lambda services, name: stop(services, name, now=True),
        lambda services, name: remove(services, name, force=True),
        remove,
    ],
    ids=["sweep", "stop", "remove by force", "remove"],
)
def test_a_process_that_got_the_pid_of_one_of_ours_is_never_signalled(
    services: Services,
    host: Host,
    stranger: subprocess.Popen[bytes],
    act: Callable[[Services, str], object],
    boot: dict[str, str],
) -> None:
    runner = create(services, host.spec("robbed", ephemeral=False), wait=ONLINE)
    everything_dies(host)
    becomes(record_of(host, runner), stranger, **boot)
    assert core.runner_status(services, "robbed").word == "installed_not_running"
    act(services, "robbed")
    assert stranger.poll() is None


@pytest.mark.persistent
@pytest.mark.parametrize("ephemeral", [True, False])
def test_a_reboot_ends_an_ephemeral_runner_and_starts_a_persistent_one_again(
    services: Services, host: Host, sandbox: Sandbox, stranger: subprocess.Popen[bytes], *, ephemeral: bool
) -> None:
    """Even though a process of this boot has the pid and the start ticks of the record."""
    runner = create(services, host.spec("rebooted", ephemeral=ephemeral), wait=ONLINE)
    everything_dies(host)
    becomes(record_of(host, runner), stranger, boot_id="another")
    sandbox.wait_runner("rebooted", status="offline", timeout=20)
    clock = services.clock = JumpingClock()
    clock.ahead += 61
    sweep(services)
    if ephemeral:
        ended = services.store.get(runner.id)
        assert ended is not None
        assert ended.state is RunnerState.FAILED
        # It waited for a job: it is made again under its name.
        assert current(services, "rebooted").id != runner.id
        assert [seen.id for seen in sandbox.runners()] == [current(services, "rebooted").github_id]
    else:
        until(lambda: routed.observe(services, runner).online_at and routed.observe(services, runner).running)
        assert current(services, "rebooted").id == runner.id
        assert [seen.id for seen in sandbox.runners()] == [runner.github_id]
    assert stranger.poll() is None
