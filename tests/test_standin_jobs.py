"""The stand-in runner runs jobs, and ends them early, as GitHub's does."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from runnerctl.core import processes

from .scripted_broker import ScriptedBroker
from .standin import STAMP, StandIn, until

pytest_plugins = ("tests.standin_fixtures",)
pytestmark = pytest.mark.timeout(30)


def test_an_ephemeral_runner_does_one_job_and_is_gone(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening()
    broker.queue("echo hello from $RUNNER_NAME in $GITHUB_REPOSITORY; pwd")
    runner.line(STAMP + "Running job: build")
    runner.line(STAMP + "Job build completed with result: Succeeded")
    assert runner.exit_code() == 0
    assert runner.seen[-2:] == ["√ Removed .credentials", "√ Removed .runner"]
    assert not list(runner.root.glob(".[rc]*"))
    assert "hello from n in octo/tool" in broker.output()
    assert str(runner.root / "_work/tool/tool") in broker.output()
    assert [body["conclusion"] for body in broker.bodies("completejob")] == ["succeeded"]
    assert list(runner.root.glob("_diag/Runner_*-utc.log"))
    assert list(runner.root.glob("_diag/Worker_*-utc.log"))


def test_its_registration_may_go_before_its_worker_does(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening()
    job = broker.queue("sleep 0.3")
    broker.wait_for("acquirejob")
    broker.script["message"] = [(404, {"errorKind": "RunnerNotFound"})]
    broker.send("JobCancellation", {"jobId": f"not {job}"})
    runner.line(STAMP + "Job build completed with result: Succeeded")
    assert runner.exit_code() == 0


def test_a_failing_step_fails_the_job_and_ends_it(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    broker.queue("false; echo unseen", "echo never")
    runner.line(STAMP + "Job build completed with result: Failed")
    assert broker.wait_for("completejob")["conclusion"] == "failed"
    assert "##[error]Process completed with exit code 1." in broker.output()
    assert not {"unseen", "never"} & set(broker.output())


def test_a_persistent_runner_takes_the_next_job(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening(settings={"Ephemeral": "False"})
    for _ in range(2):
        broker.queue("true")
        runner.line(STAMP + "Job build completed with result: Succeeded")
    runner.signal(signal.SIGINT)
    assert runner.exit_code() == 0
    assert (runner.root / ".runner").exists()


def test_a_job_that_comes_early_is_begun_after_the_one_that_runs(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening(settings={"Ephemeral": "False"})
    broker.queue("sleep 0.3", jobDisplayName="first")
    broker.wait_for("acquirejob")
    broker.queue("true", jobDisplayName="second")
    runner.line(STAMP + "Job first completed with result: Succeeded")
    runner.line(STAMP + "Running job: second")
    runner.line(STAMP + "Job second completed with result: Succeeded")


def test_steps_leave_word_for_each_other(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    first = """echo COLOUR=green >> $GITHUB_ENV
printf 'POEM<<END\\ntwo\\nlines\\nEND\\n' >> $GITHUB_ENV
mkdir tools; printf '#!/bin/sh\\necho found\\n' > tools/finder; chmod +x tools/finder
echo $PWD/tools >> $GITHUB_PATH
echo answer=42 >> $GITHUB_OUTPUT"""
    broker.queue(files={"Makefile": "all:\n"}, steps=[
        {"uses": "actions/checkout@v4"},
        {"run": first},
        {"run": 'echo "$COLOUR $POEM"; finder; cat Makefile; echo $EXTRA', "env": {"EXTRA": "step only"}},
    ])  # fmt: skip
    runner.line(STAMP + "Job build completed with result: Succeeded")
    assert broker.output()[-5:] == ["green two", "lines", "found", "all:", "step only"]


def test_other_actions_are_refused(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    broker.queue(steps=[{"uses": "actions/setup-node@v4"}])
    runner.line(STAMP + "Job build completed with result: Failed")
    assert "##[error]Action 'actions/setup-node@v4' is not supported by the sandbox" in broker.output()


def test_jobs_do_not_inherit_what_was_meant_for_the_runner(
    listening: Callable[..., StandIn], broker: ScriptedBroker, runner: StandIn
) -> None:
    (runner.root / ".env").write_text("FROM_FILE=yes\nLANG=C\n")
    listening()
    broker.queue("env")
    runner.line(STAMP + "Job build completed with result: Succeeded")
    seen = broker.output()
    assert "FROM_FILE=yes" in seen
    assert not [line for line in seen if "ACTIONS_RUNNER_INPUT" in line]
    assert {"CI=true", "GITHUB_ACTIONS=true", "GITHUB_RUN_ID=7", "RUNNER_OS=Linux"} <= set(seen)


def test_hooks_run_around_the_job(listening: Callable[..., StandIn], broker: ScriptedBroker, tmp_path: Path) -> None:
    for name in ("started", "completed"):
        (tmp_path / f"{name}.sh").write_text(f"echo hook {name} of $GITHUB_REPOSITORY\n")
    runner = listening(
        ACTIONS_RUNNER_HOOK_JOB_STARTED=str(tmp_path / "started.sh"),
        ACTIONS_RUNNER_HOOK_JOB_COMPLETED=str(tmp_path / "completed.sh"),
    )
    broker.queue("echo job")
    runner.line(STAMP + "Job build completed with result: Succeeded")
    said = [line for line in broker.output() if not line.startswith("##")]
    assert said == ["hook started of octo/tool", "job", "hook completed of octo/tool"]


def test_a_hook_sees_the_event_and_a_workflow_can_neither_hide_it_nor_reach_the_hook(
    listening: Callable[..., StandIn], broker: ScriptedBroker, tmp_path: Path
) -> None:
    """As with the real runner: what a workflow says of its environment is for its steps, and not of GITHUB_ names."""
    (tmp_path / "started.sh").write_text('echo "$GITHUB_EVENT_NAME $(cat $GITHUB_EVENT_PATH) ${MINE:-unset}"; exit 3\n')
    runner = listening(ACTIONS_RUNNER_HOOK_JOB_STARTED=str(tmp_path / "started.sh"))
    env = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": "/dev/null", "MINE": "set", "CI": "no"}
    steps = [{"run": "echo plain"}, {"run": "echo $MINE $CI $GITHUB_EVENT_NAME", "if": "always()"}]
    broker.queue(steps=steps, env=env, eventName="pull_request", event={"number": 7})
    runner.line(STAMP + "Job build completed with result: Failed")
    said = [line for line in broker.output() if not line.startswith("##")]
    assert said == ['pull_request {"number":7} unset', "set no pull_request"]


def test_what_steps_left_running_is_ended(
    listening: Callable[..., StandIn], broker: ScriptedBroker, tmp_path: Path
) -> None:
    runner = listening()
    broker.queue(f"setsid sleep 300 > /dev/null 2>&1 & echo $! > {tmp_path}/pid; sleep 0.1")
    runner.line(STAMP + "Job build completed with result: Succeeded")
    pid = int((tmp_path / "pid").read_text())
    until(lambda: processes.identify(pid) is None)


# Ending a job early.


def test_sigint_cancels_the_running_job(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    broker.queue("echo begun; exec sleep 300", "echo never")
    broker.wait_for("joblog", lambda body: "begun" in body["lines"])
    assert len(runner.workers()) == 1
    runner.signal(signal.SIGINT)
    runner.line(re.escape("Exiting..."))
    runner.line(STAMP + "Job build completed with result: Canceled")
    assert runner.exit_code() == 0
    assert broker.wait_for("completejob")["conclusion"] == "failed", "GitHub hears of a failure, as from the real one"
    assert any("received a shutdown signal" in line for line in broker.output())
    assert broker.bodies("DELETE session")
    assert (runner.root / ".runner").exists()


def test_the_server_can_cancel_the_job(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    job = broker.queue("echo begun; exec sleep 300")
    broker.wait_for("joblog", lambda body: "begun" in body["lines"])
    broker.send("JobCancellation", {"jobId": job})
    runner.line(STAMP + "Job build completed with result: Canceled")
    assert broker.wait_for("completejob")["conclusion"] == "canceled"


def test_a_step_that_ignores_signals_is_killed_with_all_it_started(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening(RUNNER_STANDIN_PATIENCE="0.01")
    broker.queue("trap '' INT TERM; echo begun; sleep 301 & sleep 302; sleep 303")
    broker.wait_for("joblog", lambda body: "begun" in body["lines"])
    (worker,) = runner.workers()
    until(lambda: len(processes.descendants(worker)) == 3)
    steps = processes.descendants(worker)
    runner.signal(signal.SIGINT)
    runner.line(STAMP + "Job build completed with result: Canceled")
    assert "##[error]Process completed with exit code 137." in broker.output()
    until(lambda: not any(map(processes.identify, steps)))


def test_the_worker_outlives_a_killed_listener(
    listening: Callable[..., StandIn], broker: ScriptedBroker, tmp_path: Path
) -> None:
    runner = listening()
    broker.queue(f"echo begun; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo finished")
    broker.wait_for("joblog", lambda body: "begun" in body["lines"])
    runner.signal(signal.SIGKILL)
    assert runner.exit_code() == -signal.SIGKILL
    assert len(runner.workers()) == 1
    (tmp_path / "go").touch()
    assert broker.wait_for("completejob")["conclusion"] == "succeeded"
    until(lambda: not runner.workers())


def test_a_worker_that_crashes_fails_its_job(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    broker.queue("echo begun; exec sleep 300")
    broker.wait_for("joblog", lambda body: "begun" in body["lines"])
    (worker,) = runner.workers()
    steps = processes.descendants(worker)
    os.kill(worker, signal.SIGKILL)
    runner.line(STAMP + "Job build completed with result: Failed")
    assert broker.wait_for("completejob")["conclusion"] == "failed"
    assert steps
    for step in steps:  # nobody cleans up after a crashed Worker, neither does the real one
        os.kill(step, signal.SIGKILL)
