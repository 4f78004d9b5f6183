"""The stand-in runner on the sandbox: registered by an App and by config.sh; stopped, deleted, twice at once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from runnerctl.sandbox import Sandbox
from tests.support.hosts.loopback import place
from tests.support.sandboxes.listener import rest
from tests.support.sandboxes.standin import PACE, STAMP, StandIn

pytest_plugins = ("tests.support.sandboxes.standin_fixtures",)
pytestmark = [pytest.mark.timeout(40), pytest.mark.long]
REPO = "octo-org/tool"
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: config.sh drops the port")
Open = Callable[..., Sandbox]


@pytest.fixture
def open_sandbox(tmp_path: Path) -> Iterator[Open]:
    started: list[Sandbox] = []

    def start(host: str = "127.0.0.1", port: int = 0) -> Sandbox:
        archive = tmp_path / "no-package"
        archive.write_bytes(b"none")
        started.append(Sandbox(host, port, archive=archive, strict=True, poll_seconds=50 * PACE))
        started[-1].start()
        return started[-1]

    yield start
    for sandbox in started:
        sandbox.stop()
        assert sandbox.violations == []


@pytest.fixture
def github(open_sandbox: Open) -> Sandbox:
    return open_sandbox()


@pytest.fixture
def portless(open_sandbox: Open) -> Sandbox:
    """One that names itself without a port."""
    return open_sandbox(**place())


def as_app(github: Sandbox, method: str, path: str, token: str = "", **body: Any) -> Any:
    """A REST call: with the App's own signature when no installation token is given."""
    now = int(time.time())
    signed = jwt.encode({"iss": str(github.app_id), "iat": now - 30, "exp": now + 300}, github.private_key_pem, "RS256")
    headers = {"Authorization": f"Bearer {token or signed}", "Accept": "application/vnd.github+json"}
    answer = requests.request(method, github.api_url + path, headers=headers, json=body or None, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


def jitconfig(github: Sandbox, name: str) -> str:
    installation = as_app(github, "GET", f"/repos/{REPO}/installation")
    token = as_app(github, "POST", f"/app/installations/{installation['id']}/access_tokens")["token"]
    path = f"/repos/{REPO}/actions/runners/generate-jitconfig"
    made = as_app(github, "POST", path, token, name=name, runner_group_id=1, labels=["self-hosted", name])
    blob: str = made["encoded_jit_config"]
    return blob


def test_a_jit_runner_does_its_job_and_its_registration_is_gone(github: Sandbox, runner: StandIn) -> None:
    runner.start("run", ACTIONS_RUNNER_INPUT_JITCONFIG=jitconfig(github, "one"))
    github.wait_runner("one")
    steps = [{"uses": "actions/checkout@v4"}, {"name": "Build", "run": "cat greeting; echo on $RUNNER_NAME"}]
    job = github.submit_job(REPO, ["self-hosted", "one"], steps, files={"greeting": "hello\n"})
    done = github.wait_job(job)
    assert done.conclusion == "success"
    assert {"hello", "on one"} <= set(done.lines)
    assert runner.exit_code() == 0
    assert runner.seen[-3].endswith("Job build completed with result: Succeeded")
    github.wait_runner_gone("one")


def test_a_stopped_runner_is_offline_and_stays_registered(github: Sandbox, runner: StandIn) -> None:
    runner.start("run", ACTIONS_RUNNER_INPUT_JITCONFIG=jitconfig(github, "three"))
    runner.line(STAMP + "Listening for Jobs")
    runner.signal(signal.SIGINT)
    assert runner.exit_code() == 0
    assert runner.seen[-1] == "Exiting..."
    github.wait_runner("three", status="offline")


def test_a_deleted_registration_cannot_be_started(github: Sandbox, runner: StandIn) -> None:
    blob = jitconfig(github, "five")
    for each in github.runners():
        github.delete_runner(each.id)
    runner.start("run", ACTIONS_RUNNER_INPUT_JITCONFIG=blob)
    assert runner.exit_code() == 1
    assert runner.seen[-1].startswith("Failed to create a session. The runner registration has been deleted")


def test_a_second_process_of_one_registration_gives_up_after_four_minutes_of_its_clock(
    github: Sandbox, runner: StandIn
) -> None:
    blob = jitconfig(github, "six")
    runner.start("run", ACTIONS_RUNNER_INPUT_JITCONFIG=blob)
    runner.line(STAMP + "Listening for Jobs")
    second = StandIn(runner.root).start("run", STANDIN_PACE="0.005")
    try:
        assert second.exit_code() == 5
    finally:
        second.close()
    assert second.seen[-2].startswith("Stop retry on SessionConflictException")
    assert sum(line == "A session for this runner already exists." for line in second.seen) == 8


# config.sh.


def token(github: Sandbox, kind: str = "registration") -> str:
    answer = rest(github, "POST", f"/repos/{REPO}/actions/runners/{kind}-token")
    value: str = answer.json()["token"]
    return value


def configure(github: Sandbox, runner: StandIn, *words: str, name: str = "seven") -> Any:
    given = ("--unattended", "--url", f"{github.server_url}/{REPO}", "--name", name, *words)
    return runner.configure(*given, ACTIONS_RUNNER_INPUT_TOKEN=token(github))


@ROOT_ONLY
def test_a_persistent_runner_is_configured_runs_jobs_and_is_removed(portless: Sandbox, runner: StandIn) -> None:
    configured = configure(portless, runner, "--labels", "seven, Fast", "--runnergroup", "Default")
    assert "√ Runner successfully added" in configured.stdout.splitlines()
    registered = portless.wait_runner("seven", status="offline")
    assert {"self-hosted", "linux", "x64", "seven", "fast"} == {label.lower() for label in registered.labels}
    runner.start("run")
    for _ in range(2):
        job = portless.submit_job(REPO, ["seven"], [{"run": "true"}])
        assert portless.wait_job(job).conclusion == "success"
    runner.signal(signal.SIGINT)
    runner.exit_code()
    removed = runner.configure("remove", ACTIONS_RUNNER_INPUT_TOKEN=token(portless, "remove"))
    assert "√ Runner removed successfully" in removed.stdout.splitlines()
    assert not list(runner.root.glob(".[rc]*"))
    portless.wait_runner_gone("seven")


@ROOT_ONLY
def test_the_files_that_config_sh_writes_have_a_mark_and_keys_of_their_own_case(
    portless: Sandbox, runner: StandIn
) -> None:
    assert configure(portless, runner, "--disableupdate").returncode == 0
    texts = {name: (runner.root / name).read_bytes() for name in (".runner", ".credentials", ".credentials_rsaparams")}
    assert all(text.startswith(b"\xef\xbb\xbf") for text in texts.values())
    settings = json.loads(texts[".runner"].decode("utf-8-sig"))
    assert {"agentId", "agentName", "poolId", "poolName", "disableUpdate", "serverUrl", "gitHubUrl", "workFolder",
            "useV2Flow", "useRunnerAdminFlow", "serverUrlV2"} == set(settings)  # fmt: skip
    assert settings["serverUrl"] == settings["serverUrlV2"]
    assert (runner.root / ".credentials_rsaparams").stat().st_mode & 0o777 == 0o600


@ROOT_ONLY
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "taken"], "A runner exists with the same name taken."),
        (["--runnergroup", "Nobody"], 'Could not find any self-hosted runner group named "Nobody".'),
        (["--no-default-labels"], "Disabling default labels via --no-default-labels without specifying --labels is n"),
    ],
)
def test_config_sh_refuses(portless: Sandbox, runner: StandIn, words: list[str], said: str) -> None:
    portless.add_runner(REPO, "taken")
    url = ("--unattended", "--url", f"{portless.server_url}/{REPO}")
    done = runner.configure(*url, *words, ACTIONS_RUNNER_INPUT_TOKEN=token(portless))
    assert done.returncode == 1
    assert done.stderr.strip().startswith(said)
    assert not (runner.root / ".runner").exists()


