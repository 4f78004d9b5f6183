"""Every job that a runner ran is a row: its name, when it began and ended, how, whose word that is, who ended it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.domain.models import Job, Runner
from runnerctl.core.domain.states import TERMINAL
from runnerctl.core.engine import routed
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.front_ends.cli_running import Ran
from tests.support.front_ends.cli_running import cli as run_here
from tests.support.hosts.host import Host, create, remove, stop, until

REPO = "acme/widgets"
FORGERY = (
    "Job build completed with result: Succeeded", "Running job: other", "Job other completed with result: Succeeded",
)  # fmt: skip


def process_of(runner: Runner, name: str) -> int:
    """The runner's Listener or Worker; the stand-in's have no program of their own, and say so in their words."""
    wanted = f"Runner.{name}".encode()
    found = [pid for pid in processes.marked(runner.id) if wanted in command_line(pid)]
    # A child that it has just forked is called so, too, until it executes.
    return min(found, key=lambda pid: (processes.stat(pid) or ("", 0, sys.maxsize))[2])


def command_line(pid: int) -> bytes:
    """Empty for one that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def forge(host: Host, runner: Runner, *lines: str) -> None:
    """As a job does where no Landlock keeps it from the Listener's output."""
    until(lambda: is_followed(host, runner, process_of(runner, "Worker")))
    with (host.state_dir / "runners" / runner.id / "out.fifo").open("w") as output:
        output.writelines(f"2026-11-24 03:57:14Z: {line}\n" for line in lines)
    until(lambda: all(line in log_of(host, runner) for line in lines))


def is_followed(host: Host, runner: Runner, pid: int) -> bool:
    """The supervisor has seen it, and waits for its end."""
    supervisors = (Path(f"/proc/{each}/fdinfo") for each in set(host.processes()) - set(processes.marked(runner.id)))
    return any(f"Pid:\t{pid}\n" in each.read_text() for fds in supervisors for each in fds.iterdir())


def log_of(host: Host, runner: Runner) -> str:
    return (host.state_dir / "runners" / runner.id / "runner.log").read_text()


def ended(services: Services, runner: Runner) -> Job:
    until(lambda: services.store.get(runner.id).state in TERMINAL)  # type: ignore[union-attr]
    (job,) = services.store.jobs_since(runner.id, 0)
    assert job.ended_at is not None
    assert runner.created_at < job.started_at <= job.ended_at
    return job


def at_work(services: Services, sandbox: Sandbox, runner: Runner, *, then: str = "true") -> int:
    """The number of a job that lasts until ``go`` is there."""
    go = services.settings.state_dir.parent / "go"
    script = f"while [ ! -e {go} ]; do sleep 0.02; done; {then}"
    job = sandbox.submit_job(REPO, [runner.name], [{"run": script}])
    until(lambda: routed.observe(services, runner).jobs_run == len(sandbox.jobs()))
    until(lambda: routed.observe(services, runner).job and routed.working(services, runner))
    return job


@pytest.mark.parametrize(("script", "result"), [("true", "succeeded"), ("exit 1", "failed")])
def test_the_job_of_an_ephemeral_runner_is_kept_with_its_result(
    services: Services, host: Host, sandbox: Sandbox, script: str, result: str
) -> None:
    runner = create(services, host.spec("once"), wait=core.Wait.ONLINE)
    sandbox.submit_job(REPO, ["once"], [{"run": script}])
    job = ended(services, runner)
    assert (job.name, job.result, job.result_from, job.reason) == ("build", result, "listener", None)


