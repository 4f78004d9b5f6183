"""The user's guide, played as written: every curl command, JSON body and shell step of its workflow.

``tests/data/api-mode.md`` is the guide itself; what is played is taken out of it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, until
from tests.support.places import DATA

GUIDE = (DATA / "api-mode.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
CURLS = [
    "\n".join(line for line in text.splitlines() if not line.startswith("sudo "))
    for kind, text in BLOCKS
    if kind == "bash" and "curl" in text and "127.0.0.1:8080/" in text
]
JSON_BODIES = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
WORKFLOW: dict[str, Any] = next(yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml" and "jobs:" in text)


@pytest.fixture(autouse=True)
def _tools() -> None:
    for tool in ("bash", "curl", "jq", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")


def shell(script: str, server: Server, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As GitHub runs a ``run:`` step, the guide's address and token replaced by the test server's."""
    script = script.replace("http://127.0.0.1:8080", server.url).replace("your-api-token", server.token)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=cwd,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "API_TOKEN": server.token, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def expanded(text: str, values: dict[str, str]) -> str:
    """``${{ expression }}`` as the workflow engine would."""
    return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", lambda found: values[found[1]], text)


def test_the_guide_holds_what_is_played_here() -> None:
    assert len(CURLS) >= 6
    assert len(JSON_BODIES) == 6
    assert set(WORKFLOW["jobs"]) == {"provision", "build", "cleanup"}


def test_every_curl_command_works_in_the_guides_order(server: Server, host: Host, sandbox: Sandbox) -> None:
    answers = []
    for block in CURLS:
        if "/status" in block:
            # The guide asks for the status after the removal; here a runner is wanted that runs.
            shell(next(text for text in CURLS if "-X POST" in text), server, host.top)
        done = shell(block, server, host.top)
        assert done.returncode == 0, done.stderr
        answers += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    said = [(answer["status"], answer.get("name")) for answer in answers]
    assert ("ok", None) in said
    assert ("started", "ci-runner-1") in said
    assert ("removed", "ci-runner-1") in said
    assert ("running", "ci-runner-1") in said


def test_every_answer_in_the_guide_is_what_comes_back(server: Server, host: Host) -> None:
    health, request, started, removal, removed, status = JSON_BODIES
    assert server.request("GET", "/health").json() == health
    answer = server.request("POST", "/api/v1/runners", request)
    assert answer.status_code == 201
    assert started.items() <= answer.json().items()
    seen = server.status(request["name"])
    assert {**status, "pid": seen["pid"]}.items() <= seen.items()
    assert isinstance(seen["pid"], int)
    assert seen["pid"] == int((host.base_dir / request["name"] / "runner.pid").read_text())
    gone = server.request("DELETE", f"/api/v1/runners/{request['name']}", removal)
    assert (gone.status_code, gone.json()) == (200, removed)


def test_the_workflow_runs_from_provision_to_cleanup(server: Server, host: Host, sandbox: Sandbox) -> None:
    values = {
        "github.run_id": "9876543210",
        "github.repository": "myorg/product",
        "secrets.API_TOKEN": server.token,
        "secrets.RUNNERCTL_BASE_URL": server.url,
    }
    output = host.top / "output"
    (create,) = WORKFLOW["jobs"]["provision"]["steps"]
    done = shell(expanded(create["run"], values), server, host.top, GITHUB_OUTPUT=str(output))
    assert done.returncode == 0, done.stderr
    assert "Runner online" in done.stdout

    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    assert WORKFLOW["jobs"]["provision"]["outputs"] == {"runner-name": "${{ steps.create.outputs.runner-name }}"}
    values["needs.provision.outputs.runner-name"] = outputs["runner-name"]

    build = WORKFLOW["jobs"]["build"]
    job_id = sandbox.submit_job(
        "myorg/product",
        [expanded(build["runs-on"], values)],
        build["steps"],
        files={"Makefile": "build:\n\t@echo built by make\n"},
    )
    job = sandbox.wait_job(job_id, timeout=30)
    assert (job.conclusion, job.runner_name) == ("success", "runner-9876543210")
    assert any("built by make" in line for line in job.lines)

    (remove,) = WORKFLOW["jobs"]["cleanup"]["steps"]
    done = shell(expanded(remove["run"], values), server, host.top)
    assert json.loads(done.stdout) == {"status": "removed", "name": "runner-9876543210"}
    until(lambda: not host.processes())
    assert host.roots() == []
    assert sandbox.runners() == []
