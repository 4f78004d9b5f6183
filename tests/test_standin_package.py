"""The stand-in runner's package: config.sh, run.sh, and the archive they come in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from runnerctl.standin.archive import build_archive

from .scripted_broker import ScriptedBroker
from .standin import STAMP, VERSION, StandIn

pytest_plugins = ("tests.standin_fixtures",)
pytestmark = pytest.mark.timeout(30)


def script_configuration(broker: ScriptedBroker, *, scope: str = "/repos/octo/tool") -> None:
    base = "/api/v3"
    broker.script[f"{base}/actions/runner-registration"] = [(200, {"url": broker.url, "token": "oauth"})]
    group = {"id": 1, "name": "Default", "default": True, "is_hosted": False}
    broker.script[f"{base}{scope}/actions/runner-groups"] = [(200, {"total_count": 1, "runner_groups": [group]})]
    broker.script[f"{base}{scope}/actions/runners"] = [(200, {"total_count": 0, "runners": []})]
    authorization = {"authorization_url": f"{broker.url}/sandbox/token", "client_id": "c",
                     "server_url": f"{broker.url}/sandbox/broker/"}  # fmt: skip
    answer = {"id": 12, "name": "box", "authorization": authorization}
    broker.script[f"{base}/actions/runners/register"] = [(200, answer)]


def configure(runner: StandIn, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(runner.root / "config.sh"), *words],
        env={"PATH": os.environ["PATH"], "RUNNER_STANDIN_RETRY_SECONDS": "0.01", "RUNNER_ALLOW_RUNASROOT": "1",
             **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=runner.root,
    )  # fmt: skip


def test_config_registers_and_writes_the_files(runner: StandIn, broker: ScriptedBroker) -> None:
    script_configuration(broker)
    done = configure(
        runner, "--unattended", "--url", f"{broker.url}/octo/tool", "--name", "box", "--labels", "fast, Linux",
        "--no-default-labels", "--disableupdate", ACTIONS_RUNNER_INPUT_TOKEN="AREG",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert broker.bodies("/api/v3/actions/runner-registration")[0]["authorization"] == "RemoteAuth AREG"
    asked = broker.bodies("/api/v3/actions/runners/register")[0]
    assert asked["labels"] == ["fast", "Linux"]
    assert asked["updates_disabled"] is True
    assert asked["public_key"].startswith("<RSAKeyValue><Modulus>")
    text = (runner.root / ".runner").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    settings = json.loads(text.decode("utf-8-sig"))
    assert (settings["agentId"], settings["agentName"], settings["gitHubUrl"]) == (12, "box", f"{broker.url}/octo/tool")
    assert "ephemeral" not in settings
    assert (runner.root / ".credentials_rsaparams").stat().st_mode & 0o777 == 0o600


def test_what_is_configured_can_be_removed(runner: StandIn, broker: ScriptedBroker) -> None:
    script_configuration(broker)
    assert configure(runner, "--url", f"{broker.url}/octo/tool", "--name", "box", "--token", "A").returncode == 0
    again = configure(runner, "--url", f"{broker.url}/octo/tool", "--name", "box", "--token", "A")
    assert again.returncode == 1
    assert again.stderr.startswith("Cannot configure the runner because it is already configured.")
    removed = configure(runner, "remove", "--token", "A")
    assert removed.returncode == 0, removed.stderr
    assert broker.bodies("/api/v3/repos/octo/tool/actions/runners/12")
    assert not (runner.root / ".runner").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--token", "A"], "Invalid configuration provided for url. Terminating unattended configuration."),
        (["--url", "URL"], "Invalid configuration provided for token. Terminating unattended configuration."),
        (["--url", "URL", "--token", "A", "--name", "taken"], "A runner exists with the same name taken."),
        (
            ["--url", "URL", "--token", "A", "--name", "box", "--runnergroup", "Nobody"],
            'Could not find any self-hosted runner group named "Nobody".',
        ),
    ],
)
def test_config_refuses(runner: StandIn, broker: ScriptedBroker, words: list[str], said: str) -> None:
    script_configuration(broker)
    taken = {"total_count": 1, "runners": [{"id": 3, "name": "taken"}]}
    broker.script["/api/v3/repos/octo/tool/actions/runners"] = [(200, taken)]
    done = configure(runner, "--unattended", *(f"{broker.url}/octo/tool" if word == "URL" else word for word in words))
    assert (done.returncode, done.stderr.strip()) == (1, said)
    assert not (runner.root / ".runner").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_scripts_refuse_root_each_in_its_own_way(runner: StandIn) -> None:
    assert configure(runner, RUNNER_ALLOW_RUNASROOT="").returncode == 1
    path = {"PATH": os.environ["PATH"]}
    done = subprocess.run([str(runner.root / "run.sh")], capture_output=True, text=True, check=False, env=path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Must not run interactively with sudo")


@pytest.mark.parametrize(("asked", "code"), [("1", 7), ("", 0)])
def test_run_sh_hides_every_exit_code_but_too_old(
    runner: StandIn, broker: ScriptedBroker, asked: str, code: int
) -> None:
    broker.script["message"] = [(400, {"errorKind": "RunnerVersionTooOld", "statusCode": 400})]
    done = subprocess.run(
        [str(runner.root / "run.sh")], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "RUNNER_ALLOW_RUNASROOT": "1",
             "ACTIONS_RUNNER_INPUT_JITCONFIG": broker.jitconfig(),
             "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": asked},
    )  # fmt: skip
    assert done.returncode == code, done.stderr


def test_an_interpreter_in_a_directory_with_blanks_is_found_and_named(
    tmp_path: Path, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "my programs" / "python"
    interpreter.parent.mkdir()
    interpreter.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with tarfile.open(build_archive(tmp_path / "a.tar.gz", version=VERSION)) as archive:
        archive.extractall(tmp_path / "runner", filter="data")
    runner = StandIn(tmp_path / "runner").start("run", "--jitconfig", broker.jitconfig())
    try:
        runner.line(STAMP + "Listening for Jobs")
        assert Path(f"/proc/{runner.process.pid}/comm").read_text() == "Runner.Listener\n"
    finally:
        runner.close()


def test_a_package_is_padded_to_the_size_asked_for(tmp_path: Path) -> None:
    with tarfile.open(build_archive(tmp_path / "a.tar.gz", version="2.336.0", files=300, size=5_000_000)) as archive:
        members = [member for member in archive if member.isfile()]
    assert (len(members), sum(member.size for member in members)) == (300, 5_000_000)
    assert all(member.name.startswith("./") for member in members)


def test_the_same_version_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build_archive(tmp_path / name, version="2.336.0").read_bytes() for name in ("a", "b"))
    assert first == second
