"""The commands on real runners of a local GitHub, with real signals."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.front_ends.cli_running import Ran, on_a_terminal
from tests.support.front_ends.cli_running import cli as run_here
from tests.support.hosts import warm
from tests.support.hosts.host import Host, until

REPO = "acme/widgets"


@pytest.fixture(autouse=True)
def only_the_env_file(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(host.top)
    for name in [name for name in os.environ if name.startswith(("RUNNERCTL_", "GHWFAX_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNNERCTL_ENV_FILE", str(host.env_file))


def cli(*args: str) -> Ran:
    return run_here("--output", "json", *args)


def create(name: str, *more: str) -> Ran:
    return cli("create", name, "--repo", REPO, *more)


@pytest.fixture
def start(host: Host) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the program as a process of its own; it is killed at the end of the test if it is still there."""
    started: list[subprocess.Popen[str]] = []

    def begin(*args: str, **extra: str) -> subprocess.Popen[str]:
        process = warm.start(
            *args,
            env=host.environment(**extra),
            cwd=host.top,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=30)
    return process.returncode, stdout, stderr


class Job:
    """A job that runs until it is let go."""

    def __init__(self, host: Host, sandbox: Sandbox, runs_on: str) -> None:
        self._go = host.top / f"go-{runs_on}"
        # The trap: a shell that waits for a command that ends well goes on after SIGINT.
        script = f"trap 'exit 9' INT; while [ ! -e {self._go} ]; do sleep 0.02; done; echo all is well"
        self.id = sandbox.submit_job(REPO, [runs_on], [{"run": script}])

    def let_go(self) -> None:
        self._go.touch()


def given_a_job(host: Host, sandbox: Sandbox, services: Services, name: str) -> Job:
    job = Job(host, sandbox, name)
    until(lambda: (runner := services.store.latest(name)) and routed.working(services, runner))
    return job


def statuses(*names: str) -> list[str]:
    return [cli("status", name).document["status"] for name in names]


def nothing_is_left(host: Host, sandbox: Sandbox) -> None:
    assert host.roots() == []
    assert host.processes() == []
    assert sandbox.runners() == []


# --- One life ---


def test_a_runner_is_made_looked_at_and_removed(host: Host, sandbox: Sandbox) -> None:
    made = create("ci-1", "--labels", "linux,Big", "--wait", "online", "--timeout", "20s")
    assert made.status == 0, made.stdout
    assert made.document.items() >= {"status": "running", "name": "ci-1", "repo": REPO, "state": "idle"}.items()
    assert made.document["labels"] == ["linux", "Big", "ci-1"]
    assert made.stderr == f"Created runner 'ci-1' for {REPO}\n"
    assert sandbox.wait_runner("ci-1").id == made.document["github_id"]

    seen = cli("status", "ci-1")
    assert (seen.status, seen.document["pid"], seen.document["phase"]) == (0, made.document["pid"], "listening")
    assert run_here("list").rows[0].items() >= {"NAME": "ci-1", "STATUS": "running", "STATE": "idle"}.items()
    assert run_here("list", "--state", "idle", "-o", "name").stdout == "ci-1\n"
    assert run_here("list", "--state", "starting", "-o", "name").stdout == ""
    assert "Listening for Jobs" in run_here("logs", "ci-1").stdout

    gone = cli("remove", "ci-1")
    assert gone.status == 0
    assert gone.document.items() >= {"status": "removed", "name": "ci-1"}.items()
    assert cli("status", "ci-1").status == 5
    nothing_is_left(host, sandbox)
    assert cli("remove", "ci-1").document["status"] == "removed"


@pytest.mark.persistent
def test_a_runner_is_stopped_and_started_again(host: Host, sandbox: Sandbox) -> None:
    assert create("ci-1", "--persistent", "--wait", "online").document["ephemeral"] is False
    stopped = cli("stop", "ci-1")
    assert (stopped.status, stopped.document["status"]) == (0, "installed_not_running")
    assert cli("status", "ci-1").status == 3
    assert cli("stop", "ci-1").status == 0
    started = cli("start", "ci-1")
    assert (started.status, started.document["status"]) == (0, "running")
    assert cli("status", "ci-1").status == 0
    assert cli("remove", "ci-1").status == 0
    assert cli("start", "ci-1").error["code"] == "runner_not_found"


def test_waiting_until_completed_returns_when_the_job_is_done(host: Host, sandbox: Sandbox) -> None:
    sandbox.submit_job(REPO, ["once"], [{"run": "echo done"}])
    ran = create("once", "--wait", "completed", "--timeout", "30s")
    assert (ran.status, ran.document["state"], ran.document["status"]) == (0, "completed", "not_installed")
    assert host.roots() == []