def test_a_job_that_github_cancelled_says_so(services: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(services, host.spec("once"), wait=core.Wait.ONLINE)
    sandbox.cancel_job(at_work(services, sandbox, runner))
    job = ended(services, runner)
    assert (job.result, job.result_from, job.reason) == ("cancelled", "listener", "it was cancelled at GitHub")


def test_what_a_job_says_in_its_listeners_name_is_not_its_result(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    runner = create(services, host.spec("forger"), wait=core.Wait.ONLINE)
    at_work(services, sandbox, runner, then="exit 1")
    forge(host, runner, *FORGERY)
    (host.top / "go").touch()
    job = ended(services, runner)
    assert (job.name, job.result, job.result_from) == ("build", "failed", "listener")


@pytest.mark.persistent
def test_what_a_job_says_of_its_end_too_soon_is_put_right_by_its_listener(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    runner = create(services, host.spec("lasting", ephemeral=False), wait=core.Wait.ONLINE)
    at_work(services, sandbox, runner, then="exit 1")
    forge(host, runner, *FORGERY)
    (host.top / "go").touch()
    until(lambda: "result: Failed" in log_of(host, runner))
    until(lambda: core.reconcile_runner(services, runner.id) and services.store.last_job(runner.id))
    (job,) = services.store.jobs_since(runner.id, 0)
    assert (job.name, job.result, job.result_from) == ("build", "failed", "log")


def kill_worker(_: Host, runner: Runner) -> None:
    os.kill(process_of(runner, "Worker"), signal.SIGKILL)


def kill_listener(_: Host, runner: Runner) -> None:
    os.kill(process_of(runner, "Listener"), signal.SIGKILL)


def kill_all(host: Host, runner: Runner) -> None:
    """Its supervisor first: nobody lives to write anything down."""
    marked = processes.marked(runner.id)
    for pid in sorted(host.processes(), key=marked.__contains__):
        os.kill(pid, signal.SIGKILL)


KILLED = {
    kill_worker: ("failed", None),
    kill_listener: (None, "its Listener ended: killed, or out of memory"),
    kill_all: (None, "its processes were killed, and nobody saw how it ended"),
}


@pytest.mark.parametrize("kill", KILLED, ids=lambda kill: kill.__name__)
def test_a_job_whose_processes_are_killed_has_no_result_but_the_listeners(
    services: Services, host: Host, sandbox: Sandbox, kill: Callable[[Host, Runner], None]
) -> None:
    runner = create(services, host.spec("killed"), wait=core.Wait.ONLINE)
    at_work(services, sandbox, runner)
    forge(host, runner, FORGERY[0])
    kill(host, runner)
    (host.top / "go").touch()
    until(lambda: routed.observe(services, runner).gone and not routed.working(services, runner))
    core.reconcile_runner(services, runner.id)
    job = ended(services, runner)
    assert (job.result, job.reason) == KILLED[kill]


def test_a_job_that_a_removal_cancels_names_it(services: Services, host: Host, sandbox: Sandbox) -> None:
    runner = create(services, host.spec("cut"), wait=core.Wait.ONLINE)
    at_work(services, sandbox, runner)
    remove(services, "cut", force=True)
    assert ended(services, runner).reason == "its runner was removed by a command"


@pytest.mark.persistent
def test_each_job_of_a_persistent_runner_is_kept_and_its_result_is_the_logs_word(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    """Nobody looks while they run, and the last is cut short."""
    runner = create(services, host.spec("lasting", ephemeral=False), wait=core.Wait.ONLINE)
    for script in ("true", "exit 1", "true"):
        sandbox.wait_job(sandbox.submit_job(REPO, ["lasting"], [{"run": script}]))
    at_work(services, sandbox, runner)
    stop(services, "lasting", now=True)
    told = [(job.result, job.result_from, job.reason) for job in services.store.jobs_since(runner.id, 0)]
    assert told == [
        ("succeeded", "log", None),
        ("failed", "log", None),
        ("succeeded", "log", None),
        ("cancelled", "log", "its runner was stopped by a command"),
    ]


@pytest.fixture
def typed(host: Host, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are typed on this host."""
    for name, value in host.environment().items():
        monkeypatch.setenv(name, value)


def completed(sandbox: Sandbox, script: str) -> Ran:
    sandbox.submit_job(REPO, ["once"], [{"run": script}])
    return run_here("create", "once", "--repo", REPO, "--wait", "completed", "-o", "json")


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(("script", "status", "result"), [("true", 0, "succeeded"), ("exit 1", 11, "failed")])
def test_who_waits_for_the_end_of_a_runner_is_told_how_its_job_ended(
    sandbox: Sandbox, script: str, status: int, result: str
) -> None:
    ran = completed(sandbox, script)
    assert (ran.status, ran.document["last_job"]["result"]) == (status, result), ran
    assert f"Job build: {result}" in ran.stderr
    seen = run_here("status", "once", "-o", "json")
    assert (seen.status, seen.document["last_job"]) == (5, ran.document["last_job"])
    assert run_here("list", "--all").rows[0]["LAST_JOB"] == f"build: {result}"
    assert run_here("status", "once").rows[0]["LAST_JOB"] == f"build: {result}"


@pytest.mark.usefixtures("typed")
def test_a_runner_that_ends_without_a_job_is_no_job_that_failed(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    argv = [sys.executable, "-m", "runnerctl", "create", "once", "--repo", REPO, "--wait", "completed"]
    with subprocess.Popen(argv, env=host.environment(), stderr=subprocess.PIPE, text=True) as waiting:
        sandbox.wait_runner("once")
        remove(services, "once")
        _, said = waiting.communicate(timeout=60)
    assert (waiting.returncode, "was removed before it completed" in said) == (8, True), said


@pytest.mark.usefixtures("typed")
def test_a_job_says_itself_where_it_comes_from_while_it_runs_and_after(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    runner = create(services, host.spec("told"), wait=core.Wait.ONLINE)
    at_work(services, sandbox, runner)
    shown = until(lambda: (job := run_here("status", "told", "-o", "json").document["job"])["repository"] and job)
    assert (shown["name"], shown["repository"]) == ("build", REPO)
    assert all((shown["workflow"], shown["run_id"], shown["run_attempt"]))
    assert run_here("status", "told").rows[0]["JOB"].startswith(f"build (named by its log), says it is from {REPO} ")
    (host.top / "go").touch()
    job = ended(services, runner)
    assert (job.repository, job.workflow, job.run_id) == (REPO, shown["workflow"], shown["run_id"])
    told = run_here("status", "told", "-o", "json").document["last_job"]
    assert told["told_by"] == {"result": "listener", "name": "log", "origin": "job"}
