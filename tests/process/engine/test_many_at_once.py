"""Many at once take as long as the slowest of them, not as the sum."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import Host, Server, create, until

pytestmark = pytest.mark.long

REPO = "acme/widgets"
MANY = 6
NAMES = [f"r{number}" for number in range(MANY)]
SLOW = 1.0
"""What the slow part of each takes, in seconds."""
LISTEN_LONG = Fault(match="/sandbox/broker/message", delay=60, times=None)
"""A Listener that is told of its deletion would end by itself, and so end the settle window."""
LISTS = "GET /repos/acme/.*/actions/runners"
DELETES_SLOWLY = Fault(match="DELETE", delay=SLOW, times=None)


def began_together(times: Iterable[float]) -> bool:
    """One after another, each would begin when the slow part before it is over, however quick or busy the host is."""
    begun = sorted(times)
    assert len(begun) == MANY
    return sum(later - sooner >= SLOW for sooner, later in pairwise(begun)) < MANY / 2


def removals(services: Services) -> list[float]:
    """When each began to be removed, and so to wait for a job that may have been sent."""
    runners = [services.store.latest(name) for name in NAMES]
    histories = [services.store.history(runner.id) for runner in runners if runner is not None]
    return [event.at for history in histories for event in history if event.new is RunnerState.REMOVING]


@contextmanager
def slow_calls_begin_together(sandbox: Sandbox, match: str) -> Iterator[None]:
    before = len(sandbox.calls)
    yield
    calls = [call for call in sandbox.calls[before:] if re.search(match, f"{call.method} {call.path}")]
    assert began_together(call.at for call in calls)


def all_at_once(work: Callable[[str], object]) -> None:
    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(work, NAMES))


def many(services: Services, host: Host, **options: object) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: create(services, host.spec(name), **options), NAMES))


def nothing_is_left(services: Services, host: Host, sandbox: Sandbox) -> None:
    assert services.store.live() == []
    assert (host.roots(), host.processes(), sandbox.runners()) == ([], [], [])


@pytest.mark.parametrize("which", [NAMES, ["--all", "--yes"]], ids=["by name", "all"])
def test_removing_by_command_line(services: Services, host: Host, sandbox: Sandbox, which: list[str]) -> None:
    sandbox.add_fault(LISTEN_LONG)
    many(services, host, wait=core.Wait.ONLINE)
    host.write_env_file(RUNNERCTL_REMOVE_SETTLE=f"{SLOW}s")
    done = host.cli("remove", *which)
    assert done.returncode == 0, done.stderr
    assert began_together(removals(services))
    nothing_is_left(services, host, sandbox)


def test_removing_over_http(services: Services, host: Host, sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    sandbox.add_fault(LISTEN_LONG)
    many(services, host, wait=core.Wait.ONLINE)
    host.write_env_file(RUNNERCTL_REMOVE_SETTLE=f"{SLOW}s")
    server = serve()
    all_at_once(lambda name: server.remove(name).raise_for_status())
    assert began_together(removals(services))
    nothing_is_left(services, host, sandbox)


def go(host: Host, name: str) -> Path:
    """Where the job may read."""
    return host.base_dir / name / "tmp" / "go"


def jobs_that_wait(services: Services, host: Host, sandbox: Sandbox) -> None:
    for name in NAMES:
        os.mkfifo(go(host, name))
        sandbox.submit_job(REPO, [name], [{"run": f"cat {go(host, name)}"}])
    for name in NAMES:
        until(lambda name=name: core.runner_status(services, name).seen.job)  # type: ignore[misc, union-attr]


def all_are_being_removed(services: Services) -> bool:
    return [runner.state for runner in services.store.live()] == [RunnerState.REMOVING] * MANY


def jobs_end_one_after_another(host: Host, sandbox: Sandbox) -> None:
    for name in reversed(NAMES):
        go(host, name).write_text("go")
    for job in sandbox.jobs():
        assert sandbox.wait_job(job.id, timeout=30).conclusion == "success"


def test_draining_by_command_line(services: Services, host: Host, sandbox: Sandbox) -> None:
    """All wait for their jobs at the same time: none of these ends before the last is asked to drain."""
    many(services, host)
    jobs_that_wait(services, host, sandbox)
    with ThreadPoolExecutor(1) as pool:
        draining = pool.submit(host.cli, "remove", *NAMES, "--drain")
        until(lambda: all_are_being_removed(services))
        jobs_end_one_after_another(host, sandbox)
        assert draining.result().returncode == 0, draining.result().stderr
    nothing_is_left(services, host, sandbox)


def test_draining_over_http(services: Services, host: Host, sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    many(services, host)
    jobs_that_wait(services, host, sandbox)
    server = serve()
    all_at_once(lambda name: server.remove(name, "?drain=true").raise_for_status())
    until(lambda: all_are_being_removed(services))
    jobs_end_one_after_another(host, sandbox)
    until(lambda: not services.store.live())
    until(lambda: not host.processes())
    nothing_is_left(services, host, sandbox)


def test_a_sweep_with_many_dead_runners(host: Host, sandbox: Sandbox) -> None:
    """None of which is made again."""
    services = host.services(RUNNERCTL_REPLACE_LOST="false")
    many(services, host)
    die(host)
    sandbox.add_fault(DELETES_SLOWLY)
    with slow_calls_begin_together(sandbox, "DELETE"):
        swept = sweep(services)
    assert len(swept.findings) == MANY
    nothing_is_left(services, host, sandbox)
    services.close()


def die(host: Host) -> None:
    for pid in host.processes():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not host.processes())


def test_many_orphan_tasks(services: Services, host: Host, sandbox: Sandbox) -> None:
    keep_orphans(services, host, sandbox, REPO, NAMES)
    sandbox.add_fault(DELETES_SLOWLY)
    with slow_calls_begin_together(sandbox, "DELETE"):
        core.finish_orphans(services)
    assert (services.store.orphans(), sandbox.runners()) == ([], [])


def keep_orphans(services: Services, host: Host, sandbox: Sandbox, repo: str, names: list[str]) -> None:
    """As removals leave them that GitHub did not answer."""
    for name in names:
        runner = services.store.admit(host.spec(name, repo=repo), root=services.root(name))
        runner = services.store.amend(runner, github_id=sandbox.add_runner(repo, name), asked_at=services.clock.now())
        ended = services.store.transition(runner, RunnerState.REMOVING, RunnerState.FAILED)
        services.store.keep_orphan(ended, reason="GitHub was down")


@pytest.mark.parametrize("trouble", [{"status": 503}, {"rate_limit": "primary"}, {"drop": True}])
def test_orphan_tasks_of_a_scope_that_fails_hold_up_no_other(
    services: Services, host: Host, sandbox: Sandbox, trouble: dict[str, object]
) -> None:
    keep_orphans(services, host, sandbox, "acme/gadgets", ["a", "b", "c"])
    keep_orphans(services, host, sandbox, REPO, ["d", "e", "f"])
    services.github.list_runners(host.spec("any").scope)  # a token is at hand
    sandbox.add_fault(Fault(match="DELETE /repos/acme/gadgets", times=None, **trouble))  # type: ignore[arg-type]
    before = len([call for call in sandbox.calls if call.method == "DELETE"])
    core.finish_orphans(services)
    assert [task.name for task in services.store.orphans()] == ["a", "b", "c"]
    assert [runner.name for runner in sandbox.runners()] == ["a", "b", "c"]
    assert len([call for call in sandbox.calls if call.method == "DELETE"]) - before <= 3 + 3, "one tries for its scope"
    assert services.store.orphans(due_at=services.clock.now()) == []
    sandbox.clear_faults()
    core.clear_orphans(services, services.store.orphans())
    assert (services.store.orphans(), sandbox.runners()) == ([], [])


def test_many_scopes_are_listed(services: Services, host: Host, sandbox: Sandbox) -> None:
    for name in NAMES:
        runner = services.store.admit(host.spec(name, repo=f"acme/{name}"), root=services.root(name))
        services.store.amend(runner, github_id=sandbox.add_runner(f"acme/{name}", name), asked_at=1.0)
    runners = services.store.live()
    services.github.list_runners(runners[0].scope)
    sandbox.add_fault(Fault(match=LISTS, delay=SLOW, times=None))
    with slow_calls_begin_together(sandbox, LISTS):
        assert len(RegistrationPoller(services).refresh(runners)) == MANY
