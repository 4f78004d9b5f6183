"""The steps of the guide's workflow, over real HTTP with real processes; each yields what there is to tell of it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from runnerctl.core import processes

from . import job_log

if TYPE_CHECKING:
    from runnerctl.sandbox import JobView, Sandbox

REPO = "octo-org/octo-repo"
_RUNNER = "runner-1234567890"
_CROWD = ("runner-a", "runner-b", "runner-c")
_PATIENCE_SECONDS = 15.0
_MAKEFILE = "build:\n\t@echo compiling on $$RUNNER_NAME\n\t@sleep 0.3\n\t@echo build finished\n"
_BUILD = [{"uses": "actions/checkout@v4"}, {"name": "Build", "run": "make build"}]


class StepFailed(Exception):
    """A step did not do what it should."""


@dataclass(kw_only=True)
class Workspace:
    """What the steps share."""

    top: Path
    cleanup: ExitStack = field(repr=False)
    token: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    url: str = ""
    sandbox: Sandbox = field(init=False, repr=False)

    @property
    def runners_dir(self) -> Path:
        return self.top / "runners"

    def request(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        with requests.Session() as session:
            session.trust_env = False  # no proxy to this machine, and nothing of ~/.netrc
            return session.request(
                method, f"{self.url}/api/v1/runners{path}", json=body, headers=headers, timeout=_PATIENCE_SECONDS
            )


def _open_github(workspace: Workspace) -> Iterator[str]:
    from runnerctl.sandbox import Sandbox

    workspace.sandbox = workspace.cleanup.enter_context(Sandbox())
    yield f"GitHub's REST API, a job queue and a runner package at {workspace.sandbox.server_url}"


def _open_server(workspace: Workspace) -> Iterator[str]:
    environment = {
        **workspace.sandbox.environment(),
        "RUNNERCTL_STATE_DIR": str(workspace.top / "state"),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(workspace.runners_dir),
        "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": workspace.token,
        "GITHUB_WFA_RUNNER_SERVER__BIND": "127.0.0.1:0",
    }
    env_file = workspace.top / "runnerctl.env"
    env_file.touch(mode=0o600)
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in environment.items()))
    log = workspace.cleanup.enter_context((workspace.top / "serve.log").open("w"))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "runnerctl", "--env-file", str(env_file), "serve"],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        start_new_session=True,  # a Ctrl-C is for the demo, which then ends the server in order
    )
    workspace.cleanup.callback(_close_server, process)
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith("Listening on "):
        raise StepFailed(f"The server did not start: {(workspace.top / 'serve.log').read_text()[-500:]}")
    workspace.url = line.split()[2]
    workspace.cleanup.callback(_remove_all, workspace)
    yield f"runnerctl serve at {workspace.url}"


def _close_server(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _remove_all(workspace: Workspace) -> None:
    """After a failure or a Ctrl-C runners may live still; they would outlive the server."""
    try:
        for runner in workspace.request("GET", "").json()["items"]:
            workspace.request("DELETE", f"/{runner['name']}?force=true")
    except (requests.RequestException, ValueError, KeyError):
        return


def _provision(workspace: Workspace) -> Iterator[str]:
    """The workflow's first job: ask for a runner, wait until it runs."""
    yield from _provisioned(workspace, _RUNNER)


def _provisioned(workspace: Workspace, name: str) -> Iterator[str]:
    began = time.monotonic()
    body = {"repo": REPO, "name": name, "labels": "self-hosted,linux,x64", "ephemeral": True, "daemonize": True}
    answer = workspace.request("POST", "", body)
    if answer.status_code != 201 or answer.json()["status"] != "started":
        raise StepFailed(f"POST /api/v1/runners answered {answer.status_code}: {answer.text}")
    yield f"POST /api/v1/runners → 201 {name} started"
    status = _until(lambda: _running(workspace, name), f"{name} to run")
    milliseconds = 1000 * (time.monotonic() - began)
    yield f"GET …/{name}/status → running, pid {status['pid']} ({milliseconds:.0f} ms after the POST)"


def _build(workspace: Workspace) -> Iterator[str]:
    """The second job, with ``runs-on: <runner name>``."""
    job = _run_build(workspace, _RUNNER)
    yield f"runs-on: {_RUNNER} → {job.conclusion}"
    yield from (f"  {line}" for line in job_log.by_step(job))


def _run_build(workspace: Workspace, name: str) -> JobView:
    job_id = workspace.sandbox.submit_job(REPO, [name], _BUILD, files={"Makefile": _MAKEFILE})
    job = workspace.sandbox.wait_job(job_id, timeout=_PATIENCE_SECONDS)
    if job.conclusion != "success" or job.runner_name != name:
        raise StepFailed(f"The job ended as {job.conclusion} on {job.runner_name}: {' / '.join(job.lines)}")
    if f"compiling on {name}" not in job.lines or "build finished" not in job.lines:
        raise StepFailed(f"The job's output is not what make build prints: {' / '.join(job.lines)}")
    return job


def _clean_up(workspace: Workspace) -> Iterator[str]:
    """The third job: remove the runner, which finished by itself."""
    yield from _cleaned_up(workspace, _RUNNER)


def _cleaned_up(workspace: Workspace, name: str) -> Iterator[str]:
    answer = workspace.request("DELETE", f"/{name}", {"repo": REPO})
    if answer.status_code != 200 or answer.json() != {"status": "removed", "name": name}:
        raise StepFailed(f"DELETE answered {answer.status_code}: {answer.text}")
    yield f"DELETE /api/v1/runners/{name} → 200 removed"


def _crowd(workspace: Workspace) -> Iterator[str]:
    """The three jobs of the workflow for three runners at once."""

    def whole(name: str) -> list[str]:
        made = list(_provisioned(workspace, name))
        built = f"runs-on: {name} → {_run_build(workspace, name).conclusion}"
        return [*made, built, *_cleaned_up(workspace, name)]

    with ThreadPoolExecutor(len(_CROWD)) as pool:
        for lines in pool.map(whole, _CROWD):
            yield from lines


def _check_nothing_is_left(workspace: Workspace) -> Iterator[str]:
    """Nothing may be left: no process, no directory, no registration."""
    lives = [path.name for path in (workspace.top / "state" / "runners").iterdir()]
    _until(lambda: not any(processes.marked(life) for life in lives), "the processes to end")
    _until(lambda: not _roots(workspace), "the directories to go")
    registrations = workspace.sandbox.runners()
    if registrations:
        raise StepFailed(f"Still registered: {', '.join(runner.name for runner in registrations)}")
    yield f"{len(lives)} runners lived; left are 0 processes, 0 directories, 0 registrations"


def _roots(workspace: Workspace) -> list[str]:
    return [path.name for path in workspace.runners_dir.iterdir() if not path.name.startswith(".")]


def _running(workspace: Workspace, name: str) -> Any:
    status = workspace.request("GET", f"/{name}/status").json()
    return status if status["status"] == "running" else None


def _until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise StepFailed(f"Waited {_PATIENCE_SECONDS:.0f} s for {what} in vain")


STEPS: tuple[tuple[str, Callable[[Workspace], Iterator[str]]], ...] = (
    ("A local GitHub opens", _open_github),
    ("The API server starts", _open_server),
    ("Job provision: a runner is made", _provision),
    ("Job build: make build runs on it", _build),
    ("Job cleanup: it is removed", _clean_up),
    ("Three runners at once", _crowd),
    ("Nothing is left", _check_nothing_is_left),
)
