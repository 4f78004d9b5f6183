"""The guide's keyless workflow, from its text: a job asks for a runner with nothing but its own ID token."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import yaml

from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server
from tests.support.places import REPOSITORY

GUIDE = REPOSITORY / "docs" / "security.md"
PUBLIC = "https://runners.example.org"
"""Under which the guide knows the server: also the audience of its tokens."""


def workflow() -> dict[str, Any]:
    """Its jobs, as the guide writes them."""
    blocks = re.findall(r"^```yaml\n(jobs:.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    jobs: dict[str, Any] = yaml.safe_load(blocks[0])["jobs"]
    return jobs


def test_a_workflow_makes_the_runner_of_its_next_job_without_a_key(
    host: Host, sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    host.write_env_file(
        RUNNERCTL_OIDC_ISSUER=sandbox.server_url,
        RUNNERCTL_OIDC_AUDIENCE=PUBLIC,
        RUNNERCTL_OIDC_RULES=json.dumps([{"match": {"repository": "acme/widgets", "ref": "refs/heads/main"}}]),
    )
    server = serve()
    jobs = workflow()
    asking = jobs["runner"]
    assert server.create("first", labels=asking["runs-on"], wait="online").status_code == 201
    steps = [{**step, "run": step["run"].replace(f"{PUBLIC}/api", f"{server.url}/api")} for step in asking["steps"]]
    event = {"repository": {"name": "widgets"}}
    job = sandbox.submit_job(
        "acme/widgets", asking["runs-on"], steps, permissions=asking["permissions"], event=event, event_name="push"
    )
    asked = sandbox.wait_job(job, timeout=30)
    assert asked.conclusion == "success", asked.lines
    made = f"widgets-{asked.run_id}"
    assert server.request("GET", f"/api/v1/runners/{made}").json()["tenant"] == "acme/widgets"
    makefile = {"Makefile": "all:\n\t@echo built\n"}
    built = sandbox.wait_job(sandbox.submit_job("acme/widgets", made, jobs["build"]["steps"], files=makefile), 30)
    assert (built.conclusion, built.runner_name) == ("success", made)
    assert "built" in built.lines


def test_a_job_whose_workflow_asks_for_no_id_token_gets_none(
    host: Host, sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    server = serve()
    assert server.create("first", labels="x", wait="online").status_code == 201
    job = sandbox.submit_job("acme/widgets", "x", workflow()["runner"]["steps"])
    assert sandbox.wait_job(job, timeout=30).conclusion == "failure"
