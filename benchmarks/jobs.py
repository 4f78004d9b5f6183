"""How many jobs the sandbox can hand out, follow and end: ephemeral stand-in runners at the real one's pace."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from runnerctl.core.packages.unpack import unpack

from .figure import Figure

_AT_ONCE = 14
_JOBS = 120
_REPO = "octo-org/octo-repo"


def measure(top: Path) -> Iterator[Figure]:
    with _github(top) as github:
        package = top / "package"
        package.mkdir()
        unpack(top / "runner.tar.gz", package)
        began = time.perf_counter()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda number: _one(github, package, top / f"r{number}", number), range(_JOBS)))
        minutes = (time.perf_counter() - began) / 60
        _check(github)
    yield Figure(name="sandbox, jobs a minute", value=_JOBS / minutes, unit="jobs", bound=200, at_least=True)


@contextmanager
def _github(top: Path) -> Iterator[dict[str, Any]]:
    """A process of its own, as whoever rehearses has it."""
    shape = {"archive": str(top / "runner.tar.gz"), "files": 0, "size": 0, "latency": 0.0}
    argv = [sys.executable, "-m", "benchmarks.github", json.dumps(shape)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            told: dict[str, Any] = json.loads(process.stdout.readline() if process.stdout else "{}")
            yield told
        finally:
            process.terminate()


def _one(github: dict[str, Any], package: Path, root: Path, number: int) -> None:
    """A runner of its own for one job, from its registration to its end."""
    subprocess.run(["cp", "-a", str(package), str(root)], check=True)
    name = f"runner-{number}"
    body = {"name": name, "runner_group_id": 1, "labels": [name]}
    made = _call(github, "POST", f"/repos/{_REPO}/actions/runners/generate-jitconfig", body)
    for file, content in json.loads(base64.b64decode(made["encoded_jit_config"])).items():
        (root / file).write_bytes(base64.b64decode(content))
    order = {"repo": _REPO, "runs_on": name, "steps": [{"run": "echo hello"}]}
    headers = {"Authorization": f"Bearer {github['pat']}"}
    requests.post(f"{github['control_url']}/jobs", json=order, headers=headers, timeout=30).raise_for_status()
    environment = {"PATH": os.environ["PATH"], "RUNNER_ALLOW_RUNASROOT": "1"}
    listener = [str(root / "bin/Runner.Listener"), "run"]
    subprocess.run(listener, cwd=root, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=120)


def _call(github: dict[str, Any], method: str, path: str, body: Any) -> Any:
    url, headers = github["variables"]["GITHUB_API_URL"] + path, {"Authorization": f"Bearer {github['pat']}"}
    answer = requests.request(method, url, json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def _check(github: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {github['pat']}"}
    jobs = requests.get(f"{github['control_url']}/jobs", headers=headers, timeout=30).json()
    bad = [job["id"] for job in jobs if job["conclusion"] != "success" or "hello" not in job["lines"]]
    if bad or len(jobs) != _JOBS:
        raise RuntimeError(f"{len(jobs)} jobs, of which these failed: {bad}")
