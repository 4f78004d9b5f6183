"""GitHub refuses a runner's version: it gets the one that is offered, keeps its registration, and runs again."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.backends import directory
from runnerctl.core.backends.place import place_of
from runnerctl.core.backends.registry import handle_of
from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.engine.table import Step
from runnerctl.core.housekeeping import packaging
from runnerctl.core.packages.releases import platform_of_machine
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from runnerctl.standin.archive import build_archive
from tests.support.hosts.clocks import JumpingClock, steps
from tests.support.hosts.host import Host, create, until

REPO = "acme/widgets"
OLD, NEW = "2.336.0", "2.337.0"
OUTAGE = "no date of its end has passed, so this counts as an outage at GitHub"


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_archive(tmp_path_factory.mktemp("newer") / "actions-runner.tar.gz", version=NEW)


@pytest.fixture
def clock(services: Services) -> JumpingClock:
    services.clock = JumpingClock()
    return services.clock


def an_outdated_runner(services: Services, host: Host, sandbox: Sandbox, *, ephemeral: bool = True) -> core.Runner:
    """Its Listener ends at once, since GitHub wants a newer one; its supervisor then starts a reap."""
    sandbox.minimum_version = NEW
    kind = "--ephemeral" if ephemeral else "--persistent"
    assert host.cli("create", "r", "--repo", REPO, kind, "--runner-version", OLD, "--wait", "none").returncode == 0
    return current(services)


def current(services: Services) -> core.Runner:
    runner = services.store.latest("r")
    assert runner is not None
    return runner


def bins(host: Host) -> list[str]:
    return sorted(path.name for path in (host.base_dir / "r").glob("bin*"))


@pytest.mark.parametrize("ephemeral", [True, pytest.param(False, marks=pytest.mark.persistent)])
def test_without_any_server_it_runs_again_and_keeps_its_registration(
    services: Services, host: Host, sandbox: Sandbox, newer: Path, ephemeral: bool
) -> None:
    sandbox.add_release(NEW, newer)
    before = an_outdated_runner(services, host, sandbox, ephemeral=ephemeral)
    until(lambda: current(services).version == NEW and routed.observe(services, before).running)  # the new ones
    until(lambda: routed.observe(services, before).online_at)
    runner = current(services)
    assert (runner.id, runner.github_id, runner.version) == (before.id, before.github_id, NEW)
    assert bins(host) == ["bin", f"bin.{NEW}"]
    assert [registered.id for registered in sandbox.runners()] == [before.github_id]
    assert "GitHub refused the older" in str([event.reason for event in services.store.history(runner.id)])
    job = sandbox.submit_job(REPO, ["r"], [{"run": "echo newer"}])
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"


def test_it_is_kept_when_nothing_newer_is_offered_and_runs_once_its_version_is_taken_again(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    usual = sandbox.minimum_version
    an_outdated_runner(services, host, sandbox)
    until(lambda: current(services).due)
    runner = current(services)
    assert (runner.state, runner.reason) == (
        RunnerState.STARTING,
        f"GitHub refuses version {OLD} and offers {OLD}, which is not newer; {OUTAGE}",
    )
    assert [each.name for each in sandbox.runners()] == [runner.name]
    sandbox.minimum_version = usual
    clock.ahead += 600
    sweep(services)
    until(lambda: routed.observe(services, current(services)).online_at)
    assert [each.id for each in sandbox.runners()] == [runner.github_id]


class LongestWaits(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def test_while_github_fails_it_waits_longer_each_time_and_says_so(
    services: Services, host: Host, sandbox: Sandbox, newer: Path, clock: JumpingClock
) -> None:
    assert host.cli("package", "fetch", OLD).returncode == 0
    sandbox.add_fault(Fault(match="actions/runners/downloads", status=503, times=None))
    an_outdated_runner(services, host, sandbox)
    until(lambda: services.store.backoffs() and current(services).last_error)
    for pid in host.reapers():
        os.kill(pid, signal.SIGKILL)  # it waits to try again, by a clock of its own
    until(lambda: not host.reapers())
    services.rng = LongestWaits()  # the first wait is a reaper's, whose chance is its own: up to half as much more
    waits = []
    for _ in range(3):
        (backoff,) = services.store.backoffs()
        waits.append(backoff.until - services.clock.now())
        status = core.runner_status(services, "r")
        assert status.word == "installed_not_running"
        assert "Automatic registrations in acme/widgets are paused for" in (status.degraded or "")
        before = len(sandbox.calls)
        sweep(services)
        assert len(sandbox.calls) == before, "GitHub was asked though the scope is left alone"
        clock.ahead += waits[-1] + 1
        assert [finding.action.step for finding in sweep(services).findings if finding.error] == [Step.RENEW]
    assert waits == sorted(waits)
    assert waits[-1] >= 3 * waits[0]
    sandbox.clear_faults()
    sandbox.add_release(NEW, newer)
    clock.ahead += 500
    assert steps(sweep(services)) == [("r", Step.RENEW)]
    assert services.store.backoffs() == []
    assert current(services).version == NEW


@pytest.mark.persistent
def test_a_change_of_package_that_was_cut_short_is_done_again(
    services: Services, host: Host, sandbox: Sandbox, newer: Path
) -> None:
    runner = create(services, host.spec("r", ephemeral=False))
    routed.kill(services, runner)
    sandbox.add_release(NEW, newer)
    package = packaging.fetch(services, NEW)
    root, inode = host.base_dir / "r", place_of(handle_of(runner)).inode
    assert inode is not None
    (root / f"bin.{NEW}").mkdir()
    (root / ".bin.new").symlink_to("nowhere")
    for _ in range(2):
        directory.change_package(root, inode, package, runner_id=runner.id)
        assert bins(host) == ["bin", f"bin.{NEW}"]
        assert (root / "bin" / "Runner.Listener").exists()
        assert (root / "externals").resolve() == package.path.resolve() / "externals"
        assert (root / ".runner").exists()


@pytest.mark.persistent
def test_another_directory_in_the_place_of_its_own_is_left_as_it_is(services: Services, host: Host) -> None:
    runner = create(services, host.spec("r", ephemeral=False))
    routed.kill(services, runner)
    package = services.packages.ready(OLD, platform_of_machine())
    assert package is not None
    (host.base_dir / "r").rename(host.top / "elsewhere")
    (host.base_dir / "r").mkdir()
    with pytest.raises(BackendFailed):
        services.backend.upgrade(handle_of(runner), package)
    assert list((host.base_dir / "r").iterdir()) == []
