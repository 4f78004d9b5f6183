"""What every backend promises, kept by real runners: processes of ours and, inside a booted systemd, units; and by one
whose runners are elsewhere.

``RUNNERCTL_CHECK_UNITS`` names the directory that the installed template is made for: then those of this host are units
(``tests/e2e/test_units.py`` runs this module so).
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.backends import units
from runnerctl.core.backends.base import Backend, ConfigSh, Configured, Jit, Provision
from runnerctl.core.backends.registry import Backends, handle_of
from runnerctl.core.domain.errors import BackendFailed, GitHubRefused, InvalidRequest, RunnerctlError
from runnerctl.core.domain.models import Runner, Scope
from runnerctl.core.domain.observation import Outcome, Phase
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.github_side.packages import package_for
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, remove, start, stop, until
from tests.support.remote_backend import Cluster, RemoteBackend

pytestmark = pytest.mark.long

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
def here(host: Host) -> Iterator[Services]:
    """Runners of this host."""
    opened = host.services(**QUICK)
    assert opened.backend.name == ("process" if UNITS is None else "systemd")
    yield opened
    for runner in opened.store.live():
        with suppress(RunnerctlError):
            removed(opened, runner, force=True)
    opened.close()


@pytest.fixture
def cluster(here: Services) -> Cluster:
    return Cluster(here.clock.now)


@pytest.fixture(params=["here", "remote"])
def services(request: pytest.FixtureRequest, here: Services, host: Host, cluster: Cluster) -> Services:
    """Of every backend in turn."""
    if request.param == "remote":
        remote = RemoteBackend(cluster, logs=host.top / "logs")
        runs_dir = host.state_dir / "runners"
        here.__dict__["backends"] = Backends({"remote": lambda: remote}, default="remote", runs_dir=runs_dir)
    return here


@pytest.fixture
def begin_job(services: Services, sandbox: Sandbox, cluster: Cluster) -> Callable[[float], Callable[[], bool]]:
    """Gives runner ``one`` a job of so many seconds; what is returned waits for its end, and says if it went well."""

    def begin(seconds: float) -> Callable[[], bool]:
        runner = current(services)
        if services.backend.name == "remote":
            cluster.give_job(runner.id, seconds)
            (pod,) = (each for each in cluster.pods if each.runner_id == runner.id)
            return lambda: until(lambda: cluster.pods and pod.job_ends_at is None) and pod.jobs_run == 1
        job = a_job(sandbox, f"sleep {seconds:g}; echo whole")
        return lambda: sandbox.wait_job(job, timeout=20).conclusion == "success"

    return begin


def current(services: Services, name: str = "one") -> Runner:
    runner = services.store.latest(name)
    assert runner is not None
    return runner


def a_job(sandbox: Sandbox, script: str) -> int:
    return sandbox.submit_job(REPO, ["one"], [{"name": "Work", "run": script}])


def gone(services: Services, runner: Runner) -> bool:
    return routed.observe(services, runner).gone


def ends(services: Services, runner: Runner) -> RunnerState:
    """Sees to the end of one whose processes have ended; a backend may need more than one go."""

    def over() -> bool:
        with suppress(BackendFailed):
            core.reconcile_runner(services, runner.id)
        return not current(services, runner.name).live

    until(over)
    return current(services, runner.name).state


def removed(services: Services, runner: Runner, **options: bool) -> RunnerState:
    with suppress(BackendFailed):
        remove(services, runner.name, **options)
    return ends(services, runner)


def in_its_place(here: Services, host: Host, listener: str) -> Runner:
    """A stopped runner whose Listener misbehaves from now on."""
    create(here, host.spec("one"))
    stop(here, "one", now=True)
    program = host.base_dir / "one" / "bin" / "Runner.Listener"
    program.parent.chmod(0o755)
    program.unlink()
    program.write_text(listener)
    program.chmod(0o755)
    return current(here)


def nothing_is_left(services: Services, host: Host, runner: Runner) -> None:
    assert services.store.live() == []
    assert host.roots() == []
    assert processes.marked(runner.id) == []
    assert units.cgroup(runner.id) is None
    assert list(services.backend.discover()) == []


# --- All of them ---


def never_made(services: Services) -> Runner:
    """A row whose create came no further."""
    runner_id = services.store.new_id()
    spec = core.RunnerSpec.of(name=f"never-{runner_id}", scope=Scope.of(repo=REPO), labels="linux")
    return services.store.admit(spec, root=services.root(spec.name), runner_id=runner_id, backend=services.backend.name)


def provisioned(services: Services, host: Host, runner: Runner) -> str:
    package = package_for(services, runner.scope, "latest", None) if services.backend.capabilities.package else None
    spec = Provision(
        runner_id=runner.id, name=runner.name, ephemeral=True, base_dir=host.base_dir, package=package, user=None
    )
    return services.backend.provision(spec)


def jit_of(services: Services, runner: Runner) -> str:
    github = services.github
    jit = github.generate_jitconfig(
        runner.scope, name=runner.name, group_id=1, labels=runner.labels, workdir=runner.workdir
    )
    return jit.encoded


def cleaned(backend: Backend, handle: str) -> None:
    backend.kill(handle)
    until(lambda: backend.cleanup(handle) == [])


def test_a_launched_runner_is_watched_and_tells_how_it_is(services: Services, host: Host) -> None:
    before = services.clock.now()
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    seen = routed.observe(services, runner)
    assert seen.running
    assert seen.supervised
    assert seen.phase is Phase.LISTENING
    assert seen.began >= before
    assert seen.working is False
    assert routed.supervised(services, runner)
    assert not routed.working(services, runner)
    assert removed(services, runner) is RunnerState.REMOVED
    nothing_is_left(services, host, runner)


def test_a_look_at_many_tells_of_each_what_a_look_at_one_does(services: Services, host: Host) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    backend, handle = services.backends.reach(runner)
    absent = handle_of(never_made(services), backend=backend.name)
    seen = backend.observe_all([handle, absent])
    assert {each: seen[each][:-1] for each in seen} == {each: backend.observe(each)[:-1] for each in (handle, absent)}
    assert seen[absent].gone


def test_what_was_never_launched_is_gone_and_every_verb_lets_it_be(services: Services) -> None:
    backend, handle = services.backends.reach(never_made(services))
    assert backend.observe(handle).gone
    assert backend.processes(handle) == ()
    assert backend.accepted(handle) is None
    assert not backend.working(handle)
    backend.interrupt(handle)
    backend.drain(handle)
    backend.kill(handle)
    backend.release(handle)
    assert backend.tidy(handle, before=0.0) == 0
    assert backend.cleanup(handle) == []
    assert not backend.forget("nosuch")


def test_a_launch_that_cannot_be_says_why_and_leaves_nothing(services: Services) -> None:
    runner = never_made(services)
    backend, handle = services.backends.reach(runner)
    with pytest.raises(BackendFailed, match=r"No such file or directory|is not there"):
        backend.launch(handle)
    assert backend.observe(handle).gone
    assert processes.marked(runner.id) == []


def test_what_is_provisioned_twice_is_there_once_and_is_found_by_its_mark(services: Services, host: Host) -> None:
    runner, backend = never_made(services), services.backend
    first, second = (provisioned(services, host, runner) for _ in range(2))
    assert first == second
    assert [found.runner_id for found in backend.discover()] == [runner.id]
    (found,) = backend.discover()
    cleaned(backend, found.handle)
    assert list(backend.discover()) == []
    assert host.roots() == []


def test_who_died_before_the_handle_was_written_down_has_lost_nothing(services: Services, host: Host) -> None:
    runner = never_made(services)
    provisioned(services, host, runner)
    backend, handle = services.backends.reach(runner)  # the row knows of no handle
    assert backend.accepted(handle) is False
    cleaned(backend, handle)
    assert list(backend.discover()) == []
    assert host.roots() == []


def test_an_accepted_identity_is_there_and_no_secret_is_in_the_handle(services: Services, host: Host) -> None:
    runner, backend = never_made(services), services.backend
    handle = provisioned(services, host, runner)
    assert backend.accepted(handle) is False
    encoded = jit_of(services, runner)
    for _ in range(2):
        accepted = backend.accept(handle, Jit(encoded))
        assert backend.accepted(accepted.handle) in {accepted.github_id or True, True}
        assert encoded[:40] not in accepted.handle
    assert encoded not in repr(Jit(encoded))
    cleaned(backend, accepted.handle)
    assert backend.accepted(accepted.handle) is None


def test_one_that_waits_for_its_identity_outlives_every_backend_object(services: Services, host: Host) -> None:
    """What it is found by is in the handle, and nothing in this process's memory."""
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    handle = handle_of(current(services))
    for made in list(services.backends._made):
        if made != "remote":
            del services.backends._made[made]
    assert services.backends.of(runner).observe(handle).running
    assert json.loads(handle)["backend"] == services.backend.name


