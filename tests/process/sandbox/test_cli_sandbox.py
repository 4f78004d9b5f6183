"""``runnerctl sandbox``: what it offers, where it listens, and what it refuses."""

from __future__ import annotations

import io
import shlex
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import requests

from runnerctl.rehearsal import job_log
from runnerctl.sandbox import Sandbox
from runnerctl.sandbox.values import StepView
from tests.support.front_ends.cli_running import cli

Start = Callable[..., tuple[subprocess.Popen[str], dict[str, str]]]


@pytest.fixture
def start() -> Iterator[Start]:
    """The command as a process, and the variables that it prints."""
    started: list[subprocess.Popen[str]] = []

    def begin(*args: str, **environment: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
        argv = [sys.executable, "-P", "-m", "runnerctl", "sandbox", *args]
        process = subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", **environment},
        )
        started.append(process)
        variables: dict[str, str] = {}
        while "SANDBOX_AUTHORIZATION" not in variables:
            line = process.stdout.readline() if process.stdout else ""
            assert line, process.communicate()
            name, _, value = shlex.split(line)[1].partition("=")
            variables[name] = value
        return process, variables

    yield begin
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


def package(path: Path, *, listener: bool = True, text: str = "{}") -> Path:
    """A runner package with a file in it that may tell its version."""
    files = {"bin/Runner.Listener.deps.json": text, **({"bin/Runner.Listener": "#!"} if listener else {})}
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return path


def offered(variables: dict[str, str]) -> requests.Response:
    url = f"{variables['GITHUB_API_URL']}/repos/actions/runner/releases/latest"
    return requests.get(url, timeout=10)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("actions-runner-linux-x64-2.400.1.tar.gz", "{}"),
        ("renamed.tar.gz", '{"libraries": {"Runner.Listener/2.400.1": {}}}'),
    ],
)
def test_a_package_of_ones_own_is_offered_under_its_version(start, tmp_path, name, content):
    archive = package(tmp_path / name, text=content)
    _, variables = start("--package", str(archive))
    release = offered(variables).json()
    assert release["tag_name"] == "v2.400.1"
    assert requests.get(release["assets"][0]["browser_download_url"], timeout=10).content == archive.read_bytes()


def test_a_version_is_downloaded_and_verified_without_an_account(start, tmp_path):
    archive = package(tmp_path / "actions-runner-linux-x64-2.400.1.tar.gz")
    with Sandbox(archive=archive, version="2.400.1") as github:
        _, variables = start("--package", "2.400.1", GITHUB_API_URL=github.api_url)
        assert offered(variables).json()["tag_name"] == "v2.400.1"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--package", "/no/such.tar.gz"), "There is no file"),
        (("--package", "nofile"), "'nofile' is neither a file nor a version"),
        (("--runs-on", " ,"), "is not a label"),
        (("--host", "0.0.0.0"), "not a loopback address"),
        (("--host", "localhost"), "not a loopback address"),
        (("--action", "octo/hello"), "not OWNER/NAME=DIR"),
        (("--action", "octo/hello=/proc"), "holds no action"),
    ],
)
def test_what_cannot_be_served_is_said(args, said):
    ran = cli("-o", "json", "sandbox", *args)
    assert ran.status == 2
    assert said in ran.stdout + ran.stderr


def cut_short(archive: Path) -> Path:
    package(archive)
    archive.write_bytes(archive.read_bytes()[:-40])
    return archive


@pytest.mark.parametrize("name", ["runner.tar.gz", "actions-runner-linux-x64-2.400.1.tar.gz"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"x"), "is not a whole tar.gz"),
        (cut_short, "is not a whole tar.gz"),
        (lambda path: package(path, listener=False), "is no runner package: it has no bin/Runner.Listener"),
    ],
    ids=["one byte", "cut short", "something else"],
)
def test_a_file_that_is_no_package_is_said(tmp_path, name, make, said):
    make(tmp_path / name)
    ran = cli("-o", "json", "sandbox", "--package", str(tmp_path / name))
    assert (ran.status, ran.error["code"]) == (2, "invalid_request")
    assert said in ran.error["message"]
    assert "\n" not in ran.error["message"]


def test_a_taken_port_80_points_to_another_address(as_root, start):
    start("--host", "127.44.0.4", "--port", "80")
    ran = cli("-o", "json", "sandbox", "--host", "127.44.0.4", "--port", "80")
    assert ran.error["message"] == "Port 80 of 127.44.0.4 cannot be used: Address already in use"
    assert "--host" in ran.error["hint"]


def test_what_it_offers_is_said(start, tmp_path):
    archive = package(tmp_path / "actions-runner-linux-x64-2.400.1.tar.gz")
    for argv, said in ((("--package", str(archive)), f"2.400.1 from {archive}"), ((), "a stand-in for actions/runner")):
        process, _ = start(*argv)
        process.send_signal(signal.SIGTERM)
        assert f"It offers {'runner package ' if argv else ''}{said}\n" in process.communicate(timeout=10)[1]


def test_what_it_says_of_persistent_runners_goes_with_its_port(as_root, start):
    process, variables = start("--host", "127.44.0.3", "--port", "80")
    assert variables["GITHUB_SERVER_URL"] == "http://127.44.0.3"
    process.send_signal(signal.SIGTERM)
    assert "--persistent" in process.communicate(timeout=10)[1]
    process, _ = start()
    process.send_signal(signal.SIGTERM)
    assert "--host 127.0.0.2 --port 80" in process.communicate(timeout=10)[1]


def test_a_log_is_shown_by_step_with_its_groups_folded(tmp_path):
    lines = ("##[group]Run make", "shell: sh", "##[endgroup]", "built", "##[warning]careful")
    assert list(job_log.folded(lines)) == ["▸ Run make", "built", "##[warning]careful"]
    step = StepView(
        number=2,
        name="Build",
        status="completed",
        conclusion="failure",
        started_at=None,
        completed_at=None,
        lines=lines[3:],
        summary="# sum",
    )
    archive = package(tmp_path / "runner.tar.gz")
    with Sandbox(archive=archive) as sandbox:
        job = sandbox.job(sandbox.submit_job("o/r", "x", [{"run": "true"}]))
    shown = list(job_log.by_step(msgspec.structs.replace(job, steps=(step,))))
    assert shown == [" 2 ✗ Build", "       built", "       ##[warning]careful", "       | # sum"]
