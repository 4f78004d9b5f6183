"""One runner's life through the core: made, looked at, worked on, stopped, started, removed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import (
    GitHubRefused,
    InvalidTransition,
    RunnerBusy,
    RunnerExists,
    RunnerNotFound,
    ScopeMismatch,
)
from runnerctl.core.domain.models import Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.host import processes
from runnerctl.core.host.row_locks import row_lock
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import Host, Server, create, remove, start, stop, until

REPO = "acme/widgets"
ONLINE = core.Wait.ONLINE


def phase(services: Services, name: str) -> str | None:
    seen = core.runner_status(services, name).seen
    return seen.phase if seen else None


def a_job(sandbox: Sandbox, runs_on: str, script: str = "echo hello from the job") -> int:
    return sandbox.submit_job(REPO, [runs_on], [{"name": "Work", "run": script}])


def a_long_job(sandbox: Sandbox, services: Services, host: Host, name: str) -> tuple[int, Path]:
    """A job that runs until a file appears."""
    go = host.top / f"go-{name}"
    job = a_job(sandbox, name, f"while [ ! -e {go} ]; do sleep 0.02; done; echo finished well")
    until(lambda: routed.working(services, services.store.latest(name)))  # type: ignore[union-attr]
    return job, go


def test_a_created_runner_runs_and_is_registered(services: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(services, host.spec("one"), wait=ONLINE)
    status = core.runner_status(services, "one")
    assert status.word == "running"
    assert status.seen is not None
    assert status.seen.pid is not None
    assert processes.comm(status.seen.pid) == "Runner.Listener"
    assert (host.base_dir / "one" / "runner.pid").read_text().strip() == str(status.seen.pid)
    assert "Listening for Jobs" in (host.base_dir / "one" / "runner.log").read_text()
    registered = sandbox.wait_runner("one", status="online", timeout=10)
    assert registered.id == runner.github_id
    assert set(registered.labels) == {"self-hosted", "linux", "one"}


def test_an_ephemeral_create_costs_one_call_when_warm_and_four_when_cold(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    """And one more, kept for an hour, for whether the repository is public."""
    create(services, host.spec("cold"))
    assert len([call for call in sandbox.calls if call.path != f"/repos/{REPO}"]) <= 4
    assert len(sandbox.calls) <= 5
    before = len(sandbox.calls)
    create(services, host.spec("warm"))
    assert [call.path.rsplit("/", 1)[1] for call in sandbox.calls[before:]] == ["generate-jitconfig"]


def test_a_later_process_finds_the_tokens_warm(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("cold"))
    before = len(sandbox.calls)
    assert host.cli("create", "warm", "--repo", REPO).returncode == 0
    assert len(sandbox.calls) - before == 1


def test_a_group_costs_one_more_call_and_is_remembered(services: Services, host: Host, sandbox: Sandbox) -> None:
    spec = {"scope": Scope.of(org="acme"), "labels": "linux", "group": "Default"}
    create(services, core.RunnerSpec.of(name="first", **spec))  # type: ignore[arg-type]
    before = len(sandbox.calls)
    create(services, core.RunnerSpec.of(name="second", **spec))  # type: ignore[arg-type]
    assert len(sandbox.calls) - before == 1


def test_a_job_for_the_runners_name_runs_there_and_nothing_is_left(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    runner = create(services, host.spec("worker"))
    job = sandbox.wait_job(a_job(sandbox, "worker"), timeout=20)
    assert (job.conclusion, job.runner_name) == ("success", "worker")
    assert any("hello from the job" in line for line in job.lines)
    until(lambda: not services.store.get(runner.id).live)  # type: ignore[union-attr]
    assert services.store.get(runner.id).state is RunnerState.COMPLETED  # type: ignore[union-attr]
    until(lambda: not host.processes())
    assert host.roots() == []
    assert sandbox.runners() == []
    assert services.store.orphans() == []


def test_a_finished_runner_may_be_made_again_and_removed_again(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    first = create(services, host.spec("again"))
    sandbox.wait_job(a_job(sandbox, "again"), timeout=20)
    until(lambda: not services.store.get(first.id).live)  # type: ignore[union-attr]
    assert not remove(services, "again").draining
    second = create(services, host.spec("again"), wait=ONLINE)
    assert second.id != first.id
    assert core.runner_status(services, "again").word == "running"


def test_removing_an_idle_runner_leaves_nothing(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("idle"), wait=ONLINE)
    assert remove(services, "idle").runner.state is RunnerState.REMOVED
    assert host.processes() == []
    assert host.roots() == []
    assert sandbox.runners() == []
    assert core.runner_status(services, "idle").word == "not_installed"


def test_removing_twice_is_no_error_and_an_unknown_name_is(services: Services, host: Host) -> None:
    create(services, host.spec("twice"))
    remove(services, "twice")
    assert remove(services, "twice").runner.state is RunnerState.REMOVED
    with pytest.raises(RunnerNotFound):
        remove(services, "never")


def test_a_wrong_repository_is_refused_and_the_runner_untouched(services: Services, host: Host) -> None:
    create(services, host.spec("mine"), wait=ONLINE)
    with pytest.raises(ScopeMismatch):
        remove(services, "mine", scope=Scope.of(repo="acme/other"))
    assert core.runner_status(services, "mine").word == "running"
    assert not remove(services, "mine", scope=Scope.of(repo="ACME/Widgets")).draining


def test_a_running_job_refuses_the_removal_and_goes_on(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("busy"))
    job, go = a_long_job(sandbox, services, host, "busy")
    with pytest.raises(RunnerBusy) as refused:
        remove(services, "busy")
    assert "{drain}" in (refused.value.hint or "")
    go.touch()
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"


@pytest.mark.persistent
def test_a_drain_waits_for_the_job_and_then_removes(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("drained", ephemeral=False))
    job, go = a_long_job(sandbox, services, host, "drained")
    with ThreadPoolExecutor(1) as pool:
        removal = pool.submit(remove, services, "drained", drain=True)
        until(lambda: services.store.latest("drained").state is RunnerState.REMOVING)  # type: ignore[union-attr]
        assert routed.working(services, services.store.latest("drained"))  # type: ignore[union-attr]
        go.touch()
        assert removal.result(timeout=30).runner.state is RunnerState.REMOVED
    assert sandbox.job(job).conclusion == "success"
    assert host.processes() == []
    assert host.roots() == []


@pytest.mark.parametrize(("script", "code"), [("true", 100), ("exit 7", 102)])
def test_the_listener_of_an_ephemeral_runner_ends_with_its_jobs_result(
    services: Services, host: Host, sandbox: Sandbox, script: str, code: int
) -> None:
    runner = create(services, host.spec("once"))
    a_job(sandbox, "once", script)
    until(lambda: services.store.get(runner.id).state is RunnerState.COMPLETED)  # type: ignore[union-attr]
    record = json.loads((host.state_dir / "runners" / runner.id / "supervisor.json").read_text())
    assert record["last_exit"]["code"] == code


@pytest.mark.persistent
def test_a_persistent_one_is_not_asked_for_that(services: Services, host: Host, sandbox: Sandbox) -> None:
    """It would end after one job (actions/runner, Runner.cs)."""
    create(services, host.spec("steady", ephemeral=False))
    job = sandbox.wait_job(a_job(sandbox, "steady", "env; cat /proc/$PPID/environ | tr '\\0' '\\n'"), timeout=20)
    assert "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE=1" in job.lines
    assert not any("JOB_RESULT_FOR_HOSTED" in line for line in job.lines)


def test_force_kills_the_job_and_leaves_nothing(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("forced"))
    a_long_job(sandbox, services, host, "forced")
    assert remove(services, "forced", force=True).runner.state is RunnerState.REMOVED
    assert host.processes() == []
    assert host.roots() == []


def a_stubborn_job(sandbox: Sandbox, name: str) -> int:
    """Deaf for longer than ``remove --force`` once waited, and to its end for what is asked of a step."""
    job = a_job(sandbox, name, "trap '' INT TERM; echo now I am deaf; sleep 7; sleep 7")
    until(lambda: "now I am deaf" in "".join(sandbox.job(job).lines))
    return job


def test_force_lets_a_job_that_does_not_listen_tell_github_of_its_end(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    create(services, host.spec("forced"))
    job = a_stubborn_job(sandbox, "forced")
    removal = remove(services, "forced", force=True)
    assert (removal.runner.state, removal.warning) == (RunnerState.REMOVED, None)
    assert sandbox.job(job).status == "completed"


def test_a_job_that_had_to_be_killed_is_told_with_what_github_will_show(host: Host, sandbox: Sandbox) -> None:
    host.write_env_file(RUNNERCTL_STOP_FORCE="0.2s")
    assert host.cli("create", "forced", "--repo", REPO, "--wait", "online").returncode == 0
    job = a_stubborn_job(sandbox, "forced")
    done = host.cli("remove", "--force", "forced")
    assert done.returncode == 0
    assert "did not end in time and was killed: GitHub shows it as running" in done.stderr
    assert "lost communication with the server" in done.stderr
    assert sandbox.job(job).status == "in_progress"


def test_over_http_it_is_told_as_well(host: Host, sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    host.write_env_file(RUNNERCTL_STOP_FORCE="0.2s", RUNNERCTL_STOP_INTERRUPT="0.1s", RUNNERCTL_STOP_TERMINATE="0.1s")
    server = serve()
    for name, ends in [
        ("forced", lambda: server.remove("forced", "?force=true")),
        ("stopped", lambda: server.request("POST", "/api/v1/runners/stopped/stop?now=true")),
    ]:
        assert server.create(name, wait="online").status_code == 201
        a_stubborn_job(sandbox, name)
        assert "lost communication with the server" in ends().json()["warning"]


def test_one_that_has_done_its_job_is_not_starting_before_that_is_written_down(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    """No server writes down what is seen: the row says ``starting`` until the end is seen to."""
    runner = create(services, host.spec("once"), wait=ONLINE)
    with row_lock(services.row_locks, runner.id):
        job = a_job(sandbox, "once")
        seen = set()
        while not routed.observe(services, runner).ended:
            status = core.runner_status(services, "once")
            seen.add((status.word, status.runner and status.runner.state))
        status = core.runner_status(services, "once")
        assert sandbox.wait_job(job).conclusion == "success"
    assert ("installed_not_running", "starting") not in seen
    assert (status.word, status.runner and status.runner.state) == ("installed_not_running", "removing")


@pytest.mark.persistent
def test_a_persistent_runner_serves_one_job_after_another(services: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(services, host.spec("steady", ephemeral=False), wait=ONLINE)
    for _ in range(2):
        assert sandbox.wait_job(a_job(sandbox, "steady"), timeout=20).conclusion == "success"
    assert core.runner_status(services, "steady").word == "running"
    assert [each.id for each in sandbox.runners()] == [runner.github_id]
    remove(services, "steady")
    assert sandbox.runners() == []


@pytest.mark.persistent
@pytest.mark.parametrize("ephemeral", [True, False])
def test_a_stopped_runner_keeps_its_registration_and_starts_again(
    services: Services, host: Host, sandbox: Sandbox, ephemeral: bool
) -> None:
    runner = create(services, host.spec("pausing", ephemeral=ephemeral), wait=ONLINE)
    stopped = stop(services, "pausing")
    assert not stopped.draining
    assert stopped.runner.state is RunnerState.STOPPED
    assert core.runner_status(services, "pausing").word == "installed_not_running"
    assert host.processes() == []
    assert [each.id for each in sandbox.runners()] == [runner.github_id]
    start(services, "pausing")
    sandbox.wait_runner("pausing", status="online", timeout=10)
    assert core.runner_status(services, "pausing").word == "running"


def test_stopping_and_starting_twice_is_no_error(services: Services, host: Host) -> None:
    create(services, host.spec("pausing"), wait=ONLINE)
    assert start(services, "pausing").state in {RunnerState.STARTING, RunnerState.IDLE}
    stop(services, "pausing")
    assert stop(services, "pausing").runner.state is RunnerState.STOPPED


@pytest.mark.persistent
def test_stopping_a_busy_runner_lets_the_job_finish(services: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(services, host.spec("busy", ephemeral=False))
    job, go = a_long_job(sandbox, services, host, "busy")
    assert stop(services, "busy").draining
    with pytest.raises(InvalidTransition):
        start(services, "busy")
    go.touch()
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: services.store.get(runner.id).state is RunnerState.STOPPED)  # type: ignore[union-attr]
    assert host.processes() == []


def test_a_name_in_use_is_refused(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("taken"))
    before = len(sandbox.calls)
    with pytest.raises(RunnerExists):
        create(services, host.spec("TAKEN", repo="acme/other"))
    assert len(sandbox.calls) == before


@pytest.mark.parametrize("what", ["directory", "file", "symlink"])
def test_what_is_not_ours_is_refused_and_untouched(services: Services, host: Host, sandbox: Sandbox, what: str) -> None:
    host.base_dir.mkdir()
    theirs = host.base_dir / "theirs"
    if what == "directory":
        theirs.mkdir()
        (theirs / "precious").write_text("data")
    elif what == "file":
        theirs.write_text("data")
    else:
        theirs.symlink_to(host.top)
    with pytest.raises(RunnerExists, match="was not created by runnerctl"):
        create(services, host.spec("theirs"))
    assert os.path.lexists(theirs)
    assert what != "directory" or (theirs / "precious").read_text() == "data"
    assert sandbox.runners() == []


def test_jobs_get_a_clean_environment_and_no_secret_of_ours(
    services: Services, host: Host, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMETHING_PRIVATE", "hunter2")
    create(services, host.spec("curious"))
    job = sandbox.wait_job(a_job(sandbox, "curious", "env; cat /proc/$PPID/environ | tr '\\0' '\\n'"), timeout=20)
    text = "\n".join(job.lines)
    assert "RUNNER_NAME=curious" in text
    for secret in ("hunter2", host.token, host.github["GITHUB_APP_PRIVATE_KEY_B64"][:40], "RUNNERCTL_STATE_DIR"):
        assert secret not in text


def test_an_unusable_jit_configuration_leaves_no_registration(services: Services, host: Host, sandbox: Sandbox) -> None:
    """GitHub has registered the runner by then."""
    made = services.github.generate_jitconfig(
        Scope.of(repo=REPO), name="broken", group_id=1, labels=("self-hosted", "linux", "broken"), workdir="_work"
    )
    answer = {
        "runner": {"id": made.runner.id, "name": "broken", "os": "unknown", "status": "offline", "busy": False}
        | {"labels": []},
        "encoded_jit_config": "bm90IGEgY29uZmlndXJhdGlvbg==",
    }
    sandbox.add_fault(Fault(match="generate-jitconfig", status=201, body=answer))
    with pytest.raises(GitHubRefused):
        create(services, host.spec("broken"))
    assert (sandbox.runners(), host.roots()) == ([], [])
