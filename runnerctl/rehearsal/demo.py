"""The guide's workflow, played on a local GitHub over real HTTP with real processes.

``play()`` yields what happens as it happens; it prints nothing.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from runnerctl.core.host import processes

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
    """A step of the rehearsal did not do what it should."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A step begins."""

    title: str


@dataclass(frozen=True, kw_only=True)
class Said:
    """Something to show of the step under way."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The step under way has ended; ``problem`` says how it failed."""

    seconds: float
    problem: str | None = None


Scene = Begun | Said | Ended


def play() -> Iterator[Scene]:
    """The whole rehearsal. It ends at the first step that fails; whatever was started is gone when it ends."""
    with ExitStack() as cleanup:
        top = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="runnerctl-demo-")))
        stage = Stage(top=top, cleanup=cleanup)
        for title, step in STEPS:
            yield Begun(title=title)
            began = time.monotonic()
            try:
                for text in step(stage):
                    yield Said(text=text)
            except (StepFailed, requests.RequestException, OSError) as exc:
                yield Ended(seconds=time.monotonic() - began, problem=str(exc))
                return
            yield Ended(seconds=time.monotonic() - began)


@dataclass(kw_only=True)
class Stage:
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
        return requests.request(
            method, f"{self.url}/api/v1/runners{path}", json=body, headers=headers, timeout=_PATIENCE_SECONDS
        )


def _open_github(stage: Stage) -> Iterator[str]:
    from runnerctl.sandbox import Sandbox

    stage.sandbox = stage.cleanup.enter_context(Sandbox())
    yield f"GitHub's REST API, a job queue and a runner package at {stage.sandbox.server_url}"


def _open_server(stage: Stage) -> Iterator[str]:
    environment = {
        **stage.sandbox.environment(),
        "RUNNERCTL_STATE_DIR": str(stage.top / "state"),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(stage.runners_dir),
        "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": stage.token,
        "GITHUB_WFA_RUNNER_SERVER__BIND": "127.0.0.1:0",
    }
    env_file = stage.top / "runnerctl.env"
    env_file.touch(mode=0o600)
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in environment.items()))
    log = stage.cleanup.enter_context((stage.top / "serve.log").open("w"))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "runnerctl", "--env-file", str(env_file), "serve"],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        start_new_session=True,  # a Ctrl-C is for the demo, which then ends the server in order
    )
    stage.cleanup.callback(_close_server, process)
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith("Listening on "):
        raise StepFailed(f"The server did not start: {(stage.top / 'serve.log').read_text()[-500:]}")
    stage.url = line.split()[2]
    stage.cleanup.callback(_remove_all, stage)
    yield f"runnerctl serve at {stage.url}"


def _close_server(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _remove_all(stage: Stage) -> None:
    """After a failure or a Ctrl-C runners may live still; they would outlive the server."""
    try:
        for runner in stage.request("GET", "").json()["items"]:
            stage.request("DELETE", f"/{runner['name']}?force=true")
    except (requests.RequestException, ValueError, KeyError):
        return


def _provision(stage: Stage) -> Iterator[str]:
    """The workflow's first job: ask for a runner, wait until it runs."""
    yield from _provisioned(stage, _RUNNER)


def _provisioned(stage: Stage, name: str) -> Iterator[str]:
    began = time.monotonic()
    body = {"repo": REPO, "name": name, "labels": "self-hosted,linux,x64", "ephemeral": True, "daemonize": True}
    answer = stage.request("POST", "", body)
    if answer.status_code != 201 or answer.json()["status"] != "started":
        raise StepFailed(f"POST /api/v1/runners answered {answer.status_code}: {answer.text}")
    yield f"POST /api/v1/runners → 201 {name} started"
    status = _until(lambda: _status(stage, name)["status"] == "running" and _status(stage, name), f"{name} to run")
    milliseconds = 1000 * (time.monotonic() - began)
    yield f"GET …/{name}/status → running, pid {status['pid']} ({milliseconds:.0f} ms after the POST)"


def _build(stage: Stage) -> Iterator[str]:
    """The second job, with ``runs-on: <runner name>``."""
    job = _run_build(stage, _RUNNER)
    yield f"runs-on: {_RUNNER} → {job.conclusion}"
    yield from (f"  {line}" for line in job_log.by_step(job))


def _run_build(stage: Stage, name: str) -> JobView:
    job_id = stage.sandbox.submit_job(REPO, [name], _BUILD, files={"Makefile": _MAKEFILE})
    job = stage.sandbox.wait_job(job_id, timeout=_PATIENCE_SECONDS)
    if job.conclusion != "success" or job.runner_name != name:
        raise StepFailed(f"The job ended as {job.conclusion} on {job.runner_name}: {' / '.join(job.lines)}")
    if f"compiling on {name}" not in job.lines or "build finished" not in job.lines:
        raise StepFailed(f"The job's output is not what make build prints: {' / '.join(job.lines)}")
    return job


def _clean_up(stage: Stage) -> Iterator[str]:
    """The third job: remove the runner, which finished by itself."""
    yield from _cleaned_up(stage, _RUNNER)


def _cleaned_up(stage: Stage, name: str) -> Iterator[str]:
    answer = stage.request("DELETE", f"/{name}", {"repo": REPO})
    if answer.status_code != 200 or answer.json() != {"status": "removed", "name": name}:
        raise StepFailed(f"DELETE answered {answer.status_code}: {answer.text}")
    yield f"DELETE /api/v1/runners/{name} → 200 removed"


def _crowd(stage: Stage) -> Iterator[str]:
    """The three jobs of the workflow for three runners at once."""

    def whole(name: str) -> list[str]:
        made = list(_provisioned(stage, name))
        built = f"runs-on: {name} → {_run_build(stage, name).conclusion}"
        return [*made, built, *_cleaned_up(stage, name)]

    with ThreadPoolExecutor(len(_CROWD)) as pool:
        for lines in pool.map(whole, _CROWD):
            yield from lines


def _look_round(stage: Stage) -> Iterator[str]:
    """Nothing may be left: no process, no directory, no registration."""
    lives = [path.name for path in (stage.top / "state" / "runners").iterdir()]
    _until(lambda: not any(processes.marked(life) for life in lives), "the processes to end")
    _until(lambda: not _roots(stage), "the directories to go")
    registrations = stage.sandbox.runners()
    if registrations:
        raise StepFailed(f"Still registered: {', '.join(runner.name for runner in registrations)}")
    yield f"{len(lives)} runners lived; left are 0 processes, 0 directories, 0 registrations"


def _roots(stage: Stage) -> list[str]:
    return [path.name for path in stage.runners_dir.iterdir() if not path.name.startswith(".")]


def _status(stage: Stage, name: str) -> Any:
    return stage.request("GET", f"/{name}/status").json()


def _until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise StepFailed(f"Waited {_PATIENCE_SECONDS:.0f} s for {what} in vain")


STEPS: tuple[tuple[str, Callable[[Stage], Iterator[str]]], ...] = (
    ("A local GitHub opens", _open_github),
    ("The API server starts", _open_server),
    ("Job provision: a runner is made", _provision),
    ("Job build: make build runs on it", _build),
    ("Job cleanup: it is removed", _clean_up),
    ("Three runners at once", _crowd),
    ("Nothing is left", _look_round),
)
