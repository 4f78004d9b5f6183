"""``wait: online`` is told only of a runner that GitHub keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.domain.observation import Phase
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.operations.until_online import SETTLE_SECONDS, Online
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from runnerctl.standin.archive import build_archive
from tests.support.hosts.host import Host, Server, create, until

REPO = "acme/widgets"
OLD, NEW = "2.336.0", "2.337.0"
ONLINE = core.Wait.ONLINE


@pytest.fixture
def refused(sandbox: Sandbox) -> None:
    """GitHub registers the version, lets it listen, and refuses its first poll."""
    sandbox.minimum_version = NEW


@pytest.mark.usefixtures("refused")
def test_a_version_that_github_sends_away_once_it_listens_is_no_success(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    """It is kept for the time at which GitHub takes that version again or offers a newer one, and that is said."""
    with pytest.raises(BackendFailed, match=f"came online: GitHub refuses version {OLD}") as failed:
        create(services, host.spec("old"), wait=ONLINE)
    assert str(failed.value).startswith("Runner 'old' ended right after it came online")
    assert "starts it again by itself" in (failed.value.hint or "")
    runner = services.store.latest("old")
    assert runner is not None
    assert (runner.live, host.roots()) == (True, ["old"])
    assert [each.id for each in sandbox.runners()] == [runner.github_id]


@pytest.mark.usefixtures("refused")
def test_neither_by_command_nor_over_http(host: Host, serve: Callable[..., Server]) -> None:
    done = host.cli("create", "old", "--repo", REPO, "--wait", "online")
    assert done.returncode != 0
    assert f"GitHub refuses version {OLD}" in done.stderr
    assert "Created" not in done.stderr
    answer = serve().create("other", wait="online")
    assert (answer.status_code, answer.json()["code"]) == (500, "backend_failed")
    assert f"GitHub refuses version {OLD}" in answer.json()["detail"]


@pytest.mark.persistent
@pytest.mark.usefixtures("refused")
def test_a_persistent_one_is_kept_and_the_failure_says_so(services: Services, host: Host) -> None:
    with pytest.raises(BackendFailed, match="which is not newer") as failed:
        create(services, host.spec("old", ephemeral=False), wait=ONLINE)
    assert "starts it again by itself" in (failed.value.hint or "")
    runner = services.store.latest("old")
    assert runner is not None
    assert runner.state is RunnerState.STOPPED


@pytest.mark.usefixtures("refused")
def test_one_that_gets_the_version_that_is_offered_is_waited_for(
    services: Services, host: Host, sandbox: Sandbox, tmp_path: Path
) -> None:
    assert host.cli("package", "fetch", OLD).returncode == 0
    sandbox.add_release(NEW, build_archive(tmp_path / "newer.tar.gz", version=NEW))
    runner = create(services, host.spec("renewed", version=OLD), wait=ONLINE)
    assert runner.version == NEW
    assert routed.observe(services, runner).running


def test_one_that_is_kept_costs_a_quarter_of_a_second_at_most(services: Services, host: Host) -> None:
    clock = services.clock = StoppedClock()
    runner = create(services, host.spec("kept"))
    online = Online(services, runner, timeout=60.0)
    until(lambda: routed.observe(services, runner).online_at)
    assert not online.is_reached(runner)
    clock.passed += SETTLE_SECONDS
    assert SETTLE_SECONDS <= 0.25
    assert online.is_reached(runner)


def test_a_job_that_comes_at_once_ends_the_second_look(services: Services, host: Host, sandbox: Sandbox) -> None:
    clock = services.clock = StoppedClock()
    go = host.top / "go"
    job = sandbox.submit_job(REPO, ["eager"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}])
    runner = create(services, host.spec("eager"))
    online = Online(services, runner, timeout=60.0)
    until(lambda: routed.observe(services, runner).phase is Phase.BUSY)
    assert online.is_reached(runner)
    assert clock.passed == 0
    go.touch()
    assert sandbox.wait_job(job).conclusion == "success"


class StoppedClock(SystemClock):
    """Its seconds pass when told to."""

    passed = 0.0

    def monotonic(self) -> float:
        return self.passed
