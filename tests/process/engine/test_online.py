"""What a create has waited for when it answers: a runner that takes jobs, or the reason why there is none."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from tests.support.sandboxes.packages import with_program
from tests.support.sandboxes.strictness import strict_sandbox

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


# --- What a create waits for unless it is told otherwise ---

NO_LIBICU = 'echo "Process terminated. Couldn\'t find a valid ICU package installed on the system."; kill -ABRT $$'
DIES = {
    "without libicu": (NO_LIBICU, "libicu is missing: install it (`runnerctl doctor` names the package)"),
    "without a word": ("exit 1", "fatal error"),
    "half a second later": ("sleep 0.5; kill -SEGV $$", "segmentation fault"),
}
NEVER_LISTENS = "echo Connecting; exec sleep 3600"


@contextmanager
def listening_with(script: str, archive: Path, top: Path) -> Iterator[Host]:
    """A host whose package has that script for a Listener."""
    package = with_program(archive, "bin/Runner.Listener", f"#!/bin/sh\n{script}\n", top / "package.tar.gz")
    with strict_sandbox(archive=package) as github:
        host = Host.make(top, package_dir=top / "p", github=github.environment(), token=secrets.token_hex(16))
        try:
            yield host
        finally:
            host.kill_everything()


@pytest.mark.parametrize("end", DIES)
def test_one_whose_listener_dies_is_a_failure_with_its_reason_and_nothing_is_left(
    archive: Path, tmp_path: Path, as_root: None, end: str
) -> None:
    script, reason = DIES[end]
    with listening_with(script, archive, tmp_path) as host:
        done = host.cli("create", "dies", "--repo", REPO)
        assert (done.returncode, "Created" in done.stderr) == (8, False), done.stderr
        assert "Runner 'dies' ended before it came online" in done.stderr
        assert reason in done.stderr
        until(lambda: host.roots() == [])


def test_so_it_is_over_http(archive: Path, tmp_path: Path, as_root: None) -> None:
    with listening_with(NO_LIBICU, archive, tmp_path) as host:
        server = Server.start(host, {})
        try:
            answer = server.request("POST", "/api/v1/runners", {"repo": REPO, "name": "dies"})
            assert (answer.status_code, answer.json()["code"]) == (500, "backend_failed")
            assert "libicu is missing" in answer.json()["detail"]
        finally:
            server.stop()


def test_who_waits_for_nothing_is_answered_at_its_launch(archive: Path, tmp_path: Path, as_root: None) -> None:
    with listening_with("sleep 1; exit 1", archive, tmp_path) as host:
        done = host.cli("create", "dies", "--repo", REPO, "--wait", "none")
        assert (done.returncode, "Created" in done.stderr) == (0, True), done.stderr


def test_one_that_is_late_goes_on_starting(archive: Path, tmp_path: Path, as_root: None) -> None:
    with listening_with(NEVER_LISTENS, archive, tmp_path) as host:
        host.write_env_file(RUNNERCTL_START_GRACE="0.3s")
        done = host.cli_json("create", "late", "--repo", REPO)
        assert (done["state"], done["status"]) == ("starting", "running")


def test_one_that_listens_is_answered_as_idle(host: Host, serve: Callable[..., Server]) -> None:
    assert host.cli_json("create", "one", "--repo", REPO)["state"] == "idle"
    answer = serve().request("POST", "/api/v1/runners", {"repo": REPO, "name": "two"})
    assert (answer.status_code, answer.json()["status"], answer.json()["phase"]) == (201, "started", "listening")


def test_one_that_had_its_only_job_meanwhile_was_made(host: Host, sandbox: Sandbox) -> None:
    job = sandbox.submit_job(REPO, ["quick"], [{"run": "true"}])
    assert host.cli("create", "quick", "--repo", REPO).returncode == 0
    assert sandbox.wait_job(job).conclusion == "success"


class StoppedClock(SystemClock):
    """Its seconds pass when told to."""

    passed = 0.0

    def monotonic(self) -> float:
        return self.passed