def test_who_stops_waiting_is_told_that_the_runner_goes_on(
    start: Callable[..., subprocess.Popen[str]], sandbox: Sandbox
) -> None:
    waiting = start("create", "once", "--repo", REPO, "--wait", "completed")
    sandbox.wait_runner("once")
    waiting.send_signal(signal.SIGINT)
    status, _, stderr = ended(waiting)
    assert status == 130
    assert "Hint: Runner 'once' goes on; `runnerctl remove once` ends it" in stderr
    assert statuses("once") == ["running"]


def test_a_runner_that_does_not_complete_is_a_failure(
    start: Callable[..., subprocess.Popen[str]], sandbox: Sandbox
) -> None:
    waiting = start("create", "once", "--repo", REPO, "--wait", "completed")
    sandbox.wait_runner("once")
    assert cli("remove", "once", "--force").status == 0
    status, stdout, stderr = ended(waiting)
    assert (status, stdout) == (8, "")
    assert "Error: Runner 'once' was removed before it completed" in stderr


def test_a_wait_that_runs_out_undoes_nothing(host: Host) -> None:
    ran = create("slow", "--wait", "completed", "--timeout", "0.2s")
    assert (ran.status, ran.error["code"]) == (7, "deadline_exceeded")
    assert statuses("slow") == ["running"]


def test_a_download_is_shown_on_a_terminal_and_the_table_after_it(host: Host) -> None:
    host.write_env_file(RUNNERCTL_PACKAGE_DIR=str(host.top / "packages"))
    status, shown = on_a_terminal("create", "ci-1", "--repo", REPO)
    assert status == 0
    assert "Downloaded the runner package" in shown
    *_, header, row = shown.splitlines()
    assert "NAME" in header
    assert row.split()[:2] == ["ci-1", "running"]


def test_a_name_that_is_taken_is_refused(host: Host) -> None:
    assert create("ci-1").status == 0
    again = create("CI-1")
    assert (again.status, again.error["code"]) == (6, "runner_exists")


def test_what_github_refuses_is_told_with_its_exit_status(host: Host) -> None:
    ran = cli("create", "x", "--repo", "not-installed/anything")
    assert (ran.status, ran.error["code"]) == (4, "github_not_found")


def test_a_create_that_is_terminated_leaves_nothing(
    start: Callable[..., subprocess.Popen[str]], host: Host, sandbox: Sandbox, services: Services
) -> None:
    sandbox.delay_all = 2.0
    making = start("create", "ci-1", "--repo", REPO)
    until(lambda: services.store.latest("ci-1"))
    making.send_signal(signal.SIGTERM)
    status, stdout, stderr = ended(making)
    assert (status, stdout) == (130, "")
    assert "Interrupted" in stderr
    assert "Runner 'ci-1' was not created" in stderr
    assert statuses("ci-1") == ["not_installed"]
    nothing_is_left(host, sandbox)


# --- Jobs ---


def test_a_busy_runner_is_removed_only_by_force_or_after_its_job(
    host: Host, sandbox: Sandbox, services: Services, start: Callable[..., subprocess.Popen[str]]
) -> None:
    for name in ("drained", "forced"):
        assert create(name).status == 0
    job, other = (given_a_job(host, sandbox, services, name) for name in ("drained", "forced"))
    refused = cli("remove", "drained")
    assert (refused.status, refused.error["code"]) == (6, "runner_busy")
    assert "--drain" in refused.error["hint"]
    late = cli("remove", "drained", "--drain", "--timeout", "0.1s")
    assert (late.status, late.error["code"]) == (7, "deadline_exceeded")
    draining = start("remove", "drained", "--drain")
    job.let_go()
    assert ended(draining)[0] == 0
    assert sandbox.wait_job(job.id).conclusion == "success"
    assert cli("remove", "forced", "--force").document["status"] == "removed"
    assert sandbox.wait_job(other.id).conclusion != "success"
    assert statuses("drained", "forced") == ["not_installed"] * 2


@pytest.mark.persistent
def test_stop_lets_a_job_finish_and_says_so(host: Host, sandbox: Sandbox, services: Services) -> None:
    assert create("ci-1", "--persistent").status == 0
    job = given_a_job(host, sandbox, services, "ci-1")
    ran = cli("stop", "ci-1")
    assert (ran.status, ran.document["status"]) == (0, "running")
    assert ran.stderr == "Runner 'ci-1' finishes its job first, then it stops\n"
    job.let_go()
    assert sandbox.wait_job(job.id).conclusion == "success"
    until(lambda: statuses("ci-1") == ["installed_not_running"])