def test_a_drain_ends_one_that_has_no_job(services: Services, host: Host) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    routed.drain(services, runner)
    until(lambda: gone(services, runner))
    assert routed.observe(services, runner).outcome is Outcome.STOPPED


def test_a_drain_waits_for_the_job(
    services: Services, host: Host, begin_job: Callable[[float], Callable[[], bool]]
) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    went_well = begin_job(1)
    until(lambda: routed.working(services, runner))
    routed.drain(services, runner)
    assert went_well()
    until(lambda: gone(services, runner))
    assert routed.observe(services, runner).outcome is Outcome.COMPLETED


def test_one_that_was_stopped_starts_again_as_the_same_runner(
    services: Services, host: Host, begin_job: Callable[[float], Callable[[], bool]]
) -> None:
    create(services, host.spec("one"), wait=core.Wait.ONLINE)
    assert stop(services, "one").runner.state is RunnerState.STOPPED
    runner = start(services, "one")
    until(lambda: routed.observe(services, runner).online_at)
    assert begin_job(0.2)()


def test_an_interrupt_cancels_the_job(
    services: Services, host: Host, begin_job: Callable[[float], Callable[[], bool]]
) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    begin_job(300)
    until(lambda: routed.working(services, runner))
    routed.interrupt(services, runner)
    until(lambda: gone(services, runner))
    assert not routed.working(services, runner)


