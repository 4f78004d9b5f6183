"""The sixteen situations in which the real runner was recorded, for a stand-in runner to live through."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.sandboxes.listener import rest
from tests.support.sandboxes.records import Call, record
from tests.support.sandboxes.standin import PACE, STAMP, StandIn, until
from tests.support.sandboxes.tap import TappedSandbox

REPOSITORY = "octo-org/octo-repo"
EVERY_PROGRAM = {"ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": "1"}


@dataclass(kw_only=True)
class Lived:
    """What a stand-in did in a situation."""

    calls: tuple[Call, ...]
    lines: list[str]
    exit_code: int | None
    """None for one that is still there."""
    root: Path


class Situation:
    def __init__(self, name: str, runner: StandIn, sandbox: TappedSandbox) -> None:
        self.name = name
        self.record = record(name)
        self.runner = runner
        self.sandbox = sandbox
        self.agent = next(call.body["agent"]["name"] for call in self.record if call.path.endswith("/session"))
        self._jobs = [call.answer for call in self.record if call.path.endswith("/acquirejob")]

    def live(self) -> Lived:
        scene = _SCENES.get(self.name, _one_job)
        code = scene(self)
        if code is not None:
            until(lambda: all(call.status != "" for call in self.sandbox.tap.calls()))
        return Lived(
            calls=tuple(self.sandbox.tap.calls()), lines=list(self.runner.seen), exit_code=code, root=self.runner.root
        )

    # Beginnings.

    def submit(self, index: int = 0) -> int:
        """The recorded job, spelled as in a workflow."""
        message = self._jobs[index]
        steps = [_as_written(step) for step in message["steps"]]
        env = {pair["Key"]: pair["Value"] for token in message["environmentVariables"] for pair in token["map"]}
        may = "GenerateIdTokenUrl" in message["resources"]["endpoints"][0]["data"]
        permissions = {"id-token": "write"} if may else {}
        return self.sandbox.submit_job(REPOSITORY, self.agent, steps, env=env, permissions=permissions)

    def start(self, **environment: str) -> None:
        """By a JIT configuration, and with a ``sleep`` of the same pace in front of all programs."""
        body = {"name": self.agent, "runner_group_id": 1, "labels": [self.agent]}
        path = f"/repos/{REPOSITORY}/actions/runners/generate-jitconfig"
        blob = rest(self.sandbox, "POST", path, body).json()["encoded_jit_config"]
        for name, content in json.loads(base64.b64decode(blob)).items():
            (self.runner.root / name).write_bytes(base64.b64decode(content))
        self.run(**environment)

    def run(self, **environment: str) -> None:
        programs = slow_clock(self.runner.root)
        path = f"{programs}:{os.environ['PATH']}"
        self.runner.start("run", "--startuptype", "service", PATH=path, **EVERY_PROGRAM, **environment)

    # Moments.

    def until_listening(self) -> None:
        self.runner.line(STAMP + "Listening for Jobs")

    def until_completed(self) -> None:
        self.runner.line(STAMP + r"Job build completed with result: \w+")

    def until_idle(self, *, jobs: int) -> None:
        """So many jobs are done, and it asks for the next."""

        def seen() -> bool:
            calls = self.sandbox.tap.calls()
            ends = [call.number for call in calls if call.path.endswith("/completejob")]
            asks = [call for call in calls if call.path.endswith("/message") and call.query["status"] == "Online"]
            # That the poll before was hung up may reach the tap after the next one.
            open_calls = [call.number for call in calls if call.status == ""]
            return len(ends) == jobs and bool(asks) and open_calls == [asks[-1].number] and asks[-1].number > ends[-1]

        until(seen)

    def until_step_runs(self, job: int) -> None:
        """And the server was told: three seconds of the recorded clock are enough for that."""
        until(lambda: "start" in self.sandbox.job(job).lines)
        self.sandbox.tap.wait_for("POST", "/CreateStepLogsMetadata", answered=True)


def _one_job(situation: Situation) -> int:
    situation.submit()
    situation.start()
    return situation.runner.exit_code()


def _cancelled(situation: Situation) -> int:
    job = situation.submit()
    situation.start()
    situation.until_step_runs(job)
    situation.sandbox.cancel_job(job)
    return situation.runner.exit_code()


def _without_acknowledgement(situation: Situation) -> int:
    situation.sandbox.should_acknowledge = False
    return _one_job(situation)


def _without_fips(situation: Situation) -> int:
    situation.sandbox.require_fips = False
    return _one_job(situation)


def _interrupted_idle(situation: Situation) -> int:
    situation.start()
    situation.until_listening()
    situation.sandbox.tap.wait_for("GET", "/message")
    situation.runner.signal(signal.SIGINT)
    return situation.runner.exit_code()


def _interrupted(situation: Situation) -> int:
    job = situation.submit()
    situation.start()
    situation.until_step_runs(job)
    situation.runner.signal(signal.SIGINT)
    return situation.runner.exit_code()


def _listener_killed(situation: Situation) -> int:
    job = situation.submit()
    situation.start()
    situation.until_step_runs(job)
    situation.runner.signal(signal.SIGKILL)
    code = situation.runner.exit_code()
    situation.sandbox.wait_job(job)
    until(lambda: not situation.runner.workers())
    return code


def _worker_killed(situation: Situation) -> int:
    job = situation.submit()
    situation.start()
    situation.until_step_runs(job)
    os.kill(situation.runner.worker(), signal.SIGKILL)
    return situation.runner.exit_code()


def _deregistered(situation: Situation) -> int:
    situation.start()
    situation.until_listening()
    situation.sandbox.tap.wait_for("GET", "/message")
    runner = situation.sandbox.wait_runner(situation.agent)
    situation.sandbox.delete_runner(runner.id)
    return situation.runner.exit_code()


def _too_old(situation: Situation) -> int:
    """By the first poll that says "Busy", which comes just after the Worker was started."""

    def age() -> None:
        situation.runner.worker()
        situation.sandbox.minimum_version = "9.9.9"

    tap = situation.sandbox.tap
    tap.before("POST", "/acquirejob", lambda: tap.before("GET", "/message", age))
    return _one_job(situation)


def _conflict(situation: Situation) -> int:
    """The first Listener holds the session; what is compared is the second, for the three tries of 70 s."""
    first = StandIn(situation.runner.root)
    with contextlib.closing(first):
        mine, situation.runner = situation.runner, first
        situation.start()
        situation.until_listening()
        situation.sandbox.tap.wait_for("GET", "/message")
        situation.runner = mine
        situation.run()
        for _ in range(3):
            mine.line("A session for this runner already exists.")
        mine.signal(signal.SIGINT)
        return mine.exit_code()


def _configured(situation: Situation, scope: str, label: str) -> None:
    url = f"{situation.sandbox.tap.url}/{scope}"
    kind = "repos" if "/" in scope else "orgs"
    answer = rest(situation.sandbox, "POST", f"/{kind}/{scope}/actions/runners/registration-token")
    done = situation.runner.configure(
        "--unattended", "--url", url, "--name", label, "--labels", f"self-hosted,linux,x64,{label}",
        "--no-default-labels", "--disableupdate", ACTIONS_RUNNER_INPUT_TOKEN=answer.json()["token"],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _persistent(situation: Situation) -> None:
    _configured(situation, REPOSITORY, situation.agent)
    situation.run()
    for index in range(2):
        situation.submit(index)
        situation.until_completed()
    situation.until_idle(jobs=2)
    situation.runner.signal(signal.SIGINT)
    situation.runner.exit_code()
    situation.run()
    situation.until_listening()
    situation.submit(2)
    situation.until_completed()
    situation.until_idle(jobs=3)


def _persistent_in_organization(situation: Situation) -> None:
    _configured(situation, "octo-org", situation.agent)
    situation.submit()
    situation.run()
    situation.until_completed()
    situation.until_idle(jobs=1)


_SCENES: dict[str, Callable[[Situation], int | None]] = {
    "cancelled-from-github": _cancelled,
    "config-sh": _persistent,
    "config-sh-org": _persistent_in_organization,
    "deregistered-idle": _deregistered,
    "listener-killed-in-a-job": _listener_killed,
    "no-acknowledge": _without_acknowledgement,
    "rs256": _without_fips,
    "session-conflict": _conflict,
    "sigint-idle": _interrupted_idle,
    "sigint-in-a-job": _interrupted,
    "too-old": _too_old,
    "worker-killed-in-a-job": _worker_killed,
}
"""The others are one job that nothing disturbs."""


def _as_written(step: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if step["reference"]["type"] == "script":
        written["run"] = next(pair["Value"] for pair in step["inputs"]["map"] if pair["Key"] == "script")
    else:
        written["uses"] = f"{step['reference']['name']}@{step['reference']['ref']}"
    if "displayNameToken" in step:
        written["name"] = step["displayNameToken"]
    if step["condition"] != "success()":
        written["if"] = step["condition"]
    return written


def recorded_actions(directory: Path) -> dict[str, Path]:
    """The two actions that the recorded jobs used."""
    checkout = {
        "name": "checkout",
        "runs": {"using": "composite", "steps": [{"shell": "bash", "run": _CHECKOUT}]},
    }
    js = {"name": "js", "runs": {"using": "node24", "main": "main.js", "post": "post.js"}}
    for name, definition in (("checkout", checkout), ("js", js)):
        (directory / name).mkdir()
        (directory / name / "action.yml").write_text(json.dumps(definition))
    (directory / "js/main.js").write_text(_MAIN)
    (directory / "js/post.js").write_text("console.log(`js post ${process.env.STATE_n}`)\n")
    return {"actions/checkout": directory / "checkout", "octo/js": directory / "js"}


_CHECKOUT = (
    "echo checked out $GITHUB_REPOSITORY into $PWD; printf 'build:\\n\\t@echo built\\n' > Makefile"  # as recorded
)
_MAIN = """\
require('fs').appendFileSync(process.env.GITHUB_STATE, 'n=2\\n')
console.log(`js main ${process.version} ${process.execPath}`)
"""


def slow_clock(root: Path) -> Path:
    """A directory with a ``sleep`` that sleeps at our pace: so scripts are run as they were recorded."""
    programs = root / "programs"
    programs.mkdir(exist_ok=True)
    program = programs / "sleep"
    # A table: on a loaded machine a program that calculates would take longer than it is to sleep.
    cases = "\n".join(f"{each:g}) exec /bin/sleep {each * PACE:g} ;;" for each in (0.5, 1, 6, 8, 30, 60))
    program.write_text(f"#!/bin/sh\ncase $1 in\n{cases}\nesac\nexit 64\n")
    program.chmod(0o755)
    return programs