@pytest.mark.persistent
def test_restart_starts_new_processes_of_the_same_runner(host: Host, sandbox: Sandbox) -> None:
    made = create("ci-1", "--persistent", "--wait", "online").document
    for _ in range(2):
        before = cli("status", "ci-1").document["pid"]
        ran = cli("restart", "ci-1")
        assert (ran.status, ran.document["status"]) == (0, "running")
        assert ran.stderr == "Restarted runner 'ci-1'\n"
        until(lambda before=before: cli("status", "ci-1").document["pid"] not in {None, before})
    assert ran.document["id"] == made["id"]
    assert [runner.id for runner in sandbox.runners()] == [made["github_id"]]


@pytest.mark.persistent
def test_restart_starts_a_stopped_runner(host: Host) -> None:
    assert create("ci-1", "--persistent", "--wait", "online").status == 0
    assert cli("stop", "ci-1").status == 0
    assert cli("restart", "ci-1").document["status"] == "running"
    assert statuses("ci-1") == ["running"]


def test_an_idle_ephemeral_runner_is_restarted_and_still_gets_its_job(host: Host, sandbox: Sandbox) -> None:
    made = create("once", "--wait", "online").document
    assert cli("restart", "once").status == 0
    job = sandbox.submit_job(REPO, ["once"], [{"run": "echo done"}])
    assert sandbox.wait_job(job).conclusion == "success"
    until(lambda: statuses("once") == ["not_installed"])
    assert cli("status", "once").status == 5
    assert made["name"] == "once"
    assert cli("restart", "once").error["code"] == "runner_not_found"


@pytest.mark.persistent
def test_restart_lets_a_job_finish_and_then_restarts_by_itself(
    host: Host, sandbox: Sandbox, services: Services
) -> None:
    assert create("ci-1", "--persistent").status == 0
    job = given_a_job(host, sandbox, services, "ci-1")
    before = cli("status", "ci-1").document["pid"]
    for _ in range(2):
        ran = cli("restart", "ci-1")
        assert (ran.status, ran.document["pid"]) == (0, before)
        assert ran.stderr == "Runner 'ci-1' finishes its job first, then it restarts\n"
    job.let_go()
    assert sandbox.wait_job(job.id).conclusion == "success"
    until(lambda: cli("status", "ci-1").document["pid"] not in {None, before})
    next_job = sandbox.submit_job(REPO, ["ci-1"], [{"run": "echo again"}])
    assert sandbox.wait_job(next_job).conclusion == "success"


@pytest.mark.persistent
def test_restart_now_cancels_a_job(host: Host, sandbox: Sandbox, services: Services) -> None:
    assert create("ci-1", "--persistent").status == 0
    job = given_a_job(host, sandbox, services, "ci-1")
    before = cli("status", "ci-1").document["pid"]
    ran = cli("restart", "ci-1", "--now")
    assert (ran.status, ran.document["status"]) == (0, "running")
    assert ran.document["pid"] != before
    assert sandbox.wait_job(job.id).conclusion != "success"
    assert len(sandbox.runners()) == 1


def test_the_only_job_of_an_ephemeral_runner_is_not_cancelled_for_a_restart(
    host: Host, sandbox: Sandbox, services: Services
) -> None:
    assert create("once").status == 0
    job = given_a_job(host, sandbox, services, "once")
    ran = cli("restart", "once", "--now")
    assert (ran.status, ran.error["code"]) == (6, "invalid_transition")
    assert "ephemeral" in ran.error["message"]
    assert cli("restart", "once").stderr == "Runner 'once' finishes its job first, then it ends\n"
    job.let_go()
    assert sandbox.wait_job(job.id).conclusion == "success"
    until(lambda: statuses("once") == ["not_installed"])


def test_the_log_is_followed_until_the_end_of_the_life(
    host: Host, sandbox: Sandbox, services: Services, start: Callable[..., subprocess.Popen[str]]
) -> None:
    assert create("ci-1").status == 0
    job = given_a_job(host, sandbox, services, "ci-1")
    following = start("logs", "ci-1", "-f")
    assert following.stdout is not None
    assert any("Running job: build" in line for line in following.stdout)
    job.let_go()
    assert any("completed with result: Succeeded" in line for line in following.stdout)
    assert following.wait(timeout=30) == 0