def test_a_kill_leaves_no_process_and_may_come_twice(
    services: Services, host: Host, begin_job: Callable[[float], Callable[[], bool]]
) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    begin_job(300)
    until(lambda: routed.working(services, runner))
    before = routed.processes(services, runner)
    for _ in range(2):
        routed.kill(services, runner)
        until(lambda: gone(services, runner))
        assert not any(map(processes.alive, before))
        assert processes.marked(runner.id) == []
        assert units.cgroup(runner.id) is None


def test_what_lives_is_not_cleaned_up(services: Services, host: Host) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    backend, handle = services.backends.reach(runner)
    (left,) = backend.cleanup(handle)
    assert "one" in left.message
    assert routed.observe(services, runner).running
    assert [found.runner_id for found in backend.discover()] == [runner.id]


def test_the_log_can_be_read_while_it_runs_and_after(
    services: Services, host: Host, begin_job: Callable[[float], Callable[[], bool]]
) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    assert "Listening for Jobs" in routed.logs(services, runner).read_text()
    assert begin_job(0.2)()
    until(lambda: gone(services, runner))
    assert ends(services, runner) is RunnerState.COMPLETED
    assert "Running job: build" in routed.logs(services, runner).read_text()
    nothing_is_left(services, host, runner)


def test_a_persistent_runner_is_refused_where_none_can_be_had(here: Services, host: Host, cluster: Cluster) -> None:
    remote = RemoteBackend(cluster, logs=host.top / "logs")
    here.__dict__["backends"] = Backends({"remote": lambda: remote}, default="remote", runs_dir=host.top)
    with pytest.raises(InvalidRequest, match="remote has no persistent runners"):
        create(here, host.spec("one", ephemeral=False))
    assert here.store.live() == []
    assert cluster.pods == []


# --- Those of this host ---


def test_the_processes_whose_death_matters_are_named(here: Services, host: Host) -> None:
    runner = create(here, host.spec("one"), wait=core.Wait.ONLINE)
    named = routed.processes(here, runner)
    assert all(map(processes.alive, named))
    assert routed.observe(here, runner).pid in {process.pid for process in named}


def test_what_it_takes_of_the_host_is_told_while_it_runs(here: Services, host: Host) -> None:
    runner = create(here, host.spec("one"), wait=core.Wait.ONLINE)
    backend, handle = here.backends.reach(runner)
    taken = backend.usage(handle)
    assert taken is not None
    assert taken.cpu_seconds > 0
    assert taken.memory_bytes > 1_000_000
    removed(here, runner)
    assert backend.usage(handle) is None


def test_a_blob_that_is_none_is_githubs_fault_and_gives_no_identity(here: Services, host: Host) -> None:
    runner = never_made(here)
    handle = provisioned(here, host, runner)
    with pytest.raises(GitHubRefused):
        here.backend.accept(handle, Jit("%"))
    assert here.backend.accepted(handle) is False
    cleaned(here.backend, handle)


def test_what_a_job_left_is_dead_and_deleted_when_its_runner_has_ended(
    here: Services, host: Host, sandbox: Sandbox
) -> None:
    runner = create(here, host.spec("one"), wait=core.Wait.ONLINE)
    job = a_job(
        sandbox,
        "env -u RUNNER_TRACKING_ID setsid sleep 300 >/dev/null 2>&1 &\n"
        "mkdir -p shut/in && touch shut/in/file && chmod 000 shut/in shut && ln -s /etc etc && echo daemon",
    )
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: gone(here, runner))
    core.reconcile_runner(here, runner.id)
    assert current(here).state is RunnerState.COMPLETED
    nothing_is_left(here, host, runner)


