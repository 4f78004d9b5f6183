"""Workflows that show their OIDC token: who gets in, what it may do then, and who never does."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from runnerctl.sandbox import Sandbox
from tests.host import Host, Server

AUDIENCE = "https://runners.acme.example"
RULES = [
    {"match": {"repository": "acme/*", "ref": ["refs/heads/main", "refs/tags/v*"]}, "max_runners": 2},
    {"match": {"repository_owner": "ACME", "environment": "production"}, "scopes": ["runners:read"]},
    {
        "match": {"repository": "central/fleet", "job_workflow_ref": "central/*/.github/workflows/fleet.yml@*"},
        "repos": ["acme/*", "globex/site"],
        "labels": ["gpu-*"],
        "name_pattern": "fleet-*",
        "persistent": True,
    },
]


class Hall(NamedTuple):
    """A server that lets workflows in, and their GitHub."""

    server: Server
    sandbox: Sandbox
    host: Host

    def token(self, repository: str = "acme/widgets", **claims: Any) -> str:
        return self.sandbox.oidc_token(repository, **{"audience": AUDIENCE, **claims})

    def ask(self, token: str, method: str = "GET", path: str = "/api/v1/whoami", body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.server.url}{path}", json=body, headers=headers, timeout=60)

    def create(self, token: str, name: str, **fields: Any) -> requests.Response:
        body = {"repo": "acme/widgets", "name": name, "labels": "linux", **fields}
        return self.ask(token, "POST", "/api/v1/runners", body)

    def audited(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.host.state_dir / "audit.log").read_text().splitlines()]


def settings(sandbox: Sandbox, rules: object = RULES) -> dict[str, str]:
    return {
        "RUNNERCTL_OIDC_ISSUER": sandbox.server_url,
        "RUNNERCTL_OIDC_AUDIENCE": AUDIENCE,
        "RUNNERCTL_OIDC_RULES": json.dumps(rules),
    }


@pytest.fixture(scope="module")
def hall(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with Sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("hall")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        host.write_env_file(**settings(sandbox))
        server = Server.start(host, {})
        yield Hall(server, sandbox, host)
        server.stop()
        host.kill_everything()


# --- Who gets in, and what it may do ---


def test_a_workflow_makes_sees_and_removes_runners_of_its_own_repository(hall: Hall) -> None:
    ours, theirs = hall.token(), hall.token("acme/gadgets")
    made = hall.create(ours, "widgets-1")
    assert made.status_code == 201, made.text
    assert made.json()["tenant"] == "acme/widgets"
    other = hall.create(theirs, "gadgets-1", repo="acme/gadgets")
    assert other.status_code == 201, other.text
    listed = hall.ask(ours, path="/api/v1/runners").json()["items"]
    assert [runner["name"] for runner in listed] == ["widgets-1"]
    for method, tail in (("GET", ""), ("DELETE", "?force=true"), ("POST", "/stop"), ("GET", "/logs")):
        foreign = hall.ask(ours, method, f"/api/v1/runners/gadgets-1{tail}")
        assert (foreign.status_code, foreign.json()["code"]) == (404, "runner_not_found")
    assert hall.server.status("gadgets-1")["status"] == "running"
    assert hall.ask(ours, "DELETE", "/api/v1/runners/widgets-1?force=true").json()["status"] == "removed"
    assert hall.ask(theirs, "DELETE", "/api/v1/runners/gadgets-1?force=true").json()["status"] == "removed"