def test_following_ends_by_ctrl_c_and_the_runner_goes_on(
    host: Host, start: Callable[..., subprocess.Popen[str]]
) -> None:
    assert create("ci-1", "--wait", "online").status == 0
    following = start("logs", "ci-1", "-f")
    assert following.stdout is not None
    next(following.stdout)
    following.send_signal(signal.SIGINT)
    assert ended(following)[0] == 130
    assert statuses("ci-1") == ["running"]


# --- Several ---


def test_several_are_removed_at_the_same_time_and_each_is_told(
    host: Host, sandbox: Sandbox, services: Services
) -> None:
    for name in ("a", "b", "busy"):
        assert create(name).status == 0
    job = given_a_job(host, sandbox, services, "busy")
    ran = cli("remove", "a", "busy", "A", "b")
    assert ran.status == 10
    assert [(each["name"], each["code"]) for each in ran.error["failures"]] == [("busy", "runner_busy")]
    assert sorted(each["name"] for each in ran.document["items"]) == ["a", "b"]
    job.let_go()
    until(lambda: statuses("busy") == ["not_installed"])


def test_all_are_removed_with_yes(host: Host, sandbox: Sandbox) -> None:
    for name in ("a", "b", "c"):
        assert create(name).status == 0
    ran = cli("remove", "--all", "--yes")
    assert ran.status == 0
    assert [each["status"] for each in ran.document["items"]] == ["removed"] * 3
    nothing_is_left(host, sandbox)


def test_draining_several_can_be_interrupted(
    host: Host, sandbox: Sandbox, services: Services, start: Callable[..., subprocess.Popen[str]]
) -> None:
    for name in ("a", "b"):
        assert create(name).status == 0
    jobs = [given_a_job(host, sandbox, services, name) for name in ("a", "b")]
    draining = start("remove", "a", "b", "--drain")
    until(lambda: [runner.state for runner in services.store.live()] == [RunnerState.REMOVING] * 2)
    draining.send_signal(signal.SIGINT)
    status, _, stderr = ended(draining)
    assert (status, "Removals that have begun go on" in stderr) == (130, True)
    assert "`runnerctl remove --force NAME` ends a job and removes its runner now" in stderr
    for job in jobs:
        job.let_go()
    until(lambda: statuses("a", "b") == ["not_installed"] * 2)


def test_draining_one_can_be_interrupted_and_goes_on(
    host: Host, sandbox: Sandbox, services: Services, start: Callable[..., subprocess.Popen[str]]
) -> None:
    assert create("a").status == 0
    job = given_a_job(host, sandbox, services, "a")
    draining = start("remove", "a", "--drain")
    until(lambda: [runner.state for runner in services.store.live()] == [RunnerState.REMOVING])
    draining.send_signal(signal.SIGINT)
    status, _, stderr = ended(draining)
    assert status == 130
    assert "Hint: The removal goes on; `runnerctl status a` shows how far it is" in stderr
    assert "`runnerctl remove --force a` ends its job and removes it now" in stderr
    job.let_go()
    until(lambda: statuses("a") == ["not_installed"])


# --- In the foreground ---

Foreground = Callable[..., subprocess.Popen[str]]


def ctrl_c(attached: subprocess.Popen[str]) -> None:
    """As a terminal does it: the whole process group hears of it."""
    os.killpg(attached.pid, signal.SIGINT)


@pytest.fixture
def foreground(start: Callable[..., subprocess.Popen[str]], sandbox: Sandbox) -> Foreground:
    def begin(name: str, *more: str) -> subprocess.Popen[str]:
        process = start("create", name, "--repo", REPO, "--foreground", *more)
        sandbox.wait_runner(name)
        return process

    return begin


def test_in_the_foreground_the_log_is_shown_until_the_job_is_done(
    foreground: Foreground, host: Host, sandbox: Sandbox
) -> None:
    attached = foreground("fg")
    sandbox.submit_job(REPO, ["fg"], [{"run": "echo hello"}])
    status, stdout, stderr = ended(attached)
    assert status == 0
    assert "Listening for Jobs" in stdout
    assert "completed with result: Succeeded" in stdout
    assert "Removed runner 'fg'" in stderr
    assert statuses("fg") == ["not_installed"]
    nothing_is_left(host, sandbox)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
def test_an_idle_foreground_runner_ends_at_the_first_signal(
    foreground: Foreground, host: Host, sandbox: Sandbox, number: signal.Signals
) -> None:
    attached = foreground("fg")
    os.killpg(attached.pid, number)
    status, _, stderr = ended(attached)
    assert status == 130
    assert "It takes no more jobs" in stderr
    assert statuses("fg") == ["not_installed"]
    nothing_is_left(host, sandbox)


