"""What every backend promises, kept by real runners: processes of ours and, inside a booted systemd, units.

``RUNNERCTL_CHECK_UNITS`` names the directory that the installed template is made for: then these are units
(``tests/e2e/test_units.py`` runs this module so).
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.backends import units
from runnerctl.core.backends.base import Configured, Launch
from runnerctl.core.domain.errors import BackendFailed, RunnerctlError
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import Outcome, Phase
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, remove, stop, until

REPO = "acme/widgets"
UNITS = os.environ.get("RUNNERCTL_CHECK_UNITS")
QUICK = {"RUNNERCTL_STOP_INTERRUPT": "1s", "RUNNERCTL_STOP_TERMINATE": "1s", "RUNNERCTL_STOP_FORCE": "2s"}

DIES = "#!/bin/sh\nexit 1\n"
NEVER_ONLINE = "#!/bin/sh\nwhile :; do sleep 0.1; done\n"
IGNORES_EVERYTHING = (
    "#!/bin/sh\ntrap '' INT TERM\necho '2026-11-24 03:57:14Z: Listening for Jobs'\nwhile :; do sleep 0.1; done\n"
)


@pytest.fixture
def host(tmp_path: Path, package_dir: Path, sandbox: Sandbox) -> Iterator[Host]:
    top = tmp_path if UNITS is None else Path(UNITS)
    packages = package_dir if UNITS is None else top / "packages"
    made = Host.make(top, package_dir=packages, github=sandbox.environment(), token=secrets.token_hex(16))
    yield made
    if UNITS is None:
        made.kill_everything()


@pytest.fixture
def services(host: Host) -> Iterator[Services]:
    opened = host.services(**QUICK)
    assert opened.backend.name == ("process" if UNITS is None else "systemd")
    yield opened
    for runner in opened.store.live():
        with suppress(RunnerctlError):
            remove(opened, runner.name, force=True)
    opened.close()


def current(services: Services, name: str = "one") -> Runner:
    runner = services.store.latest(name)
    assert runner is not None
    return runner


def a_job(sandbox: Sandbox, script: str) -> int:
    return sandbox.submit_job(REPO, ["one"], [{"name": "Work", "run": script}])


def gone(services: Services, runner: Runner) -> bool:
    return services.backend.poll(runner.id).gone


def in_its_place(services: Services, host: Host, listener: str) -> Runner:
    """A stopped runner whose Listener misbehaves from now on."""
    create(services, host.spec("one"))
    stop(services, "one", now=True)
    program = host.base_dir / "one" / "bin" / "Runner.Listener"
    program.parent.chmod(0o755)
    program.unlink()
    program.write_text(listener)
    program.chmod(0o755)
    return current(services)


def nothing_is_left(services: Services, host: Host, runner: Runner) -> None:
    assert services.store.live() == []
    assert host.roots() == []
    assert processes.marked(runner.id) == []
    assert units.cgroup(runner.id) is None


def test_a_launched_runner_runs_under_a_supervisor(services: Services, host: Host) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    seen = services.backend.poll(runner.id)
    assert seen.running
    assert seen.phase is Phase.LISTENING
    assert services.backend.supervised(runner.id)
    assert all(map(processes.alive, services.backend.processes(runner.id)))
    assert seen.pid in {process.pid for process in services.backend.processes(runner.id)}
    assert not services.backend.working(runner.id)
    remove(services, "one")
    nothing_is_left(services, host, runner)


def test_what_was_never_launched_is_gone_and_every_verb_lets_it_be(services: Services, host: Host) -> None:
    backend = services.backend
    assert backend.poll("nosuch").gone
    assert backend.processes("nosuch") == ()
    assert not backend.working("nosuch")
    backend.interrupt("nosuch")
    backend.kill("nosuch")
    backend.forget("nosuch")


def test_a_launch_that_cannot_be_says_why_and_leaves_nothing(services: Services, host: Host) -> None:
    root = host.base_dir / "nowhere"
    launch = Launch(runner_id="nosuch2345", name="nowhere", root=root, ephemeral=True)
    with pytest.raises(BackendFailed, match="No such file or directory"):
        services.backend.launch(launch)
    assert services.backend.poll("nosuch2345").gone
    assert processes.marked("nosuch2345") == []


def test_a_drain_ends_one_that_has_no_job(services: Services, host: Host) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    services.backend.drain(runner.id)
    until(lambda: gone(services, runner))
    assert services.backend.poll(runner.id).outcome is Outcome.STOPPED


def test_a_drain_waits_for_the_job(services: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    job = a_job(sandbox, "sleep 1; echo whole")
    until(lambda: services.backend.working(runner.id))
    services.backend.drain(runner.id)
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: gone(services, runner))
    assert services.backend.poll(runner.id).outcome is Outcome.COMPLETED


def test_one_that_was_stopped_starts_again_as_the_same_runner(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("one"), wait=core.Wait.ONLINE)
    assert stop(services, "one").runner.state is RunnerState.STOPPED
    core.start_runner(services, "one")
    job = a_job(sandbox, "echo once more")
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"


def test_a_kill_leaves_no_process_and_may_come_twice(services: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    a_job(sandbox, "env -u RUNNER_TRACKING_ID setsid sleep 300 & sleep 300")
    until(lambda: services.backend.working(runner.id))
    before = services.backend.processes(runner.id)
    for _ in range(2):
        services.backend.kill(runner.id)
        assert gone(services, runner)
        assert not any(map(processes.alive, before))
        assert processes.marked(runner.id) == []
        assert units.cgroup(runner.id) is None


def test_what_a_job_left_is_dead_and_deleted_when_its_runner_has_ended(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    job = a_job(
        sandbox,
        "env -u RUNNER_TRACKING_ID setsid sleep 300 >/dev/null 2>&1 &\n"
        "mkdir -p shut/in && touch shut/in/file && chmod 000 shut/in shut && ln -s /etc etc && echo daemon",
    )
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: gone(services, runner))
    core.reconcile_runner(services, runner.id)
    assert current(services).state is RunnerState.COMPLETED
    nothing_is_left(services, host, runner)


def test_the_log_can_be_read_while_it_runs_and_after(services: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    assert "Listening for Jobs" in services.backend.log(runner.id).read_text()
    assert sandbox.wait_job(a_job(sandbox, "true"), timeout=20).conclusion == "success"
    until(lambda: gone(services, runner))
    core.reconcile_runner(services, runner.id)
    assert "Running job: build" in services.backend.log(runner.id).read_text()


def test_a_job_outlives_its_supervisor(services: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    job = a_job(sandbox, "sleep 1; echo survived")
    until(lambda: services.backend.poll(runner.id).phase is Phase.BUSY)
    supervisor, _ = services.backend.processes(runner.id)
    if UNITS is None:
        os.kill(supervisor.pid, signal.SIGKILL)
    else:
        assert units.kill(runner.id, "SIGKILL", main=True)
    until(lambda: not processes.alive(supervisor))
    assert services.backend.adopt(runner.id)
    assert not gone(services, runner)
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: gone(services, runner))
    core.reconcile_runner(services, runner.id)
    assert current(services).state is RunnerState.COMPLETED
    nothing_is_left(services, host, runner)


def test_a_leased_one_ends_when_the_lease_is_given_up(services: Services, host: Host) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE, leased=True)
    assert services.backend.leased() == (runner.id,)
    services.backend.release(runner.id)
    until(lambda: gone(services, runner))
    assert services.backend.leased() == ()


COMPILES_WHILE_IT_RUNS = (
    f"#!{sys.executable}"
    """