def test_a_job_outlives_its_supervisor(here: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(here, host.spec("one"), wait=core.Wait.ONLINE)
    job = a_job(sandbox, "sleep 1; echo survived")
    until(lambda: routed.observe(here, runner).phase is Phase.BUSY)
    supervisor, _ = routed.processes(here, runner)
    if UNITS is None:
        os.kill(supervisor.pid, signal.SIGKILL)
    else:
        assert units.kill(runner.id, "SIGKILL", main=True)
    until(lambda: not processes.alive(supervisor))
    assert routed.adopt(here, runner)
    assert not gone(here, runner)
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: gone(here, runner))
    core.reconcile_runner(here, runner.id)
    assert current(here).state is RunnerState.COMPLETED
    nothing_is_left(here, host, runner)


def test_a_leased_one_ends_when_the_lease_is_given_up(here: Services, host: Host) -> None:
    runner = create(here, host.spec("one", daemonize=False), wait=core.Wait.ONLINE)
    assert here.backend.leased() == (runner.id,)
    here.backend.release(runner.handle or "")
    until(lambda: gone(here, runner))
    assert here.backend.leased() == ()


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


def configured(here: Services, host: Host, script: str, *, seconds: float = 20) -> Configured:
    """What comes of a ``config.sh`` in a runner's root that has no other life left."""
    create(here, host.spec("one"))
    stop(here, "one", now=True)
    root = host.base_dir / "one"
    (root / "config.sh").unlink()
    (root / "config.sh").write_text(script)
    (root / "config.sh").chmod(0o755)
    runner = current(here)
    asked = ConfigSh(("--name", "one"), token="AAT0KEN", seconds=seconds)
    backend, handle = here.backends.reach(runner)
    done = backend.accept(handle, asked).configured
    assert done is not None
    return done


def test_config_sh_may_compile_while_it_runs_and_its_end_is_told(here: Services, host: Host) -> None:
    """As .NET does: in the server's own unit the real one died of SIGSEGV (contract/real-runner.md)."""
    done = configured(here, host, COMPILES_WHILE_IT_RUNS)
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


def test_a_config_sh_that_never_ends_is_given_up(here: Services, host: Host) -> None:
    script = "#!/bin/sh\nsleep 300 &\nwait\n"
    with pytest.raises(BackendFailed, match="did not end in 1 s"):
        configured(here, host, script, seconds=1)
    until(lambda: processes.marked(current(here).id) == [])


def test_a_config_sh_that_cannot_be_run_says_why(here: Services, host: Host) -> None:
    with pytest.raises(BackendFailed, match=r"config.sh of runner 'one' could not be run: .*No such file"):
        configured(here, host, "#!/no/such/interpreter\n")


def test_a_token_that_a_killed_server_left_goes_with_the_life(here: Services) -> None:
    """Where runners are units it is in a file for the moment in which their unit begins."""
    runner = never_made(here)
    left = Path(f"/run/runnerctl/token-{runner.id}")
    if UNITS is not None:
        left.write_text("AAT0KEN")
    assert here.backend.cleanup(handle_of(runner, backend=here.backend.name)) == []
    assert not left.exists()


def test_where_no_limit_is_set_none_is_told_as_not_enforced(here: Services) -> None:
    assert here.backend.unenforced is None


def test_one_that_dies_at_once_is_gone_and_says_so(here: Services, host: Host) -> None:
    runner = in_its_place(here, host, DIES)
    with suppress(BackendFailed):  # it may be too late for the start to be called good
        start(here, "one")
    until(lambda: gone(here, runner))
    assert routed.observe(here, runner).outcome in {Outcome.FAILED, None}


def test_a_start_whose_runner_was_over_before_anybody_looked_says_why(here: Services, host: Host) -> None:
    in_its_place(here, host, DIES)
    starting = core.start_runner(here, "one")
    starting.begin()
    until(lambda: core.reconcile_runner(here, current(here).id) and not current(here).live)
    with pytest.raises(BackendFailed, match="did not start"):
        starting.outcome()


def test_one_that_never_comes_online_runs_and_is_starting(here: Services, host: Host) -> None:
    runner = in_its_place(here, host, NEVER_ONLINE)
    start(here, "one")
    seen = routed.observe(here, runner)
    assert seen.running
    assert seen.phase is Phase.STARTING
    remove(here, "one", force=True)
    nothing_is_left(here, host, runner)


def test_one_that_ignores_everything_ends_by_force(here: Services, host: Host) -> None:
    runner = in_its_place(here, host, IGNORES_EVERYTHING)
    start(here, "one")
    until(lambda: routed.observe(here, runner).phase is Phase.LISTENING)
    remove(here, "one", force=True)
    nothing_is_left(here, host, runner)