def test_the_first_ctrl_c_lets_the_job_finish(
    foreground: Foreground, host: Host, sandbox: Sandbox, services: Services
) -> None:
    attached = foreground("fg", "--output", "json")
    job = given_a_job(host, sandbox, services, "fg")
    ctrl_c(attached)
    assert attached.stderr is not None
    told = next(line for line in attached.stderr if "finishes first" in line)
    assert "press Ctrl-C again to stop now" in told
    job.let_go()
    status, stdout, _ = ended(attached)
    assert (status, Ran(status=0, stdout=stdout, stderr="").document["state"]) == (0, RunnerState.COMPLETED)
    assert sandbox.wait_job(job.id).conclusion == "success"
    assert statuses("fg") == ["not_installed"]
    nothing_is_left(host, sandbox)


def test_the_second_ctrl_c_stops_now(foreground: Foreground, host: Host, sandbox: Sandbox, services: Services) -> None:
    attached = foreground("fg")
    job = given_a_job(host, sandbox, services, "fg")
    ctrl_c(attached)
    assert attached.stderr is not None
    next(line for line in attached.stderr if "finishes first" in line)
    ctrl_c(attached)
    assert ended(attached)[0] == 130
    assert sandbox.wait_job(job.id).conclusion != "success"
    assert statuses("fg") == ["not_installed"]
    nothing_is_left(host, sandbox)


def test_a_foreground_runner_does_not_outlive_a_killed_command(foreground: Foreground, host: Host) -> None:
    attached = foreground("fg")
    assert host.processes()
    attached.kill()
    until(lambda: not host.processes())


# --- Sandbox and server ---


def exported(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    variables: dict[str, str] = {}
    while "SANDBOX_AUTHORIZATION" not in variables:
        export, assignment = shlex.split(process.stdout.readline())
        assert export == "export"
        name, _, variables_value = assignment.partition("=")
        variables[name] = variables_value
    return variables


def rehearse(variables: dict[str, str], *args: str) -> Ran:
    unset = {"RUNNERCTL_ENV_FILE": ""}
    return run_here("-o", "json", *args, env={**unset, **variables})


def test_a_sandbox_is_all_that_a_rehearsal_needs(start: Callable[..., subprocess.Popen[str]]) -> None:
    sandbox = start("sandbox", "--repo", "my/own", "--job", "echo hello")
    variables = exported(sandbox)
    made = rehearse(variables, "create", "ci-1", "--repo", "my/own", "--wait", "completed", "--timeout", "30s")
    assert (made.status, made.document["state"]) == (0, "completed")
    queued = requests.post(
        f"{variables['SANDBOX_CONTROL_URL']}/jobs",
        headers=dict([variables["SANDBOX_AUTHORIZATION"].split(": ", 1)]),
        json={"repo": "my/own", "runs_on": ["linux"], "steps": [{"run": "true"}]},
        timeout=10,
    )
    assert queued.ok
    sandbox.send_signal(signal.SIGTERM)
    status, _, stderr = ended(sandbox)
    assert status == 0
    assert "runnerctl create ci-1 --repo my/own" in stderr
    assert not Path(variables["RUNNERCTL_STATE_DIR"]).parent.exists()


def test_a_sandbox_leaves_the_directory_of_living_runners(start: Callable[..., subprocess.Popen[str]]) -> None:
    sandbox = start("sandbox")
    variables = exported(sandbox)
    assert rehearse(variables, "create", "ci-1", "--repo", "my/own").status == 0
    sandbox.send_signal(signal.SIGINT)
    status, _, stderr = ended(sandbox)
    directory = Path(variables["RUNNERCTL_STATE_DIR"]).parent
    assert status == 0
    us = f"{shlex.quote(sys.executable)} -m runnerctl"
    assert f"Kept {directory}: runner ci-1 is still running. Run `{us} remove --force ci-1`" in stderr
    assert f"  {us} create ci-1 --repo " in stderr
    assert rehearse(variables, "remove", "ci-1", "--force").status == 0
    subprocess.run(["rm", "-rf", str(directory)], check=True)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = cli("sandbox", "--port", str(taken.getsockname()[1]))
    assert (ran.status, ran.error["code"]) == (2, "config_invalid")


def test_serve_takes_its_address_from_the_flag(start: Callable[..., Any], host: Host) -> None:
    socket = host.top / "api.sock"
    serving = start("serve", "--bind", f"unix:{socket}")
    assert serving.stdout is not None
    assert str(socket) in serving.stdout.readline()
    serving.send_signal(signal.SIGTERM)
    assert ended(serving)[0] == 0