import mmap, os, pathlib, sys
mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
pathlib.Path(".runner").write_text("{}")
print(os.getuid(), os.environ["ACTIONS_RUNNER_INPUT_TOKEN"], *sys.argv[1:])
print([name for name in os.environ if "GITHUB_APP" in name])
sys.exit(3)
"""
)


def configured(services: Services, host: Host, script: str, *, seconds: float = 20) -> Configured:
    """What comes of a ``config.sh`` in a runner's root that has no other life left."""
    create(services, host.spec("one"))
    stop(services, "one", now=True)
    root = host.base_dir / "one"
    (root / "config.sh").unlink()
    (root / "config.sh").write_text(script)
    (root / "config.sh").chmod(0o755)
    runner = current(services)
    launch = Launch(runner_id=runner.id, name="one", root=root, ephemeral=False, user=runner.job_user)
    return services.backend.configure(launch, ("--name", "one"), token="AAT0KEN", seconds=seconds)


def test_config_sh_may_compile_while_it_runs_and_its_end_is_told(services: Services, host: Host) -> None:
    """As .NET does: in the server's own unit the real one died of SIGSEGV (contract/real-runner.md)."""
    done = configured(services, host, COMPILES_WHILE_IT_RUNS)
    assert done.status == 3, done
    uid, token, *words = done.output.splitlines()[0].split()
    assert (token, words) == ("AAT0KEN", ["--name", "one"])
    assert (int(uid) == os.geteuid()) is (UNITS is None)
    assert done.output.splitlines()[1] == "[]"
    root = host.base_dir / "one"
    assert (root / ".runner").read_text() == "{}"
    assert (root / ".runner").stat().st_uid == os.geteuid()
    assert {path.lstat().st_uid for path in root.iterdir()} == {os.geteuid()}
    if UNITS is not None:
        assert list(Path("/run/runnerctl").glob("token-*")) == []


