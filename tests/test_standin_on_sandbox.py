"""The stand-in runner on the sandbox, with nothing of ours between them: REST, broker and jobs over real HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from runnerctl.sandbox import Sandbox

pytestmark = pytest.mark.timeout(40)
REPO = "octo-org/tool"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def github() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def root(archive: Path, tmp_path: Path) -> Path:
    with tarfile.open(archive) as package:
        package.extractall(tmp_path / "runner", filter="data")
    return tmp_path / "runner"


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Start a program of the package; what it says is read with ``said``."""
    started: list[subprocess.Popen[str]] = []

    def run(*argv: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(root / argv[0]), *argv[1:]], cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={"PATH": os.environ["PATH"], "RUNNER_ALLOW_RUNASROOT": "1", **environment},
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> list[str]:
    output, _ = process.communicate(timeout=20)
    return output.splitlines()


def as_app(github: Sandbox, method: str, path: str, token: str = "", **body: Any) -> Any:
    """A REST call: with the App's own signature when no installation token is given."""
    now = int(time.time())
    signed = jwt.encode({"iss": str(github.app_id), "iat": now - 30, "exp": now + 300}, github.private_key_pem, "RS256")
    headers = {"Authorization": f"Bearer {token or signed}", "Accept": "application/vnd.github+json"}
    answer = requests.request(method, github.api_url + path, headers=headers, json=body or None, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


def installation_token(github: Sandbox) -> str:
    installation = as_app(github, "GET", f"/repos/{REPO}/installation")
    token: str = as_app(github, "POST", f"/app/installations/{installation['id']}/access_tokens")["token"]
    return token


def jitconfig(github: Sandbox, name: str, *labels: str) -> str:
    token = installation_token(github)
    path = f"/repos/{REPO}/actions/runners/generate-jitconfig"
    made = as_app(github, "POST", path, token, name=name, runner_group_id=1, labels=["self-hosted", name, *labels])
    blob: str = made["encoded_jit_config"]
    return blob


def test_a_jit_runner_does_its_job_and_its_registration_is_gone(github: Sandbox, start: Start) -> None:
    process = start("bin/Runner.Listener", "run", ACTIONS_RUNNER_INPUT_JITCONFIG=jitconfig(github, "one"))
    github.wait_runner("one")
    steps = [{"uses": "actions/checkout@v4"}, {"name": "Build", "run": "cat greeting; echo on $RUNNER_NAME"}]
    job = github.submit_job(REPO, ["self-hosted", "one"], steps, files={"greeting": "hello\n"})
    done = github.wait_job(job)
    assert done.conclusion == "success"
    assert "hello" in done.lines
    assert "on one" in done.lines
    output = said(process)
    assert process.returncode == 0
    assert output[-3].endswith("Job build completed with result: Succeeded")
    github.wait_runner_gone("one")


def test_a_job_canceled_on_the_server_ends_on_the_runner(github: Sandbox, start: Start) -> None:
    process = start("bin/Runner.Listener", "run", ACTIONS_RUNNER_INPUT_JITCONFIG=jitconfig(github, "two"))
    job = github.submit_job(REPO, ["two"], [{"run": "exec sleep 300"}])
    github.wait_job_started(job)
    github.cancel_job(job)
    assert any(line.endswith("completed with result: Canceled") for line in said(process))
    assert github.wait_job(job).conclusion == "cancelled"


def test_a_stopped_runner_is_offline_and_stays_registered(github: Sandbox, start: Start) -> None:
    process = start("bin/Runner.Listener", "run", ACTIONS_RUNNER_INPUT_JITCONFIG=jitconfig(github, "three"))
    assert process.stdout is not None
    # Stopped before it heard of its session, it could not close it, and GitHub would wait for it a minute.
    while "Listening for Jobs" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert said(process)[-1] == "Exiting..."
    github.wait_runner("three", status="offline")


def test_a_deleted_registration_ends_an_idle_runner(github: Sandbox, start: Start) -> None:
    process = start("bin/Runner.Listener", "run", ACTIONS_RUNNER_INPUT_JITCONFIG=jitconfig(github, "four"))
    github.delete_runner(github.wait_runner("four").id)
    assert "The runner no longer exists on the server. Cleaning up local configuration." in said(process)
    assert process.returncode == 0


def test_a_deleted_registration_cannot_be_started(github: Sandbox, start: Start) -> None:
    blob = jitconfig(github, "five")
    for runner in github.runners():
        github.delete_runner(runner.id)
    process = start("bin/Runner.Listener", "run", ACTIONS_RUNNER_INPUT_JITCONFIG=blob)
    assert said(process)[-1].startswith("Failed to create a session. The runner registration has been deleted")
    assert process.returncode == 1


def test_a_second_process_of_one_registration_meets_a_conflict(github: Sandbox, start: Start) -> None:
    blob = jitconfig(github, "six")
    start("bin/Runner.Listener", "run", ACTIONS_RUNNER_INPUT_JITCONFIG=blob)
    github.wait_runner("six")
    second = start(
        "bin/Runner.Listener", "run", ACTIONS_RUNNER_INPUT_JITCONFIG=blob, RUNNER_STANDIN_RETRY_SECONDS="0.02"
    )
    assert said(second)[-1].startswith("Stop retry on SessionConflictException")
    assert second.returncode == 5


def test_a_persistent_runner_is_configured_runs_jobs_and_is_removed(github: Sandbox, start: Start) -> None:
    token = installation_token(github)
    made = as_app(github, "POST", f"/repos/{REPO}/actions/runners/registration-token", token)["token"]
    words = ("--unattended", "--url", f"{github.server_url}/{REPO}", "--name", "seven", "--labels", "seven")
    configured = start("config.sh", *words, ACTIONS_RUNNER_INPUT_TOKEN=made)
    assert "√ Runner successfully added" in said(configured)
    process = start("bin/Runner.Listener", "run")
    for _ in range(2):
        job = github.submit_job(REPO, ["seven"], [{"run": "true"}])
        assert github.wait_job(job).conclusion == "success"
    process.send_signal(signal.SIGINT)
    said(process)
    made = as_app(github, "POST", f"/repos/{REPO}/actions/runners/remove-token", token)["token"]
    removed = start("config.sh", "remove", ACTIONS_RUNNER_INPUT_TOKEN=made)
    assert said(removed)[0] == "√ Runner removed successfully"
    github.wait_runner_gone("seven")
