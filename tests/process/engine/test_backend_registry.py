"""A row belongs to its backend for its whole life: also rows that earlier versions wrote, whatever the settings say."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.backends.place import place_of
from runnerctl.core.backends.registry import handle_of
from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, remove, start, stop, until


def row(services: Services, host: Host, handle: str | None, name: str = "one") -> Runner:
    runner = services.store.admit(host.spec(name), root=services.root(name))
    return services.store.amend(runner, handle=handle, root_inode=(7, 42))


def as_before(services: Services, name: str) -> Runner:
    """The row as the version before wrote it: the root's inode in columns, and only processes in the handle."""
    runner = services.store.latest(name)
    assert runner is not None
    place = place_of(handle_of(runner))
    listener, supervisor = {"pid": 2, "start_ticks": 3}, {"pid": 1, "start_ticks": 2}
    old = {"backend": "process", "supervisor": supervisor, "listener": listener, "mark": "walk", "cgroup": None}
    # It forgot the handle of one that rested.
    handle = None if runner.state is RunnerState.STOPPED else json.dumps(old)
    return services.store.amend(runner, handle=handle, root_inode=place.inode)


@pytest.mark.parametrize(
    ("handle", "backend"),
    [
        (None, "process"),
        ("{}", "process"),
        ("no json", "process"),
        ('{"backend": "process", "supervisor": {"pid": 1, "start_ticks": 2}}', "process"),
        ('{"backend": "systemd", "unit": "runnerctl-runner@x.service"}', "systemd"),
        ('{"unit": "runnerctl-runner@x.service"}', "systemd"),
    ],
)
def test_an_older_handle_is_completed_from_its_row(
    services: Services, host: Host, handle: str | None, backend: str
) -> None:
    runner = row(services, host, handle)
    assert services.backends.of(runner).name == backend
    reached, whole = services.backends.reach(runner)
    place = place_of(whole)
    assert reached.name == place.backend == backend
    assert (place.runner_id, place.name, place.root) == (runner.id, "one", host.base_dir / "one")
    assert (place.inode, place.ephemeral, place.user) == ((7, 42), True, None)


def test_one_that_rested_before_is_its_backends_by_what_it_left(services: Services, host: Host) -> None:
    unit, plain = row(services, host, None, "unit"), row(services, host, None, "plain")
    for runner, left in ((unit, "unit"), (plain, "launch.json")):
        run_dir = host.state_dir / "runners" / runner.id
        run_dir.mkdir(parents=True)
        (run_dir / left).touch()
    services.backends.default = "systemd"
    assert services.backends.of(unit).name == "systemd"
    assert services.backends.of(plain).name == "process"


def test_a_backend_that_is_not_there_is_said_and_nobody_elses_runner_is_touched(services: Services, host: Host) -> None:
    runner = row(services, host, '{"backend": "kubernetes", "id": "x"}')
    with pytest.raises(BackendFailed, match="Backend 'kubernetes' is not available here"):
        services.backends.of(runner)


def test_a_handle_that_nobody_wrote_is_an_error_that_says_so() -> None:
    with pytest.raises(BackendFailed, match="not understood"):
        place_of('{"backend": "process", "id": "x"}')


def test_a_place_and_its_handle_are_the_same_thing(services: Services, host: Host) -> None:
    whole = handle_of(row(services, host, None))
    assert place_of(whole).handle == whole


def test_a_runner_of_the_version_before_goes_on_works_and_is_removed(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    create(services, host.spec("one"), wait=core.Wait.ONLINE)
    runner = as_before(services, "one")
    pid = routed.observe(services, runner).pid
    assert core.reconcile_runner(services, runner.id).state is RunnerState.IDLE  # type: ignore[union-attr]
    assert core.runner_status(services, "one").seen.pid == pid  # type: ignore[union-attr]
    job = sandbox.submit_job("acme/widgets", ["one"], [{"run": "true"}])
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: not services.store.live())
    assert (host.roots(), host.processes()) == ([], [])


@pytest.mark.persistent
def test_one_that_rested_in_the_version_before_starts_again(services: Services, host: Host) -> None:
    create(services, host.spec("one", ephemeral=False), wait=core.Wait.ONLINE)
    stop(services, "one")
    assert as_before(services, "one").handle is None
    started = start(services, "one")
    assert json.loads(started.handle or "")["root"] == str(host.base_dir / "one")
    assert core.runner_status(services, "one").word == "running"
    remove(services, "one", force=True)
    assert host.roots() == []


def test_a_job_of_the_version_before_outlives_its_supervisor(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("one"), wait=core.Wait.ONLINE)
    job = sandbox.submit_job("acme/widgets", ["one"], [{"run": "sleep 1"}])
    runner = as_before(services, "one")
    until(lambda: routed.working(services, runner))
    supervisor = routed.processes(services, runner)[0]
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not processes.alive(supervisor))
    assert routed.adopt(services, runner)
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"


def test_a_handle_tells_no_secret(services: Services, host: Host) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    told = json.loads(runner.handle or "")
    assert set(told) == {"backend", "id", "name", "root", "inode", "ephemeral", "user", "mark", "cgroup", "env"}
    assert Path(told["root"]) == host.base_dir / "one"