def test_a_config_sh_that_never_ends_is_given_up(services: Services, host: Host) -> None:
    script = "#!/bin/sh\nsleep 300 &\nwait\n"
    with pytest.raises(BackendFailed, match="did not end in 1 s"):
        configured(services, host, script, seconds=1)
    until(lambda: processes.marked(current(services).id) == [])


def test_a_config_sh_that_cannot_be_run_says_why(services: Services, host: Host) -> None:
    with pytest.raises(BackendFailed, match=r"config.sh of runner 'one' could not be run: .*No such file"):
        configured(services, host, "#!/no/such/interpreter\n")


def test_a_token_that_a_killed_server_left_goes_with_the_life(services: Services) -> None:
    """Where runners are units it is in a file for the moment in which their unit begins."""
    left = Path("/run/runnerctl/token-nosuch2345")
    if UNITS is not None:
        left.write_text("AAT0KEN")
    services.backend.forget("nosuch2345")
    assert not left.exists()


def test_where_no_limit_is_set_none_is_told_as_not_enforced(services: Services) -> None:
    assert services.backend.unenforced is None


def test_one_that_dies_at_once_is_gone_and_says_so(services: Services, host: Host) -> None:
    runner = in_its_place(services, host, DIES)
    with suppress(BackendFailed):  # it may be too late for the start to be called good
        core.start_runner(services, "one")
    until(lambda: gone(services, runner))
    assert services.backend.poll(runner.id).outcome in {Outcome.FAILED, None}


def test_one_that_never_comes_online_runs_and_is_starting(services: Services, host: Host) -> None:
    runner = in_its_place(services, host, NEVER_ONLINE)
    core.start_runner(services, "one")
    seen = services.backend.poll(runner.id)
    assert seen.running
    assert seen.phase is Phase.STARTING
    remove(services, "one", force=True)
    nothing_is_left(services, host, runner)


def test_one_that_ignores_everything_ends_by_force(services: Services, host: Host) -> None:
    runner = in_its_place(services, host, IGNORES_EVERYTHING)
    core.start_runner(services, "one")
    until(lambda: services.backend.poll(runner.id).phase is Phase.LISTENING)
    remove(services, "one", force=True)
    nothing_is_left(services, host, runner)