@ROOT_ONLY
def test_config_sh_replaces_where_it_is_told_to_and_refuses_a_directory_that_is_configured(
    portless: Sandbox, runner: StandIn
) -> None:
    portless.add_runner(REPO, "seven")
    replaced = configure(portless, runner, "--replace")
    assert "√ Successfully replaced the runner" in replaced.stdout.splitlines(), replaced.stderr
    again = configure(portless, runner)
    assert again.returncode == 1
    assert again.stderr.startswith("Cannot configure the runner because it is already configured.")


@ROOT_ONLY
def test_a_wrong_token_is_told_with_the_status_of_its_answer(portless: Sandbox, runner: StandIn) -> None:
    done = runner.configure("--unattended", "--url", f"{portless.server_url}/{REPO}", "--name", "x",
                            ACTIONS_RUNNER_INPUT_TOKEN="wrong", STANDIN_PACE="0.001")  # fmt: skip
    assert done.returncode == 1
    assert "Http response code: NotFound from 'POST http://127." in done.stderr


@pytest.mark.parametrize("missing", ["url", "token"])
def test_config_sh_asks_nobody_for_what_is_missing(github: Sandbox, runner: StandIn, missing: str) -> None:
    given = {"url": f"{github.server_url}/{REPO}", "token": "T"}
    words = [word for name, value in given.items() if name != missing for word in (f"--{name}", value)]
    done = runner.configure("--unattended", *words)
    said = f"Invalid configuration provided for {missing}. Terminating unattended configuration."
    assert (done.returncode, done.stderr.strip()) == (1, said)


def test_config_sh_drops_the_port(github: Sandbox, runner: StandIn) -> None:
    """A sandbox with a port is none that config.sh reaches."""
    before = len(github.calls)
    done = runner.configure("--unattended", "--url", f"{github.server_url.replace('127.0.0.1', '127.0.0.9')}/{REPO}",
                            "--name", "x", "--token", "T", STANDIN_PACE="0.001")  # fmt: skip
    assert done.returncode == 1
    assert "(127.0.0.9)" in done.stderr
    assert len(github.calls) == before
